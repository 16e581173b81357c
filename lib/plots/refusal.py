"""Figures of chapter 10: directions of refusal, and what they do in one model and in the other."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame

from lib.plots.style import OTHER, upright

LINES = {"base": "-", "sft": ":", "post": "--"}
"""Base solid, post-trained dashed, in the whole book; what lies between is dotted."""
MARKS: dict[str, dict[str, Any]] = {
    "base": {"marker": "o", "markerfacecolor": "black"},
    "sft": {"marker": "s", "markerfacecolor": "black", "markersize": 5},
    "post": {"marker": "o", "markerfacecolor": "white"},
}
ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "columnspacing": 1, "fontsize": 10}
RANDOM = "random"


def score_against_depth(
    scores: DataFrame, *, column: str, label: str, places: Sequence[str], chosen: tuple[int, int], ax: Axes
) -> Axes:
    """One of the numbers by which a direction is chosen (depth, place, and the column), by depth, a line for each of
    the `places`: dotted at the instruction's last token, solid where the answer begins, grey between; ringed: the
    chosen depth and place. Log-odds have a line at 0."""
    last = len(places) - 1
    for place, rows in scores.groupby("place"):
        ends = {0: (":", "black", "instruction's last token"), last: ("-", "black", "where the answer begins")}
        style, colour, name = ends.get(place, ("-", OTHER, "tokens between" if place == 1 else None))
        ax.plot(rows.depth, rows[column], linestyle=style, color=colour, marker=".", label=name)
    row = scores[(scores.depth == chosen[0]) & (scores.place == chosen[1])].iloc[0]
    ring = {"markersize": 12, "markerfacecolor": "none", "color": "black"}
    ax.plot([row.depth], [row[column]], "o", label="chosen", **ring)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="depth (enters the layer of this number)", ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(ncols=2, **ABOVE)
    return ax


def refusals_by_direction(table: DataFrame, *, title: str, ax: Axes) -> Axes:
    """The share of refusals with its exact interval (share, share_low, share_high) by where the direction came from
    (direction_from), a mark for each model; of those that are `random` the range over all of them, in grey."""
    random = table.random
    columns, models = [*table.direction_from[~random].unique()], [*table.model.unique()]
    for place, model in enumerate(models):
        rows = table[(table.model == model) & ~random]
        at = [columns.index(name) + 0.18 * (place - (len(models) - 1) / 2) for name in rows.direction_from]
        style = MARKS[model] | {"color": "black", "label": model}
        upright(at, rows.share, (rows.share_low, rows.share_high), ax=ax, **style)
        drawn = table[(table.model == model) & random]
        if len(drawn):
            x = len(columns) + 0.18 * (place - (len(models) - 1) / 2)
            ends, middle = ([drawn.share.min()], [drawn.share.max()]), [drawn.share.mean()]
            upright([x], middle, ends, ax=ax, color=OTHER, **(MARKS[model] | {"markerfacecolor": OTHER}))
    labels = columns + [RANDOM] * bool(random.any())
    ax.set(xticks=range(len(labels)), xticklabels=labels, ylim=(-0.04, 1.04))
    ax.set(xlabel="direction from", ylabel="share refused")
    ax.set_title(title, loc="right", fontsize=11)
    ax.legend(ncols=len(models), **ABOVE)
    return ax


def log_odds_against_strength(table: DataFrame, *, title: str, ax: Axes) -> Axes:
    """The mean log-odds of refusal on harmless requests (log_odds with its interval, nats) by the strength of what is
    added, a line for each direction_from: base solid, post dashed, sft dotted; grey: the range of random directions."""
    random = table.random
    if random.any():
        band = table[random].groupby("strength").log_odds.agg(["min", "max"])
        label = f"{table.direction_from[random].nunique()} random directions, range"
        ax.fill_between(band.index, band["min"], band["max"], color=OTHER, alpha=0.5, linewidth=0, label=label)
    for name, rows in table[~random].groupby("direction_from", sort=False):
        ax.plot(rows.strength, rows.log_odds, linestyle=LINES[name], color="black", label=f"direction from {name}")
        ax.fill_between(rows.strength, rows.log_odds_low, rows.log_odds_high, color="black", alpha=0.12, linewidth=0)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="strength (share of the residual stream's length)", ylabel="log-odds of refusal (nats)")
    ax.set_title(title, loc="right", fontsize=11)
    ax.legend(ncols=2, **ABOVE)
    return ax


def sorted_against_depth(tables: dict[str, DataFrame], *, place: str, title: str, ax: Axes) -> Axes:
    """The share of requests that a direction sorts rightly (share with its exact interval) by depth at one place, a
    line for each model; chance is the thin line."""
    for name, table in tables.items():
        rows = table[table.place == place]
        ax.plot(rows.depth, rows.share, linestyle=LINES[name], color="black", label=name)
        ax.fill_between(rows.depth, rows.share_low, rows.share_high, color="black", alpha=0.1, linewidth=0)
    ax.axhline(0.5, color="black", linewidth=0.8)
    ax.set(xlabel="depth", ylabel="share sorted rightly", ylim=(0, 1.04))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(title, loc="right", fontsize=11)
    ax.legend(ncols=len(tables), **ABOVE)
    return ax


def cosine_against_depth(table: DataFrame, *, title: str, marked: int, ax: Axes) -> Axes:
    """The cosine of two models' directions by depth (across, with its interval low, high) beside what it could be at
    all (ceiling), and the depth at which it is judged."""
    ax.plot(table.depth, table.ceiling, color=OTHER, marker=".", label="ceiling: a model with itself")
    ax.fill_between(table.depth, table.low, table.high, color="black", alpha=0.15, linewidth=0)
    ax.plot(table.depth, table.across, color="black", marker=".", label="base with post, 95 %")
    ax.axvline(marked, color="black", linewidth=1, linestyle=":", label="judged here")
    ax.axhline(0, color="black", linewidth=0.8)
    lowest = min(-0.1, table.low.min() - 0.05, table.across.min() - 0.05)
    ax.set(xlabel="depth", ylabel="cosine of directions", ylim=(lowest, 1.04))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(title, loc="right", fontsize=11)
    ax.legend(ncols=2, **ABOVE)
    return ax
