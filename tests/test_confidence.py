"""Entropy and loss of every token under many ablations."""

import pytest
import torch
from torch.testing import assert_close

from lib import ablation, effects, measures
from lib import model as door
from lib.effects import measuring
from tests.conftest import D_VOCAB

READ = {"entropy": effects.read_entropy, "loss": effects.read_loss}


@pytest.fixture
def tokens(generator):
    return torch.randint(1, D_VOCAB, (3, 12), generator=generator)


def run_with(model, tokens, members, value):
    """Logits of the model with the activations of some neurons replaced by a hook."""
    last = model.n_layers - 1

    def replace(activation, hook):
        return torch.where(members, value, activation)

    with model.bridge.hooks(fwd_hooks=[(f"blocks.{last}.mlp.hook_post", replace)]):
        return model.run(tokens, "logits").logits


@pytest.mark.long
def test_clipped_sets_are_as_confident_as_the_model_with_hooks(tiny_folder, tokens, generator):
    model = door.load(str(tiny_folder))
    activation = model.run(tokens, "activation").activation
    d_mlp = activation.shape[-1]
    rises = torch.rand(d_mlp, generator=generator) < 0.5
    clipped = ablation.clip(activation, ablation.mean(activation), rises)
    sets = torch.stack([torch.arange(d_mlp) == 3, torch.rand(d_mlp, generator=generator) < 0.3])
    scored = torch.zeros_like(tokens, dtype=torch.bool)
    scored[:, 5:10] = True
    found = effects.by_token(model, tokens, sets=sets, scored=scored, replacement=clipped)
    read = effects.readings(model, tokens, sets=sets, scored=scored, replacement=clipped, read=READ)
    clean = model.run(tokens, "logits").logits
    for name, measure in (("entropy", measures.entropy), ("loss", lambda z: measures.loss(z, tokens.roll(-1, 1)))):
        assert_close(getattr(found, name), measure(clean)[scored], atol=1e-4, rtol=1e-4)
        assert_close(read.clean[name], measure(clean)[scored], atol=1e-4, rtol=1e-4)
        for row, members in enumerate(sets):
            ablated = measure(run_with(model, tokens, members, clipped))[scored]
            assert_close(getattr(found, f"{name}_change")[row], ablated - read.clean[name], atol=2e-4, rtol=1e-4)
            assert_close(read.ablated[name][row], ablated, atol=1e-4, rtol=1e-4)
    assert found.entropy_change.abs().max() > 1e-4


@pytest.mark.long
@pytest.mark.parametrize("worth_compiling", [measuring.WORTH_COMPILING, 1])
def test_sets_of_one_and_of_several_come_back_in_their_order(pocket, tokens, generator, monkeypatch, worth_compiling):
    """Single neurons go another way than larger sets, and in a long run a long list of them another still."""
    monkeypatch.setattr(measuring, "WORTH_COMPILING", worth_compiling)
    d_mlp = len(pocket.W_out)
    single, larger = torch.eye(d_mlp, dtype=torch.bool), torch.rand(3, d_mlp, generator=generator) < 0.1
    mixed = torch.stack([larger[0], single[4], larger[1], single[2], larger[2]])
    scored = pocket.scored(tokens)
    mean = ablation.mean(pocket.run(tokens, "activation").activation)
    for sets in (mixed, single[:40].flip(0)):
        found = effects.by_token(pocket, tokens, sets=sets, scored=scored)
        read = effects.readings(pocket, tokens, sets=sets, scored=scored, replacement=mean, read=READ)
        pooled = effects.measure_sets(pocket, tokens, sets=sets, scored=scored)
        for name in READ:
            change = getattr(found, f"{name}_change")
            assert_close(change, read.ablated[name] - read.clean[name], atol=2e-4, rtol=1e-3)
            assert_close(pooled.mean(f"{name}_change").float(), change.mean(1), atol=1e-5, rtol=1e-4)
        assert pooled.report.gear == ("eager" if worth_compiling > 1 else "cumulant" if sets is not mixed else "fused")
