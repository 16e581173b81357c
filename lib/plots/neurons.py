"""Figures of chapter 03: neurons by their weights, and the rules that choose among them."""

import seaborn
from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import ENTROPY, OTHER, counted


def logit_variance_against_norm(neurons: DataFrame, *, chosen: str, ax: Axes) -> Axes:
    """A dot per neuron (norm, logit_variance); those marked in the column `chosen` are coloured, and named up to 10."""
    picked = neurons[neurons[chosen]]
    ax.scatter(neurons.norm, neurons.logit_variance, s=10, color=OTHER, linewidth=0, label="all neurons")
    ax.scatter(
        picked.norm, picked.logit_variance, s=30, color=ENTROPY, label=f"{chosen}, {counted(len(picked), 'neuron')}"
    )
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
    ax.tick_params(length=0, labelrotation=0, labelsize=9)
    return ax


def rho_against_dim(table: DataFrame, *, dim: int, ax: Axes) -> Axes:
    """Mean rho of the chosen neurons and of their controls at every `dim`, with chance."""
    ax.plot(table.dim, table.chosen, "o-", color=ENTROPY, markersize=3, label="chosen")
    ax.plot(table.dim, table.control, "o-", color=OTHER, markersize=3, label="matched on norm")
    ax.plot(table.dim, table.chance, color="black", linestyle=":", linewidth=1, label="chance")
    ax.axvline(dim, color="black", linewidth=1, alpha=0.4, label=f"dim {dim}, used here")
    ax.set(xlabel="dim of the effective null space", ylabel="rho, mean", ylim=(0, 1))
    ax.legend()
    return ax
