"""Figures of chapter 07: whose answer it is, clean and ablated, and what other neurons would have changed."""

from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import ENTROPY, OTHER, lying, upright

ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "columnspacing": 1, "fontsize": 10}
"""A legend above the axes, where nothing is drawn."""
CHOSEN = "the chosen neurons"


def answers_before_and_after(counts: DataFrame, *, ax: Axes) -> Axes:
    """A line from every clean label to the ablated one with its count (clean, ablated, count): grey where the label
    stays, coloured where it changes, the wider the more prompts go there; none where no prompt does."""
    labels = [*dict.fromkeys(counts.clean)]
    place = {label: -row for row, label in enumerate(labels)}
    for number, row in enumerate(counts.itertuples()):
        ends, changes = (place[row.clean], place[row.ablated]), row.clean != row.ablated
        if row.count:
            width = 1 + 5 * (row.count / counts["count"].max()) ** 0.5
            ax.plot((0, 1), ends, color=ENTROPY if changes else OTHER, linewidth=width, alpha=0.8, zorder=1)
            at = (0.15, 0.32, 0.49)[number % 3] if changes else 0.75
            boxed = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(at, ends[0] + at * (ends[1] - ends[0]), f"{row.count:,}", ha="center", va="center", bbox=boxed)
    for column, side in ((0, "clean"), (1, "ablated")):
        for label in labels:
            n = int(counts["count"][counts[side] == label].sum())
            way = {"ha": "right" if column == 0 else "left", "va": "center"}
            ax.text(column + (0.03 if column else -0.03), place[label], f"{label}\n{n:,}", **way)
    ax.set(xlim=(-0.25, 1.25), ylim=(-len(labels) + 0.6, 0.4), xticks=(0, 1), xticklabels=("clean", "ablated"))
    ax.set(yticks=())
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def conversion_by_label(table: DataFrame, *, ax: Axes) -> Axes:
    """Conversion ratios in % by label (set, label, value, low, high, shares in 0 … 1), a row of dots for each of the
    sets, the first in colour; a ratio that is not defined (NaN) is left out."""
    labels, sets = [*dict.fromkeys(table.label)], [*dict.fromkeys(table.set)]
    for order, name in enumerate(sets):
        rows = table[table.set == name].set_index("label").loc[labels]
        at = [place + 0.16 * (order - (len(sets) - 1) / 2) for place in range(len(labels))]
        style = {"color": OTHER if order else ENTROPY, "label": name, "markersize": 5, "linewidth": 1.5}
        upright(at, 100 * rows.value, (100 * rows.low, 100 * rows.high), ax=ax, **style)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xticks=range(len(labels)), xticklabels=labels, xlim=(-0.5, len(labels) - 0.5))
    ax.set(xlabel="label that is gained", ylabel="conversion ratio (%)")
    ax.legend(ncols=len(sets), **ABOVE)
    return ax


def scores_of_sets(scores: DataFrame, *, own: float, noise: float, ax: Axes) -> Axes:
    """The global transition scores of random sets (set, score), a row of dots for each kind with its middle 95 % as a
    line, the chosen neurons' as a vertical line, and what batch and precision change by themselves dotted; in %."""
    kinds = [*dict.fromkeys(scores.set)]
    for row, kind in enumerate(kinds):
        some = 100 * scores.score[scores.set == kind]
        spread = row + 0.3 * ((some.rank(method="first") * 0.618) % 1 - 0.5)
        ax.plot(some, spread, ".", color=OTHER, markersize=3, alpha=0.4, rasterized=True)
        low, high = some.quantile([0.025, 0.975])
        lying([some.mean()], [row], ([low], [high]), ax=ax, color="black", markersize=5, linewidth=2)
    ax.axvline(100 * own, color=ENTROPY, linewidth=2, label=CHOSEN)
    ax.axvline(100 * noise, color="black", linewidth=1, linestyle=":", label="batch and precision alone")
    ax.set(yticks=range(len(kinds)), yticklabels=kinds, ylim=(len(kinds) - 0.4, -0.6))
    ax.set(xlabel="global transition score (%)")
    ax.legend(ncols=2, **ABOVE)
    return ax


def log_odds_shift_by_label(table: DataFrame, *, ax: Axes) -> Axes:
    """Mean change of the log-odds of the context's answer against the known one (nats) by clean label (label, n, set,
    value, low, high), the first set in colour, the others grey."""
    sets, labels = [*dict.fromkeys(table.set)], [*dict.fromkeys(table.label)]
    for order, name in enumerate(sets):
        rows = table[table.set == name].set_index("label").loc[labels]
        at = [place + 0.2 * (order - (len(sets) - 1) / 2) for place in range(len(labels))]
        style = {"color": OTHER if order else ENTROPY, "label": name, "markersize": 5, "linewidth": 1.5}
        lying(rows.value, at, (rows.low, rows.high), ax=ax, **style)
    n = table.drop_duplicates("label").set_index("label").n
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(yticks=range(len(labels)), yticklabels=[f"{label} ({n[label]:,})" for label in labels])
    ax.set(ylim=(len(labels) - 0.5, -0.5), xlabel="change of the log-odds, context against known (nats)")
    ax.legend(ncols=len(sets), **ABOVE)
    return ax


def flips_by_mechanism(table: DataFrame, *, ax: Axes) -> Axes:
    """Answers that changed in % of the prompts by what sufficed (mechanism, set, value, low, high, shares in 0 … 1),
    the first set in colour, the others grey."""
    sets, rows_of = [*dict.fromkeys(table.set)], [*dict.fromkeys(table.mechanism)]
    for order, name in enumerate(sets):
        rows = table[table.set == name].set_index("mechanism").loc[rows_of]
        at = [place + 0.2 * (order - (len(sets) - 1) / 2) for place in range(len(rows_of))]
        style = {"color": OTHER if order else ENTROPY, "label": name, "markersize": 5, "linewidth": 1.5}
        lying(100 * rows.value, at, (100 * rows.low, 100 * rows.high), ax=ax, **style)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(yticks=range(len(rows_of)), yticklabels=rows_of, ylim=(len(rows_of) - 0.5, -0.5))
    ax.set(xlabel="answers changed (% of the prompts)")
    ax.legend(ncols=len(sets), **ABOVE)
    return ax


def change_against_dose(table: DataFrame, *, column: str, label: str, ax: Axes) -> Axes:
    """A score in % against the factor on the deviation from the value put in (dose, set, and the `column` with its
    `_low` and `_high`, shares in 0 … 1): the first set as a line with intervals, the other as a band of its sets."""
    first, *others = [*dict.fromkeys(table.set)]
    for name in others:
        rows = table[table.set == name]
        ends = (100 * rows[f"{column}_low"], 100 * rows[f"{column}_high"])
        ax.fill_between(rows.dose, *ends, color=OTHER, alpha=0.35, linewidth=0, label=name)
        ax.plot(rows.dose, 100 * rows[column], color="#555555", linewidth=1)
    rows = table[table.set == first]
    ends = (100 * rows[f"{column}_low"], 100 * rows[f"{column}_high"])
    style = {"color": ENTROPY, "markersize": 4, "linewidth": 1.5, "linestyle": "-", "label": first}
    upright(rows.dose, 100 * rows[column], ends, ax=ax, **style)
    ax.axvline(1, color="black", linewidth=1, linestyle=":")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="factor on the deviation (0: ablated, 1: clean)", ylabel=label)
    ax.legend(ncols=2, **ABOVE)
    return ax
