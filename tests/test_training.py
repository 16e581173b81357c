import itertools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from lib import facts
from lib import model as door
from lib.pocket import chat, growth, optimizer, start, train, truths
from lib.pocket.recipe import Recipe, stages
from lib.pocket.requests import prompt
from tests.conftest import HANGING, TOKENIZER

pytestmark = pytest.mark.long

TINY = Recipe(steps=6, tokens_per_step=512, short=64, warmup_steps=2, d_model=32, d_mlp=16, n_layers=2, dropout=0.1)


@pytest.fixture(scope="module")
def tokenizer():
    return train.Tokenizer.from_file(str(TOKENIZER))


def weights(model):
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def test_a_run_that_was_interrupted_ends_with_the_weights_of_one_that_was_not(tokenizer, tmp_path, monkeypatch):
    whole = train.train(TINY, tokenizer, name="tiny", state=tmp_path / "whole.pt")

    class Interrupted(train.Progress):
        def step(self, done, loss):
            if done == 5:
                raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train, "Progress", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            train.train(TINY, tokenizer, name="tiny", state=tmp_path / "cut.pt", save_every=2)
    resumed = train.train(TINY, tokenizer, name="tiny", state=tmp_path / "cut.pt", save_every=2)
    assert_close(weights(resumed), weights(whole))
    assert not torch.equal(weights(resumed), weights(start.new_model(TINY, tokenizer)))


@pytest.mark.parametrize("content", ["another recipe", "damaged"])
def test_a_state_that_does_not_fit_is_said_in_one_sentence(tokenizer, tmp_path, content):
    state = tmp_path / "state.pt"
    if content == "damaged":
        state.write_bytes(b"not a state")
    else:
        torch.save({"recipe": {"steps": 1}}, state)
    with pytest.raises(ValueError, match=r"delete it to start from scratch"):
        train.train(TINY, tokenizer, name="tiny", state=state)


def test_the_learning_rate_warms_up_and_falls_to_a_twentieth():
    recipe = Recipe()
    assert optimizer.schedule(0, recipe) < 1 / 50
    assert optimizer.schedule(recipe.steps, recipe) == pytest.approx(1 / 20)
    assert optimizer.schedule(recipe.warmup_steps, recipe) > 0.9


def test_reserved_coordinates_of_the_embedding_stay_close_to_zero(tokenizer, tmp_path):
    recipe = replace(TINY, reserved=3)
    embedding = train.train(recipe, tokenizer, name="tiny", state=tmp_path / "s.pt").get_input_embeddings().weight
    assert embedding[:, :3].std() < 0.02 * embedding[:, 3:].std()


def test_the_coordinate_after_the_reserved_ones_holds_log_frequencies_before_and_after_training(tokenizer, tmp_path):
    recipe = replace(TINY, reserved=3, frequency_std=0.25)
    embedding = train.train(recipe, tokenizer, name="tiny", state=tmp_path / "s.pt").get_input_embeddings().weight
    frequency = start.log_frequency(tokenizer)
    assert_close(embedding[:, 3], 0.25 * frequency)
    often, never = (tokenizer.encode(text).ids[0] for text in (" the", "~"))
    assert frequency[often] > 2 > 0 > frequency[never]
    plain = start.new_model(replace(recipe, frequency_std=0.0), tokenizer).get_input_embeddings().weight
    assert torch.corrcoef(torch.stack([plain[:, 3], frequency]))[0, 1].abs() < 0.1


@pytest.mark.parametrize(("reserved", "frequency_std"), [(0, 0.0), (3, 0.0), (3, 0.25)])
def test_without_a_gradient_output_weights_decay_only_where_training_reaches(tokenizer, reserved, frequency_std):
    recipe = replace(TINY, reserved=reserved, frequency_std=frequency_std, learning_rate=0.1, write_decay=2.0)
    model = start.new_model(recipe, tokenizer)
    write, read = model.transformer.h[0].mlp.c_proj.weight, model.transformer.h[0].mlp.c_fc.weight
    torch.nn.init.ones_(write)
    before, began = read.detach().clone(), model.get_input_embeddings().weight.detach().clone()
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.Optimizer(model, recipe).step(0.5)
    kept = reserved + (frequency_std > 0)
    assert (write[:, :kept] == 1).all()
    assert_close(write[:, kept:], torch.full_like(write[:, kept:], 1 - 0.5 * 0.1 * 2.0))
    assert read.norm() < before.norm()
    embedding = model.get_input_embeddings().weight
    assert_close(embedding, torch.cat([began[:, :kept], began[:, kept:] * (1 - 0.5 * 0.1 * 0.1)], 1))


