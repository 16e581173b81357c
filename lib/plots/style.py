"""What all figures share: the colours, the style sheet, intervals that are drawn from end to end."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy
import pandas
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib_inline.backend_inline import set_matplotlib_formats
from numpy.typing import ArrayLike

ENTROPY, FREQUENCY, OTHER = "#D55E00", "#0072B2", "#999999"
DOTS = {"marker": "o", "linestyle": ""}


def use_style() -> None:
    """Figures from here on follow `book.mplstyle` and, in a notebook, come as SVG with their words as text; tables show
    their texts whole."""
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None})
    pandas.set_option("display.max_colwidth", None)
    plt.style.use(Path(__file__).with_name("book.mplstyle"))


def upright(x: ArrayLike, y: ArrayLike, ends: tuple[ArrayLike, ArrayLike], *, ax: Axes, **style) -> None:
    """Dots at (x, y), each with a line from the lower to the upper of its two `ends` along y, wherever the dot is.

    Error bars are lengths from the dot, and an interval that misses it has a negative one; lines from end to end show
    it as it is. A dot without an interval (NaN) is drawn alone. `style` is that of `Axes.plot`."""
    ax.plot(x, y, **(DOTS | style))
    ax.vlines(*_told(x, ends), zorder=2, **_of_line(style))


def lying(x: ArrayLike, y: ArrayLike, ends: tuple[ArrayLike, ArrayLike], *, ax: Axes, **style) -> None:
    """The same with intervals along x."""
    ax.plot(x, y, **(DOTS | style))
    ax.hlines(*_told(y, ends), zorder=2, **_of_line(style))


def _told(at: ArrayLike, ends: tuple[ArrayLike, ArrayLike]) -> numpy.ndarray:
    """Places and both ends of the intervals that there are."""
    rows = numpy.stack(numpy.broadcast_arrays(*(numpy.asarray(row, dtype=float) for row in (at, *ends))))
    return rows[:, numpy.isfinite(rows).all(0)]


def _of_line(style: dict) -> dict:
    return {name: value for name, value in style.items() if name in ("color", "alpha", "linewidth")}


def counted(n: int, noun: str) -> str:
    """A number with its noun: "1 neuron", "6 neurons"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
