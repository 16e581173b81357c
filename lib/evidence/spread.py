"""How the effects of single neurons spread over tokens: boxes for a neuron, for a set, for many control sets at once.

What a claim takes off is a mean over many control sets. So a control's box is that of all of them: every neuron counts
as often as the sets hold it."""

from collections.abc import Mapping
from math import nan
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import drawing, resampling
from lib.effects import TokenEffects

QUANTILES = {"low": 0.05, "first": 0.25, "median": 0.5, "third": 0.75, "high": 0.95}
"""Columns of a box and the share of tokens that lies below each."""
LEFT = {"direct": "direct_loss_change", "direct_frequency": "frequency_loss_change"}
"""The loss change that is left once a road is closed, by the name of its mean."""

Groups = Mapping[str, Bool[Tensor, "_ neuron"]]


def members(groups: Groups) -> Bool[Tensor, "member neuron"]:
    """Every neuron that some set of some group holds, as sets of one: what has to be ablated to draw the boxes."""
    held = torch.cat(list(groups.values())).any(0).cpu()
    return torch.eye(len(held), dtype=torch.bool)[held]


def boxes(read: TokenEffects, groups: Groups, *, left: str, generator: torch.Generator) -> Any:
    """Absolute loss changes (nats) of single tokens in each group: a pandas table with a row for each group and effect.

    `read` are the effects of `members(groups)`, `left` names the effect that remains once a road is closed (`direct`,
    `direct_frequency`). Columns: group, effect (total, or left over), those of `QUANTILES`, mean, and mean_low and
    mean_high, its interval over sequences; NaN with fewer than `drawing.FEWEST` of them."""
    import pandas

    held, rows = torch.cat(list(groups.values())).any(0).cpu(), []
    for group, sets in groups.items():
        weight = sets.cpu().sum(0)[held].double()
        for effect, name in (("total", "loss_change"), (left, LEFT[left])):
            change = getattr(read, name)[weight > 0].abs().double().cpu()
            box = quantiles(change.flatten(), weight[weight > 0].repeat_interleave(change.shape[1]))
            mean = weight[weight > 0] / weight.sum() @ change
            rows.append((group, effect, *box, *_interval(mean, read.sequence.cpu(), generator)))
    return pandas.DataFrame(rows, columns=["group", "effect", *QUANTILES, "mean", "mean_low", "mean_high"])


def quantiles(value: Float[Tensor, " thing"], weight: Float[Tensor, " thing"]) -> list[float]:
    """The quantiles of `QUANTILES` of things that count `weight` times each."""
    order = value.argsort()
    below = weight[order].cumsum(0) / weight.sum()
    at = torch.searchsorted(below, torch.tensor(list(QUANTILES.values()), dtype=below.dtype))
    return value[order][at.clamp(max=len(value) - 1)].tolist()


def _interval(
    value: Float[Tensor, " token"], sequence: Int[Tensor, " token"], generator: torch.Generator
) -> tuple[float, float, float]:
    if len(sequence.unique()) < drawing.FEWEST:
        return value.mean().item(), nan, nan
    found = resampling.mean(value, sequence, generator=generator)
    return found.value, found.low, found.high
