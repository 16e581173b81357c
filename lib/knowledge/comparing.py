"""Do two models keep a fact at the same places? How alike their maps are, and how alike they could be."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lib.knowledge import maps
from lib.knowledge.measuring import Grid
from lib.knowledge.resampled import Statistic, Weights, mean_map, over_halves, over_pairs
from lib.resampling import Estimate

Maps = Float[Tensor, "draw layer column"]


@dataclass(frozen=True)
class Alike:
    """How alike the maps of two models are, averaged over data sets."""

    correlation: Estimate
    """Pearson's, of the maps as the paper normalises them."""
    rank_correlation: Estimate
    """Spearman's, of the mean logit differences themselves."""
    cartoon: Estimate
    """The correlation of the cartoon of one model with the map of the other, the mean of both ways."""
    beyond_cartoon: Estimate
    """The correlation less that of the cartoon."""
    ceiling: Estimate
    """The correlation of the maps that two halves of the same pairs give for the same model."""
    below_ceiling: Estimate
    """How much lower it is when one of the halves is the other model's."""
    largest: Estimate
    """max |D|, the largest difference of two cells of the normalised maps."""
    of_knowledge: Estimate
    """max |D|_K, the largest among the columns of subject and object."""
    at_last: Estimate
    """The largest in the last column."""
    of_halves: Estimate
    """max |D|_K between two halves of the same pairs for the same model."""


def compare(one: Sequence[Grid], other: Sequence[Grid], *, generator: torch.Generator) -> Alike:
    """Two models' maps of the same data sets. Raises ValueError as `over_pairs` and `over_halves` do."""

    def pairs(statistic: Statistic) -> Estimate:
        return over_pairs(statistic, one, other, generator=generator)

    def halves(statistic: Statistic) -> Estimate:
        return over_halves(statistic, one, other, generator=generator)

    return Alike(
        correlation=pairs(_correlation),
        rank_correlation=pairs(_rank_correlation),
        cartoon=pairs(_cartoon),
        beyond_cartoon=pairs(lambda w, a, b: _correlation(w, a, b) - _cartoon(w, a, b)),
        ceiling=halves(_within),
        below_ceiling=halves(lambda v, w, a, b: _within(v, w, a, b) - _between(v, w, a, b)),
        largest=pairs(lambda w, a, b: maps.largest_difference(*_both(w, a, b))),
        of_knowledge=pairs(lambda w, a, b: maps.largest_difference(*_both(w, a, b), a.columns)),
        at_last=pairs(_at_last),
        of_halves=halves(_of_halves),
    )


def _both(weights: Weights, one: Grid, other: Grid) -> tuple[Maps, Maps]:
    first, second = (maps.normalised(mean_map(weights, grid)) for grid in (one, other))
    return first, second


def _correlation(weights: Weights, one: Grid, other: Grid) -> Float[Tensor, " draw"]:
    return maps.correlation(*_both(weights, one, other))


def _rank_correlation(weights: Weights, one: Grid, other: Grid) -> Float[Tensor, " draw"]:
    return maps.correlation(*(maps.ranks(mean_map(weights, grid)) for grid in (one, other)))


def _cartoon(weights: Weights, one: Grid, other: Grid) -> Float[Tensor, " draw"]:
    first, second = _both(weights, one, other)
    drawn = maps.cartoon(first, one.columns), maps.cartoon(second, other.columns)
    return (maps.correlation(drawn[0], second) + maps.correlation(drawn[1], first)) / 2


def _at_last(weights: Weights, one: Grid, other: Grid) -> Float[Tensor, " draw"]:
    first, second = _both(weights, one, other)
    return maps.largest_difference(first[..., -1:], second[..., -1:])


def _halves(first: Weights, second: Weights, one: Grid, other: Grid) -> tuple[Maps, Maps]:
    return maps.normalised(mean_map(first, one)), maps.normalised(mean_map(second, other))


def _within(first: Weights, second: Weights, one: Grid, other: Grid) -> Float[Tensor, " draw"]:
    a, b = (maps.correlation(*_halves(first, second, grid, grid)) for grid in (one, other))
    return (a + b) / 2


def _between(first: Weights, second: Weights, one: Grid, other: Grid) -> Float[Tensor, " draw"]:
    crossed = (one, other), (other, one)
    a, b = (maps.correlation(*_halves(first, second, *grids)) for grids in crossed)
    return (a + b) / 2


def _of_halves(first: Weights, second: Weights, one: Grid, other: Grid) -> Float[Tensor, " draw"]:
    a, b = (maps.largest_difference(*_halves(first, second, grid, grid), grid.columns) for grid in (one, other))
    return (a + b) / 2
