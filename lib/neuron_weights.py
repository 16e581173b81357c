"""What a neuron's output weight alone says about it: its length and how the unembedding reads it.

Output weights are centred as the final norm centres, the unembedding is `FinalLayer.weight_coordinates`."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import drawing, memory, null_space, vocabulary


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
    return _logit_variance(w_out, *_unit_sums(W_U))


def _unit_sums(
    W_U: Float[Tensor, "d_model d_vocab"],
) -> tuple[Float[Tensor, "d_model d_model"], Float[Tensor, " d_model"], Float[Tensor, ""]]:
    """W Wᵀ and the sum of the columns of W at unit length, and how many there are; float64, those of zeros left out."""
    gram, total, count = (W_U.new_zeros(shape, dtype=torch.float64) for shape in ((len(W_U), len(W_U)), len(W_U), ()))
    for some in W_U.split(memory.rows(len(W_U), cells=vocabulary.CELLS), dim=1):
        column = some[:, some.any(0)].double()
        column = column / column.norm(dim=0)
        gram, total, count = gram + column @ column.mT, total + column.sum(1), count + column.shape[1]
    return gram, total, count


def _logit_variance(
    w_out: Float[Tensor, "neuron d_model"],
    gram: Float[Tensor, "d_model d_model"],
    total: Float[Tensor, " d_model"],
    count: Float[Tensor, ""],
) -> Float[Tensor, " neuron"]:
    write = w_out.double()
    unit = write / write.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(write.dtype).tiny)
    covariance = (gram - torch.outer(total, total) / count) / (count - 1)
    return ((unit @ covariance) * unit).sum(-1).clamp(min=0).to(w_out.dtype)


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


@dataclass(frozen=True)
class Parts:
    """Sums over random parts of a vocabulary, from which the weight statistics under any half of it follow."""

    gram: Float[Tensor, "block d_model d_model"]
    """Of the columns of the unembedding: W Wᵀ; float64, as the others."""
    direction: Float[Tensor, "block d_model d_model"]
    """The same of the columns at unit length, those of zeros left out."""
    total: Float[Tensor, "block d_model"]
    """Sum of the columns at unit length."""
    count: Float[Tensor, " block"]
    """How many they are."""

    def of(self, some: Bool[Tensor, " block"]) -> "Parts":
        """Some of the parts, as one."""
        return Parts(*(getattr(self, field.name)[some].sum(0, keepdim=True) for field in fields(self)))


def parts(W_U: Float[Tensor, "d_model d_vocab"], *, generator: torch.Generator) -> Parts:
    """The sums over random parts of the vocabulary, on the CPU. Raises ValueError on weights that are not finite."""
    found = []
    for part in vocabulary.parts(W_U.shape[1], generator=generator):
        column = W_U[:, part.to(W_U.device)]
        found.append((vocabulary.gram(column), *_unit_sums(column)))
    return Parts(*(torch.stack(sums).cpu() for sums in zip(*found, strict=True)))


def halves(
    w_out: Float[Tensor, "neuron d_model"],
    parts: Parts,
    *,
    centres: bool,
    dim: int,
    tail: float,
    n_halves: int,
    generator: torch.Generator,
) -> list[tuple[NeuronWeights, NeuronWeights]]:
    """The weight statistics under random halves of the vocabulary, each half beside its other half, so that one can
    choose neurons and the other measure them.

    Every half has a null space of its own, found as `null_space.effective` does with `dim` and `tail`."""

    def half(some: Bool[Tensor, " block"]) -> NeuronWeights:
        sums = parts.of(some)
        spectrum = null_space.of_gram(sums.gram[0], centres=centres)
        basis = null_space.effective(spectrum, dim=dim, tail=tail)
        variance = _logit_variance(w_out, sums.direction[0], sums.total[0], sums.count[0])
        return NeuronWeights(w_out.norm(dim=-1), variance, null_space.rho(w_out, basis.to(w_out.dtype)))

    drawn = drawing.halves(len(parts.count), n_halves=n_halves, generator=generator)
    return [(half(some), half(~some)) for some in drawn]
