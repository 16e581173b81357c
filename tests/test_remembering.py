"""Sequences that ran before: taken from memory, unless something could have changed them since."""

import pytest
import torch
from torch.testing import assert_close

from lib import memory
from lib import model as door
from lib.model import Site, edits, remembering, running

ASKED = ("resid", "scale", "activation")


@pytest.fixture
def model(gpt2_folder):
    return door.load(str(gpt2_folder))


@pytest.fixture
def ran(monkeypatch):
    """How many sequences went through the model, batch by batch."""
    counted, run = [], running.run

    def counting(bridge, final_layer, tokens, *rest):
        counted.append(len(tokens))
        return run(bridge, final_layer, tokens, *rest)

    monkeypatch.setattr(running, "run", counting)
    return counted


@pytest.fixture
def tokens(generator):
    return torch.randint(1, 1500, (5, 9), generator=generator)


def test_a_text_runs_once_whatever_is_asked_of_it(model, tokens, ran):
    first = model.run(tokens, *ASKED)
    again, some = model.run(tokens, *ASKED), model.run(tokens[[3, 1]], "activation")
    assert ran == [5]
    for name in ASKED:
        assert torch.equal(first[name], again[name])
    assert torch.equal(some.activation, first.activation[[3, 1]]) and set(some) == {"activation"}
    logits = model.run(tokens, "logits", "resid")
    assert ran == [5, 5] and torch.equal(logits.resid, first.resid)


def test_what_is_forgotten_runs_again(model, tokens, ran):
    first = model.run(tokens, "resid")
    model.forget()
    assert torch.equal(model.run(tokens, "resid").resid, first.resid) and ran == [5, 5]


def test_only_what_is_new_runs_and_all_come_back_in_their_order(model, tokens, ran, gpt2_folder):
    model.run(tokens[:3], "resid")
    whole = model.run(tokens[[4, 0, 3, 0]], *ASKED)
    assert ran == [3, 2]
    fresh = door.load(str(gpt2_folder)).run(tokens[[4, 0, 3, 0]], *ASKED)
    for name in ASKED:
        assert_close(whole[name], fresh[name])


def test_what_is_handed_back_may_be_changed(model, tokens):
    first = model.run(tokens, "resid")
    kept = first.resid.clone()
    first.resid.zero_()
    assert torch.equal(model.run(tokens, "resid").resid, kept)


def test_an_edited_a_hooked_and_a_changed_model_run_anew(model, tokens):
    clean = model.run(tokens, "resid").resid
    edit = edits.replace(Site(0, "neurons"), torch.zeros(48))
    hooked = {"fwd_hooks": [("blocks.1.hook_resid_post", lambda value, hook: value + 1)]}
    assert not torch.equal(model.run(tokens, "resid", edits=[edit]).resid, clean)
    with model.bridge.hooks(**hooked):
        assert not torch.equal(model.run(tokens, "resid").resid, clean)
    with model.bos_ablated(torch.ones(model.n_layers, model.n_heads, dtype=torch.bool)):
        assert not torch.equal(model.run(tokens, "resid").resid, clean)
    assert torch.equal(model.run(tokens, "resid").resid, clean)
    with torch.no_grad():
        model.bridge.original_model.transformer.h[0].mlp.c_proj.weight.mul_(2)
    assert not torch.equal(model.run(tokens, "resid").resid, clean)


def test_weights_that_nobody_counts_the_changes_of_run_whenever_they_are_asked(model, tokens, ran, monkeypatch):
    with torch.inference_mode():
        uncounted = [weight.clone() for weight in model.bridge.original_model.parameters()]
    monkeypatch.setattr(remembering.Remembered, "weights", uncounted)
    first, again = (model.run(tokens, "resid").resid for _ in range(2))
    assert ran == [5, 5] and torch.equal(first, again)


def test_the_longest_unused_are_forgotten_at_the_bound(model, tokens, ran, monkeypatch):
    state = model.run(tokens[:1], "resid", "activation")
    monkeypatch.setattr(memory, "BOUND", 2 * sum(value.nbytes for value in state.values()))
    model.run(tokens[1:2], "resid")
    model.run(tokens[:1], "resid")  # used again
    model.run(tokens[2:3], "resid")  # one too many
    assert ran == [1, 1, 1]
    model.run(tokens[:1], "resid")
    assert ran == [1, 1, 1]
    model.run(tokens[1:2], "resid")
    assert ran == [1, 1, 1, 1]
