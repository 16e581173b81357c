"""Parts that figures of several chapters share: names that do not overprint, plain numbers at ticks, boxes."""

from collections.abc import Mapping, Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.patches import Patch
from pandas import DataFrame, Series

from lib.plots.style import upright

MOST, WIDE, HIGH = 12, 32.0, 11.0
"""Neurons that are named at most; the room that a name takes, in points."""
LINE = {"arrowstyle": "-", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
"""From a name to a dot that it does not stand beside."""


def plain(axis: Axis) -> None:
    """Ticks at powers of ten only, as plain numbers: 0.001, 10, 1,000."""
    axis.set_major_formatter(lambda value, _: f"{value:,.9f}".rstrip("0").rstrip("."))
    axis.set_minor_formatter(lambda value, _: "")


def named(neurons: DataFrame, x: Series, y: Series, *, lift: float = 0.0, ax: Axes) -> None:
    """Writes layer and unit beside each dot, up to `MOST` of them, names moved apart where dots lie close.

    `lift` points higher, where a line leaves the dot sideways. To be called when the limits of the axes are set."""
    if not 0 < len(neurons) <= MOST:
        return
    ax.autoscale_view()
    at = ax.transData.transform(numpy.column_stack([x, y])) * 72 / ax.figure.dpi
    names = [f"{row.layer}.{row.unit}" for row in neurons.itertuples()]
    for column in _columns(at[:, 0]):
        order = column[numpy.argsort(at[column, 1], kind="stable")]
        for place, height in zip(order, apart(at[order, 1], gap=HIGH), strict=True):
            up = height - at[place, 1] + lift
            line = LINE if abs(up - lift) > HIGH / 2 else None
            spot = (x.iloc[place], y.iloc[place])
            style = {"textcoords": "offset points", "va": "center", "fontsize": 9, "arrowprops": line}
            ax.annotate(names[place], spot, (8 - lift / 2, up), **style)


def _columns(x: numpy.ndarray) -> list[numpy.ndarray]:
    """Places in groups that lie so close along x that their names could meet."""
    order = numpy.argsort(x, kind="stable")
    return numpy.split(order, numpy.flatnonzero(numpy.diff(x[order]) > WIDE) + 1)


def apart(height: numpy.ndarray, *, gap: float) -> numpy.ndarray:
    """The nearest heights (ascending) that are at least `gap` apart: least squares, by pooling those that collide."""
    steps = gap * numpy.arange(len(height))
    blocks: list[list[float]] = []
    for value in height - steps:
        blocks.append([value])
        while len(blocks) > 1 and numpy.mean(blocks[-2]) > numpy.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return numpy.concatenate([numpy.full(len(block), numpy.mean(block)) for block in blocks]) + steps


def boxes(table: DataFrame, colours: Mapping[str, str], *, labels: Sequence[str], ax: Axes) -> None:
    """A box for each group and effect of a table of `evidence.boxes`, effects side by side in their colours.

    `labels` name the effects in the legend; whiskers reach from the 5th to the 95th percentile; a dot is the mean, with
    its interval where it has one."""
    groups = list(dict.fromkeys(table.group))
    for offset, (effect, colour) in zip((-0.2, 0.2), colours.items(), strict=True):
        rows = table[table.effect == effect]
        stats = rows.rename(columns={"low": "whislo", "first": "q1", "median": "med", "third": "q3", "high": "whishi"})
        at = rows.group.map(groups.index) + offset
        style = {"boxprops": {"facecolor": colour}, "medianprops": {"color": "black"}, "patch_artist": True}
        ax.bxp(stats.to_dict("records"), positions=at, widths=0.36, showfliers=False, manage_ticks=False, **style)
        mean = {"color": "black", "markeredgecolor": "white", "markersize": 6, "linewidth": 2.5, "zorder": 4}
        upright(at, rows["mean"], (rows.mean_low, rows.mean_high), ax=ax, **mean)
    names = [group.replace(" on ", "\non ") if len(groups) <= 4 else group.replace(" ", "\n") for group in groups]
    ax.set_xticks(range(len(groups)), names, fontsize=9, rotation=0 if len(groups) <= 8 else 45)
    ax.grid(visible=False, axis="x")
    handles = [
        Patch(facecolor=colour, edgecolor="black", label=label)
        for colour, label in zip(colours.values(), labels, strict=True)
    ]
    (mean,) = ax.plot([], [], "o", color="black", markeredgecolor="white", markersize=6, label="mean")
    ax.legend(handles=[*handles, mean], loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
