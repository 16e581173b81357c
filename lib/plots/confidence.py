"""Figures of chapter 11: two models side by side, base filled and solid, post-trained open and dashed."""

from collections.abc import Mapping

import numpy
from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import ENTROPY, OTHER, lying, upright

MARKERS = {
    "base": {"marker": "o", "color": "black"},
    "sft": {"marker": "s", "color": OTHER},
    "post": {"marker": "o", "color": "black", "markerfacecolor": "white"},
}
"""How each stage of a pair is drawn, where nothing else is told by colour."""
LINES = {"base": "-", "sft": "-.", "post": "--"}
RULES = {"stolfo": "o", "rho_top": "s", "tighidet": "^", "du": "D"}


def overlap_against_k(table: DataFrame, *, ax: Axes) -> Axes:
    """Jaccard index of what each rule chooses in two models against k (columns rule, k, jaccard), and in grey that of
    random sets (jaccard_by_chance)."""
    kept = table[table.rule.isin(RULES)]
    for offset, (rule, rows) in zip((-0.15, -0.05, 0.05, 0.15), kept.groupby("rule", sort=False), strict=False):
        at = numpy.arange(len(rows)) + offset
        fill = ENTROPY if rule == "du" else "white"
        ax.plot(
            at, rows.jaccard, RULES[rule], color=ENTROPY, markerfacecolor=fill, linestyle="-", linewidth=1, label=rule
        )
        ax.plot(at, rows.jaccard_by_chance, "_", color=OTHER, markersize=10, markeredgewidth=2)
    ax.plot([], [], "_", color=OTHER, markersize=10, markeredgewidth=2, label="random sets")
    counts = list(dict.fromkeys(kept.k))
    ax.set_xticks(range(len(counts)), [str(k) for k in counts])
    ax.set(xlabel="neurons that a rule may choose", ylabel="overlap (Jaccard index)", ylim=(0, 1.05))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def confidence_of_models(table: DataFrame, *, quantity: str, label: str, ax: Axes) -> Axes:
    """A quantity of every model with its interval (`<quantity>_low`, `<quantity>_high`), texts side by side."""
    texts, models = list(dict.fromkeys(table.text)), [name for name in MARKERS if name in set(table.model)]
    for offset, model in zip(numpy.linspace(-0.2, 0.2, len(models)), models, strict=True):
        rows = table[table.model == model].set_index("text").loc[texts]
        ends = rows[f"{quantity}_low"], rows[f"{quantity}_high"]
        upright(numpy.arange(len(texts)) + offset, rows[quantity], ends, ax=ax, label=model, **MARKERS[model])
    ax.set_xticks(range(len(texts)), [text.replace(", ", ",\n") for text in texts])
    ax.set(ylabel=label, xlim=(-0.5, len(texts) - 0.5), ylim=(0, None))
    return ax


def reliability_of_models(bins: DataFrame, *, title: str, ax: Axes) -> Axes:
    """Reliability diagrams of several models: accuracy with its interval against confidence, by bin (column model)."""
    ax.plot([0, 1], [0, 1], color=OTHER, linewidth=1, linestyle=":", label="perfectly calibrated")
    for model, rows in bins.groupby("model", sort=False):
        style = MARKERS[model] | {"markersize": 4}
        upright(rows.confidence, rows.accuracy, (rows.low, rows.high), ax=ax, **style)
        ax.plot(rows.confidence, rows.accuracy, LINES[model], color=style["color"], linewidth=1, label=model)
    ax.set(xlabel="top-1 confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal", title=title)
    ax.legend(loc="upper left", fontsize=8)
    return ax


def shift_of_sets(rows: DataFrame, *, title: str, marks: Mapping[str, float], ax: Axes) -> Axes:
    """Change of the mean entropy by sets of neurons, a row for each (columns what, kind, value, low, high): chosen ones
    orange, others grey; `marks` are what it would be if the neurons made the whole difference, by their label."""
    at = numpy.arange(len(rows))[::-1]
    for kind, colour, size in (("chosen", ENTROPY, 7), ("other", OTHER, 5)):
        some = (rows.kind == kind).to_numpy()
        part = rows[some]
        lying(part.value, at[some], (part.low, part.high), ax=ax, color=colour, markersize=size)
    ax.axvline(0, color="black", linewidth=1)
    for (label, value), line in zip(marks.items(), (":", "--"), strict=False):
        ax.axvline(value, color="black", linewidth=1, linestyle=line, label=label)
    ax.set_yticks(at, rows.what)
    ax.set(xlabel="entropy change (nats)", title=title)
    if marks:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    return ax
