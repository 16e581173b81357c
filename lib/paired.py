"""The same prompts asked twice, of the clean and of the ablated model: which answers changed, and in which direction.

Every prompt has a label under each of the two (PK, CK, ND, say). The counts of pairs of labels say all; three shares of
them have names (Tighidet et al. 2025, section 4.3): the transition score (of those that were X, how many are Y), the
conversion ratio (of those that were not X, how many are X) and the global transition score (how many changed at all).

Prompts about one fact are not independent, so a test takes each fact once: did its prompts move toward a label, or
away from it?"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from lib import resampling
from lib.resampling import Estimate


@dataclass(frozen=True)
class Transitions:
    """How many prompts have which label when clean and which when ablated."""

    labels: tuple[str, ...]
    counts: dict[tuple[str, str], int]
    """By the clean and the ablated label; every pair of labels is there."""

    @property
    def n(self) -> int:
        """Prompts."""
        return sum(self.counts.values())

    def score(self, clean: str, ablated: str) -> Estimate:
        """Transition score: the share of the prompts labelled `clean` that become `ablated`; exact interval.

        Like all shares here it takes prompts as independent. Raises ValueError when no prompt was `clean`."""
        row = [self.counts[clean, label] for label in self.labels]
        return _share(self.counts[clean, ablated], sum(row), f"labelled {clean} when clean")

    def conversion(self, label: str) -> Estimate:
        """Conversion ratio: the share of the prompts not labelled so when clean that are when ablated.

        Raises ValueError when every prompt had the label before."""
        others = [other for other in self.labels if other != label]
        n = sum(self.counts[other, to] for other in others for to in self.labels)
        return _share(sum(self.counts[other, label] for other in others), n, f"not labelled {label} when clean")

    @property
    def changed(self) -> Estimate:
        """Global transition score: the share of the prompts whose label changes. Raises ValueError without a prompt."""
        hits = sum(count for (clean, ablated), count in self.counts.items() if clean != ablated)
        return _share(hits, self.n, "to compare")


def transitions(clean: Sequence[str], ablated: Sequence[str], *, labels: tuple[str, ...]) -> Transitions:
    """Counts the pairs of labels.

    Raises ValueError for lists of unequal length and for a label that is not among `labels`."""
    if len(clean) != len(ablated):
        raise ValueError(f"pairs need as many labels when clean as when ablated, got {len(clean)} and {len(ablated)}")
    strange = sorted({*clean, *ablated} - {*labels})
    if strange:
        raise ValueError(f"labels are {', '.join(labels)}, got {strange[0]!r}")
    found = Counter(zip(clean, ablated, strict=True))
    return Transitions(labels, {(one, other): found[one, other] for one in labels for other in labels})


def toward(label: str, clean: Sequence[str], ablated: Sequence[str]) -> list[int]:
    """For each prompt 1 if the ablation gives it the label, -1 if it takes it away, and 0 otherwise."""
    return [(after == label) - (before == label) for before, after in zip(clean, ablated, strict=True)]


@dataclass(frozen=True)
class SignTest:
    """Whether changes go one way more often than chance would have it."""

    up: int
    """Facts that moved up on balance."""
    down: int
    """Facts that moved down on balance."""
    still: int
    """Facts that did not move on balance; they say nothing about the direction."""
    p: float
    """Probability of so uneven a split, either way, if both directions are equally likely; 1 where nothing moved."""


def sign_test(change: Sequence[int], fact: Sequence[Hashable]) -> SignTest:
    """The exact two-sided sign test over facts: each counts once, by the sign of the sum of its prompts' changes.

    If the ablation did nothing, clean and ablated answers could be exchanged fact by fact, so each fact that moves is
    a fair coin whatever its prompts have in common. Raises ValueError for lists of unequal length."""
    from scipy.stats import binomtest

    if len(change) != len(fact):
        raise ValueError(f"every change belongs to a fact, got {len(change)} changes and {len(fact)} facts")
    net: defaultdict[Hashable, int] = defaultdict(int)
    for one, about in zip(change, fact, strict=True):
        net[about] += one
    up, down = sum(total > 0 for total in net.values()), sum(total < 0 for total in net.values())
    p = float(binomtest(up, up + down).pvalue) if up + down else 1.0
    return SignTest(up, down, len(net) - up - down, p)


def _share(hits: int, n: int, which: str) -> Estimate:
    if n == 0:
        raise ValueError(f"a share needs at least one prompt {which}, got none")
    return resampling.share(hits, n)