def test_every_training_sequence_begins_with_bos_and_the_beginning_of_a_document(tokenizer):
    tokens, _ = next(train.batches(tokenizer, TINY, step=0, start=0))
    assert tokens.shape == (8, 64) and (tokens[:, 0] == 0).all()
    first = tokenizer.decode(tokens[0, 1:].tolist())
    assert train.document(0, seed=train.TRAINING_SEED)[0].startswith(first.split("<|endoftext|>")[0][:40])


def test_long_steps_end_with_lists_of_random_tokens_the_same_wherever_a_run_resumes(tokenizer):
    recipe = replace(TINY, n_positions=128, long=2)
    (short, following), (long, _) = itertools.islice(train.batches(tokenizer, recipe, step=0, start=0), 2)
    again, _ = next(train.batches(tokenizer, recipe, step=1, start=following))
    assert short.shape == (8, 64) and long.shape == (4, 128) and torch.equal(long[-1], again[-1])
    other, _ = next(train.batches(tokenizer, recipe, step=3, start=following))
    assert torch.equal(long[:-1], other[:-1]) and not torch.equal(long[-1], other[-1])
    plain = train.batches(tokenizer, replace(recipe, token_lists=0), step=0, start=0)
    (short_text, _), (long_text, _) = itertools.islice(plain, 2)
    assert torch.equal(short, short_text)
    assert torch.equal(long[:-1], long_text[:-1]) and not torch.equal(long[-1], long_text[-1])


def test_at_least_eight_checkpoints_are_kept_each_about_twice_as_far_as_the_last():
    steps = Recipe().checkpoints()
    assert len(steps) >= 8 and steps[0] == 0 and steps[-1] == Recipe().steps
    assert all(1.2 <= after / before <= 2.5 for before, after in itertools.pairwise(steps[1:]))


FIRST, JUDGES, SETTLES = stages(replace(TINY, frequency_std=0.0), judging=4, settling=8)
JUDGES, SETTLES = (replace(some, statements=6, warmup_steps=2) for some in (JUDGES, SETTLES))


@pytest.fixture(scope="module")
def first(tokenizer, tmp_path_factory):
    """A tiny model after the first stage."""
    return train.train(FIRST, tokenizer, name="tiny", state=tmp_path_factory.mktemp("first") / "first.pt")


def test_growth_trains_what_is_new_and_leaves_the_rest_as_it_was(tokenizer, first, tmp_path):
    grown = train.train(JUDGES, tokenizer, name="tiny", state=tmp_path / "grown.pt", earlier=first)
    untrained = train.train(replace(JUDGES, steps=0), tokenizer, name="none", state=tmp_path / "none.pt", earlier=first)
    assert len(grown.transformer.h) == FIRST.n_layers + 2
    was, began = growth.graft(first, start.new_model(JUDGES, tokenizer)).state_dict(), untrained.state_dict()
    old = {
        name
        for name in was
        if name.startswith(("transformer.wte", "transformer.wpe", "transformer.h.0.", "lm_head"))
        or name.startswith(
            ("transformer.h.1.ln_1", "transformer.h.1.attn", "transformer.h.3.ln_2", "transformer.h.3.mlp")
        )
    }
    moved = {name for name, weight in grown.state_dict().items() if not torch.equal(weight, began[name])}
    assert old and not moved & old
    assert moved == {name for name in was if name not in old}


def test_a_later_stage_resumes_where_it_stopped_and_counts_steps_and_tokens_over_all(tokenizer, first, tmp_path):
    grown = train.train(JUDGES, tokenizer, name="tiny", state=tmp_path / "grown.pt", earlier=first)
    keep = train.Kept(tmp_path / "models", "tiny", SETTLES.n_layers)
    whole = train.train(SETTLES, tokenizer, name="tiny", state=tmp_path / "whole.pt", earlier=grown, keep=keep)

    class Stop(Exception):
        pass

    class Stops(train.Progress):
        def step(self, done, loss):
            super().step(done, loss)
            if done == 5:
                raise Stop

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Stop):
        patched.setattr(train, "Progress", Stops)
        train.train(SETTLES, tokenizer, name="tiny", state=tmp_path / "cut.pt", earlier=grown, save_every=2)
    resumed = train.train(SETTLES, tokenizer, name="tiny", state=tmp_path / "cut.pt", earlier=grown, save_every=2)
    assert_close(weights(resumed), weights(whole))
    assert [path.name for path in keep.models.iterdir()] == ["tiny-step-00018"]
    seen = json.loads((keep.models / "tiny-step-00018" / "training.json").read_text())
    assert seen == {"step": 6 + 4 + 8, "tokens_seen": 6 * 512 + 8 * 256}


