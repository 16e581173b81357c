"""The book's figures: a table in, Axes out. Nothing here loads, computes, saves or shows.

Colour means one thing in the whole book: entropy (`ENTROPY`), token frequency (`FREQUENCY`), and
everything random or unselected (`OTHER`)."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas
import seaborn
from matplotlib.axes import Axes
from pandas import DataFrame

ENTROPY, FREQUENCY, OTHER = "#D55E00", "#0072B2", "#999999"


def use_style() -> None:
    """Figures from here on follow `book.mplstyle`; tables show their texts whole."""
    pandas.set_option("display.max_colwidth", None)
    plt.style.use(Path(__file__).with_name("book.mplstyle"))


def loss_against_entropy(tokens: DataFrame, bins: DataFrame, *, ax: Axes) -> Axes:
    """A dot per token of `tokens` (entropy, loss), the mean of each of `bins` with its interval, and loss = entropy."""
    seaborn.scatterplot(tokens, x="entropy", y="loss", color=OTHER, s=6, alpha=0.35, linewidth=0, ax=ax)
    error = [bins.loss - bins.low, bins.high - bins.loss]
    ax.errorbar(bins.entropy, bins.loss, yerror_clipped(error), fmt="o", color=ENTROPY, label="mean of a bin, 95 %")
    top = tokens.entropy.max()
    ax.plot([0, top], [0, top], color="black", linewidth=1, linestyle=":", label="loss = entropy")
    ax.set(xlabel="entropy (nats)", ylabel="loss (nats)", ylim=(-0.2, bins.high.max() * 2))
    ax.legend(loc="upper left")
    return ax


def entropy_against_scale(table: DataFrame, *, ax: Axes) -> Axes:
    """Mean entropy with its interval (entropy, low, high) at multiples of the clean scale (factor)."""
    ax.fill_between(table.factor, table.low, table.high, color=ENTROPY, alpha=0.2, linewidth=0)
    ax.plot(table.factor, table.entropy, "o-", color=ENTROPY)
    ax.axvline(1, color="black", linewidth=1, linestyle=":")
    ax.set(xscale="log", xlabel="scale / clean scale", ylabel="entropy (nats)")
    return ax


def accuracy_against_confidence(bins: DataFrame, *, ax: Axes) -> Axes:
    """A reliability diagram: accuracy of each bin with its interval (low, high) against its confidence."""
    ax.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle=":", label="perfectly calibrated")
    error = yerror_clipped([bins.accuracy - bins.low, bins.high - bins.accuracy])
    ax.errorbar(bins.confidence, bins.accuracy, error, fmt="o", color=FREQUENCY, label="bin of equal mass, 95 %")
    ax.set(xlabel="top-1 confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    ax.legend(loc="upper left")
    return ax


def singular_value_against_index(table: DataFrame, *, dim: int, ax: Axes) -> Axes:
    """Singular values (index, singular_value) on a log axis, the effective null space shaded, with the band
    (random_low, random_high) of random unembeddings; exact zeros are left out."""
    shown = table[table.singular_value > 0]
    ax.fill_between(
        shown["index"], shown.random_low, shown.random_high, color=OTHER, alpha=0.6, label="random unembeddings"
    )
    ax.plot(shown["index"], shown.singular_value, ".", color=ENTROPY, label="this model")
    ax.axvspan(len(table) - dim - 0.5, len(table) - 0.5, color=ENTROPY, alpha=0.15, label=f"null space, dim {dim}")
    ax.set(yscale="log", xlabel="index", ylabel="singular value")
    ax.legend()
    return ax


def direct_change_against_dim(table: DataFrame, *, chosen: int, ax: Axes) -> Axes:
    """Direct change of the logits (change) by a write spread over the `dim` least-read directions."""
    ax.plot(table.dim, table.change, "o", color=ENTROPY, markersize=3, label="write inside the space")
    ax.axhline(table.random.iloc[0], color=OTHER, label="random write of the same length")
    ax.axvline(chosen, color="black", linewidth=1, linestyle=":", label=f"dim {chosen}, by the rule")
    ax.set(xlabel="dim of the effective null space", ylabel="direct logit change, rms", ylim=(0, None))
    ax.legend()
    return ax


def logit_variance_against_norm(neurons: DataFrame, *, chosen: str, ax: Axes) -> Axes:
    """A dot per neuron (norm, logit_variance); those marked in the column `chosen` are coloured, and named up to 10."""
    picked = neurons[neurons[chosen]]
    ax.scatter(neurons.norm, neurons.logit_variance, s=10, color=OTHER, linewidth=0, label="all neurons")
    ax.scatter(picked.norm, picked.logit_variance, s=30, color=ENTROPY, label=f"{chosen}, {len(picked)} neurons")
    if len(picked) <= 10:
        for row in picked.itertuples():
            ax.annotate(f"{row.layer}.{row.unit}", (row.norm, row.logit_variance), (4, 3), textcoords="offset points")
    ax.set(yscale="log", xlabel="norm", ylabel="LogitVar")
    ax.legend()
    return ax


def share_against_index(table: DataFrame, *, dim: int, ax: Axes) -> Axes:
    """Mean squared cosine (chosen) with each singular direction, the controls' band (control_low, control_high)."""
    ax.fill_between(
        table["index"], table.control_low, table.control_high, color=OTHER, alpha=0.6, label="matched on norm"
    )
    ax.plot(table["index"], table.chosen, ".-", color=ENTROPY, linewidth=1, label="chosen, mean")
    ax.axvspan(len(table) - dim - 0.5, len(table) - 0.5, color=ENTROPY, alpha=0.15, label=f"null space, dim {dim}")
    ax.set(xlabel="index of the singular direction", ylabel="squared cosine", ylim=(0, None))
    ax.legend(loc="upper left")
    return ax


def overlap_of_rules(overlap: DataFrame, *, sizes: dict[str, int], ax: Axes) -> Axes:
    """Jaccard index of every pair of rules as a heat map; the diagonal tells how many neurons each rule chose."""
    texts = overlap.map("{:.2f}".format)
    for rule, size in sizes.items():
        texts.loc[rule, rule] = f"[{size}]"
    seaborn.heatmap(overlap, annot=texts, fmt="", cmap="Oranges", vmin=0, vmax=1, square=True, cbar=False, ax=ax)
    ax.set(xlabel="", ylabel="")
    ax.tick_params(length=0, labelrotation=0)
    return ax


def rho_against_dim(table: DataFrame, *, dim: int, ax: Axes) -> Axes:
    """Mean rho of the chosen neurons and of their controls at every `dim`, with chance."""
    ax.plot(table.dim, table.chosen, "o-", color=ENTROPY, markersize=3, label="chosen")
    ax.plot(table.dim, table.control, "o-", color=OTHER, markersize=3, label="matched on norm")
    ax.plot(table.dim, table.chance, color="black", linestyle=":", linewidth=1, label="chance")
    ax.axvline(dim, color="black", linewidth=1, alpha=0.4, label=f"dim {dim}, by the rule")
    ax.set(xlabel="dim of the effective null space", ylabel="rho, mean", ylim=(0, 1))
    ax.legend()
    return ax


def yerror_clipped(error: list) -> list:
    """Error bar lengths, never negative: a bias-corrected interval may leave its estimate just outside."""
    return [side.clip(lower=0) for side in error]
