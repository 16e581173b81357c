import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lib import drawing, neuron_weights, null_space, vocabulary
from lib import model as door


def weights(seed, n=7, d_model=6, d_vocab=11):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(n + d_vocab, d_model, generator=generator, dtype=torch.float64)
    return draw[:n], draw[n:].mT


def test_logit_variance_is_the_variance_of_the_cosines():
    w_out, W_U = weights(0)
    cosine = torch.tensor([[torch.cosine_similarity(w, u, dim=0) for u in W_U.mT] for w in w_out])
    assert_close(neuron_weights.logit_variance(w_out, W_U), cosine.double().var(-1))


@given(seed=st.integers(0, 99), factor=st.floats(0.01, 100))
def test_logit_variance_and_rho_ignore_the_length_of_the_write(seed, factor):
    w_out, W_U = weights(seed)
    basis = null_space.basis(null_space.spectrum(W_U, centres=False), dim=2)
    one, scaled = (neuron_weights.measure(w, W_U, basis) for w in (w_out, factor * w_out))
    assert_close(scaled.logit_variance, one.logit_variance)
    assert_close(scaled.rho, one.rho)
    assert_close(scaled.norm, factor * one.norm)


def test_a_write_that_no_column_reads_has_no_logit_variance():
    w_out, W_U = weights(1)
    W_U[0] = 0
    silent = torch.zeros_like(w_out[:1])
    silent[0, 0] = 3
    assert neuron_weights.logit_variance(silent, W_U).item() < 1e-12 < neuron_weights.logit_variance(w_out, W_U).min()


def test_both_halves_of_the_vocabulary_are_measured_each_with_a_null_space_of_its_own():
    w_out, W_U = weights(2, d_vocab=40)
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    parts = neuron_weights.parts(W_U, generator=draws[0])
    found = neuron_weights.halves(w_out, parts, centres=False, dim=2, tail=0.5, n_halves=5, generator=draws[0])
    order = torch.cat(vocabulary.parts(40, generator=draws[1]))  # as many parts as tokens
    for half, pair in zip(drawing.halves(40, n_halves=5, generator=draws[1]), found, strict=True):
        for kept, one in zip((half, ~half), pair, strict=True):
            some = W_U[:, order[kept]]
            cosine = torch.tensor([[torch.cosine_similarity(w, u, dim=0) for u in some.mT] for w in w_out])
            assert some.shape[1] == 20 and one.norm.equal(w_out.norm(dim=-1))
            assert_close(one.logit_variance, cosine.double().var(-1))
            quiet = torch.linalg.svd(some).U[:, -2:]
            assert_close(one.rho, (w_out @ quiet).norm(dim=-1) / w_out.norm(dim=-1))


@pytest.mark.long
def test_halves_scatter_as_the_whole_does_about_the_truth(generator):
    """The spread over halves of one vocabulary is that over vocabularies of the whole's size."""
    w_out, _ = weights(2)
    many = [torch.randn(6, 200, generator=generator, dtype=torch.float64) for _ in range(200)]
    spread = torch.stack([neuron_weights.logit_variance(w_out, W_U) for W_U in many]).std(0)
    halving = {"centres": False, "dim": 2, "tail": 0.5, "n_halves": 50, "generator": generator}
    dealt = [neuron_weights.parts(W_U, generator=generator) for W_U in many[:20]]
    halves = [neuron_weights.halves(w_out, parts, **halving) for parts in dealt]
    found = torch.stack([torch.stack([one.logit_variance for one, _ in some]).std(0) for some in halves]).mean(0)
    assert_close(found, spread, rtol=0.2, atol=0)


def test_the_space_is_found_by_the_rule_unless_a_dim_is_given():
    _, W_U = weights(3, d_vocab=50)
    W_U[-2:] /= 100
    spectrum = null_space.spectrum(W_U, centres=False)
    assert null_space.effective(spectrum, dim=0, tail=0.6).shape == (6, 2)
    assert null_space.effective(spectrum, dim=3, tail=0.6).shape == (6, 3)
    with pytest.raises(ValueError, match="dim must lie in 1 … 5, got 6"):
        null_space.effective(spectrum, dim=6, tail=0.6)


@pytest.mark.long
def test_output_weights_of_every_layer_are_centred_and_the_last_are_the_models_own(tiny_folder):
    model = door.load(str(tiny_folder))
    assert torch.equal(model.output_weights(-1), model.W_out) and torch.equal(model.output_weights(2), model.W_out)
    first = model.output_weights(0)
    assert first.shape == model.W_out.shape and not torch.equal(first, model.W_out)
    assert not model.final_layer.centres or first.mean(-1).abs().max() < 1e-6
    with pytest.raises(ValueError, match=r"has layers 0 … 2 .-1 is the last., got 3"):
        model.output_weights(3)


def test_untrained_tokens_have_no_direction_and_dead_neurons_no_share(generator):
    W_U, w_out = torch.randn(6, 40, generator=generator), torch.randn(5, 6, generator=generator)
    padded, dead = torch.cat([W_U, torch.zeros(6, 3)], dim=1), torch.cat([w_out, torch.zeros(1, 6)])
    expected = neuron_weights.logit_variance(w_out, W_U)
    assert_close(neuron_weights.logit_variance(w_out, padded), expected)
    found = neuron_weights.measure(dead, W_U, torch.eye(6)[:, :2])
    assert found.rho[-1] == found.logit_variance[-1] == found.norm[-1] == 0 and found.rho[:-1].min() > 0
