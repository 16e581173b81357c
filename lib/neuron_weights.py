"""What a neuron's output weight alone says about it: its length and how the unembedding reads it.

Output weights are centred as the final norm centres, the unembedding is `FinalLayer.weight_coordinates`."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import drawing, null_space


@dataclass(frozen=True)
class NeuronWeights:
    """Weight statistics of many neurons, aligned."""

    norm: Float[Tensor, " neuron"]
    """Length of the output weight."""
    logit_variance: Float[Tensor, " neuron"]
    """Variance over the vocabulary of the cosine between output weight and unembedding column (LogitVar)."""
    rho: Float[Tensor, " neuron"]
    """Fraction of the output weight's norm inside the effective null space, in [0, 1]."""


def logit_variance(
    w_out: Float[Tensor, "neuron d_model"], W_U: Float[Tensor, "d_model d_vocab"]
) -> Float[Tensor, " neuron"]:
    """Unbiased variance over tokens of cos(w_out, W_U[:, token]) (Stolfo et al. 2024, section 3.1).

    As a quadratic form in the covariance of the unit columns: no block of neurons times vocabulary is made. Never
    negative, whatever rounding leaves of a write that no column reads. Columns of zeros, tokens that were never
    trained, have no direction and are left out; a neuron that writes nothing has variance 0."""
    column, write = W_U.double(), w_out.double()
    column = column[:, column.any(0)]
    column = column / column.norm(dim=0)
    unit = write / write.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(write.dtype).tiny)
    return ((unit @ torch.cov(column)) * unit).sum(-1).clamp(min=0).to(w_out.dtype)


def measure(
    w_out: Float[Tensor, "neuron d_model"],
    W_U: Float[Tensor, "d_model d_vocab"],
    basis: Float[Tensor, "d_model dim"],
) -> NeuronWeights:
    """Norm, LogitVar and rho of every neuron; `basis` spans the effective null space."""
    return NeuronWeights(
        norm=w_out.norm(dim=-1),
        logit_variance=logit_variance(w_out, W_U),
        rho=null_space.rho(w_out, basis.to(w_out.dtype)),
    )


def halves(
    w_out: Float[Tensor, "neuron d_model"],
    W_U: Float[Tensor, "d_model d_vocab"],
    *,
    centres: bool,
    dim: int,
    tail: float,
    n_halves: int,
    generator: torch.Generator,
) -> list[tuple[NeuronWeights, NeuronWeights]]:
    """The weight statistics under random halves of the vocabulary, each half beside its other half, so that one can
    choose neurons and the other measure them.

    Every half has a null space of its own, found as `null_space.effective` does with `dim` and `tail`. Halves, since
    columns that are drawn twice would make the smallest singular values smaller."""

    def half(some: Bool[Tensor, " d_vocab"]) -> NeuronWeights:
        columns = W_U[:, some.to(W_U.device)]
        spectrum = null_space.spectrum(columns, centres=centres)
        return measure(w_out, columns, null_space.effective(spectrum, dim=dim, tail=tail))

    drawn = drawing.halves(W_U.shape[1], n_halves=n_halves, generator=generator)
    return [(half(some), half(~some)) for some in drawn]
