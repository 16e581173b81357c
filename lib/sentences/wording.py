"""How numbers, intervals, counts and lists are put into words."""

from collections.abc import Sequence

import numpy as np

from lib.resampling import Estimate

Number = float | np.floating
"""A table's numbers are of the model's dtype."""


def number(value: Number) -> str:
    """Three significant digits without an exponent, at most three decimals; whole from a hundred on."""
    value = float(value)
    if abs(value) >= 100:
        return _signed(f"{value:,.0f}")
    text = f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f}"
    return _signed(text.rstrip("0").rstrip("."))


def _signed(text: str) -> str:
    """With a true minus sign, and none before a nought."""
    text = text.lstrip("-") if not text.strip("-0.,") else text
    return text.replace("-", "\N{MINUS SIGN}")


def measured(found: Estimate) -> str:
    """A number and its interval: `0.61 [0.52, 0.70]`."""
    return f"{number(found.value)} [{number(found.low)}, {number(found.high)}]"


def share(value: Number) -> str:
    """A share in percent, with a decimal below ten: `42 %`, `3.1 %`."""
    value = float(value)
    return f"{_signed(f'{100 * value:.{0 if abs(value) >= 0.1 or value == 0 else 1}f}')} %"


def percent(found: Estimate) -> str:
    """A share and its interval in percent: `42 % [35 %, 50 %]`."""
    return f"{share(found.value)} [{share(found.low)}, {share(found.high)}]"


def of(part: int, whole: int, noun: str) -> str:
    """A count of a count, with the share: `12 of 48 neurons (25 %)`; `0 of 0 neurons` has none."""
    percent = f" ({share(part / whole)})" if whole else ""
    return f"{part:,} of {counted(whole, noun)}{percent}"


def counted(n: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one: `no neuron`, `1 neuron`, `6 neurons`."""
    return f"no {noun}" if n == 0 else f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(things: Sequence[object]) -> str:
    """`a`, `a and b`, or `a, b and c`. Raises ValueError for none."""
    if not things:
        raise ValueError("a list in words needs at least one thing")
    *others, last = map(str, things)
    return f"{', '.join(others)} and {last}" if others else last


def neurons(units: Sequence[int], *, layer: int) -> str:
    """Neurons by name: `no neuron`, `neuron 3.7`, `neurons 3.7 and 3.12`; from eleven on, how many."""
    if not 0 < len(units) <= 10:
        return counted(len(units), "neuron")
    return f"neuron{'' if len(units) == 1 else 's'} {listed([f'{layer}.{unit}' for unit in units])}"


def side(found: Estimate, *, above: str, below: str, neither: str, bound: float = 0.0) -> str:
    """One of three phrases: where the whole interval lies above the bound, below it, or neither."""
    low, high = min(found.low, found.value), max(found.high, found.value)
    return above if low > bound else below if high < bound else neither


def apart(one: Estimate, other: Estimate) -> int:
    """1 where one interval lies wholly above the other, -1 where it lies below it, 0 where they overlap."""
    return (one.low > other.high) - (one.high < other.low)
