"""Figures of chapter 04: what ablating a neuron does, and how much of it goes through the final norm."""

import seaborn
from matplotlib.axes import Axes
from pandas import DataFrame, Series

from lib.plots.style import ENTROPY, OTHER, counted, upright

LOWEST = -1.0
"""Shares below this are not drawn: the effect is so small that its ratio means nothing."""


def entropy_change_against_prediction_change(neurons: DataFrame, *, ax: Axes) -> Axes:
    """A dot per neuron (prediction_change in %, abs_entropy_change) in the colour of its norm_mediated share, which is
    cut at 0; the `chosen` are ringed, and named up to 10."""
    share = neurons.norm_mediated.clip(0, 1)
    flips = 100 * neurons.prediction_change
    dots = ax.scatter(flips, neurons.abs_entropy_change, c=share, cmap="viridis", vmin=0, vmax=1, s=18, linewidth=0)
    ax.figure.colorbar(dots, ax=ax, label="norm-mediated share")
    picked = neurons[neurons.chosen]
    ring = {"facecolors": "none", "edgecolors": ENTROPY, "s": 60, "label": f"chosen, {counted(len(picked), 'neuron')}"}
    ax.scatter(100 * picked.prediction_change, picked.abs_entropy_change, **ring)
    _name(picked, 100 * picked.prediction_change, picked.abs_entropy_change, ax=ax)
    ax.set(xlabel="predictions changed (%)", ylabel="absolute entropy change (nats)", xlim=(0, None), ylim=(0, None))
    ax.legend(loc="upper left")
    return ax


def loss_change_boxes(tokens: DataFrame, *, ax: Axes) -> Axes:
    """Boxes of absolute loss change (loss_change) of many tokens, total and direct (effect) side by side, for each
    neuron or group of neurons (group); whiskers from the 5th to the 95th percentile."""
    colours = {"total": ENTROPY, "direct": OTHER}
    boxes = {"whis": (5, 95), "showfliers": False, "linewidth": 1, "gap": 0.1, "saturation": 1}
    seaborn.boxplot(tokens, x="group", y="loss_change", hue="effect", palette=colours, ax=ax, **boxes)
    ax.set(yscale="log", xlabel="", ylabel="absolute loss change (nats)")
    ax.tick_params(axis="x", labelsize=8)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2)
    return ax


def norm_mediated_against_rho(neurons: DataFrame, *, chance: float, ax: Axes) -> Axes:
    """A dot per neuron (rho, norm_mediated) with its interval; faint where it is not `settled`, coloured if `chosen`.
    Shares below -1 are not drawn; the legend counts them."""
    shown = neurons[neurons.norm_mediated >= LOWEST]
    beyond = len(neurons) - len(shown)
    groups = {
        f"interval too wide to tell, {beyond} below the frame": (~shown.settled & ~shown.chosen, OTHER, 0.25),
        "other neurons": (shown.settled & ~shown.chosen, OTHER, 1.0),
        "chosen": (shown.chosen, ENTROPY, 1.0),
    }
    for label, (mask, colour, alpha) in groups.items():
        some = shown[mask]
        ends = (some.norm_mediated_low, some.norm_mediated_high)
        style = {"markersize": 3.5, "linewidth": 0.6, "color": colour, "alpha": alpha}
        upright(some.rho, some.norm_mediated, ends, ax=ax, label=f"{label} ({len(some)})", **style)
    bottom = min(-0.1, max(LOWEST, shown.norm_mediated_low.min() - 0.05))
    _name(shown[shown.chosen], shown[shown.chosen].rho, shown[shown.chosen].norm_mediated, ax=ax)
    ax.axvline(chance, color="black", linewidth=1, linestyle=":")
    ax.axhline(0, color="black", linewidth=1)
    ax.set(xlabel="rho (dotted: chance)", ylabel="norm-mediated share", xlim=(0, 1), ylim=(bottom, 1.05))
    ax.legend(loc="upper left", fontsize=8)
    return ax


def loss_change_against_loss(bins: DataFrame, *, ax: Axes) -> Axes:
    """Mean loss change with its interval (change, low, high) in bins of clean loss (loss), a line for each `neuron`,
    the first in colour."""
    for colour, (neuron, some) in zip((ENTROPY, OTHER), bins.groupby("neuron", sort=False), strict=False):
        style = {"color": colour, "markersize": 4, "linewidth": 1, "label": neuron}
        upright(some.loss, some.change, (some.low, some.high), ax=ax, linestyle="-", **style)
    ax.axhline(0, color="black", linewidth=1)
    ax.set(xlabel="loss, clean (nats)", ylabel="loss change (nats)")
    ax.legend()
    return ax


def _name(neurons: DataFrame, x: Series, y: Series, *, ax: Axes) -> None:
    if len(neurons) <= 10:
        for row, at in zip(neurons.itertuples(), zip(x, y, strict=True), strict=True):
            ax.annotate(f"{row.layer}.{row.unit}", at, (5, 4), textcoords="offset points", fontsize=8)
