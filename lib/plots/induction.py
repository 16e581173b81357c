"""Figures of chapter 06: heads and neurons on text that repeats itself."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from pandas import DataFrame

from lib.plots.style import ENTROPY, FREQUENCY, OTHER, counted, lying, upright

KINDS = {"other": OTHER, "frequency": FREQUENCY, "entropy": ENTROPY}
ABOVE = {
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
    "borderaxespad": 0.2,
    "columnspacing": 1,
    "handlelength": 1.4,
    "fontsize": 10,
}
"""A legend above the axes, where nothing is drawn."""


def induction_score_against_layer(heads: DataFrame, *, threshold: float, ax: Axes) -> Axes:
    """A dot per head (layer, head, induction_score with its interval), one per control (shuffled), and the threshold.

    The heads of a layer stand side by side; those above the threshold are named, up to 10."""
    place = heads.layer + 0.8 * (heads["head"] - heads["head"].max() / 2) / (heads["head"].max() + 1)
    score = heads.induction_score
    ends = (heads.induction_score_low, heads.induction_score_high)
    ax.plot(place, heads.shuffled, "_", color=OTHER, markersize=11, markeredgewidth=2.5, label="second half shuffled")
    upright(place, score, ends, ax=ax, color="black", markersize=4, label="repeated, 95 %")
    ax.axhline(threshold, color="black", linewidth=1, linestyle=":", label=f"threshold {threshold:g}")
    named = heads[score > threshold].nlargest(10, "induction_score")
    for index, row in named.iterrows():
        beside = named[named.layer == row.layer]["head"]
        aside = int(row["head"] == beside.max()) - int(row["head"] == beside.min())  # 0 between others, and alone
        shift, align = ((5 * aside, -3), ("right", "center", "left")[aside + 1]) if aside else ((0, 7), "center")
        at = (place[index], row.induction_score)
        name = f"L{row.layer:.0f}H{row['head']:.0f}"
        ax.annotate(name, at, shift, textcoords="offset points", ha=align, fontsize=10)
    ax.set(xlabel="layer", ylabel="induction score", ylim=(-0.02, 1.06), xticks=range(int(heads.layer.max()) + 1))
    ax.legend(ncols=3, **ABOVE)
    return ax


def confidence_against_position(table: DataFrame, *, label: str, start: int, ax: Axes) -> Axes:
    """Means of one quantity by position with their bands (mean, low, high), a curve for each `series`.

    The first series is coloured, its controls are grey; the repeat starts at the dotted line. The axis ends a quarter
    above the highest mean, so that one wide band does not hide all curves."""
    for place, (name, rows) in enumerate(table.groupby("series", sort=False)):
        colour = OTHER if place else ENTROPY
        ax.fill_between(rows.position, rows.low, rows.high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(rows.position, rows["mean"], color=colour, linewidth=1.4, label=name)
    ax.axvline(start, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="position", ylabel=label, ylim=(0, 1.25 * table["mean"].max()))
    ax.legend(ncols=2, **ABOVE)
    return ax


def activation_change_against_position(
    changes: DataFrame, *, shown: Sequence[int], layer: int, start: int, ax: Axes
) -> Axes:
    """Norm-weighted activation changes by position (index) of every neuron (a column): a thick line for the first of
    `shown`, thin ones for the others, and a grey band that holds 95 % of all neurons that are not shown."""
    low, high = changes.drop(columns=[*shown]).quantile([0.025, 0.975], axis=1).to_numpy()
    ax.fill_between(changes.index, low, high, color=OTHER, alpha=0.5, linewidth=0, label="95 % of other neurons")
    star, *others = shown
    for place, unit in enumerate(others):
        label = counted(len(others), "more entropy neuron") if place == 0 else None
        ax.plot(changes.index, changes[unit], color=ENTROPY, alpha=0.4, linewidth=0.9, label=label)
    ax.plot(changes.index, changes[star], color=ENTROPY, linewidth=1.8, label=f"neuron {layer}.{star}")
    ax.axvline(start, color="black", linewidth=1, linestyle=":")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="position", ylabel="activation change × norm")
    ax.legend(ncols=3, **ABOVE)
    return ax


def activation_change_against_rank(neurons: DataFrame, *, column: str, title: str, ax: Axes) -> Axes:
    """Neurons by the size of their `column`, largest first, with its sign, in the colour of their `kind`: other,
    frequency, entropy.

    Entropy and frequency neurons carry the interval of their change and, up to 14 of them, their names. The frame cuts
    off what lies beyond twice the largest change."""
    order = neurons.assign(rank=neurons[column].abs().rank(ascending=False, method="first")).sort_values("rank")
    for kind, colour in KINDS.items():
        some = order[order.kind == kind]
        if len(some) and kind == "other":
            label = f"other, {len(some)}"
            ax.plot(some["rank"], some[column], ".", color=colour, rasterized=len(some) > 300, label=label)
        elif len(some):
            ends = (some[f"{column}_low"], some[f"{column}_high"])
            upright(some["rank"], some[column], ends, ax=ax, color=colour, label=f"{kind}, {len(some)}")
    named = order[order.kind != "other"]
    for row in named.itertuples() if len(named) <= 14 else ():
        at, way = (row.rank, getattr(row, column)), 1 if getattr(row, column) > 0 else -1
        style = {"rotation": 50 * way, "va": "bottom" if way > 0 else "top", "fontsize": 9}
        ax.annotate(f"{row.layer}.{row.unit}", at, (2, 4 * way), textcoords="offset points", **style)
    ax.axhline(0, color="black", linewidth=0.8)
    ends, most = order[[column, f"{column}_low", f"{column}_high"]][order.kind != "other"], order[column].abs().max()
    low, high = min(order[column].min(), ends.min().min()), max(order[column].max(), ends.max().max())
    ax.set(ylim=(max(low, -2 * most) - 0.15 * most, min(high, 2 * most) + 0.15 * most))
    ax.set(xscale="log", xlabel="rank by the size of the change", ylabel="change × norm")
    ax.set_title(title, loc="left", fontsize=11)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.2, columnspacing=1, fontsize=10)
    return ax


def entropy_ratio_against_position(table: DataFrame, controls: DataFrame, *, ax: Axes) -> Axes:
    """Entropy under ablation over clean entropy by position of the repeat: ratio of means (solid) and mean of ratios
    (dashed) of each `series`, with the range of the ratios of means of all series of `controls`."""
    band = controls.groupby("position").ratio_of_means.agg(["min", "max"])
    label = f"{controls.series.nunique()} neurons of like effect, range"
    ax.fill_between(band.index, band["min"], band["max"], color=OTHER, alpha=0.5, linewidth=0, label=label)
    for shade, (name, rows) in enumerate(table.groupby("series", sort=False)):
        style = {"color": ENTROPY, "alpha": 1 - 0.5 * shade}
        ax.plot(rows.position, rows.ratio_of_means, linewidth=1.8, label=name, **style)
        ax.plot(rows.position, rows.mean_of_ratios, linestyle="--", linewidth=1, **style)
    ax.plot([], [], color="black", linestyle="--", linewidth=1, label="dashed: mean of ratios")
    ax.axhline(1, color="black", linewidth=0.8)
    top, bottom = max(table.ratio_of_means.max(), band["max"].max()), min(table.ratio_of_means.min(), band["min"].min())
    limits = (max(0, bottom - 0.05), max(top, 1) + 0.05)
    ax.set(xlabel="position of the repeat", ylabel="entropy, clipped / clean", ylim=limits)
    ax.legend(ncols=2, **ABOVE)
    return ax


def fall_by_heads(table: DataFrame, *, reaction: float, ax: Axes) -> Axes:
    """How far a neuron falls back when heads rest (fall with low, high), a row for each set of heads (the index), those
    of `matched` in grey; open circles below: all positions at once; dotted: the neuron's whole reaction."""
    for matched, colour, label in ((False, ENTROPY, "highest score"), (True, OTHER, "matched")):
        rows = table[table.matched == matched]
        at = [place for place, is_matched in enumerate(table.matched) if is_matched == matched]
        if len(rows):
            style = {"color": colour, "label": f"{label}, one position at a time"}
            lying(rows.fall, [place - 0.14 for place in at], (rows.low, rows.high), ax=ax, **style)
            open_circle = {"markerfacecolor": "none", "markeredgewidth": 1.5, "markersize": 7}
            every = [place + 0.18 for place in at]
            ax.plot(rows.all_at_once, every, "o", color=colour, label=f"{label}, all at once", **open_circle)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.axvline(reaction, color="black", linewidth=1, linestyle=":", label="the whole reaction")
    ax.set(yticks=range(len(table)), yticklabels=table.index, ylim=(len(table) - 0.5, -0.5))
    ax.set(xlabel="fall back, activation × norm")
    ax.legend(ncols=2, **ABOVE)
    return ax


