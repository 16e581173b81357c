"""Figures of chapter 04: what ablating a neuron does, and how much of it goes through the final norm."""

from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.parts import boxes, named, plain
from lib.plots.style import ENTROPY, OTHER, counted, upright

LOWEST = -1.0
"""Shares below this are not drawn: the effect is so small that its ratio means nothing."""


def entropy_change_against_prediction_change(neurons: DataFrame, *, ax: Axes) -> Axes:
    """A dot per neuron (prediction_change in %, abs_entropy_change) in the colour of its norm_mediated share, which is
    cut at 0; the `chosen` are ringed, and named up to 12."""
    share = neurons.norm_mediated.clip(0, 1)
    flips = 100 * neurons.prediction_change
    style = {"cmap": "viridis", "vmin": 0, "vmax": 1, "s": 22, "linewidth": 0.3, "edgecolors": "black"}
    dots = ax.scatter(flips, neurons.abs_entropy_change, c=share, rasterized=True, **style)
    ax.figure.colorbar(dots, ax=ax, label="norm-mediated share")
    picked = neurons[neurons.chosen]
    ring = {"facecolors": "none", "edgecolors": ENTROPY, "s": 80, "linewidth": 1.5}
    label = f"chosen, {counted(len(picked), 'neuron')}"
    ax.scatter(100 * picked.prediction_change, picked.abs_entropy_change, label=label, **ring)
    ax.set(xlabel="predictions changed (%)", ylabel="absolute entropy change (nats)", xlim=(0, None), ylim=(0, None))
    named(picked, 100 * picked.prediction_change, picked.abs_entropy_change, ax=ax)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1))
    return ax


def loss_change_boxes(table: DataFrame, *, ax: Axes) -> Axes:
    """Boxes of absolute loss change of single tokens, total beside direct, for each neuron and group of control sets: a
    table of `evidence.boxes`. The lowest quarter of the tokens is left to run out of the frame."""
    boxes(table, {"total": ENTROPY, "direct": OTHER}, labels=["total", "direct"], ax=ax)
    lowest = table["first"][table["first"] > 0]
    ax.set(yscale="log", ylabel="absolute loss change (nats)", ylim=(lowest.min() / 3 if len(lowest) else None, None))
    plain(ax.yaxis)
    return ax


def norm_mediated_against_rho(neurons: DataFrame, *, chance: float, ax: Axes) -> Axes:
    """A dot per neuron (rho, norm_mediated) with its interval; faint where it is not `settled`, coloured if `chosen`.
    Shares below -1 are not drawn; the legend counts them."""
    shown = neurons[neurons.norm_mediated >= LOWEST]
    beyond = len(neurons) - len(shown)
    groups = {
        f"interval too wide to tell, {beyond} below the frame": (~shown.settled & ~shown.chosen, OTHER, 0.4),
        "other neurons": (shown.settled & ~shown.chosen, OTHER, 1.0),
        "chosen": (shown.chosen, ENTROPY, 1.0),
    }
    for label, (mask, colour, alpha) in groups.items():
        some = shown[mask]
        ends = (some.norm_mediated_low, some.norm_mediated_high)
        style = {"markersize": 4, "linewidth": 0.7, "color": colour, "alpha": alpha, "rasterized": colour == OTHER}
        upright(some.rho, some.norm_mediated, ends, ax=ax, label=f"{label} ({len(some)})", **style)
        ax.collections[-1].set_rasterized(colour == OTHER)
    told = shown[shown.settled | shown.chosen]
    bottom = min(-0.1, shown.norm_mediated.min() - 0.05, told.norm_mediated_low.min() - 0.05)
    ax.axhline(0, color="black", linewidth=1)
    ax.set(ylabel="norm-mediated share", ylim=(max(LOWEST, bottom), 1.05))
    _along_rho(shown[shown.chosen], "norm_mediated", chance=chance, ax=ax)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    return ax


def correlation_against_rho(neurons: DataFrame, *, chance: float, ax: Axes) -> Axes:
    """A dot per neuron (rho, correlation: absolute, of its activation with the entropy); coloured and named where
    `chosen`."""
    for label, mask, colour, size in (
        ("other neurons", ~neurons.chosen, OTHER, 12),
        ("chosen", neurons.chosen, ENTROPY, 30),
    ):
        some, style = neurons[mask], {"color": colour, "s": size, "linewidth": 0, "rasterized": colour == OTHER}
        ax.scatter(some.rho, some.correlation, label=f"{label} ({len(some)})", **style)
    ax.set(ylabel="|correlation| of activation and entropy", ylim=(0, 1))
    _along_rho(neurons[neurons.chosen], "correlation", chance=chance, ax=ax)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax


def _along_rho(picked: DataFrame, column: str, *, chance: float, ax: Axes) -> None:
    """The axis of rho with its chance level, and the names of some neurons at their rho and `column`."""
    ax.axvline(chance, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="rho (dotted: chance)", xlim=(0, 1.1))
    ax.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    named(picked, picked.rho, picked[column], ax=ax)


def loss_change_against_loss(bins: DataFrame, *, name: str, ax: Axes) -> Axes:
    """Mean loss change of one neuron with its interval (change, low, high) in bins of equal mass by clean loss (loss),
    and of others like it (usual) with their middle nine tenths (usual_low, usual_high)."""
    place = range(1, len(bins) + 1)
    ax.fill_between(place, bins.usual_low, bins.usual_high, color=OTHER, alpha=0.35, linewidth=0)
    ax.plot(place, bins.usual, "o-", color="#555555", markersize=4, label="others like it: mean, middle nine tenths")
    style = {"color": ENTROPY, "markersize": 5, "linewidth": 1.5, "linestyle": "-", "label": f"{name}, 95 %"}
    upright(place, bins.change, (bins.low, bins.high), ax=ax, **style)
    ax.axhline(0, color="black", linewidth=1)
    ax.set_xticks(place, [_short(loss) for loss in bins.loss])
    ax.set(xlabel="clean loss, mean of the bin (nats)", ylabel="loss change (nats)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return ax


def _short(loss: float) -> str:
    return f"{loss:.1g}" if 1e-4 <= loss < 1 else "0" if loss < 1e-4 else f"{loss:.1f}"
