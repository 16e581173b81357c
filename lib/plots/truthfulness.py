"""Figures of chapter 09: one direction for truth, before and after post-training."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.emergence import checkpoints_along
from lib.plots.style import OTHER, lying, upright

LINES = {"base": "-", "sft": ":", "post": "--"}
"""Base solid, post-trained dashed, as everywhere; what lies between dotted."""
WORDINGS = {"statement": "black", "paraphrase": "#009E73", "negation": "#CC79A7"}
ABOVE = {
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
    "borderaxespad": 0.2,
    "columnspacing": 1,
    "handlelength": 2.2,
    "fontsize": 10,
}
"""A legend above the axes, where nothing is drawn."""


def truth_against_layer(curves: DataFrame, *, measure: str, wordings: Sequence[str], ylabel: str, ax: Axes) -> Axes:
    """A measure of directions after every layer (wording, model, layer, measure, value, low, high), with intervals: a
    colour for each wording, a line style for each model; chance is the thin line at one half."""
    rows = curves[(curves.measure == measure) & curves.wording.isin(wordings)]
    groups = [*rows.groupby(["wording", "model"], sort=False)]
    for place, ((wording, model), some) in enumerate(groups):
        beside = some.layer + 0.03 * (place - (len(groups) - 1) / 2)
        label = model if len(wordings) == 1 else f"{wording}, {model}"
        style = {"color": WORDINGS[wording], "linestyle": LINES[model], "markersize": 4, "linewidth": 1.4}
        upright(beside, some.value, (some.low, some.high), ax=ax, label=label, **style)
    ax.axhline(0.5, color="black", linewidth=0.8)
    ax.set(xlabel="layer", ylabel=ylabel, ylim=(-0.03, 1.03), xticks=_layers(int(rows.layer.max())))
    ax.legend(ncols=3, **ABOVE)
    return ax


def _layers(last: int) -> list[int]:
    """Every layer, or of more than 16 every other, every third, …"""
    return [*range(0, last + 1, 1 + last // 16)]


def probe_transfer(table: DataFrame, *, ax: Axes) -> Axes:
    """The accuracy over all topics of each model's direction in each model (direction_from, read_in, topic, centring,
    accuracy with its interval), a row for each pair, what is read in one model together, from three origins."""
    names = [*dict.fromkeys(table.read_in)]
    rows = table[table.topic == "all"].sort_values("read_in", key=lambda some: some.map(names.index), kind="stable")
    pairs = [*dict.fromkeys(zip(rows.direction_from, rows.read_in, strict=True))]
    marks = {"none": ("o", "as it is"), "others": ("s", "model's mean"), "topic": ("D", "topic's mean")}
    for shift, (by, (mark, label)) in zip((-0.2, 0, 0.2), marks.items(), strict=True):
        some = rows[rows.centring == by]
        at = [pairs.index(key) + shift for key in zip(some.direction_from, some.read_in, strict=True)]
        style = {"color": "black", "marker": mark, "markersize": 5, "alpha": 1.0 if by == "topic" else 0.6}
        lying(some.accuracy, at, (some.accuracy_low, some.accuracy_high), ax=ax, label=label, **style)
    ax.axvline(0.5, color="black", linewidth=0.8)
    ax.set(yticks=range(len(pairs)), yticklabels=[f"{one} → {other}" for one, other in pairs])
    ax.set(xlabel="accuracy on topics left out", ylim=(len(pairs) - 0.5, -0.5))
    ax.legend(ncols=3, **ABOVE)
    return ax


def cosine_against_layer(table: DataFrame, *, models: str, ax: Axes) -> Axes:
    """Cosines of two models' directions after every layer (models, layer, same, across, ceiling, by_lot_low,
    by_lot_high): on the same facts, on different halves, the most that halves allow; grey: labels by lot."""
    rows = table[table.models == models]
    ax.fill_between(
        rows.layer, rows.by_lot_low, rows.by_lot_high, color=OTHER, alpha=0.4, linewidth=0, label="labels by lot, 95 %"
    )
    ax.plot(rows.layer, rows.same, "o-", color="black", markersize=5, label="same facts")
    ax.plot(rows.layer, rows.across, "s--", color="black", markersize=5, label="different halves")
    ax.plot(rows.layer, rows.ceiling, ":", color="black", linewidth=1.4, label="what halves allow")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="layer", ylabel="cosine", ylim=(-1.05, 1.05), xticks=_layers(int(rows.layer.max())))
    ax.legend(ncols=2, **ABOVE)
    return ax


def effect_by_direction(table: DataFrame, *, place: str, ax: Axes) -> Axes:
    """Indirect effects at a place over all topics (direction_from, model, from_label, indirect_effect with its
    interval), a row for each direction and model, true and false statements apart; random directions in grey."""
    rows = table[(table.place == place) & (table.topic == "all")]
    pairs = [*dict.fromkeys(zip(rows.model, rows.direction_from, strict=True))]
    for shift, label, fill in ((-0.14, "TRUE", None), (0.14, "FALSE", "white")):
        for is_random, colour in ((False, "black"), (True, OTHER)):
            some = rows[(rows.from_label == label) & ((rows.direction_from == "random") == is_random)]
            at = [pairs.index(key) + shift for key in zip(some.model, some.direction_from, strict=True)]
            ends = (some.indirect_effect_low, some.indirect_effect_high)
            name = f"{label} statements{', random' * is_random}"
            style = {"color": colour, "markersize": 6, "markerfacecolor": fill or colour}
            lying(some.indirect_effect, at, ends, ax=ax, label=name, **style)
    for aim in (0, 1):
        ax.axvline(aim, color="black", linewidth=0.8, linestyle=":" if aim else "-")
    ax.set(yticks=range(len(pairs)), yticklabels=[f"{one} → {model}" for model, one in pairs])
    ax.set(xlabel=f"indirect effect, added at the {place}", ylim=(len(pairs) - 0.5, -0.5))
    ax.legend(ncols=2, **ABOVE)
    return ax


def verdict_against_strength(table: DataFrame, *, place: str, ax: Axes) -> Axes:
    """P(TRUE) - P(FALSE) of true and of false statements against the strength of the shift (place, model, direction,
    strength, label, pd, low, high), a line style for each model; random directions in grey."""
    rows = table[table.place == place]
    for (direction, model, is_true), some in rows.groupby(["direction", "model", "label"], sort=False):
        colour = OTHER if direction == "random" else "black"
        label = None if not is_true else f"{model}, {direction}"
        style = {"color": colour, "linestyle": LINES[model], "markersize": 5, "linewidth": 1.4}
        style |= {"markerfacecolor": colour if is_true else "white"}
        upright(some.strength, some.pd, (some.low, some.high), ax=ax, label=label, **style)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel=f"strength at the {place}, of the residual stream's norm", ylabel="P(TRUE) − P(FALSE)")
    ax.set(ylim=(-1.05, 1.05))
    ax.legend(ncols=2, **ABOVE)
    return ax


def truth_against_training(
    trace: DataFrame, *, styles: Mapping[str, str], control: float | None, grown: Sequence[int], ax: Axes
) -> Axes:
    """Shares over training (checkpoint, step, statistic, value, low, high), with intervals, a line style for each
    statistic of `styles`; grey line: what the direction sorts in the control. The final weights are left out, and the
    checkpoints of the steps `grown` stand on a grey ground."""
    points = trace[(trace.checkpoint != "final") & trace.statistic.isin(styles)]
    steps = sorted({*points.step})
    for name, line in styles.items():
        some = points[points.statistic == name].sort_values("step")
        style = {"color": "black", "linestyle": line, "markersize": 4, "linewidth": 1.4}
        style |= {"marker": "osD"[[*styles].index(name) % 3]}
        upright([*map(steps.index, some.step)], some.value, (some.low, some.high), ax=ax, label=name, **style)
    ax.axhline(0.5, color="black", linewidth=0.8)
    if control is not None:
        ax.axhline(control, color=OTHER, linewidth=2, label="sorted, verdicts by lot")
    if grown:
        ax.axvspan(steps.index(min(grown)) - 0.5, len(steps) - 0.5, color=OTHER, alpha=0.2, linewidth=0, label="grown")
    checkpoints_along(ax, steps)
    ax.set(ylabel="share", ylim=(-0.03, 1.03))
    ax.legend(ncols=2, **ABOVE)
    return ax
