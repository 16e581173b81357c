"""A statistic at every checkpoint, from when on it is there, and what comes first.

A statistic is there from the first checkpoint on from which it stays beyond a level that was stated beforehand: halfway
between its first and its final value would date a change that may be small, and would put an onset wherever the
checkpoints happen to begin. What is beyond its level at the first checkpoint has no onset, since nobody saw it come.
Only intervals are compared: the uncertainty of an onset is the range of checkpoints that they leave open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from lib import selection
from lib.emergence.points import Checkpoint
from lib.emergence.statistics import LAYERS, Statistics
from lib.model import Model
from lib.resampling import Estimate

FINAL = "final"
"""What the row of the final weights is called in a trace."""
COLUMNS = ("checkpoint", "tokens_seen", "statistic", "value", "low", "high", "n", "step", "control")
EMERGES, FROM_THE_START, NOT_REACHED = "emerges", "from the start", "not reached"


@dataclass(frozen=True)
class Level:
    """What a statistic has to be beyond to be there."""

    value: float
    falls: bool = False
    """Whether beyond means below, as for a loss."""

    def is_passed(self, value: float) -> bool:
        """Whether a value is beyond the level."""
        return value < self.value if self.falls else value > self.value


LEVELS: Mapping[str, Level] = {
    "null space": Level(1.0),
    "rho": Level(0.5),
    "norm-mediated": Level(0.5),
    "frequency-mediated": Level(selection.MIN_SHARE),
    "induction": Level(0.7),
}
"""A decade, half of what is written, half of the effect, the smallest share of a token-frequency neuron, the score of
an induction head."""


def trace(
    points: list[Checkpoint],
    final: Model,
    *,
    load: Callable[[Checkpoint], Model],
    measure: Callable[[Model], Statistics],
) -> Any:
    """A pandas table with a row for every checkpoint and statistic, and the `final` weights at its end.

    A row whose `control` is not empty is about the neurons that the followed ones are held against.
    The final weights stand at the last checkpoint's step. One checkpoint is in memory at a time. Without checkpoints
    nothing is measured and the table is empty."""
    import pandas

    rows = []
    for point in points:
        rows += [_row(point.name, point, *entry) for entry in measure(load(point)).items()]
    if points:
        rows += [_row(FINAL, points[-1], *entry) for entry in measure(final).items()]
    return pandas.DataFrame(rows, columns=list(COLUMNS)).astype({"tokens_seen": "Int64"})


def _row(name: str, at: Checkpoint, about: str | tuple[str, str], found: Estimate) -> tuple[Any, ...]:
    statistic, control = about if isinstance(about, tuple) else (about, "")
    return (name, at.tokens_seen, statistic, found.value, found.low, found.high, found.n, at.step, control)


def growth(trace: Any) -> list[int]:
    """The steps of the checkpoints at which a model has grown, and of all later ones; empty where it never grows.

    It has grown where it read no text since the checkpoint before, or where more layers write than there, in a model
    that wrote already."""
    points = trace[(trace.checkpoint != FINAL) & (trace.statistic == LAYERS)].sort_values("step")
    same_text = points.tokens_seen.eq(points.tokens_seen.shift()).fillna(False).astype(bool)
    taller = (points.value.diff() > 0) & (points.value.shift() > 0)
    grown = points.step[same_text | taller]
    return points.step[points.step >= grown.min()].tolist() if len(grown) else []


def before_growth(trace: Any) -> Any:
    """The rows of the checkpoints before a model grows; all rows where it does not."""
    return trace[~trace.step.isin(growth(trace))]


def thrown_back(trace: Any, onsets: Any, levels: Mapping[str, Level] = LEVELS) -> list[tuple[str, int, float]]:
    """What was beyond its level before a model grew and is not beyond it at a checkpoint of growth: statistic, step,
    value."""
    there = onsets.index[onsets.status != NOT_REACHED]
    rows = trace[trace.step.isin(growth(trace)) & trace.statistic.isin(there) & (trace.checkpoint != FINAL)]
    rows = rows[rows.control == ""]
    return [(r.statistic, r.step, r.value) for r in rows.itertuples() if not levels[r.statistic].is_passed(r.value)]


def onsets(trace: Any, levels: Mapping[str, Level] = LEVELS) -> Any:
    """A pandas table, one row for each statistic with a level: the level, the first and the final value, whether it
    `emerges`, was there `from the start` or is `not reached`, and the steps of an emergence.

    A model that grows is dated by its checkpoints before: growth may throw back what reading had brought about. `step`:
    from there on the value stays beyond the level. `earliest` and `latest`: the same for the nearer and the
    farther end of the interval, missing where that end is not beyond at the end of training. A statistic that was
    measured once only has no row."""
    import pandas

    found = {name: _rows(before_growth(trace), name) for name in levels}
    rows = {name: _onset(found[name], level) for name, level in levels.items() if len(found[name]) > 1}
    columns = ["level", "first", "final", "status", "earliest", "step", "latest"]
    table = pandas.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.astype({name: "Int64" for name in ("earliest", "step", "latest")}).rename_axis("statistic")


def _onset(rows: list[Any], level: Level) -> tuple[Any, ...]:
    sign, steps = (-1 if level.falls else 1), [row.step for row in rows]
    ends = [sorted(sign * (end - level.value) for end in (row.low, row.value, row.high)) for row in rows]
    latest, step, earliest = (_from(steps, [row_ends[place] for row_ends in ends]) for place in range(3))
    status = NOT_REACHED if step is None else FROM_THE_START if step == steps[0] else EMERGES
    dated = (earliest, step, latest) if status == EMERGES else (None, None, None)
    return level.value, rows[0].value, rows[-1].value, status, *dated


def _from(steps: list[int], beyond: list[float]) -> int | None:
    """The step from which on `beyond` stays above nought; None where it is not at the end."""
    found = None
    for step, value in zip(reversed(steps), reversed(beyond), strict=True):
        if value <= 0:
            break
        found = step
    return found


def order(onsets: Any) -> Any:
    """For every pair of statistics that emerge, whether the row's does so `before` or `after` the column's, or whether
    the intervals leave it `open`; a pandas table, empty when nothing emerges."""
    import pandas

    known = onsets[onsets.status == EMERGES]
    earliest = known.earliest.astype(float)
    latest = known.latest.astype(float).fillna(inf)

    def relation(one: str, other: str) -> str:
        if one == other:
            return "–"
        return "before" if latest[one] < earliest[other] else "after" if latest[other] < earliest[one] else "open"

    entries = {name: [relation(one, name) for one in known.index] for name in known.index}
    return pandas.DataFrame(entries, index=known.index)


def drift(trace: Any) -> Any:
    """The last checkpoint beside the final weights, statistic by statistic: a pandas table.

    They are the same step; what differs is precision (half against full) or whatever was done after it."""
    import pandas

    rows = []
    for (name, control), found in trace.groupby(["statistic", "control"], sort=False):
        *_, last, final = found.itertuples()
        rows.append((name, control, last.value, final.value, final.value - last.value, final.high - final.low))
    columns = ["statistic", "control", "last checkpoint", "final weights", "difference", "width of the interval"]
    return pandas.DataFrame(rows, columns=columns).set_index("statistic")


def _rows(trace: Any, statistic: str) -> list[Any]:
    """A statistic's rows in the order of training, those of its controls left out."""
    return list(trace[(trace.statistic == statistic) & (trace.control == "")].itertuples())
