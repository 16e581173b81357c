"""Figures of chapter 01: what a final layer says about confidence."""

import seaborn
from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import ENTROPY, FREQUENCY, OTHER, upright


def probability_against_rank(predictions: DataFrame, *, ax: Axes) -> Axes:
    """Whole distributions: every token's probability against its rank, a line for each prediction (rank, probability,
    prediction)."""
    for (name, rows), colour in zip(predictions.groupby("prediction", sort=False), (FREQUENCY, ENTROPY), strict=False):
        ax.plot(rows["rank"], rows.probability, color=colour, label=name)
    ax.set(xscale="log", yscale="log", xlabel="rank of the token", ylabel="probability", ylim=(1e-8, 2))
    ax.legend(loc="center left", bbox_to_anchor=(0.3, 0.25))
    return ax


def loss_against_entropy(tokens: DataFrame, bins: DataFrame, *, ax: Axes) -> Axes:
    """A dot per token of `tokens` (entropy, loss), the mean of each of `bins` with its interval, and loss = entropy."""
    seaborn.scatterplot(
        tokens, x="entropy", y="loss", color=OTHER, s=6, alpha=0.35, linewidth=0, rasterized=True, ax=ax
    )
    upright(bins.entropy, bins.loss, (bins.low, bins.high), ax=ax, color=ENTROPY, label="mean of a bin, 95 %")
    top = tokens.entropy.max()
    ax.plot([0, top], [0, top], color="black", linewidth=1, linestyle=":", label="loss = entropy")
    ax.set(xlabel="entropy (nats)", ylabel="loss (nats)", ylim=(-0.2, bins[["loss", "high"]].max().max() * 2))
    ax.legend(loc="upper left")
    return ax


def entropy_against_scale(table: DataFrame, *, ax: Axes) -> Axes:
    """Mean entropy with its interval (entropy, low, high) at multiples of the clean scale (factor)."""
    ax.fill_between(table.factor, table.low, table.high, color=ENTROPY, alpha=0.2, linewidth=0)
    ax.plot(table.factor, table.entropy, "o-", color=ENTROPY)
    ax.axvline(1, color="black", linewidth=1, linestyle=":")
    ax.set(xscale="log", xlabel="scale / clean scale", ylabel="entropy (nats)")
    ax.set_xticks(table.factor, [f"{factor:g}" for factor in table.factor])
    ax.minorticks_off()
    return ax


def accuracy_against_confidence(bins: DataFrame, *, ax: Axes) -> Axes:
    """A reliability diagram: accuracy of each bin with its interval (low, high) against its confidence."""
    ax.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle=":", label="perfectly calibrated")
    style = {"color": FREQUENCY, "label": "bin of equal mass, 95 %"}
    upright(bins.confidence, bins.accuracy, (bins.low, bins.high), ax=ax, **style)
    ax.set(xlabel="top-1 confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    ax.legend(loc="upper left")
    return ax
