"""What to put in the place of an activation: the replacement values of each kind of ablation.

Every function takes the activations of many neurons over sequences of text, as `Model.run` records them,
and returns values to put in their place: one for each neuron, or one for each position and neuron."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

KINDS = ("mean", "zero", "median", "resample")
"""What one ablation of a whole run can put in the place of an activation; `clip` needs to know more."""


def mean(
    activation: Float[Tensor, "sequence position d_mlp"], *, among: Bool[Tensor, "sequence position"] | None = None
) -> Float[Tensor, " d_mlp"]:
    """Each neuron's mean, over all positions (BOS included) or over those `among` some.

    Raises ValueError when `among` holds no position."""
    if among is not None and not among.any():
        raise ValueError("a mean needs at least one position, but the mask holds none")
    some = activation.flatten(0, 1) if among is None else activation[among]
    return some.mean(0, dtype=torch.float64).to(activation.dtype)


def zero(activation: Float[Tensor, "sequence position d_mlp"]) -> Float[Tensor, " d_mlp"]:
    """Nought for every neuron."""
    return activation.new_zeros(activation.shape[-1])


def median(activation: Float[Tensor, "sequence position d_mlp"]) -> Float[Tensor, " d_mlp"]:
    """Each neuron's median over all positions: like the mean, but deaf to a few extreme tokens."""
    return activation.flatten(0, 1).median(0).values


def resample(
    activation: Float[Tensor, "sequence position d_mlp"], *, generator: torch.Generator
) -> Float[Tensor, "sequence position d_mlp"]:
    """Each neuron's own values in a random order, drawn for each neuron apart: the activations that it does
    have, but at positions where it has others."""
    flat = activation.flatten(0, 1)
    order = torch.rand(flat.shape, generator=generator).argsort(0).to(flat.device)
    return flat.gather(0, order).view_as(activation)


def clip(
    activation: Float[Tensor, "sequence position d_mlp"],
    mean: Float[Tensor, " d_mlp"],
    rises: Bool[Tensor, " d_mlp"],
) -> Float[Tensor, "sequence position d_mlp"]:
    """Clip mean-ablation: no higher than its mean where a neuron rises, no lower where it falls.

    It takes away what a neuron adds in one direction and leaves the rest as it is (Stolfo et al. 2024,
    section 6.1, where `rises` says whether the activation rises on the repeat of an induction sequence)."""
    return torch.where(rises, activation.minimum(mean), activation.maximum(mean))


def by_name(
    kind: str, activation: Float[Tensor, "sequence position d_mlp"], *, generator: torch.Generator
) -> Float[Tensor, " d_mlp"] | Float[Tensor, "sequence position d_mlp"]:
    """The values of one of `KINDS`. Raises ValueError for another name."""
    if kind == "resample":
        return resample(activation, generator=generator)
    if kind not in KINDS:
        raise ValueError(f"an activation is replaced by one of {', '.join(KINDS)}, got {kind!r}")
    return {"mean": mean, "zero": zero, "median": median}[kind](activation)
