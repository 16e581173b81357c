"""Figures of chapter 02: the spectrum of the unembedding and its quiet end."""

from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import ENTROPY, OTHER


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
