"""Where a fact is carried, and whether another model's stream carries it as well.

*The relay.* The paper's maps show three stages: the last token of the subject in early layers, that of the object in
the middle, the last of the prompt in late ones. How deep a site carries is the mean layer of its recovery, weighted by
it; a relay has the depths in that order, and the object's token carries much of the difference at some layer.

*Across models.* Streams of one model put into the other's run at the same layer and column. The cells that are compared
are those which carry the fact within the reader: chosen on one half of the pairs and measured on the other, since cells
that were chosen for being large are too large on the pairs that chose them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lib.drawing import FEWEST
from lib.knowledge.measuring import Grid
from lib.knowledge.resampled import Weights, over_halves, over_pairs, recovery_map
from lib.resampling import Estimate, ratio

CARRIES = 0.5
"""Recovery from which on a cell counts as one that carries a fact."""


@dataclass(frozen=True)
class Relay:
    """The depths at which three sites carry a fact, in layers, and how much the object's carries at its best."""

    depth: dict[str, Estimate]
    """Of subject, object and last, counted from the first layer's 0."""
    to_object: Estimate
    """Depth of the object less that of the subject."""
    to_last: Estimate
    """Depth of the last token less that of the object."""
    at_object: Estimate
    """Recovery at the object's last token after the layer that is best on the pairs of even number, on the others."""


def relay(grids: Sequence[Grid], *, generator: torch.Generator) -> Relay:
    """The relay of one model over data sets that ask for a verdict. Raises ValueError as `over_pairs` does."""

    def apart(later: str, earlier: str) -> Estimate:
        return over_pairs(lambda w, grid: depth(w, grid, later) - depth(w, grid, earlier), grids, generator=generator)

    names = ("subject", "object", "last")
    return Relay(
        depth={
            site: over_pairs(lambda w, grid, at=site: depth(w, grid, at), grids, generator=generator) for site in names
        },
        to_object=apart("object", "subject"),
        to_last=apart("last", "object"),
        at_object=_at_best_layer(grids, "object", generator=generator),
    )


def depth(weights: Weights, grid: Grid, site: str) -> Float[Tensor, " draw"]:
    """The mean layer of a site's recovery, weighted by it where it is positive; NaN where it nowhere is."""
    recovery = recovery_map(weights, grid)[:, :, grid.sites[site]].clamp(min=0)
    layer = torch.arange(recovery.shape[1], dtype=torch.float64)
    return (recovery @ layer) / recovery.sum(1)


def _at_best_layer(grids: Sequence[Grid], site: str, *, generator: torch.Generator) -> Estimate:
    top, bottom = [], []
    for grid in grids:
        gain = grid.gain[:, :, grid.sites[site]]
        best = int(gain[::2].mean(0).argmax())
        top.append(gain[1::2, best])
        bottom.append(grid.gap[1::2])
    both = torch.cat(top), torch.cat(bottom)
    return ratio(*both, torch.arange(len(both[0])), generator=generator)


@dataclass(frozen=True)
class Crossing:
    """What one model's streams carry in the other's run, where the reader's own carry the fact."""

    own: Estimate
    """Mean recovery of the reader's own streams at the chosen cells."""
    other: Estimate
    """Mean recovery of the other model's streams there."""
    difference: Estimate
    """Other less own."""
    n_cells: int
    """Cells that carry the fact on all pairs, over all data sets."""


def crossing(own: Sequence[Grid], other: Sequence[Grid], *, generator: torch.Generator) -> Crossing:
    """One model's streams in the other's run beside the reader's own. Raises ValueError as `over_halves` does; there
    has to be a cell that carries the fact (see `no_crossing`)."""
    n_cells = sum(int((grid.recovery >= CARRIES).sum()) for grid in own)

    def measured(
        choose: Weights, measure: Weights, mine: Grid, theirs: Grid, *, part: Callable[[Tensor, Tensor], Tensor]
    ) -> Float[Tensor, " draw"]:
        cells = (recovery_map(choose, mine) >= CARRIES).double()
        found = [(recovery_map(measure, grid) * cells).sum((1, 2)) / cells.sum((1, 2)) for grid in (mine, theirs)]
        return part(*found)

    parts = {
        "own": lambda mine, theirs: mine,
        "other": lambda mine, theirs: theirs,
        "difference": lambda mine, theirs: theirs - mine,
    }
    found = {
        name: over_halves(lambda v, w, a, b, of=of: measured(v, w, a, b, part=of), own, other, generator=generator)
        for name, of in parts.items()
    }
    return Crossing(**found, n_cells=n_cells)


def no_crossing(own: Sequence[Grid]) -> str:
    """Why nothing can be said about streams of another model; empty where something can."""
    if not own:
        return "no topic is known to both models"
    carry = [bool((grid.recovery >= CARRIES).any()) for grid in own]
    return too_few(own) or ("" if all(carry) else f"no cell recovers {CARRIES:g} of the difference within the reader")


def too_few(grids: Sequence[Grid]) -> str:
    """Why nothing can be chosen on one half of the pairs and measured on the other; empty where it can."""
    fewest = min((len(grid.gap) for grid in grids), default=0)
    return "" if fewest >= 2 * FEWEST else f"a data set has {fewest} pairs, and {2 * FEWEST} are needed to halve them"


def crossings(
    own: Mapping[str, Sequence[Grid]],
    other: Mapping[tuple[str, str], Sequence[Grid]],
    *,
    draw: Callable[[str], torch.Generator],
) -> dict[tuple[str, str], Crossing | str]:
    """`crossing` for every (writer, reader), from the readers' own grids and those of the writers' streams in them; the
    text of `no_crossing` where nothing can be said."""
    return {
        (writer, reader): no_crossing(own[reader])
        or crossing(own[reader], grids, generator=draw(f"{writer} into {reader}"))
        for (writer, reader), grids in other.items()
    }