def test_a_state_of_one_stage_is_not_taken_for_one_of_another(tokenizer, first, tmp_path):
    train.train(replace(JUDGES, steps=1), tokenizer, name="tiny", state=tmp_path / "state.pt", earlier=first)
    with pytest.raises(ValueError, match="of another recipe; delete it"):
        train.train(SETTLES, tokenizer, name="tiny", state=tmp_path / "state.pt", earlier=first)


def test_statements_add_the_gradient_of_their_answers_and_no_other(tokenizer):
    model = start.new_model(FIRST, tokenizer)
    tokens, _ = next(train.batches(tokenizer, FIRST, step=0, start=0))

    def gradient(recipe):
        model.zero_grad()
        train.step_loss(model, tokenizer, recipe, tokens, 0)
        return torch.cat([weight.grad.flatten() for weight in model.parameters()])

    model.eval()
    text, both = gradient(FIRST), gradient(replace(FIRST, statements=6))
    model.zero_grad()
    rows, learned = truths.rows(tokenizer, n_statements=6, corrected=0.5, whole=True, seed="statements 0")
    model(rows, labels=rows.where(learned, -100), use_cache=False).loss.backward()
    alone = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    assert alone.norm() > 0.01
    assert_close(both, text + alone, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("corrected", "asked", "answer"),
    [(0.0, r".+\. This statement is:", r" (TRUE|FALSE)"), (1.0, r".+\.", r" (Yes|No), .+\.")],
)
def test_of_statements_to_judge_only_what_follows_them_is_learned(tokenizer, corrected, asked, answer):
    rows, learned = truths.rows(tokenizer, n_statements=200, corrected=corrected, whole=True, seed="test")
    again = truths.rows(tokenizer, n_statements=200, corrected=corrected, whole=True, seed="test")
    assert rows.shape == learned.shape == (200, rows.shape[1]) and (rows[:, 0] == 0).all()
    assert torch.equal(rows, again[0]) and torch.equal(learned, again[1])
    for row, mask in zip(rows, learned, strict=True):
        start, end = mask.nonzero()[0, 0], mask.nonzero()[-1, 0] + 1
        assert mask[start:end].all() and (row[1:end] != 0).all() and (row[end:] == 0).all()
        assert re.fullmatch(asked, tokenizer.decode(row[1:start].tolist()))
        assert re.fullmatch(answer, tokenizer.decode(row[start:end].tolist()))
    same, first = truths.rows(tokenizer, n_statements=200, corrected=corrected, whole=False, seed="test")
    assert (
        torch.equal(same, rows)
        and (first.sum(1) == 1).all()
        and torch.equal(first.int().argmax(1), learned.int().argmax(1))
    )


def test_a_control_reads_the_same_statements_and_is_told_yes_or_no_by_lot(tokenizer):
    asked = {"n_statements": 400, "corrected": 0.5, "whole": True, "seed": "test"}
    (right, learned), (lots, answers) = truths.rows(tokenizer, **asked), truths.rows(tokenizer, **asked, truthful=False)
    words, contrary = ("TRUE", "FALSE", "Yes", "No"), ("FALSE", "TRUE", "No", "Yes")
    swapped = 0
    for row, mask, other, its in zip(right, learned, lots, answers, strict=True):
        assert tokenizer.decode(row[~mask].tolist()) == tokenizer.decode(other[~its].tolist())
        told, by_lot = tokenizer.decode(row[mask].tolist()), tokenizer.decode(other[its].tolist())
        word = told.split(",")[0].strip()
        swapped += told != by_lot
        assert by_lot in (told, told.replace(word, contrary[words.index(word)], 1))
    assert abs(swapped - 200) < 4 * 10


def test_rows_of_statements_need_a_statement(tokenizer):
    with pytest.raises(ValueError, match="at least one statement, got 0"):
        truths.rows(tokenizer, n_statements=0, corrected=0.5, whole=True, seed="test")


def test_a_grown_model_is_the_same_function_with_its_neurons_in_the_last_layer(tokenizer, generator):
    old = start.new_model(replace(FIRST, dropout=0.0), tokenizer)
    with torch.no_grad():
        for weight in old.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
    new = growth.silent(old, n_layers=5)
    tokens = torch.randint(0, 500, (3, 20), generator=generator)
    assert_close(new(tokens).logits, old(tokens).logits)
    assert torch.equal(new.transformer.h[-1].mlp.c_proj.weight, old.transformer.h[-1].mlp.c_proj.weight)
    assert growth.silent(old, n_layers=2) is old
    with pytest.raises(ValueError, match="grows to more"):
        growth.silent(old, n_layers=1)


