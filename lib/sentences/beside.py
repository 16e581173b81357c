"""How a number beside its controls, and a small number, are put into words (chapters 04 and 05)."""

from math import floor, log10

from lib import controls
from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences.wording import Number, listed, measured, number, side

SMALLEST = 1e-4
"""What is smaller is told as nought."""


def small(value: Number) -> str:
    """Two significant digits without an exponent, down to a ten-thousandth; as `wording.number` from a tenth on."""
    value = float(value)
    if abs(value) >= 0.1 or abs(value) < SMALLEST:
        return number(value)
    text = f"{value:.{1 - floor(log10(abs(value)))}f}".rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}")


def finely(found: Estimate) -> str:
    """A small number and its interval."""
    return f"{small(found.value)} [{small(found.low)}, {small(found.high)}]"


def difference(found: Against, *, more: str, less: str, neither: str, fine: bool = False) -> str:
    """The difference from the controls, and which of three things its whole interval says."""
    told = side(found.difference, above=more, below=less, neither=neither)
    return f"the difference is {(finely if fine else measured)(found.difference)}, so {told}"


def roads(share: dict[str, Against], *, road: str, who: str, bound: float) -> str:
    """How much of the summed effect of neurons takes a road, beside control sets by what they are matched on.

    Both halves of a claim "theirs does, that of others does not" are answered: the first by the comparison that says
    least for it, the second by its controls' share, which has to lie below `bound`."""
    others = listed([f"{measured(one.controls)} of that of neurons matched on {name}" for name, one in share.items()])
    weakest = controls.weakest(*share.values())
    (name,) = [name for name, one in share.items() if one is weakest]
    first = difference(
        weakest,
        more=f"it carries more of the effect of {who}",
        less=f"it carries less of the effect of {who}",
        neither=f"whether it carries more of the effect of {who} cannot be told",
    )
    second = side(
        weakest.controls,
        bound=bound,
        above=f"the others' share lies above {number(bound)}: the road is not that of {who} alone",
        below=f"the others' share stays below {number(bound)}",
        neither=f"whether the others' share stays below {number(bound)} cannot be told",
    )
    return (
        f"{road} carries {measured(weakest.chosen)} of the summed effect of {who}, {others}. "
        f"Against neurons matched on {name} {first}; {second}."
    )
