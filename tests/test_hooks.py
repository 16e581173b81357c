"""What stands at a place of a model is there while it is meant to be, and the list of places is made once."""

import gc
import weakref

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

from lib import model as door
from lib.checkpoint import ModelError
from lib.model import hooks
from lib.model.sites import Site


@pytest.fixture
def model(gpt2_folder):
    return door.load(str(gpt2_folder))


@pytest.fixture
def tokens(model):
    return torch.arange(5, 15).view(2, 5)


def test_a_model_is_asked_for_its_places_once_however_often_it_runs(model, tokens, monkeypatch):
    places, asked = TransformerBridge.hook_dict, []

    def counted(bridge):
        asked.append(bridge)
        return places.fget(bridge)

    monkeypatch.setattr(TransformerBridge, "hook_dict", property(counted))
    edit = door.add(Site(0, "neurons"), torch.ones(1))
    for _ in range(3):
        model.record(tokens, [Site(0, "resid_mid"), Site(1, "resid_post")])
        model.run(tokens, edits=[edit])
        model.path(tokens, n_tokens=2, edits=[edit])
    assert len(asked) <= 1


def test_every_place_is_there_under_every_name_and_goes_with_its_model(gpt2_folder):
    model = door.load(str(gpt2_folder))
    assert hooks.points(model.bridge) == model.bridge.hook_dict
    bridge = weakref.ref(model.bridge)
    del model
    gc.collect()
    assert bridge() is None


def test_what_is_attached_changes_what_passes_stands_behind_others_and_goes(model, tokens):
    place, seen = "blocks.1.hook_resid_post", []

    def doubled(value, hook):
        return 2 * value

    def saw(value, hook):
        seen.append((hook.name, value))

    clean = model.record(tokens, [Site(1, "resid_post")])[Site(1, "resid_post")]
    with model.bridge.hooks(fwd_hooks=[(place, doubled)]), hooks.attaching(model.bridge, [(place, saw)]):
        assert hooks.standing(model.bridge) == [doubled, saw]
        hooks.forward(model.bridge, tokens, logits=False)
    torch.testing.assert_close(seen[0][1], 2 * clean, rtol=0, atol=0)
    assert hooks.standing(model.bridge) == [] and not hooks.points(model.bridge)[place].fwd_hooks
    hooks.forward(model.bridge, tokens, logits=False)
    assert len(seen) == 1


def test_hooks_go_where_what_they_stood_for_fails_and_where_somebody_else_took_them_away(model, tokens):
    place = ("blocks.0.mlp.hook_post", lambda value, hook: None)
    with pytest.raises(ZeroDivisionError), hooks.attaching(model.bridge, [place, place]):
        assert len(hooks.standing(model.bridge)) == 2
        _ = 1 / 0
    assert hooks.standing(model.bridge) == []
    with hooks.attaching(model.bridge, [place]):
        model.bridge.reset_hooks()
        assert hooks.standing(model.bridge) == []
    with pytest.raises(ModelError, match=r"has no hook blocks\.9\.mlp\.hook_post"):
        hooks.attaching(model.bridge, [place, ("blocks.9.mlp.hook_post", place[1])]).__enter__()
    assert hooks.standing(model.bridge) == []
