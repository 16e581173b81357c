"""A map of the last layer, with the chapters where each of its parts is looked at: `python -m lib.plots.last_layer`."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from lib.plots.style import ENTROPY, FREQUENCY, OTHER

PLACE = Path(__file__).parents[2] / "book/_static/last_layer.svg"
INK = "#333333"
BOXES = {
    "attention": (1.1, 2.25, OTHER, "heads that notice\na repeat (06)"),
    "neurons": (3.0, 2.25, ENTROPY, "picked out (03),\nablated (04, 05)"),
    "final norm": (5.0, 0.75, ENTROPY, "divides by the\nscale $s$ (01, 04)"),
    "$W_U$": (6.9, 0.75, FREQUENCY, "does not read its\nnull space (02)"),
    "softmax": (8.8, 0.75, FREQUENCY, "entropy (01),\nfrequency (05)"),
}
"""Where each part stands, its colour, and what the chapters say of it."""
SIZE = 1.35, 0.5


def last_layer(*, ax: Axes) -> Axes:
    """The residual stream from left to right, the parts that read it and write to it, and where chapters look."""
    ax.annotate("", (4.35, 0.75), (0.1, 0.75), arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 2})
    ax.text(0.1, 0.3, "residual stream $x$", color=INK)
    for name in ("attention", "neurons"):
        x, y, *_ = BOXES[name]
        arrow = {"arrowstyle": "->", "color": INK}
        ax.annotate("", (x - 0.3, y - SIZE[1] / 2), (x - 0.3, 0.75), arrowprops=arrow)
        ax.annotate("", (x + 0.3, 0.75), (x + 0.3, y - SIZE[1] / 2), arrowprops=arrow)
    for left, right in (("final norm", "$W_U$"), ("$W_U$", "softmax")):
        ends = (BOXES[right][0] - SIZE[0] / 2, 0.75), (BOXES[left][0] + SIZE[0] / 2, 0.75)
        ax.annotate("", *ends, arrowprops={"arrowstyle": "->", "color": INK})
    for name, (x, y, colour, said) in BOXES.items():
        corner = x - SIZE[0] / 2, y - SIZE[1] / 2
        ax.add_patch(
            FancyBboxPatch(corner, *SIZE, boxstyle="round,pad=0.03", facecolor="white", edgecolor=colour, lw=2)
        )
        ax.text(x, y, name, ha="center", va="center", color=INK)
        below = y < 1
        ax.text(x, y - 0.4 if below else y + 0.4, said, ha="center", va="top" if below else "bottom", color=INK, size=9)
    beyond = "07: text against memory\n08, 09, 10, 11: before and after\npost-training\n12: over a training run"
    ax.text(7.2, 2.3, beyond, ha="center", va="center", color=INK, size=9)
    ax.set(xlim=(0, 9.6), ylim=(-0.35, 3.2))
    ax.axis("off")
    return ax


def save(place: Path = PLACE) -> None:
    """Draws the map into an SVG file, the same bytes every time."""
    with plt.style.context(Path(__file__).with_name("book.mplstyle")):
        figure, ax = plt.subplots(figsize=(8.0, 3.0))
        last_layer(ax=ax)
        figure.savefig(place, metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    save()
