"""Figures of chapter 02: a write in the plane, the spectrum of the unembedding and its quiet end."""

from math import sqrt

from matplotlib.axes import Axes
from matplotlib.patches import Circle
from pandas import DataFrame

from lib.plots.style import ENTROPY, OTHER


def write_in_the_plane(streams: DataFrame, *, ax: Axes) -> Axes:
    """A residual stream of two coordinates before and after a write along the axis that is not read.

    `streams` has the rows `before` and `after` and the columns read, unread, scale. Arrows are the streams, dots what
    the final norm makes of them: it puts both onto one circle, and only a dot's place along the axis that is read
    reaches the logits, as its distance from the upright line."""
    radius = sqrt(2)
    ax.add_patch(Circle((0, 0), radius, fill=False, color=OTHER, linewidth=1))
    ax.axvline(0, color=OTHER, linewidth=1)
    for name, colour, beside in (("before", OTHER, (8, -14)), ("after", ENTROPY, (8, -4))):
        x, y, scale = streams.loc[name, ["read", "unread", "scale"]]
        _arrow((0.0, 0.0), (x, y), ax=ax, color=colour)
        ax.plot(x / scale, y / scale, "o", color=colour, markersize=8, zorder=3)
        ax.plot([0, x / scale], [y / scale] * 2, color=colour, linestyle=":", linewidth=2)
        ax.annotate(name, (x, y), beside, textcoords="offset points")
    start, end = streams.loc["before", ["read", "unread"]], streams.loc["after", ["read", "unread"]]
    _arrow(tuple(start), tuple(end), ax=ax, color="black", linestyle="--")
    ax.annotate("write", tuple((start + end) / 2), (6, 0), textcoords="offset points")
    ax.set(xlabel="axis that is read", ylabel="axis that is not read", aspect="equal")
    ax.set(xlim=(-0.3, max(radius, *streams.read) + 0.7), ylim=(-0.3, max(radius, *streams.unread) + 0.3))
    return ax


def _arrow(start: tuple[float, float], end: tuple[float, float], *, ax: Axes, **style) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0} | style)


def probability_of_tokens(tokens: DataFrame, *, ax: Axes) -> Axes:
    """Probability of each token (token) before and after a write, two bars for each."""
    for at, (name, colour) in enumerate((("before", OTHER), ("after", ENTROPY))):
        place = [row + 0.4 * at - 0.2 for row in range(len(tokens))]
        ax.bar(place, tokens[name], width=0.38, color=colour, label=name)
    ax.set_xticks(range(len(tokens)), tokens.token)
    ax.set(ylabel="probability", ylim=(0, 1))
    ax.grid(axis="x", visible=False)
    ax.legend()
    return ax


def singular_value_against_index(table: DataFrame, *, dim: int, ax: Axes) -> Axes:
    """Singular values (index, singular_value) on a log axis, the effective null space shaded, with the range
    (random_low, random_high) of random unembeddings; exact zeros are left out."""
    shown = table[table.singular_value > 0]
    ax.fill_between(
        shown["index"], shown.random_low, shown.random_high, color=OTHER, linewidth=2.5, label="random unembeddings"
    )
    ax.plot(shown["index"], shown.singular_value, ".", color=ENTROPY, label="this model")
    ax.axvspan(len(table) - dim - 0.5, len(table) - 0.5, color=ENTROPY, alpha=0.15, label=f"null space, dim {dim}")
    ax.set(yscale="log", xlabel="index of the singular direction", ylabel="singular value")
    ax.legend(loc="lower left")
    return ax


def direct_change_against_dim(table: DataFrame, *, chosen: int, ax: Axes) -> Axes:
    """Direct change of the logits (change) by a write spread over the `dim` least-read directions, on a log axis, so
    that a ratio is a distance; exact zeros are left out."""
    table = table[table.change > 0]
    ax.plot(table.dim, table.change, "o", color=ENTROPY, markersize=3, label="write inside the space")
    ax.axhline(table.random.iloc[0], color=OTHER, linewidth=2, label="random write of the same length")
    ax.axvline(chosen, color="black", linewidth=1, linestyle=":", label=f"dim {chosen}, by the rule")
    ax.set(xlabel="dim of the effective null space", ylabel="direct logit change, rms")
    ax.set(xlim=(0, None), yscale="log")
    ax.legend(loc="lower right")
    return ax
