"""Figures of the page on a real model: two models in one figure, told apart by mark and by colour.

The model of the book is a black dot, the real one a green square; what stands for chance is grey, as everywhere."""

from typing import Any

from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import OTHER, lying

MARKS: tuple[dict[str, Any], ...] = ({"color": "black", "marker": "o"}, {"color": "#009E73", "marker": "s"})
"""Of the model of the book, and of the real one."""


def singular_value_against_place(table: DataFrame, *, place: str, label: str, ax: Axes) -> Axes:
    """Singular values over their median (relative) of each `model` against a column that says their `place`."""
    for style, (model, rows) in zip(MARKS, table.groupby("model", sort=False), strict=False):
        ax.plot(rows[place], rows.relative, linestyle="", markersize=4, label=model, **style)
    ax.set(yscale="log", xlabel=label, ylabel="singular value over the median")
    return ax


def rho_beside_chance(table: DataFrame, *, bound: float, ax: Axes) -> Axes:
    """Rho in units of chance (over_chance), a row for each `model`: dots for the `chosen` neurons, a grey line for the
    middle 95 % of all others. Dotted: chance, and the `bound` below which the others are claimed to stay."""
    models = [*dict.fromkeys(table.model)]
    for row, (style, model) in enumerate(zip(MARKS, models, strict=False)):
        some = table[table.model == model]
        low, high = some[~some.chosen].over_chance.quantile([0.025, 0.975])
        label = None if row else "other neurons, middle 95 %"
        ax.hlines(-row, low, high, color=OTHER, linewidth=9, alpha=0.6, zorder=1, label=label)
        chosen = some[some.chosen].over_chance
        ax.plot(chosen, [-row] * len(chosen), linestyle="", markersize=7, alpha=0.8, label=f"chosen, {model}", **style)
    for at in (1, bound):
        ax.axvline(at, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="rho over chance", yticks=range(0, -len(models), -1), yticklabels=models, xlim=(0, None))
    ax.set(ylim=(-len(models) + 0.5, 0.5))
    ax.grid(visible=False, axis="y")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, columnspacing=1)
    return ax


def claims_of_models(table: DataFrame, *, ax: Axes) -> Axes:
    """What claims rest on: value and interval (low, high) of each `model` in a row for each `label`; a bar marks where
    the claim puts its bound (bound, or NaN for none)."""
    labels, models = [*dict.fromkeys(table.label)], [*dict.fromkeys(table.model)]
    for order, (style, model) in enumerate(zip(MARKS, models, strict=False)):
        some = table[table.model == model]
        at = [-labels.index(label) + 0.13 - 0.26 * order for label in some.label]
        lying(some.value, at, (some.low, some.high), ax=ax, label=model, linewidth=2, markersize=6, **style)
    bounds = table.dropna(subset="bound").drop_duplicates("label")
    at = [-labels.index(label) for label in bounds.label]
    ax.plot(
        bounds.bound, at, "|", color="#555555", markersize=24, markeredgewidth=2, zorder=1, label="bound of the claim"
    )
    ax.set_yticks(range(0, -len(labels), -1), labels)
    ax.set(xlabel="value, with its 95 % interval", ylim=(-len(labels) + 0.5, 0.5))
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, columnspacing=1)
    return ax
