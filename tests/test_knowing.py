"""What a model knows of its own statements is measured as a planted answer would have it."""

import pytest
import torch

from lib import directions, facts
from lib.model.running import Run
from lib.pocket import knowing
from lib.pocket.statements import is_held_out

pytestmark = pytest.mark.long


def planted(generator, *, shared):
    """Statements of five relations whose truth is written along one direction, or along one for each relation."""
    relation = torch.arange(5).repeat_interleave(40)
    right = torch.arange(200) % 2 == 0
    direction = torch.eye(5, 12) if not shared else torch.eye(1, 12).expand(5, 12)
    resid = (
        torch.randn(200, 12, generator=generator) * 0.1 + torch.where(right, 1.0, -1.0)[:, None] * direction[relation]
    )
    return resid, right, relation


def test_a_shared_direction_is_found_on_relations_left_out(generator):
    assert directions.left_out(*planted(generator, shared=True)).all()


def test_directions_that_each_relation_has_for_itself_do_not_carry_over(generator):
    assert 0.35 < directions.left_out(*planted(generator, shared=False)).double().mean() < 0.65


def test_ends_are_the_residual_stream_at_the_last_token_of_each_text(pocket):
    texts = ["France has the capital Paris.", "Lyon is a city in France."]
    found = knowing.ends(pocket, texts)
    assert found.shape == (2, pocket.n_layers, 128)
    for text, after in zip(texts, found, strict=True):
        tokens = torch.tensor([[pocket.tokenizer.bos, *pocket.tokenizer.encode(text)]])
        torch.testing.assert_close(after[-1], pocket.run(tokens, "resid").resid[0, -1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("entropy", "error", "apart"), [(0.5, 0.4, True), (0.9, 0.4, False), (0.5, 0.11, False)])
def test_surer_wants_less_entropy_and_another_calibration_error(entropy, error, apart):
    def found(entropy, error):
        entries = {"entropy": entropy, "calibration_error": error}
        return {f"{name}_{end}": x + d for name, x in entries.items() for end, d in (("low", -0.1), ("high", 0.1))}

    assert knowing.surer(found(1.0, 0.1), found(entropy, error)) is apart


def test_one_verdict_for_all_is_right_half_of_the_time_on_facts_that_are_never_judged(pocket, monkeypatch):
    asked = []

    def always_true(model, tokens, *_, **__):
        asked.extend(model.tokenizer.backend.batch_decode(tokens, skip_special_tokens=True))
        logits = torch.zeros(*tokens.shape, model.final_layer.d_vocab)
        logits[..., model.tokenizer.encode(" TRUE")[0]] = 1
        return Run(logits=logits)

    monkeypatch.setattr(type(pocket), "run", always_true)
    found = knowing.judged(pocket)
    assert found["share"] == 0.5 and found["n"] == len(asked) == len(set(asked)) > 200  # none is asked twice
    assert set(found["by_relation"]) == set(facts.RELATIONS)
    capitals = [fact.subject for fact in facts.relation("capital").facts if not is_held_out("capital", fact.subject)]
    assert not any(f" {name} " in f" {some}" and "capital" in some for name in capitals for some in asked)
