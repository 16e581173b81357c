import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lib import neuron_weights, null_space


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
