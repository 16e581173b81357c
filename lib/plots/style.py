"""What all figures share: the colours, the style sheet, error bars that cannot be negative."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas

ENTROPY, FREQUENCY, OTHER = "#D55E00", "#0072B2", "#999999"


def use_style() -> None:
    """Figures from here on follow `book.mplstyle`; tables show their texts whole."""
    pandas.set_option("display.max_colwidth", None)
    plt.style.use(Path(__file__).with_name("book.mplstyle"))


def yerror_clipped(error: list) -> list:
    """Error bar lengths, never negative: a bias-corrected interval may leave its estimate just outside."""
    return [side.clip(lower=0) for side in error]


def counted(n: int, noun: str) -> str:
    """A number with its noun: "1 neuron", "6 neurons"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