def loss_change_on_repeat(tokens: DataFrame, bins: DataFrame, *, name: str, ax: Axes) -> Axes:
    """Loss change when neuron `name` is clipped against clean loss: a dot per token (loss, loss_change), and the
    mean of each of `bins` with its interval (low, high). The frame leaves one token in a hundred out at either side,
    where those would dwarf all others."""
    dots = {"color": OTHER, "markersize": 3, "alpha": 0.5, "rasterized": True}
    ax.plot(tokens.loss, tokens.loss_change, ".", label="tokens of the repeat", **dots)
    style = {"color": FREQUENCY, "label": "mean of a bin, 95 %"}
    upright(bins.loss, bins.loss_change, (bins.low, bins.high), ax=ax, linestyle="-", **style)
    ax.axhline(0, color="black", linewidth=0.8)
    low, high = tokens.loss_change.quantile([0.01, 0.99])
    edges = min(low, bins.low.min(), bins.loss_change.min()), max(high, bins.high.max(), bins.loss_change.max())
    room = 0.15 * (edges[1] - edges[0])
    ax.set(xlabel="clean loss (nats)", ylabel=f"loss change, {name} clipped (nats)")
    ax.set(ylim=(edges[0] - room, edges[1] + room))
    ax.legend(ncols=2, **ABOVE)
    return ax
