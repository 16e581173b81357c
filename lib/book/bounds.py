"""What a number that a chapter is given may be, by the parameter's name: nearly the same in every chapter.

A count of nothing divides by zero somewhere, a NaN compares as false with everything: both come out far from where
they went in. So they are refused at the door, on the command line and in a chapter's first cell alike. A chapter's own
default is always allowed: 0 or -1 may stand for all, or for what a rule finds. What a model or a text has to offer
(layers, neurons, tokens) is left to those who know it."""

import math
import re
from typing import Any

from lib.book.machine import BYTES

LEAST = {
    "n_sequences": 8.0,
    "n_repeated": 16.0,
    "sequence_length": 6.0,
    "n_resamples": 2.0,
    "n_gram": 2.0,
    "length": 4.0,
    "count": 1.0,
    "tokens_per_entry": 1.0,
    "tokens_per_step": 0.0,
    "n_lines": 0.0,
    "dim": 0.0,
    "neuron": -1.0,
    "tail": 0.0,
    "rho_floor": 0.0,
    "threshold": 0.0,
    "top": 0.0,
}
"""The smallest value of a parameter, itself allowed. An interval takes 8 sequences, and 16 where one half of them
chooses what the other measures."""
HALVED = {"05_token_frequency": ("n_sequences",)}
"""Chapters in which nothing is measured but on one half of the sequences: twice as many of them."""
MOST = dict.fromkeys(("tail", "rho_floor", "threshold", "top", "min_share"), 1.0)
"""The largest value of a parameter, itself allowed."""


DEVICE = re.compile(r"(cpu|cuda)(:\d+)?")


def unknown(name: str, value: Any) -> str:
    """What is wrong with the word for a device or a dtype, as `fault` says it; empty for all other parameters."""
    if name == "dtype" and value not in BYTES:
        return f"has to be one of {', '.join(BYTES)}, got {value!r}"
    if name == "device" and not DEVICE.fullmatch(str(value)):
        return f"has to be cpu, or cuda for a GPU, got {value!r}"
    return ""


def least(name: str, chapter: str) -> float:
    """The smallest value of a parameter: what `LEAST` says, else 1 of whatever is counted (`n_controls`), else any."""
    low = LEAST.get(name, 1.0 if name.startswith("n_") else -math.inf)
    return 2 * low if name in HALVED.get(chapter, ()) else low


def fault(name: str, value: Any, *, default: Any, chapter: str) -> str:
    """What is wrong with a number, in words that follow "parameter NAME of chapter NN"; empty where nothing is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value == default:
        return ""
    low, high = least(name, chapter), MOST.get(name, math.inf)
    if isinstance(value, float) and not math.isfinite(value):
        return f"has to be a finite number, got {value}"
    if low <= value <= high:
        return ""
    if high == math.inf:
        return f"has to be {low:g} or more, got {value}"
    return f"has to lie between {low:g} and {high:g}, got {value}" if low > -math.inf else _at_most(high, value)


def _at_most(high: float, value: float) -> str:
    return f"has to be {high:g} or less, got {value}"
