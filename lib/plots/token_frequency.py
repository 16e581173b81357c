"""Figures of chapter 05: tokens by how frequent they are, and the neurons that act on that."""

from matplotlib.axes import Axes
from pandas import DataFrame, concat

from lib.plots.parts import boxes, named, plain
from lib.plots.style import ENTROPY, FREQUENCY, OTHER, counted, lying, upright

KINDS = {"other": OTHER, "entropy": ENTROPY, "followed": FREQUENCY}
LEFTMOST = -1.0


def count_against_rank(counts: DataFrame, *, ax: Axes) -> Axes:
    """How often each token occurs (count) against its rank by frequency, on log axes; unseen tokens, which have no
    place there, are counted in the legend."""
    seen = counts[counts["count"] > 0].sort_values("count", ascending=False)
    rank, unseen = range(1, len(seen) + 1), len(counts) - len(seen)
    style = {"color": FREQUENCY, "markersize": 4, "rasterized": True}
    ax.plot(rank, seen["count"], ".", label=f"{len(seen):,} tokens of the vocabulary", **style)
    ax.plot([], [], " ", label=f"{unseen:,} more never occur")
    ax.set(xscale="log", yscale="log", xlabel="rank by frequency", ylabel="occurrences in the text")
    plain(ax.xaxis)
    plain(ax.yaxis)
    ax.legend(loc="lower left")
    return ax


def entropy_against_kl(tokens: DataFrame, bins: DataFrame, permuted: DataFrame, *, ax: Axes) -> Axes:
    """A dot per token of `tokens` (kl, entropy), the mean of each of `bins` with its interval (low, high), and the bins
    of `permuted` unigrams (kl, entropy)."""
    style = {"s": 6, "alpha": 0.35, "color": OTHER, "linewidth": 0, "rasterized": True}
    ax.scatter(tokens.kl, tokens.entropy, label="scored tokens", **style)
    ax.plot(permuted.kl, permuted.entropy, "s--", color="black", markersize=4, linewidth=1, label="permuted unigrams")
    upright(bins.kl, bins.entropy, (bins.low, bins.high), ax=ax, color=FREQUENCY, label="mean of a bin, 95 %")
    ax.set(xlabel="KL(unigram || model) (nats)", ylabel="entropy (nats)", xlim=(0, None), ylim=(0, None))
    ax.legend(loc="upper right")
    return ax


def kl_change_against_share(neurons: DataFrame, *, min_share: float, least: float, ax: Axes) -> Axes:
    """A dot per neuron (frequency_mediated, abs_kl_change) in the colour of its `kind`: other, entropy, followed.
    Dotted: the smallest share (`min_share`) and KL change (`least`) that the rule asks for.

    Marked neurons carry the interval of their share, and their names up to 12 in all. A share below -1 is not drawn:
    the ablation moves the loss so little that its ratio means nothing; the legend counts them."""
    shown = neurons[neurons.frequency_mediated >= LEFTMOST]
    other, beyond = shown[shown.kind == "other"], len(neurons) - len(shown)
    label = f"other, {beyond} beyond the frame" if beyond else "other"
    style = {"s": 12, "color": OTHER, "linewidth": 0, "rasterized": True}
    ax.scatter(other.frequency_mediated, other.abs_kl_change, label=label, **style)
    ax.axvline(0, color="black", linewidth=1)
    ax.axvline(min_share, color="black", linewidth=1, linestyle=":")
    ax.axhline(least, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="frequency-mediated share", ylabel="absolute KL change (nats)")
    marked = [(kind, shown[shown.kind == kind]) for kind in ("entropy", "followed")]
    for kind, some in marked:
        if len(some):
            ends = (some.frequency_mediated_low, some.frequency_mediated_high)
            label = f"{kind}, {counted(len(some), 'neuron')}"
            lying(some.frequency_mediated, some.abs_kl_change, ends, ax=ax, color=KINDS[kind], label=label)
    ax.set(xlim=(None, 1), ylim=(0, None))
    both = concat([some for _, some in marked])
    named(both, both.frequency_mediated, both.abs_kl_change, lift=8.0, ax=ax)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, columnspacing=1)
    return ax


def share_against_share(neurons: DataFrame, *, ax: Axes) -> Axes:
    """Each neuron's frequency-mediated share with the unseen tokens left out (seen_only) against that with all."""
    drawn = neurons[(neurons.frequency_mediated >= LEFTMOST) & (neurons.seen_only >= LEFTMOST)]
    for kind, colour in KINDS.items():
        some = drawn[drawn.kind == kind]
        if len(some):
            size = 14 if kind == "other" else 34
            style = {"s": size, "color": colour, "linewidth": 0, "rasterized": kind == "other"}
            ax.scatter(some.frequency_mediated, some.seen_only, label=kind, **style)
    ends = [min(0, drawn[["frequency_mediated", "seen_only"]].min().min()), 1]
    ax.plot(ends, ends, color="black", linewidth=1, linestyle=":", label="the same")
    ax.set(xlabel="share, all tokens", ylabel="share, unseen tokens left out")
    ax.legend(loc="upper left")
    return ax


def loss_change_by_group(table: DataFrame, *, ax: Axes) -> Axes:
    """Boxes of absolute loss change of single tokens, total beside frequency frozen, for each group of neurons: a table
    of `evidence.boxes`."""
    colours = {"total": FREQUENCY, "direct_frequency": "white"}
    boxes(table, colours, labels=["total", "frequency frozen"], ax=ax)
    ax.set(ylabel="absolute loss change (nats)", ylim=(0, None))
    return ax


def entropy_change_against_kl_change(tokens: DataFrame, *, ax: Axes) -> Axes:
    """A dot per token (kl_change, entropy_change), in the colour of its loss change: red where the ablation costs."""
    reach = max(1e-6, tokens.loss_change.abs().quantile(0.95))
    style = {"s": 18, "cmap": "coolwarm", "vmin": -reach, "vmax": reach, "linewidth": 0.4, "edgecolors": "black"}
    dots = ax.scatter(tokens.kl_change, tokens.entropy_change, c=tokens.loss_change, rasterized=True, **style)
    ax.axhline(0, color="black", linewidth=1, linestyle=":")
    ax.axvline(0, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="KL change (nats)", ylabel="entropy change (nats)")
    ax.figure.colorbar(dots, ax=ax, label="loss change (nats)", extend="both")
    return ax
