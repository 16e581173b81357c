"""Figures of chapter 03: neurons by their weights, and the rules that choose among them."""

import itertools
from typing import Any

import seaborn
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from pandas import DataFrame

from lib.plots.parts import LINE
from lib.plots.style import ENTROPY, OTHER, counted

BESIDE = ((6, 3, "left"), (-6, 3, "right"), (6, -12, "left"), (-6, -12, "right"), (0, 9, "center"), (0, -18, "center"))
"""Places for a name around its dot: points to the right, points up, and how it is aligned."""
FARTHEST = 5
"""How many times as far away a name may stand."""


def logit_variance_against_norm(neurons: DataFrame, *, chosen: str, ax: Axes) -> Axes:
    """A dot per neuron (norm, logit_variance); those marked in the column `chosen` are coloured, and named up to 10."""
    picked = neurons[neurons[chosen]]
    many = len(neurons) > 300
    ax.scatter(
        neurons.norm, neurons.logit_variance, s=10, color=OTHER, linewidth=0, label="all neurons", rasterized=many
    )
    ax.scatter(
        picked.norm, picked.logit_variance, s=30, color=ENTROPY, label=f"{chosen}, {counted(len(picked), 'neuron')}"
    )
    ax.set(yscale="log", xlabel="norm", ylabel="LogitVar", xlim=(0, 1.08 * neurons.norm.max()))
    ax.legend(loc="lower left")
    if len(picked) <= 10:
        names = [f"{row.layer}.{row.unit}" for row in picked.itertuples()]
        everyone, own = (list(zip(some.norm, some.logit_variance, strict=True)) for some in (neurons, picked))
        _name(own, names, among=everyone, ax=ax)
    return ax


def _name(places: list[tuple[float, float]], names: list[str], *, among: list[tuple[float, float]], ax: Axes) -> None:
    """Writes a name beside each place where it covers no other name and, as far as there is room, no place `among` all;
    in a crowd it stands farther out, at the end of a line."""
    ax.figure.canvas.draw()
    dots = [Bbox.from_bounds(x - 3, y - 3, 6, 6) for x, y in ax.transData.transform(among)]
    dots += [Bbox.from_bounds(x - 7, y - 7, 14, 14) for x, y in ax.transData.transform(places)]
    taken: list[Bbox] = []
    for place, name in zip(places, names, strict=True):
        tried: list[tuple[tuple[int, int, int], Bbox, dict[str, Any]]] = []
        for farther, (right, up, align) in itertools.product(range(1, FARTHEST + 1), BESIDE):
            spot = {"xytext": (farther * right, farther * up), "textcoords": "offset points", "ha": align}
            text = ax.annotate(name, place, **spot)
            box = text.get_window_extent()
            text.remove()
            outside = not ax.bbox.containsx(box.x0) or not ax.bbox.containsy(box.y0)
            cost = box.count_overlaps(taken), int(outside and farther > 1), box.count_overlaps(dots) + 3 * farther
            tried.append((cost, box, spot | ({"arrowprops": LINE} if farther > 1 else {})))
        _, box, spot = min(tried, key=lambda one: one[0])
        taken.append(box)
        ax.annotate(name, place, **spot)


def share_against_index(table: DataFrame, *, dim: int, end: int, ax: Axes) -> Axes:
    """Mean squared cosine (chosen) with the last `end` singular directions, the controls' band (control_low,
    control_high); the last `dim` of them, the null space, are shaded."""
    shown = table.tail(end)
    ax.vlines(
        shown["index"] + 0.15, shown.control_low, shown.control_high, color=OTHER, linewidth=5, label="matched on norm"
    )
    ax.plot(shown["index"] - 0.15, shown.chosen, "o", color=ENTROPY, markersize=5, label="chosen, mean")
    ax.axvspan(len(table) - dim - 0.5, len(table) - 0.5, color=ENTROPY, alpha=0.15, label=f"null space, dim {dim}")
    ax.set(xlabel="index of the singular direction", ylabel="squared cosine", ylim=(0, None))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="upper left")
    return ax


def overlap_of_rules(overlap: DataFrame, *, sizes: dict[str, int], ax: Axes) -> Axes:
    """Jaccard index of every pair of rules as a heat map, from white for none to orange for the same set; the diagonal
    tells how many neurons each rule chose."""
    texts = overlap.map("{:.2f}".format)
    shade = overlap.copy()
    for rule, size in sizes.items():
        texts.loc[rule, rule] = f"[{size}]"
        shade.loc[rule, rule] = 0.0
    style = {"vmin": 0, "vmax": 1, "cbar": False, "linewidths": 1, "linecolor": OTHER}
    colours = seaborn.blend_palette(["white", ENTROPY], as_cmap=True)
    seaborn.heatmap(shade, annot=texts, fmt="", cmap=colours, annot_kws={"color": "black"}, ax=ax, **style)
    ax.set(xlabel="", ylabel="")
    ax.tick_params(length=0, labelrotation=0)
    return ax


def rho_against_dim(table: DataFrame, *, dim: int, ax: Axes) -> Axes:
    """Mean rho of the chosen neurons at every `dim`, with the band of control sets (control_low, control_high) and
    chance."""
    ax.fill_between(table.dim, table.control_low, table.control_high, color=OTHER, alpha=0.6, label="matched on norm")
    ax.plot(table.dim, table.chosen, "o-", color=ENTROPY, markersize=4, label="chosen")
    ax.plot(table.dim, table.chance, color="black", linestyle=":", linewidth=1, label="chance")
    ax.axvline(dim, color="black", linewidth=1, alpha=0.4, label=f"dim {dim}, used here")
    ax.set(xlabel="dim of the effective null space", ylabel="rho, mean", xlim=(0, None), ylim=(0, 1.02))
    ax.legend(loc="center right")
    return ax
