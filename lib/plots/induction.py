"""Figures of chapter 06: heads and neurons on text that repeats itself."""

from matplotlib.axes import Axes
from pandas import DataFrame, Series, concat

from lib.plots.style import ENTROPY, FREQUENCY, OTHER, lying, upright

KINDS = {"other": OTHER, "frequency": FREQUENCY, "entropy": ENTROPY}


def induction_score_against_layer(heads: DataFrame, *, threshold: float, ax: Axes) -> Axes:
    """A dot per head (layer, head, induction_score with its interval), one per control (shuffled), and the threshold.

    The heads of a layer stand side by side; those above the threshold are named, up to 10."""
    place = heads.layer + 0.8 * (heads["head"] - heads["head"].max() / 2) / (heads["head"].max() + 1)
    score = heads.induction_score
    ends = (heads.induction_score_low, heads.induction_score_high)
    ax.plot(place, heads.shuffled, "_", color=OTHER, markersize=9, label="second half shuffled")
    upright(place, score, ends, ax=ax, color="black", markersize=4, label="repeated, 95 %")
    ax.axhline(threshold, color="black", linewidth=1, linestyle=":", label=f"threshold {threshold:g}")
    for index, row in heads[score > threshold].nlargest(10, "induction_score").iterrows():
        name = f"L{row.layer:.0f}H{row['head']:.0f}"
        ax.annotate(name, (place[index], row.induction_score), (6, -3), textcoords="offset points")
    ax.set(xlabel="layer", ylabel="induction score", ylim=(-0.02, 1.02), xticks=range(int(heads.layer.max()) + 1))
    ax.legend()
    return ax


def confidence_against_position(table: DataFrame, *, label: str, start: int, ax: Axes) -> Axes:
    """Means of one quantity by position with their bands (mean, low, high), a curve for each `series`.

    The first series is coloured, its controls are grey; the repeat starts at the dotted line."""
    for place, (name, rows) in enumerate(table.groupby("series", sort=False)):
        colour = OTHER if place else ENTROPY
        ax.fill_between(rows.position, rows.low, rows.high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(rows.position, rows["mean"], color=colour, linewidth=1.2, label=name)
    ax.axvline(start, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="position", ylabel=label, ylim=(0, None))
    ax.legend()
    return ax


def activation_change_against_position(changes: DataFrame, *, shown: list[int], start: int, ax: Axes) -> Axes:
    """Norm-weighted activation changes by position (index) of every neuron (a column): a line for each of `shown`,
    a grey band that holds 95 % of all others."""
    low, high = changes.drop(columns=shown).quantile([0.025, 0.975], axis=1).to_numpy()
    ax.fill_between(changes.index, low, high, color=OTHER, alpha=0.5, linewidth=0, label="95 % of other neurons")
    for shade, unit in enumerate(shown):
        opacity = 1 - 0.6 * shade / max(1, len(shown) - 1)
        ax.plot(changes.index, changes[unit], color=ENTROPY, alpha=opacity, linewidth=1.3, label=str(unit))
    ax.axvline(start, color="black", linewidth=1, linestyle=":")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="position", ylabel="activation change × norm")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    return ax


def activation_change_against_rank(neurons: DataFrame, *, column: str, title: str, ax: Axes) -> Axes:
    """Neurons by the size of their `column`, largest first, in the colour of their `kind`: other, frequency, entropy.

    Entropy and frequency neurons carry the interval of their change and, up to 10 of them, their names."""
    order = neurons.assign(rank=neurons[column].abs().rank(ascending=False, method="first"))
    for kind, colour in KINDS.items():
        some = order[order.kind == kind]
        size = some[column].abs()
        ends = [some[f"{column}_low"], some[f"{column}_high"]]
        if len(some) and kind == "other":
            ax.plot(some["rank"], size, ".", color=colour, label=f"other, {len(some)}")
        elif len(some):
            label = f"{kind} neurons, {len(some)}"
            upright(some["rank"], size, _of_size(*ends), ax=ax, color=colour, label=label)
    named = order[order.kind != "other"]
    for row in named.itertuples() if len(named) <= 10 else ():
        at = (row.rank, abs(getattr(row, column)))
        ax.annotate(f"{row.layer}.{row.unit}", at, (4, 4), textcoords="offset points", fontsize="small")
    ax.set(xscale="log", xlabel="rank among last-layer neurons", ylabel="|activation change| × norm", title=title)
    ax.legend()
    return ax