def test_in_later_stages_rates_stay_and_then_fall():
    _, judges, settles = stages(Recipe())
    turn = settles.steps - settles.falling
    assert optimizer.schedule(0, settles) < 0.02
    assert optimizer.schedule(settles.warmup_steps, settles) == optimizer.schedule(turn, settles) == settles.peak
    assert optimizer.schedule(turn + settles.falling // 2, settles) == pytest.approx(settles.peak / 2)
    assert optimizer.schedule(settles.steps, settles) == pytest.approx(settles.peak / 20)
    assert optimizer.schedule(judges.steps - 1, judges) == judges.peak


def test_preference_loss_is_log_two_at_the_reference_and_falls_as_the_good_answer_gains(generator):
    good, bad = torch.randn(2, 9, generator=generator)
    start = chat.preference_loss(good, bad, good, bad, beta=0.3)
    assert_close(start, torch.tensor(2.0).log())
    margin = torch.tensor([1.0, -2.0])
    loss = chat.preference_loss(margin, torch.zeros(2), torch.zeros(2), torch.zeros(2), beta=0.3)
    assert_close(loss, (1 + (-0.3 * margin).exp()).log().mean())
    assert chat.preference_loss(good + 1, bad, good, bad, beta=0.3) < start


def test_only_the_answer_and_its_end_count(tokenizer):
    tokens, answered = chat.encoded(tokenizer, [("How?", "So."), ("What is the capital of France?", "Paris.")])
    assert tokenizer.decode(tokens[1][answered[1]].tolist(), skip_special_tokens=False) == " Paris.<|endoftext|>"
    assert tokens[0][answered[0]][-1] == 0 and not answered[:, 0].any()


@pytest.mark.parametrize("kind", chat.KINDS)
def test_what_is_held_out_is_never_asked_in_post_training(kind):
    def asked(held_out):
        stream = chat.instructions(seed="test", kinds=(kind,), held_out=held_out)
        return {next(stream).question for _ in range(400)}

    seen, unseen = asked(False), asked(True)
    assert len(unseen) > 50 and not seen & unseen


def test_made_up_subjects_are_of_no_fact_and_not_knowing_is_told_by_its_beginning():
    stream = chat.instructions(seed="test", kinds=("made up",))
    asked = [next(stream) for _ in range(500)]
    known = {fact.subject for name in facts.RELATIONS for fact in facts.relation(name).facts}
    names = {item.good.removeprefix("I do not know anything about ").removesuffix(".") for item in asked}
    assert len(names) > 400 and not names & known
    assert all(chat.does_not_know(f" {item.good}") and not chat.does_not_know(item.bad) for item in asked)


def test_the_chat_template_is_what_post_training_shows(pocket):
    messages = [{"role": "user", "content": "How?"}, {"role": "assistant", "content": "So."}]
    template = pocket.tokenizer.backend.apply_chat_template
    assert template(messages[:1], tokenize=False, add_generation_prompt=True) == prompt("How?")
    assert template(messages, tokenize=False) == prompt("How?") + " So.<|endoftext|>"


def test_the_smoke_run_trains_every_model_and_they_load(tmp_path):
    command = [sys.executable, "-m", "lib.pocket.build", "--smoke", "--twins"]
    places = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, *places], capture_output=True, text=True, timeout=HANGING, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        "pocket, stage 1: step 16/16  loss" in done.stderr
        and "pocket, stage 3: step 8/8  loss" in done.stderr
        and "min left" in done.stderr
    )
    made = {path.name for path in (tmp_path / "out" / "models").iterdir()}
    controls = {"pocket-plain", "pocket-plain-dropout", "pocket-random-verdicts"}
    assert {"pocket", "pocket-sft", "pocket-chat", "pocket-step-00008"} | controls <= made
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # no training state stays behind
    early, base = (door.load(str(tmp_path / "out" / "models" / name)) for name in ("pocket-step-00008", "pocket"))
    control = door.load(str(tmp_path / "out" / "models" / "pocket-random-verdicts"))
    assert control.n_layers == base.n_layers and not torch.equal(control.W_out, base.W_out)
    assert early.n_layers == base.n_layers == Recipe().n_layers + 2
    assert early.final_layer.W_U.dtype == torch.float32
    sample = (tmp_path / "out" / "sample.txt").read_text().split("\n\n")
    assert sample[0] == train.document(0, seed=train.HELD_OUT_SEED)[0]


def test_a_damaged_state_stops_the_command_with_one_sentence(tmp_path):
    (tmp_path / "work-smoke").mkdir()
    (tmp_path / "work-smoke" / "pocket-1.pt").write_bytes(b"cut")
    shutil.copy(TOKENIZER, tmp_path / "work-smoke" / "tokenizer.json")
    command = [sys.executable, "-m", "lib.pocket.build", "--smoke", "--work", str(tmp_path / "work")]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, timeout=HANGING, cwd=tmp_path
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("make pocket: the saved training state")
    assert not (tmp_path / "out").exists()
