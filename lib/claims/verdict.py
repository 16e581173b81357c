"""What an interval says about a claim.

A claim puts its statistic in a region: above a bound, below one, or between two. The whole interval is judged
and never the value alone: inside the region it supports the claim, wholly outside it contradicts it, and an
interval that crosses an edge decides nothing. A published range is a region like any other. Making an interval
wider can therefore only turn a verdict into an inconclusive one."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Verdict = Literal["reproduced", "supported", "in part", "inconclusive", "contradicted", "not tested"]
Finding = tuple[Verdict, str]
"""A verdict with its reason."""
VERDICTS: dict[Verdict, str] = {
    "reproduced": "the paper's own model, and the whole interval lies inside the published range",
    "supported": "the whole interval lies where the claim says; no value is published for this model",
    "in part": "of a claim in two halves, one is supported and the other is not",
    "inconclusive": "the interval crosses a bound of the claim, or an end of the published range",
    "contradicted": "the whole interval lies where the claim denies it, or outside the published range",
    "not tested": "this run cannot speak to the claim; the reason says what it would need",
}
"""Every verdict with what it means, for pages that explain them."""


@runtime_checkable
class Measured(Protocol):
    """A number with its interval, such as `resampling.Estimate`."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Region:
    """Where a claim says that its statistic lies; both edges belong to it."""

    lowest: float
    highest: float
    name: str
    """As it is read after "lies": `above 0`, `within 0.6 … 0.95`."""

    def judge(self, measured: Measured, *, exact: bool = False) -> Finding:
        """Whether the whole interval lies in the region (supported), outside it (contradicted), or in neither place.

        An interval that misses its own value is stretched to reach it. An `exact` count is judged by its value:
        nothing was sampled to count it, and what its interval tells, how the count would fare with another
        vocabulary, say, is another question than whether it is right."""
        value = measured.value
        if exact:
            inside = self.contains(value)
            return "supported" if inside else "contradicted", f"the count {value:g} {_does(inside)} {self.name}"
        low, high = min(measured.low, value), max(measured.high, value)
        if self.contains(low) and self.contains(high):
            return "supported", f"the whole interval lies {self.name}"
        if high < self.lowest or low > self.highest:
            return "contradicted", f"no part of the interval lies {self.name}"
        return "inconclusive", self._sticks_out(low, high)

    def contains(self, value: float) -> bool:
        """Whether a number lies in the region."""
        return self.lowest <= value <= self.highest

    def _sticks_out(self, low: float, high: float) -> str:
        if self.contains(low) or self.contains(high):
            end, at = ("upper", high) if self.contains(low) else ("lower", low)
            return f"the {end} end of the interval, {self._outside(at)}, does not lie {self.name}"
        return f"neither end of the interval, {self._outside(low)} nor {self._outside(high)}, lies {self.name}"

    def _outside(self, value: float) -> str:
        """Three significant digits of a number outside; all of them where three would put it inside."""
        short = f"{value:.3g}"
        return repr(value) if self.contains(float(short)) else short


def _does(inside: bool) -> str:
    return "lies" if inside else "does not lie"


def above(bound: float) -> Region:
    """Every number above `bound`, which is not among them."""
    return Region(math.nextafter(bound, math.inf), math.inf, f"above {bound:g}")


def below(bound: float) -> Region:
    """Every number below `bound`, which is not among them."""
    return Region(-math.inf, math.nextafter(bound, -math.inf), f"below {bound:g}")


def within(lowest: float, highest: float) -> Region:
    """Every number from `lowest` to `highest`, both among them: what counts as equal."""
    return Region(lowest, highest, f"within {lowest:g} … {highest:g}")


def on_the_papers_own_model(findings: Iterable[Finding]) -> Finding:
    """One finding of those about a published range and, where the claim has one, a direction.

    All of them have to be met to reproduce a value, and one of them suffices to contradict it."""
    verdicts, reasons = zip(*findings, strict=True)
    reason = "; ".join(reasons)
    if "contradicted" in verdicts:
        return "contradicted", reason
    return "inconclusive" if "inconclusive" in verdicts else "reproduced", reason


def of_both_halves(first: Finding, second: Finding) -> Finding:
    """The finding about a claim "A and not B" from those about its halves."""
    reason = f"first half {first[0]}: {first[1]}; second half {second[0]}: {second[1]}"
    met = [verdict in ("reproduced", "supported") for verdict, _ in (first, second)]
    if all(met):
        return first[0], reason
    if any(met):
        return "in part", reason
    return "contradicted" if "contradicted" in (first[0], second[0]) else "inconclusive", reason


def refuse_unfit(measured: Measured, *, claim: str) -> None:
    """Raises ValueError naming the claim unless value and interval are finite and the interval's ends in order."""
    if not all(map(math.isfinite, (measured.value, measured.low, measured.high))):
        raise ValueError(f"{claim} needs a finite measurement with its interval, got {measured!r}")
    if measured.low > measured.high:
        raise ValueError(f"{claim} needs an interval whose lower end is not above its upper end, got {measured!r}")