def _of_size(low: Series, high: Series) -> tuple[Series, Series]:
    """The interval of an absolute value: what the absolute values of an interval cover, from 0 where it holds 0."""
    sizes = concat([low.abs(), high.abs()], axis=1)
    return sizes.min(axis=1, skipna=False).where(low * high > 0, low * high * 0), sizes.max(axis=1, skipna=False)


def entropy_ratio_against_position(table: DataFrame, controls: DataFrame, *, ax: Axes) -> Axes:
    """Entropy under ablation over clean entropy by position of the repeat: ratio of means (solid) and mean of ratios
    (dashed) of each `series`, with the range of the ratios of means of all series of `controls`."""
    band = controls.groupby("position").ratio_of_means.agg(["min", "max"])
    label = f"{controls.series.nunique()} matched neurons, range"
    ax.fill_between(band.index, band["min"], band["max"], color=OTHER, alpha=0.5, linewidth=0, label=label)
    for shade, (name, rows) in enumerate(table.groupby("series", sort=False)):
        style = {"color": ENTROPY, "alpha": 1 - 0.5 * shade}
        ax.plot(rows.position, rows.ratio_of_means, label=f"{name}, ratio of means", **style)
        ax.plot(rows.position, rows.mean_of_ratios, linestyle="--", linewidth=1, **style)
    ax.plot([], [], color=ENTROPY, linestyle="--", linewidth=1, label="the same, mean of ratios")
    ax.axhline(1, color="black", linewidth=0.8)
    top, bottom = max(table.ratio_of_means.max(), band["max"].max()), min(table.ratio_of_means.min(), band["min"].min())
    limits = (max(0, bottom - 0.05), max(top, 1) + 0.05)
    ax.set(xlabel="position of the repeat", ylabel="entropy, clipped / clean", ylim=limits)
    ax.legend(fontsize="small")
    return ax


def fall_by_heads(table: DataFrame, *, reaction: float, ax: Axes) -> Axes:
    """How far a neuron falls back when heads rest (fall with low, high), a row for each set of heads (the index), those
    of `matched` in grey; open circles: all positions at once; dotted: the neuron's whole reaction."""
    for matched, colour, label in ((False, ENTROPY, "highest score"), (True, OTHER, "matched")):
        rows = table[table.matched == matched]
        at = [place for place, is_matched in enumerate(table.matched) if is_matched == matched]
        if len(rows):
            style = {"color": colour, "label": f"{label}, one position at a time"}
            lying(rows.fall, at, (rows.low, rows.high), ax=ax, **style)
            ax.plot(rows.all_at_once, at, "o", markerfacecolor="none", color=colour, label=f"{label}, all at once")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.axvline(reaction, color="black", linewidth=1, linestyle=":", label="the whole reaction")
    ax.set(yticks=range(len(table)), yticklabels=table.index, ylim=(len(table) - 0.5, -0.5))
    ax.set(xlabel="fall back, activation × norm")
    ax.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.3, -0.14), ncols=2)
    return ax


def loss_change_on_repeat(tokens: DataFrame, bins: DataFrame, *, name: str, ax: Axes) -> Axes:
    """Loss change under clip ablation against clean loss: a dot per token of the repeat (loss, loss_change), and the
    mean of each of `bins` with its interval (low, high)."""
    ax.plot(tokens.loss, tokens.loss_change, ".", color=OTHER, markersize=3, alpha=0.5, label="tokens of the repeat")
    style = {"color": FREQUENCY, "label": "mean of a bin, 95 %"}
    upright(bins.loss, bins.loss_change, (bins.low, bins.high), ax=ax, linestyle="-", **style)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="clean loss (nats)", ylabel="loss change (nats)", title=f"neuron {name}, clipped")
    ax.legend()
    return ax
