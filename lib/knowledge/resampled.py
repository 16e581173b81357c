"""Maps of pairs that are drawn anew: as many as there are, with replacement, or all of them parted into two halves.

A fact stands in one pair at most, so drawing pairs is drawing facts: what the paper's pairs, some of which share their
false statement, need a cluster bootstrap for. Data sets are drawn each for itself, and a statistic is its mean over
them."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lib import drawing, resampling
from lib.knowledge.measuring import Grid
from lib.resampling import Estimate

N_DRAWN = 400
Weights = Float[Tensor, "draw pair"]
Statistic = Callable[..., Float[Tensor, " draw"]]
"""Of the weights of a data set's pairs and its grids, one number for each draw."""


def over_pairs(statistic: Statistic, *grids: Sequence[Grid], generator: torch.Generator) -> Estimate:
    """A statistic of pairs, averaged over data sets, with its expanded percentile interval from pairs drawn anew. A
    data set for which it is not a number is left out.

    `grids` are one or several rows of grids, each over the same data sets; `statistic` takes the weights of a data
    set's pairs and one grid of each row. Raises ValueError for fewer pairs than `FEWEST`, and when it is not finite."""
    whole, again, sizes = [], [], []
    for row in zip(*grids, strict=True):
        n = len(row[0].gap)
        whole.append(statistic(torch.full((1, n), 1 / n, dtype=torch.float64), *row)[0])
        again.append(statistic(drawing.weights(n, generator=generator, n_resamples=N_DRAWN), *row))
        sizes.append(n)
    value = torch.stack(whole).nanmean()
    if not value.isfinite():
        raise ValueError(f"the statistic of {sum(sizes)} pairs is {value.item()}, not a finite number")
    drawn = torch.stack(again).nanmean(0).double()
    low, high = resampling.expanded_percentiles(drawn[:, None], n_sequences=min(sizes))
    return Estimate(value.item(), low.item(), high.item(), sum(sizes), sum(sizes))


def over_halves(
    statistic: Statistic, *grids: Sequence[Grid], generator: torch.Generator, n_partings: int = N_DRAWN
) -> Estimate:
    """The same for a statistic of two halves of the pairs: the mean over random partings and the middle 95 % of them.

    `statistic` takes the weights of both halves, then the grids. Raises ValueError for fewer than twice `FEWEST`."""
    drawn, n_pairs = [], 0
    for row in zip(*grids, strict=True):
        n = len(row[0].gap)
        drawing.enough(n // 2, what="pairs")
        first = torch.rand(n_partings, n, generator=generator).argsort(1) < n // 2
        one, other = (half.double() / half.sum(1, keepdim=True) for half in (first, ~first))
        drawn.append(statistic(one, other, *row))
        n_pairs += n
    each = torch.stack(drawn).nanmean(0)
    each = each[each.isfinite()]
    if len(each) < n_partings / 2:
        raise ValueError(f"the statistic of two halves of {n_pairs} pairs is not a finite number")
    return resampling.percentile(each.mean().item(), each, n=n_pairs, n_sequences=n_pairs)


def mean_map(weights: Weights, grid: Grid) -> Float[Tensor, "draw layer column"]:
    """The mean logit difference of every cell, in nats."""
    return torch.einsum("dp,plc->dlc", weights, grid.patched.difference.double())


def recovery_map(weights: Weights, grid: Grid) -> Float[Tensor, "draw layer column"]:
    """The recovery of every cell: mean gain over mean gap."""
    gap = weights @ grid.gap.double()
    return torch.einsum("dp,plc->dlc", weights, grid.gain.double()) / gap[:, None, None]
