r"""How often ablation changes whose answer it is, always with the counts behind a percentage.

Three shares of a table of transitions have names (Tighidet et al. 2025, section 4.3): the global transition score (any
change), the conversion ratio of a label (those that had another and get it) and the transition score of two (those that
had the one and get the other). A percentage of 32 prompts is not one of ten thousand, so each comes with its counts and
its exact interval, and a label that no prompt has gives 0 of 0 and no percentage at all."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

from lib import paired, resampling
from lib.paired import SignTest, Transitions
from lib.resampling import Estimate


@dataclass(frozen=True)
class Share:
    """Some of so many prompts, or 0 of 0."""

    hits: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.n:
            raise ValueError(f"a share needs hits between 0 and the number of cases, got {self.hits} of {self.n}")

    @property
    def is_defined(self) -> bool:
        """Whether there is anything to be a share of."""
        return self.n > 0

    @property
    def value(self) -> float:
        """Hits over cases; NaN for 0 of 0."""
        return self.hits / self.n if self.n else nan

    @property
    def low(self) -> float:
        """Lower end of the exact 95 % interval, prompts taken as independent; NaN for 0 of 0."""
        return resampling.share(self.hits, self.n).low if self.n else nan

    @property
    def high(self) -> float:
        """Its upper end."""
        return resampling.share(self.hits, self.n).high if self.n else nan

    def __repr__(self) -> str:
        if not self.n:
            return "0 of 0"
        percent = (100 * part for part in (self.value, self.low, self.high))
        return "{:,} of {:,} ({:.1f} % [{:.1f}, {:.1f}])".format(self.hits, self.n, *percent)


def global_transition(found: Transitions) -> Share:
    """The share of the prompts whose label changes."""
    return Share(sum(count for (clean, ablated), count in found.counts.items() if clean != ablated), found.n)


def transition(found: Transitions, clean: str, ablated: str) -> Share:
    """Of the prompts labelled `clean` when clean, those labelled `ablated` when ablated."""
    return Share(found.counts[clean, ablated], sum(found.counts[clean, label] for label in found.labels))


def conversion(found: Transitions, label: str) -> Share:
    """Of the prompts not labelled so when clean, those that are when ablated."""
    others = [other for other in found.labels if other != label]
    return Share(
        sum(found.counts[other, label] for other in others),
        sum(found.counts[other, to] for other in others for to in found.labels),
    )


def net_flow(found: Transitions, label: str) -> int:
    """Prompts that get a label less those that lose it."""
    others = [other for other in found.labels if other != label]
    return sum(found.counts[other, label] - found.counts[label, other] for other in others)


def table(found: Transitions) -> Any:
    """Every score as a row: score, clean, ablated, hits, n, value, low, high (NaN for 0 of 0)."""
    import pandas as pd

    rows = [("global transition", "", "", global_transition(found))]
    rows += [("conversion", f"not {label}", label, conversion(found, label)) for label in found.labels]
    rows += [("transition", one, to, transition(found, one, to)) for one in found.labels for to in found.labels]
    columns = ["score", "clean", "ablated", "hits", "n", "value", "low", "high"]
    full = [(*name, s.hits, s.n, s.value, s.low, s.high) for *name, s in rows]
    return pd.DataFrame(full, columns=columns)


def moved_toward(
    label: str, clean: Sequence[str], ablated: Sequence[str], fact: Sequence[Hashable]
) -> tuple[SignTest, Share]:
    """Whether ablation moves facts toward a label: the sign test in which each fact counts once, and, of the facts that
    moved on balance, those that moved toward it. Raises as `paired.sign_test` does."""
    test = paired.sign_test(paired.toward(label, clean, ablated), fact)
    return test, Share(test.up, test.up + test.down)


def clustered(hit: Sequence[bool], fact: Sequence[Hashable]) -> Estimate:
    """The share of the prompts that are hits, with an interval for prompts that share facts.

    The exact interval, at as many cases as the prompts are worth: where those about one fact agree, they are worth
    hardly more than one (Korn and Graubard 1998). Where all prompts or none are hits their agreement cannot be seen,
    and they are worth one case a fact. Raises ValueError for lists of unequal length and without a prompt."""
    from scipy.stats import beta

    if len(hit) != len(fact) or not hit:
        raise ValueError(f"a share needs prompts, each about a fact, got {len(hit)} prompts and {len(fact)} facts")
    n, p = len(hit), sum(hit) / len(hit)
    worth = _effective(hit, fact, p)
    tail, x = (1 - resampling.LEVEL) / 2, p * worth
    low = float(beta.ppf(tail, x, worth - x + 1)) if p > 0 else 0.0
    high = float(beta.ppf(1 - tail, x + 1, worth - x)) if p < 1 else 1.0
    return Estimate(p, low, high, n, len(set(fact)))


def _effective(hit: Sequence[bool], fact: Sequence[Hashable], p: float) -> float:
    """How many independent cases some prompts are worth: p (1 - p) over the variance of p between facts."""
    excess: dict[Hashable, float] = {}
    for one, about in zip(hit, fact, strict=True):
        excess[about] = excess.get(about, 0.0) + one - p
    n, m = len(hit), len(excess)
    if p in (0.0, 1.0) or m < 2:
        return float(m)
    variance = m / (m - 1) * sum(part**2 for part in excess.values()) / n**2
    return min(float(n), max(m / n, p * (1 - p) / variance)) if variance else float(n)


def percentile(value: float, others: Sequence[float]) -> float:
    """Where a number lies among others, 0 … 100, at the mean rank of those equal to it, as in the paper (scipy's kind
    "rank"). Raises ValueError without others, and for a NaN."""
    _refuse_unfit(value, others)
    below, upto = sum(other < value for other in others), sum(other <= value for other in others)
    return 50 * (below + upto + (below < upto)) / len(others)


def rank_p(value: float, others: Sequence[float]) -> float:
    """The chance that a number is so large if it is one of the others: (1 + those that reach it) / (1 + their number),
    which is never 0 (Davison and Hinkley 1997, section 4.3). Raises as `percentile` does."""
    _refuse_unfit(value, others)
    return (1 + sum(other >= value for other in others)) / (1 + len(others))


def two_sided_p(value: float, others: Sequence[float]) -> float:
    """The chance that a number lies so far out on either side; 1 at most. Raises as `percentile` does."""
    return min(1.0, 2 * min(rank_p(value, others), rank_p(-value, [-other for other in others])))


def _refuse_unfit(value: float, others: Sequence[float]) -> None:
    if not len(others):
        raise ValueError("a place among others needs others, got none")
    if isnan(value) or any(map(isnan, others)):
        raise ValueError("a place among others needs numbers, got NaN; leave out the sets without a prompt to score")
