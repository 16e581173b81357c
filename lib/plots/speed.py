"""Figure of the page on speed: what a gear's time grows with."""

import pandas
from matplotlib.axes import Axes

MARKERS = {"eager": "o", "fused": "s", "cumulant": "D"}


def seconds_against_size(growth: pandas.DataFrame, *, axis: str, ax: Axes) -> Axes:
    """Seconds of each gear (columns `name`, `size`, `seconds`), both axes logarithmic; dotted, proportional cost."""
    for shade, (name, gear) in zip(("0.6", "0.35", "0.0"), growth.groupby("name", sort=False), strict=False):
        ax.plot(gear["size"], gear["seconds"], marker=MARKERS[name], color=shade, label=f"{name} gear")
        first = gear.iloc[0]
        ax.plot(
            gear["size"], first["seconds"] * gear["size"] / first["size"], color=shade, linestyle=":", linewidth=0.8
        )
    ax.set(xscale="log", yscale="log", xlabel={"vocabulary": "entries of the vocabulary"}.get(axis, axis))
    sizes = sorted(growth["size"].unique())
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
    ax.minorticks_off()
    return ax
