"""Where chosen neurons write, beside control sets: direction by direction, and in null spaces of other sizes (chapter
03; for figures and for no claim)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import null_space, selection
from lib.controls import Matched
from lib.neuron_weights import NeuronWeights
from lib.null_space import Spectrum


def share_by_direction(
    w_out: Float[Tensor, "neuron d_model"], spectrum: Spectrum, chosen: Bool[Tensor, " neuron"], sets: Matched
) -> Any:
    """Mean squared cosine of output weights with each singular direction, which is a share of what they write.

    A pandas table with a row for each direction, from the most to the least read (index, chosen, control, control_low,
    control_high): the mean over the chosen neurons, and over control sets with the middle 95 % of these."""
    import pandas

    w = w_out.double()
    squared = (w / w.norm(dim=-1, keepdim=True) @ spectrum.direction).square()
    table = pandas.DataFrame({"index": range(squared.shape[1])})
    return table.join(_beside(squared, chosen, sets))


def rho_by_dim(
    w_out: Float[Tensor, "neuron d_model"], spectrum: Spectrum, dims: Sequence[int]
) -> Float[Tensor, "dim neuron"]:
    """Every neuron's rho in null spaces of several sizes; float64. Raises ValueError as `null_space.basis` does."""
    w = w_out.double()
    return torch.stack([null_space.rho(w, null_space.basis(spectrum, dim=dim)) for dim in dims])


def mean_rho(rho: Float[Tensor, "dim neuron"], chosen: Bool[Tensor, " neuron"], sets: Matched) -> Any:
    """Mean rho of chosen neurons beside control sets, by size of the null space: a pandas table with a row for each
    (chosen, control, control_low, control_high)."""
    return _beside(rho.mT, chosen, sets)


def chosen_still(
    rho: Float[Tensor, "dim neuron"], weights: NeuronWeights, chosen: Bool[Tensor, " neuron"], *, count: int
) -> list[int]:
    """How many of some neurons are among the `count` of largest rho, by size of the null space."""
    others = [replace(weights, rho=one) for one in rho.to(weights.rho.dtype)]
    return [int((selection.rho_top(again, count=count) & chosen).sum()) for again in others]


def _beside(value: Float[Tensor, "neuron row"], chosen: Bool[Tensor, " neuron"], sets: Matched) -> Any:
    import pandas

    control = torch.stack([value[some].mean(0) for some in sets.neuron])
    low, high = control.quantile(torch.tensor([0.025, 0.975]).double(), dim=0)
    columns = {"chosen": value[chosen].mean(0), "control": control.mean(0), "control_low": low, "control_high": high}
    return pandas.DataFrame({name: column.numpy() for name, column in columns.items()})
