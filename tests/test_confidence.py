"""Entropy and loss of every token under many ablations."""

import pytest
import torch
from torch.testing import assert_close

from lib import ablation, effects, measures
from lib import model as door
from tests.conftest import D_VOCAB


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


def test_clipped_sets_are_as_confident_as_the_model_with_hooks(tiny_folder, tokens, generator):
    model = door.load(str(tiny_folder))
    activation = model.run(tokens, "activation").activation
    d_mlp = activation.shape[-1]
    rises = torch.rand(d_mlp, generator=generator) < 0.5
    clipped = ablation.clip(activation, ablation.mean(activation), rises)
    sets = torch.stack([torch.arange(d_mlp) == 3, torch.rand(d_mlp, generator=generator) < 0.3])
    scored = torch.zeros_like(tokens, dtype=torch.bool)
    scored[:, 5:10] = True
    found = effects.confidence(model, tokens, sets=sets, scored=scored, replacement=clipped)
    clean = model.run(tokens, "logits").logits
    for row, members in enumerate(sets):
        logits = run_with(model, tokens, members, clipped)
        for name, measure in (("entropy", measures.entropy), ("loss", lambda z: measures.loss(z, tokens.roll(-1, 1)))):
            assert_close(getattr(found, name), measure(clean)[scored], atol=1e-4, rtol=1e-4)
            assert_close(getattr(found, f"ablated_{name}")[row], measure(logits)[scored], atol=1e-4, rtol=1e-4)
    assert (found.ablated_entropy - found.entropy).abs().max() > 1e-4
    grid = found.by_sequence(found.ablated_entropy)
    assert_close(grid[1, 2], found.ablated_entropy[1, found.sequence == 2])


def test_it_agrees_with_the_effects_that_keep_more(pocket, tokens):
    sets, scored = torch.eye(len(pocket.W_out), dtype=torch.bool)[:2], pocket.scored(tokens)
    mean = ablation.mean(pocket.run(tokens, "activation").activation)
    log_unigram = torch.arange(1.0, D_VOCAB + 1).log_softmax(0)
    found = effects.confidence(pocket, tokens, sets=sets, scored=scored, replacement=mean)
    whole = effects.by_token(pocket, tokens, sets=sets, scored=scored, log_unigram=log_unigram)
    assert_close(found.ablated_entropy - found.entropy, whole.entropy_change, atol=1e-5, rtol=1e-4)
    assert_close(found.ablated_loss - found.loss, whole.loss_change, atol=1e-5, rtol=1e-4)


def test_no_sets_leave_the_clean_run(pocket, tokens):
    nobody, scored = torch.zeros(0, len(pocket.W_out), dtype=torch.bool), pocket.scored(tokens)
    found = effects.confidence(pocket, tokens, sets=nobody, scored=scored, replacement=torch.zeros(len(pocket.W_out)))
    assert found.ablated_entropy.shape == (0, int(scored.sum())) and found.entropy.isfinite().all()


def test_sequences_of_unequal_length_have_no_common_grid(pocket, tokens):
    scored = pocket.scored(tokens)
    scored[0, 5] = False
    found = effects.confidence(
        pocket,
        tokens,
        sets=torch.eye(len(pocket.W_out), dtype=torch.bool)[:1],
        scored=scored,
        replacement=torch.zeros(len(pocket.W_out)),
    )
    with pytest.raises(ValueError, match="sequences have between 7 and 8 scored tokens"):
        found.by_sequence(found.entropy)
