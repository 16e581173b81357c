"""Figures of chapter 08: maps of recovery by layer and token, how alike they are, and what crosses between models."""

import numpy
from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import OTHER, lying, upright

ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2, "fontsize": 10}


def recovery_by_layer_and_token(
    table: DataFrame, *, column: str = "recovery", title: str, ax: Axes, limit: float | None = None
) -> Axes:
    """A map of one grid (layer, position, token and `column`): a row for each layer, the first at the bottom.

    White is nothing. With `limit` the colours are two-sided, up to that size either way, for a difference of maps."""
    cells = table.pivot(index="layer", columns="position", values=column)
    tokens = table.drop_duplicates("position").sort_values("position").token
    style = (
        {"cmap": "Greys", "vmin": 0, "vmax": 1} if limit is None else {"cmap": "PuOr", "vmin": -limit, "vmax": limit}
    )
    drawn = ax.imshow(cells.to_numpy(dtype=float), origin="lower", aspect="auto", interpolation="nearest", **style)
    ax.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
    rows = range(0, len(cells), max(1, len(cells) // 8))
    ax.set_yticks(list(rows), [str(cells.index[row]) for row in rows])
    ax.set(xlabel="", ylabel="layer")
    ax.set_title(title, loc="left", fontsize=11)
    ax.grid(visible=False)
    ax.figure.colorbar(drawn, ax=ax, label="recovery" if limit is None else "difference of recovery", pad=0.02)
    return ax


def logit_difference_by_topic(table: DataFrame, *, ax: Axes) -> Axes:
    """Mean logit difference of true (filled) and false prompts (open) by topic, with intervals; a row for each topic,
    the models of `table` (model, dataset, true, false with _low, _high) above one another in it, each with its
    marker."""
    topics, models = [*dict.fromkeys(table.dataset)], [*dict.fromkeys(table.model)]
    for row, model in enumerate(models):
        rows = table[table.model == model]
        at = rows.dataset.map(topics.index).to_numpy() + 0.2 * (row - (len(models) - 1) / 2)
        for side, face in (("true", "black"), ("false", "white")):
            ends = (rows[f"{side}_low"], rows[f"{side}_high"])
            style = {"color": "black", "marker": "osD"[row % 3], "markerfacecolor": face, "label": f"{model}, {side}"}
            lying(rows[side], at, ends, ax=ax, **style)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(yticks=range(len(topics)), yticklabels=topics, ylim=(len(topics) - 0.5, -0.5))
    ax.set(xlabel="logit of TRUE minus FALSE (nats)")
    ax.legend(ncols=len(models), **ABOVE)
    return ax


def correlation_by_topic(table: DataFrame, *, ax: Axes) -> Axes:
    """Correlations of two maps by topic with intervals (comparison, quantity, value, low, high): of the models (dots),
    the ceiling of two halves (ring) and the cartoon (grey)."""
    looks = {
        "correlation": {"color": "black", "label": "the two models"},
        "ceiling": {"color": "black", "markerfacecolor": "white", "label": "two halves of one model's pairs"},
        "cartoon": {"color": OTHER, "label": "three blocks of one model's map"},
    }
    topics = [*dict.fromkeys(table.comparison)]
    for offset, (quantity, look) in zip((-0.18, 0.0, 0.18), looks.items(), strict=True):
        rows = table[table.quantity == quantity]
        at = rows.comparison.map(topics.index).to_numpy() + offset
        upright(at, rows.value, (rows.low, rows.high), ax=ax, **look)
    ax.set_xticks(range(len(topics)), topics, rotation=30, ha="right", rotation_mode="anchor")
    ax.set(xlim=(-0.5, max(len(topics), 1) - 0.5), ylabel="correlation of normalised maps")
    ax.legend(**ABOVE)
    return ax


def recovery_across_against_own(table: DataFrame, *, title: str, ax: Axes) -> Axes:
    """What the other model's streams recover (other) against what the reader's own do (own), a dot for each cell; those
    of the last token (site) as rings; the line is where both are equal."""
    for site, face in (("last", "white"), ("earlier", "black")):
        rows = table[table.site == site]
        label = "last token" if site == "last" else "earlier tokens"
        style = {"color": "black", "markerfacecolor": face, "markersize": 4, "alpha": 0.8}
        ax.plot(rows.own, rows.other, "o", label=label, rasterized=len(rows) > 1000, **style)
    ends = numpy.array([min(0.0, table.own.min()), max(1.0, table.own.max())])
    ax.plot(ends, ends, color="black", linewidth=1, linestyle=":", label="equal")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="recovery, own streams", ylabel="recovery, other's streams")
    ax.set_title(title, loc="left", fontsize=11)
    ax.legend(loc="upper left", fontsize=9)
    return ax
