"""Does a result hang on the value that is put in? The same sets of neurons, ablated with one value after another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from lib.knowledge_conflicts import values
from lib.knowledge_conflicts.ablating import Asked
from lib.knowledge_conflicts.tallies import Tallies, lowest_percentile
from lib.resampling import Estimate

CONTROLS = slice(1, None)
"""All sets but the first, which is the one that is asked about."""


@dataclass(frozen=True)
class Place:
    """How many labels the first set changes, and where that lies among the other sets."""

    score: float
    """Share of the prompts."""
    percentile: Estimate
    """0 … 100."""


def by_value(
    asked: Asked, sets: Bool[Tensor, "set d_mlp"], *, positions: str, draw: Callable[[str], torch.Generator]
) -> dict[str, Place]:
    """The first set's place among the others with each of `values.KINDS` put in, taken from `positions`."""
    found = {}
    for kind in values.KINDS:
        tallied = _without(asked, sets, kind, positions=positions, draw=draw)
        at = tallied.percentile(CONTROLS, generator=draw(f"place of {kind}"))
        found[kind] = Place(float(tallied.scores(slice(1))), at)
    return found


def table(found: dict[str, Place]) -> Any:
    """A pandas table with a row for each value: score, percentile, percentile_low, percentile_high."""
    import pandas

    rows = {k: (at.score, at.percentile.value, at.percentile.low, at.percentile.high) for k, at in found.items()}
    columns = ["score", "percentile", "percentile_low", "percentile_high"]
    return pandas.DataFrame.from_dict(rows, orient="index", columns=columns)


def lowest(
    asked: Asked,
    sets: Bool[Tensor, "set d_mlp"],
    *,
    kinds: tuple[str, ...],
    positions: str,
    draw: Callable[[str], torch.Generator],
) -> Estimate:
    """The smallest of the first set's percentiles (0 … 100) among the others with some values put in: what a claim
    about all of them rests on."""
    each = [_without(asked, sets, kind, positions=positions, draw=draw) for kind in kinds]
    return lowest_percentile(each, CONTROLS, generator=draw(" and ".join(kinds)))


def _without(
    asked: Asked,
    sets: Bool[Tensor, "set d_mlp"],
    kind: str,
    *,
    positions: str,
    draw: Callable[[str], torch.Generator],
) -> Tallies:
    return asked.without(sets, asked.value(kind, positions=positions, generator=draw(kind)))
