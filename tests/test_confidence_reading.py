"""What models are asked to read, and what is read off them."""

import pytest
import torch

from lib import drawing, measures
from lib import model as door
from lib.confidence import questions, reading
from lib.confidence.reading import Reading, Text
from tests.conftest import D_VOCAB

draw = drawing.seeded(0)


@pytest.fixture
def text(generator):
    tokens = torch.randint(1, D_VOCAB, (5, 12), generator=generator)
    return Text(tokens, torch.rand(5, 12, generator=generator).lt(0.5) & (torch.arange(12) < 11))


@pytest.mark.long
def test_a_reading_is_that_of_the_models_logits_whatever_the_batch(tiny, text):
    found, logits = reading.read(tiny, text), tiny.run(text.tokens, "logits").logits[text.scored]
    target = text.tokens.roll(-1, 1)[text.scored]
    torch.testing.assert_close(found.entropy, measures.entropy(logits), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.loss, measures.loss(logits, target), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.confidence, measures.confidence(logits), rtol=1e-4, atol=1e-5)
    assert torch.equal(found.correct, logits.argmax(-1) == target)
    assert torch.equal(found.sequence, text.scored.nonzero()[:, 0])


def test_a_text_without_a_scored_position_is_refused(gpt2_folder, text):
    with pytest.raises(ValueError, match="no position is scored"):
        reading.read(door.load(str(gpt2_folder)), Text(text.tokens, torch.zeros_like(text.scored)))


def made_up(shift=0.0, n_sequences=20, each=30):
    generator = torch.Generator().manual_seed(3)
    sequence = torch.arange(n_sequences).repeat_interleave(each)
    entropy = torch.rand(len(sequence), generator=generator) + shift
    sure = torch.rand(len(sequence), generator=generator)
    correct = torch.rand(len(sequence), generator=generator) < sure
    return Reading(entropy, entropy + 1, sure, correct, torch.zeros_like(sequence), sequence)


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.5])
def test_a_difference_is_paired_and_has_its_sign(shift):
    base, post = made_up(), made_up(shift)
    found = reading.difference(base, post, "entropy", generator=draw("d"))
    assert found.value == pytest.approx(shift, abs=1e-6) and found.high - found.low < 1e-4  # token by token the same
    with pytest.raises(ValueError, match="needs two readings of the same tokens"):
        reading.difference(base, made_up(n_sequences=19), "entropy", generator=draw("d"))


def test_the_table_has_a_row_for_each_text_and_model_with_intervals():
    readings = {"a": {"base": made_up(), "post": made_up(0.3)}, "b": {"base": made_up(), "post": made_up()}}
    measured = reading.measure(readings, n_bins=15, draw=draw)
    table = reading.table(measured)
    assert [*table.columns[:3]] == ["text", "model", "entropy"] and len(table) == 4
    assert {"loss", "calibration_error", "n", "n_sequences"} <= {*table.columns}
    for name in reading.QUANTITIES:
        assert (table[f"{name}_low"] <= table[name]).all() and (table[name] <= table[f"{name}_high"]).all()
    assert table.calibration_error_low.max() == 0  # confidence is earned by construction
    bins = reading.bins(readings["a"], n_bins=5, draw=draw)
    assert bins.model.value_counts().to_dict() == {"base": 5, "post": 5}


def objects(tokenizer, text, asked):
    """What the scored predictions are about, as text, for each question."""
    for row, scored, question in zip(text.tokens, text.scored, asked, strict=True):
        told = "".join(tokenizer.decode(int(token)) for token in row[scored.nonzero()[:, 0] + 1])
        yield told, question.fact.object


@pytest.mark.long
@pytest.mark.parametrize("template", ["plain", "own"])
def test_the_words_that_make_an_answer_true_are_scored_and_no_others(pocket, template):
    tokenizer = door.Tokenizer(door.load("pocket-chat").tokenizer.backend) if template == "own" else pocket.tokenizer
    asked = questions.draw(60, generator=draw("questions"))
    text = questions.ask(tokenizer, asked, template=template)
    for told, expected in objects(tokenizer, text, asked):
        assert told.strip().startswith(expected) and len(told.strip()) <= len(expected) + 1  # a full stop at most
    assert (text.tokens[:, 0] == tokenizer.bos).all() and text.scored.any(1).all()


def test_padding_behind_an_answer_changes_nothing(pocket):
    asked = questions.draw(8, generator=draw("some"))
    together = reading.read(pocket, questions.ask(pocket.tokenizer, asked, template="plain"))
    for row, question in enumerate(asked):
        alone = reading.read(pocket, questions.ask(pocket.tokenizer, [question], template="plain"))
        torch.testing.assert_close(together.loss[together.sequence == row], alone.loss, rtol=1e-3, atol=1e-4)


def test_facts_are_drawn_once_and_a_model_without_a_template_is_asked_plainly(pocket):
    asked = questions.draw(100, generator=draw("questions"))
    assert len({(one.relation.name, one.fact.subject) for one in asked}) == 100
    assert questions.own_template(pocket.tokenizer) in ("own", "plain")
    assert questions.own_template(door.Tokenizer(type("B", (), {"chat_template": None})())) == "plain"
    with pytest.raises(ValueError, match="at least 1 question"):
        questions.draw(0, generator=draw("none"))
    with pytest.raises(ValueError, match="a chat template is one of own, plain"):
        questions.ask(pocket.tokenizer, asked, template="other")


class Backend:
    chat_template, bos_token, is_fast = "x", "", True

    def apply_chat_template(self, said, *, tokenize, add_generation_prompt):
        return f"<user>{said[-1]['content']}<assistant>\n"


def test_no_blank_is_put_behind_a_template_that_ends_in_one():
    question = questions.draw(1, generator=draw("one"))[0]
    told = questions.written(door.Tokenizer(Backend()), question, template="own")
    assert told == f"<user>{question.asked}<assistant>\n{question.answered}"
    assert questions.written(door.Tokenizer(Backend()), question, template="plain").endswith(
        f"Assistant: {question.answered}"
    )
