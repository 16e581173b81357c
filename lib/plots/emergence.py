"""Figures of chapter 12: measurements over training, and the twin that was trained with dropout.

Checkpoints stand at even distances in the order of their steps, so that the first, at step 0, has a place, and so have
checkpoints that follow one another closely or read no text in between."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from pandas import DataFrame, isna

from lib.plots.style import ENTROPY, FREQUENCY, OTHER, upright

COLOURS = {"frequency-mediated": FREQUENCY, "loss": "black", "induction": "black"}
"""Of statistics that are not about entropy neurons."""


def statistic_against_training(
    trace: DataFrame, *, statistic: str, ylabel: str, level: float | None = None, grown: Sequence[int] = (), ax: Axes
) -> Axes:
    """A statistic of a trace (checkpoint, step, statistic, control, value, low, high) at every checkpoint, with its
    intervals, and in grey that of its matched control where there is one; an open diamond about the last is the final
    weights.

    Dotted: the `level` at which it is dated; nought is on the axis. The checkpoints of the steps `grown` stand on a
    grey ground."""
    steps = sorted({*trace.step})
    for control, rows in trace[trace.statistic == statistic].groupby("control", sort=False):
        points, final = rows[rows.checkpoint != "final"], rows[rows.checkpoint == "final"]
        style = {"color": OTHER if control else colour_of(statistic), "markersize": 4, "linewidth": 1.4}
        place, ends, label = [*map(steps.index, points.step)], (points.low, points.high), control or statistic
        upright(place, points.value, ends, ax=ax, linestyle="-", label=label, **style)
        diamond = {"marker": "D", "markersize": 11, "markerfacecolor": "none", "linestyle": "", "clip_on": False}
        ax.plot([*map(steps.index, final.step)], final.value, **(style | diamond))
    if level is not None:
        ax.axhline(level, color="black", linewidth=1, linestyle=":", label=f"level {level:.3g}")
    ax.axhline(0, color="black", linewidth=0.8)
    _grown(ax, steps, grown)
    checkpoints_along(ax, steps)
    ax.set(ylabel=ylabel)
    ax.label_outer()
    at = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.02), "borderaxespad": 0.2}
    ax.legend(fontsize=10, ncols=4, columnspacing=1, handlelength=1.3, **at)
    return ax


def onset_of_statistics(onsets: DataFrame, *, steps: Sequence[int], grown: Sequence[int] = (), ax: Axes) -> Axes:
    """For each statistic that emerges a dot at its step, on a bar from its earliest to its latest (to the edge where
    that is open); for each that was there from the start an open triangle at the first checkpoint."""
    steps = sorted(steps)
    shown = onsets[onsets.status != "not reached"].sort_values(["step", "latest"], ascending=False, na_position="last")
    for place, row in enumerate(shown.itertuples()):
        colour = colour_of(str(row.Index))
        if isna(row.step):
            ax.plot(0, place, "<", color=colour, markerfacecolor="none", markersize=9, markeredgewidth=1.4)
            ax.annotate("from the start", (0, place), (10, 0), textcoords="offset points", va="center", fontsize=10)
            continue
        latest = len(steps) - 0.5 if isna(row.latest) else steps.index(row.latest)
        bar = {"color": colour, "linewidth": 6, "alpha": 0.4, "solid_capstyle": "butt"}
        ax.plot([steps.index(row.earliest), latest], [place, place], **bar)
        ax.plot(steps.index(row.step), place, "o", color=colour)
    _grown(ax, steps, grown)
    checkpoints_along(ax, steps)
    ax.set_yticks(range(len(shown)), list(shown.index))
    ax.set(ylim=(-0.6, len(shown) - 0.4))
    return ax


def colour_of(name: str) -> str:
    """Blue for what is about token frequency, black for the loss and the heads."""
    return COLOURS.get(name, ENTROPY)


def checkpoints_along(ax: Axes, steps: Sequence[int]) -> None:
    """Places for all checkpoints, named by their steps; of more than 16 every other, every third, …"""
    every = 1 + (len(steps) - 1) // 16
    ax.set_xticks(range(0, len(steps), every), [f"{step}" for step in steps[::every]], rotation=40, fontsize=9)
    ax.set(xlabel="checkpoint, by its step", xlim=(-0.5, len(steps) - 0.5))


def _grown(ax: Axes, steps: Sequence[int], grown: Sequence[int]) -> None:
    if grown:
        label = "grown"
        ax.axvspan(steps.index(min(grown)) - 0.5, len(steps) - 0.5, color=OTHER, alpha=0.2, linewidth=0, label=label)


def twins_against_index(twins: DataFrame, *, ax: Axes) -> Axes:
    """Singular values of two unembeddings (index, plain, dropout) on a log axis; exact zeros are left out."""
    for name, colour, label in (("plain", OTHER, "without dropout"), ("dropout", ENTROPY, "with dropout")):
        shown = twins[twins[name] > 0]
        ax.plot(shown["index"], shown[name], ".", color=colour, markersize=4, label=label)
    ax.set(yscale="log", xlabel="index", ylabel="singular value")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.legend()
    return ax
