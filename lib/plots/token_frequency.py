"""Figures of chapter 05: tokens by how frequent they are, and the neurons that act on that."""

import seaborn
from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import ENTROPY, FREQUENCY, OTHER, counted, lying, upright

KINDS = {"other": OTHER, "entropy": ENTROPY, "followed": FREQUENCY}
LEFTMOST = -1.0


def count_against_rank(counts: DataFrame, *, ax: Axes) -> Axes:
    """How often each token occurs (count) against its rank by frequency, on log axes; unseen tokens, which have no
    place there, are counted in the legend."""
    seen = counts[counts["count"] > 0].sort_values("count", ascending=False)
    rank, unseen = range(1, len(seen) + 1), len(counts) - len(seen)
    ax.plot(rank, seen["count"], ".", color=FREQUENCY, markersize=3, label=f"{len(seen):,} tokens of the vocabulary")
    ax.plot([], [], " ", label=f"{unseen:,} more never occur")
    ax.set(xscale="log", yscale="log", xlabel="rank by frequency", ylabel="occurrences in the text")
    ax.legend(loc="lower left")
    return ax


def entropy_against_kl(tokens: DataFrame, bins: DataFrame, *, ax: Axes) -> Axes:
    """A dot per token of `tokens` (kl, entropy), and the mean of each of `bins` with its interval (low, high)."""
    ax.scatter(tokens.kl, tokens.entropy, s=6, alpha=0.35, color=OTHER, linewidth=0, label="scored tokens")
    upright(bins.kl, bins.entropy, (bins.low, bins.high), ax=ax, color=FREQUENCY, label="mean of a bin, 95 %")
    ax.set(xlabel="KL(unigram || model) (nats)", ylabel="entropy (nats)")
    ax.legend(loc="upper right")
    return ax


def kl_change_against_share(neurons: DataFrame, *, ax: Axes) -> Axes:
    """A dot per neuron (frequency_mediated, abs_kl_change) in the colour of its `kind`: other, entropy, followed.

    Marked neurons carry the interval of their share, and their names up to 10 of a kind. A share below -1 is not drawn:
    the ablation moves the loss so little that its ratio means nothing; the legend counts them."""
    shown = neurons[neurons.frequency_mediated >= LEFTMOST]
    for kind, colour in KINDS.items():
        some = shown[shown.kind == kind]
        if kind == "other":
            beyond = f", {len(neurons) - len(shown)} beyond the frame" if len(shown) < len(neurons) else ""
            ax.scatter(some.frequency_mediated, some.abs_kl_change, s=10, color=colour, label=f"other{beyond}")
        elif len(some):
            _marked(some, colour, label=f"{kind}, {counted(len(some), 'neuron')}", ax=ax)
    ax.axvline(0, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="frequency-mediated share", ylabel="absolute KL change (nats)", xlim=(None, 1))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, columnspacing=1)
    return ax


def _marked(neurons: DataFrame, colour: str, *, label: str, ax: Axes) -> None:
    ends = (neurons.frequency_mediated_low, neurons.frequency_mediated_high)
    lying(neurons.frequency_mediated, neurons.abs_kl_change, ends, ax=ax, color=colour, label=label)
    if len(neurons) <= 10:
        for row in neurons.itertuples():
            at = (row.frequency_mediated, row.abs_kl_change)
            ax.annotate(f"{row.layer}.{row.unit}", at, (4, 4), textcoords="offset points", fontsize=9)


def share_against_share(neurons: DataFrame, *, ax: Axes) -> Axes:
    """Each neuron's frequency-mediated share with the unseen tokens left out (seen_only) against that with all."""
    drawn = neurons[(neurons.frequency_mediated >= LEFTMOST) & (neurons.seen_only >= LEFTMOST)]
    for kind, colour in KINDS.items():
        some = drawn[drawn.kind == kind]
        if len(some):
            ax.scatter(some.frequency_mediated, some.seen_only, s=16, color=colour, linewidth=0, label=kind)
    ends = [drawn[["frequency_mediated", "seen_only"]].min().min(), 1]
    ax.plot(ends, ends, color="black", linewidth=1, linestyle=":", label="the same")
    ax.set(xlabel="share, all tokens", ylabel="share, unseen tokens left out")
    ax.legend(loc="upper left")
    return ax


def loss_change_by_group(tokens: DataFrame, means: DataFrame, *, ax: Axes) -> Axes:
    """Boxes of the absolute loss change (abs_loss_change) by `group` and `effect` (total, frequency frozen), over
    neurons and tokens; whiskers reach 1.5 times the quartile range, what lies beyond is not drawn. `means` has the
    mean of each box with its interval (value, low, high): a dot."""
    palette = dict(zip(means.effect.unique(), (FREQUENCY, "white"), strict=True))
    seaborn.boxplot(
        tokens, x="group", y="abs_loss_change", hue="effect", palette=palette, showfliers=False, width=0.6, ax=ax
    )
    groups, effects = list(tokens.group.unique()), list(palette)
    at = means.group.map(groups.index) + 0.3 * (means.effect.map(effects.index) - 0.5)
    upright(at, means.value, (means.low, means.high), ax=ax, color="black", markersize=4)
    ax.set(xlabel="", ylabel="absolute loss change (nats)", ylim=(0, None))
    ax.legend(title="", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return ax


def entropy_change_against_kl_change(tokens: DataFrame, *, ax: Axes) -> Axes:
    """A dot per token (kl_change, entropy_change), in the colour of its loss change: red where the ablation costs."""
    reach = max(tokens.loss_change.abs().quantile(0.95), 1e-6)
    dots = ax.scatter(
        tokens.kl_change, tokens.entropy_change, c=tokens.loss_change, s=12, cmap="coolwarm", vmin=-reach, vmax=reach
    )
    ax.axhline(0, color="black", linewidth=1, linestyle=":")
    ax.axvline(0, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="KL change (nats)", ylabel="entropy change (nats)")
    ax.figure.colorbar(dots, ax=ax, label="loss change (nats)", extend="both")
    return ax
