"""Tables: what a data set is made of, what a model knows of it, every cell of a grid, and how alike maps are."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Bool
from torch import Tensor

from lib import patching, resampling
from lib.drawing import FEWEST
from lib.knowledge.asking import Asked
from lib.knowledge.carrying import Crossing, too_few
from lib.knowledge.comparing import Alike
from lib.knowledge.measuring import Grid
from lib.knowledge.statements import DataSet
from lib.model import Model
from lib.resampling import Estimate

Name = TypeVar("Name")
CHANCE = 0.25
"""Pairs right on both sides when both verdicts are coins."""


def of_data(data: Sequence[DataSet]) -> Any:
    """A row for each data set: its pairs, the different false statements, the commonest object."""
    import pandas

    rows = []
    for one in data:
        (most, n_most), *_ = one.objects.most_common(1)
        rows.append(
            {
                "dataset": one.name,
                "pairs": len(one.pairs),
                "false statements": one.n_false,
                "objects": len(one.objects),
                "commonest object": f"{most} ({n_most})",
                "true statements of the layout": f"{one.n_of_layout} of {one.n_statements}",
            }
        )
    return pandas.DataFrame(rows).set_index("dataset")


def knowing(grid: Grid) -> Estimate:
    """The share of pairs that a model answers rightly on both sides, with its exact interval."""
    return resampling.share(int(grid.right.sum()), len(grid.right))


def knowing_all(grids: Sequence[Grid]) -> Estimate:
    """The same over several data sets, whose facts are different ones."""
    right = torch.cat([grid.right for grid in grids])
    return resampling.share(int(right.sum()), len(right))


def knows(grid: Grid) -> bool:
    """Whether that is more than coins would do, with its whole interval."""
    return knowing(grid).low > CHANCE


def of_lines(models: dict[str, Model], asked: dict[int, list[Asked]]) -> Any:
    """A row for each number of lines in front of a statement: the share of pairs that each model judges rightly on both
    sides, over all data sets, and the mean over the models, by which a chapter chooses."""
    import pandas

    rows = {
        lines: {
            name: torch.cat([answered(model, one) for one in some]).double().mean().item()
            for name, model in models.items()
        }
        for lines, some in asked.items()
    }
    table = pandas.DataFrame.from_dict(rows, orient="index").rename_axis("lines")
    return table.assign(mean=table.mean(axis=1))


def answered(model: Model, asked: Asked) -> Bool[Tensor, " pair"]:
    """Whether a model answers both prompts of a pair as it should."""
    given = asked.pairs
    true, false = (
        patching.logit_difference(model, side, given.right, given.wrong) for side in (given.source, given.target)
    )
    return ((true > 0) & (false < 0)).cpu()


def of_answers(grids: Sequence[Grid], *, generator: torch.Generator) -> Any:
    """A row for each grid: how many pairs are right on both sides, and the mean logit differences of true and false
    prompts, in nats, with their intervals."""
    import pandas

    rows = []
    for grid in grids:
        share, n = knowing(grid), len(grid.gap)
        row = {"model": grid.name, "dataset": grid.data, "n": n, "right": share.value}
        row |= {"right_low": share.low, "right_high": share.high}
        for side in ("source", "target"):
            mean = resampling.mean_of_sequences(getattr(grid.patched, side), n=n, generator=generator)
            name = {"source": "true", "target": "false"}[side]
            row |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
        rows.append(row)
    return pandas.DataFrame(rows)


def of_patches(grids: Sequence[Grid], *, generator: torch.Generator) -> Any:
    """A row for each cell of each grid: mean logit difference in nats, and recovery with its interval over pairs (NaN
    for fewer pairs than `FEWEST`)."""
    import pandas

    parts = [pandas.DataFrame(_cells(grid, generator)) for grid in grids]
    return pandas.concat(parts, ignore_index=True)


def _cells(grid: Grid, generator: torch.Generator) -> dict[str, Any]:
    """The columns of a grid's part of that table."""
    flat = grid.gain.flatten(1)
    low = high = torch.full(flat.shape[1:], torch.nan)
    if len(flat) >= FEWEST:
        low, high = resampling.intervals(flat, grid.gap[:, None], generator=generator)
    n_layers, n_columns = grid.gain.shape[1:]
    return {
        "model": grid.name,
        "dataset": grid.data,
        "reading": grid.reading,
        "layer": torch.arange(n_layers).repeat_interleave(n_columns),
        "position": torch.arange(n_columns).repeat(n_layers),
        "token": grid.columns * n_layers,
        "logit_difference": grid.patched.difference.mean(0).flatten(),
        "recovery": grid.recovery.flatten(),
        "recovery_low": low,
        "recovery_high": high,
        "n": len(grid.gap),
    }


def across(patches: Any, writer: str, reader: str, datasets: Sequence[str]) -> Any:
    """A row for each cell (dataset, layer, position) of a table of `of_patches`: the recovery of the reader's own
    streams (own) and of the writer's (other), and whether it is the last token's (site: last or earlier)."""
    verdicts = patches[(patches.reading == "verdict") & patches.dataset.isin(list(datasets))]
    key = ["dataset", "layer", "position"]
    own, other = (verdicts[verdicts.model == name] for name in (reader, f"{writer} into {reader}"))
    both = own.set_index(key).recovery.rename("own").to_frame().join(other.set_index(key).recovery.rename("other"))
    both = both.reset_index()
    last = both.position == both.groupby("dataset").position.transform("max")
    return both.assign(site=last.map({True: "last", False: "earlier"}))


def of_likeness(found: dict[str, Alike]) -> Any:
    """A row for each comparison and quantity, with its interval and the pairs behind it."""
    import pandas

    rows = [
        (name, quantity, one.value, one.low, one.high, one.n)
        for name, alike in found.items()
        for quantity, one in vars(alike).items()
    ]
    return pandas.DataFrame(rows, columns=["comparison", "quantity", "value", "low", "high", "n"])


def known_to_all(*models: Sequence[Grid]) -> list[str]:
    """The data sets that each model knows, and which hold enough pairs to choose on one half and measure on the other;
    for each model the grids of the same data sets, in one order."""
    rows = zip(*models, strict=True)
    return [grids[0].data for grids in rows if all(map(knows, grids)) and not too_few(grids)]


def of_topics(grids: Mapping[Name, Sequence[Grid]], names: Collection[str]) -> dict[Name, list[Grid]]:
    """The grids of some data sets alone."""
    return {key: [grid for grid in some if grid.data in names] for key, some in grids.items()}


def of_crossings(found: Mapping[tuple[str, str], Crossing | str]) -> Any:
    """A pandas table (value, low, high, n) with a row for each writer, reader and part of a `Crossing`; none for those
    of which nothing can be said."""
    import pandas

    rows = {
        (" into ".join(way), part): vars(getattr(one, part))
        for way, one in found.items()
        if isinstance(one, Crossing)
        for part in ("own", "other", "difference")
    }
    return pandas.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "n"])
