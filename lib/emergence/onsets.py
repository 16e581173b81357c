"""A statistic at every checkpoint, when it emerges, and what comes first.

Only intervals are compared: the uncertainty of an onset is the range of checkpoints that the intervals leave open."""

from collections.abc import Callable
from typing import Any

from lib.emergence.points import Checkpoint
from lib.emergence.statistics import Statistics
from lib.model import Model
from lib.resampling import Estimate

FINAL = "final"
"""What the row of the final weights is called in a trace."""
SMALLEST = 0.05
"""The smallest change that is dated, in a statistic's own unit: a share, a score, a decade, a nat."""
COLUMNS = ("checkpoint", "tokens_seen", "statistic", "value", "low", "high", "n", "step")


def trace(
    points: list[Checkpoint],
    final: Model,
    *,
    load: Callable[[Checkpoint], Model],
    measure: Callable[[Model], Statistics],
) -> Any:
    """A pandas table with a row for every checkpoint and statistic, and the `final` weights at its end.

    The final weights stand at the last checkpoint's step. One checkpoint is in memory at a time. A checkpoint whose
    neurons write nothing yet has no direction or effect to measure and is left out. Without checkpoints nothing is
    measured and the table is empty."""
    import pandas

    rows = []
    for point in points:
        model = load(point)
        if model.W_out.any():
            rows += [_row(point.name, point, *entry) for entry in measure(model).items()]
    if points:
        rows += [_row(FINAL, points[-1], *entry) for entry in measure(final).items()]
    return pandas.DataFrame(rows, columns=list(COLUMNS)).astype({"tokens_seen": "Int64"})


def _row(name: str, at: Checkpoint, statistic: str, found: Estimate) -> tuple[Any, ...]:
    return (name, at.tokens_seen, statistic, found.value, found.low, found.high, found.n, at.step)


def onsets(trace: Any) -> Any:
    """A pandas table, one row for each statistic: where it starts and ends, halfway, and the steps at which it emerges.

    `step`: from there on the value stays beyond halfway. `earliest` and `latest`: the same for the nearer and the
    farther end of the interval. All are missing for a statistic that does not change: whose first and final intervals
    overlap, or whose values differ by less than `SMALLEST`. A farther end that is never beyond gives the last step,
    since the final value is beyond by construction."""
    import pandas

    rows = {name: _onset(_rows(trace, name)) for name in trace.statistic.unique()}
    table = pandas.DataFrame.from_dict(rows, orient="index", columns=["first", "final", "earliest", "step", "latest"])
    return table.astype({name: "Int64" for name in ("earliest", "step", "latest")}).rename_axis("statistic")


def _onset(rows: list[Any]) -> tuple[Any, ...]:
    first, *_, final = rows
    overlap = first.low <= final.high and final.low <= first.high
    if overlap or abs(final.value - first.value) < SMALLEST:
        return first.value, final.value, None, None, None
    sign, halfway = (1 if final.value > first.value else -1), (first.value + final.value) / 2
    steps = [row.step for row in rows]
    ends = [sorted(sign * (end - halfway) for end in (row.low, row.value, row.high)) for row in rows]
    latest, step, earliest = (_from(steps, [row_ends[place] for row_ends in ends]) for place in range(3))
    return first.value, final.value, earliest, step, latest


def _from(steps: list[int], beyond: list[float]) -> int:
    """The step from which on `beyond` stays at or above nought; the last one where it never does."""
    found = steps[-1]
    for step, value in zip(reversed(steps), reversed(beyond), strict=True):
        if value < 0:
            break
        found = step
    return found


def order(onsets: Any) -> Any:
    """For every pair of statistics that change, whether the row's emerges `before` or `after` the column's, or whether
    the intervals leave it `open`; a pandas table, empty when nothing changes."""
    import pandas

    known = onsets.dropna()

    def relation(one: Any, other: Any) -> str:
        if one.name == other.name:
            return "–"
        return "before" if one.latest < other.earliest else "after" if other.latest < one.earliest else "open"

    entries = {name: [relation(one, known.loc[name]) for _, one in known.iterrows()] for name in known.index}
    return pandas.DataFrame(entries, index=known.index)


def drift(trace: Any) -> Any:
    """The last checkpoint beside the final weights, statistic by statistic: a pandas table.

    They are the same step; what differs is precision (half against full) or whatever was done after it."""
    import pandas

    rows = []
    for name in trace.statistic.unique():
        last, final = _rows(trace, name)[-2:]
        rows.append((name, last.value, final.value, final.value - last.value, final.high - final.low))
    columns = ["statistic", "last checkpoint", "final weights", "difference", "width of the interval"]
    return pandas.DataFrame(rows, columns=columns).set_index("statistic")


def _rows(trace: Any, statistic: str) -> list[Any]:
    """A statistic's rows in the order of training. Raises ValueError when the trace has none, or only one."""
    rows = list(trace[trace.statistic == statistic].itertuples())
    if len(rows) < 2:
        raise ValueError(f"the trace has {len(rows)} rows of {statistic!r}, and a change needs a first and a final one")
    return rows
