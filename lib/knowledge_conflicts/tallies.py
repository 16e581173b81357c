"""Whose answer it is under every set, counted by fact, and what the counts of one set say beside those of others.

Prompts about one fact share a subject and what the model knows of it, so facts are what is drawn anew; a set that is
compared with others meets another of them on each draw (`controls`)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import hypot

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import controls, drawing, paired, resampling
from lib.controls import Against
from lib.knowledge_conflicts import answers, labels, scores
from lib.knowledge_conflicts.gathering import Gathered
from lib.knowledge_conflicts.labels import CK, LABELS, ND, PK
from lib.knowledge_conflicts.writing import Written
from lib.model import Model
from lib.paired import Transitions
from lib.resampling import Estimate

AT = {label: place for place, label in enumerate(LABELS)}
Cells = Bool[Tensor, "clean ablated"]


@dataclass(frozen=True, eq=False)
class ShareOf:
    """Of the prompts in some cells of the table of clean and ablated labels, those in some of these."""

    could: Cells
    hit: Cells

    def __call__(self, counts: Float[Tensor, "clean ablated"]) -> Float[Tensor, ""]:
        """The share; NaN where there is nothing to divide by."""
        return (counts * self.hit).sum() / (counts * self.could).sum()


@dataclass(frozen=True, eq=False)
class Difference:
    """One share less another."""

    one: ShareOf
    other: ShareOf

    def __call__(self, counts: Float[Tensor, "clean ablated"]) -> Float[Tensor, ""]:
        """The difference; NaN where a share is."""
        return self.one(counts) - self.other(counts)


Statistic = ShareOf | Difference
"""From counts of prompts by clean and ablated label to a number."""


def read(model: Model, gathered: Gathered, written: Written) -> Int[Tensor, "set prompt"]:
    """The label of what was written to each prompt without each set, as its place in `LABELS`.

    Sets mostly write the same; each text is read once for a prompt."""
    n_texts, prompt = len(written.texts), torch.arange(len(gathered.conflicts))
    pairs, which = (prompt * n_texts + written.index).unique(return_inverse=True)
    stops = {*gathered.stops}
    ids = [[id for id in text if id not in stops] for text in written.texts]
    texts, read_once = answers.decoded(model, ids), []
    for pair in pairs.tolist():
        asked = gathered.conflicts[pair // n_texts]
        said = texts[pair % n_texts]
        read_once.append(AT[labels.by_words(said, context=asked.context, known=asked.known)])
    return torch.tensor(read_once, dtype=torch.long)[which].view_as(written.index)


def names(row: Int[Tensor, " prompt"]) -> list[str]:
    """Labels by name."""
    return [LABELS[place] for place in row.tolist()]


@dataclass(frozen=True)
class Tallies:
    """Labels of some prompts, clean and without each set; the first set is the one that is asked about."""

    clean: Int[Tensor, " prompt"]
    ablated: Int[Tensor, "set prompt"]
    fact: Int[Tensor, " prompt"]
    """Numbers of the facts, from 0 on."""

    @property
    def changed(self) -> Bool[Tensor, "set prompt"]:
        """Where a set changes the label."""
        return self.ablated != self.clean

    @property
    def n_facts(self) -> int:
        """Different facts."""
        return int(self.fact.max()) + 1

    def transitions(self, row: int = 0) -> Transitions:
        """The counts of one set."""
        return paired.transitions(names(self.clean), names(self.ablated[row]), labels=LABELS)

    def scores(self, rows: slice) -> Float[Tensor, " some"]:
        """The global transition scores of some sets."""
        return self.changed[rows].double().mean(1)

    def by_fact(self, row: int) -> Float[Tensor, "fact clean ablated"]:
        """How many prompts of each fact have which label when clean and which without a set."""
        n = len(LABELS)
        cell = (self.fact * n + self.clean) * n + self.ablated[row]
        return cell.bincount(minlength=self.n_facts * n * n).view(-1, n, n).double()

    def exact(self, statistic: Statistic) -> Estimate:
        """A statistic of the first set, with an interval that is honest where hardly any prompt is a hit, or none: each
        share has the exact one of as many cases as its prompts are worth (`scores.clustered`), and a difference what
        follows from those of its parts (Newcombe 1998), unless the sign test over facts tells its direction: then
        Student's. Raises ValueError for a share of no prompt."""
        if isinstance(statistic, Difference):
            return self._exact_difference(statistic)
        could = statistic.could[self.clean, self.ablated[0]]
        hit = statistic.hit[self.clean, self.ablated[0]]
        return scores.clustered(hit[could].tolist(), self.fact[could].tolist())

    def _exact_difference(self, statistic: Difference) -> Estimate:
        one, other = self.exact(statistic.one), self.exact(statistic.other)
        if not torch.equal(statistic.one.could, statistic.other.could):
            return apart(one, other)
        signs = statistic.one.hit.long() - statistic.other.hit.long()
        moved = signs[self.clean, self.ablated[0]]
        net = torch.zeros(self.n_facts, dtype=torch.float64).index_add_(0, self.fact, moved.double())
        value = one.value - other.value
        excess = net - value * self.fact.bincount(minlength=self.n_facts)
        n = self.n_facts
        error = (excess.square().sum() * n / max(n - 1, 1)).sqrt().item() / len(self.clean)
        far = 1.96 * resampling.widening(max(n, 2)) * error
        if paired.sign_test(moved.tolist(), self.fact.tolist()).p < 1 - resampling.LEVEL:
            return Estimate(value, value - far, value + far, one.n, n)
        least = apart(one, other)
        return replace(least, low=min(least.low, value - far), high=max(least.high, value + far))

    def against(self, statistic: Statistic, rows: slice, *, n_candidates: int, generator: torch.Generator) -> Against:
        """The same beside that of some other sets, facts and sets drawn together; each neuron's control was drawn among
        `n_candidates`.

        A set that hits nothing hits nothing on any draw; so the interval of the difference is no shorter than what
        follows from the exact one of the first set. Raises ValueError as `controls.beside` does, and with fewer than
        `drawing.FEWEST` facts."""
        others = [self.by_fact(row) for row in range(len(self.ablated))[rows]]
        draws = drawing.weights(self.n_facts, generator=generator) * self.n_facts
        found = controls.beside(
            lambda weight, counts: statistic(torch.tensordot(weight, counts, 1)),
            self.by_fact(0),
            others,
            whole=draws.new_ones(self.n_facts),
            drawn=list(draws),
            n=len(self.clean),
            n_sequences=self.n_facts,
        )
        found, own = widened(found, n_candidates), self.exact(statistic)
        d, least = found.difference, apart(own, found.controls)
        wider = replace(d, low=min(d.low, least.low), high=max(d.high, least.high))
        return replace(found, chosen=own, difference=wider)

    def percentile(self, rows: slice, *, generator: torch.Generator) -> Estimate:
        """Where the first set's global transition score lies among those of others, 0 … 100, ties at their mean rank;
        interval over facts, all sets scored anew on each draw. Errors as in `drawing.draws`."""
        return lowest_percentile([self], rows, generator=generator)

    def ranks(self, weight: Float[Tensor, "draw fact"], rows: slice) -> Float[Tensor, " draw"]:
        """The percentile when each fact counts so many times."""
        some = torch.cat([self.changed[:1], self.changed[rows]]).double()
        hits = torch.zeros(len(some), self.n_facts, dtype=torch.float64).index_add_(1, self.fact, some)
        changes = weight @ hits.mT  # whole numbers, so that ties are ties
        own, others = changes[:, :1], changes[:, 1:]
        below, upto = (others < own).sum(1), (others <= own).sum(1)
        return 50.0 * (below + upto + (below < upto)).double() / others.shape[1]


def lowest_percentile(each: Sequence[Tallies], rows: slice, *, generator: torch.Generator) -> Estimate:
    """The smallest percentile of several ways to ablate the same sets, with its interval over facts."""
    first = each[0]
    drawn = drawing.draws(first.n_facts, generator=generator)
    again = torch.zeros(len(drawn), first.n_facts).scatter_add_(1, drawn, torch.ones(drawn.shape)).double()
    weight = torch.cat([torch.ones_like(again[:1]), again])
    found = torch.stack([one.ranks(weight, rows) for one in each]).amin(0)
    low, high = resampling.expanded_percentiles(found[1:, None], n_sequences=first.n_facts)
    return Estimate(found[0].item(), low.item(), high.item(), len(first.clean), first.n_facts)


def widened(found: Against, n_candidates: int) -> Against:
    """The same with the wider interval of `controls.against`: a chosen neuron is one draw more."""
    by, d = controls.wider(n_candidates), found.difference
    low, high = d.value - by * (d.value - d.low), d.value + by * (d.high - d.value)
    return replace(found, difference=replace(d, low=low, high=high))


def fact_numbers(facts: Sequence[str]) -> Int[Tensor, " prompt"]:
    """Facts as numbers, in the order in which they come first."""
    place = {fact: number for number, fact in enumerate(dict.fromkeys(facts))}
    return torch.tensor([place[fact] for fact in facts], dtype=torch.long)


def apart(one: Estimate, other: Estimate) -> Estimate:
    """The difference of two numbers, with the interval that follows from theirs (Newcombe 1998, method 10)."""
    value = one.value - other.value
    low = value - hypot(one.value - one.low, other.high - other.value)
    high = value + hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, low, high, one.n, one.n_sequences)


def cells(clean: Collection[str] = LABELS, ablated: Collection[str] = LABELS) -> Cells:
    """The cells of the table with these labels."""
    rows, columns = (torch.tensor([label in some for label in LABELS]) for some in (clean, ablated))
    return rows[:, None] & columns


def transition(clean: str, ablated: str) -> ShareOf:
    """Transition score from one label to another."""
    return ShareOf(cells([clean]), cells([clean], [ablated]))


def conversion(label: str) -> ShareOf:
    """Conversion ratio of a label."""
    others = [other for other in LABELS if other != label]
    return ShareOf(cells(others), cells(others, [label]))


CHANGES = ShareOf(cells(), ~torch.eye(len(LABELS), dtype=torch.bool))
"""Global transition score."""
CONVERSION_TO_CONTEXT = Difference(conversion(CK), conversion(PK))
"""Conversion ratio of CK less that of PK."""
NET_FLOW = Difference(ShareOf(cells(), cells([PK, ND], [CK])), ShareOf(cells(), cells([CK], [PK, ND])))
"""Prompts that get the label CK less those that lose it, as a share of all."""
TRADE = Difference(ShareOf(cells(), cells([PK], [CK])), ShareOf(cells(), cells([CK], [PK])))
"""Prompts that go from PK to CK less those that go back, as a share of all."""


def missing(counts: Float[Tensor, "clean ablated"]) -> dict[str, str]:
    """Why a share of the prompts with a label cannot be had, by label; empty text where it can."""
    reason = "no prompt is labelled {} by the clean model, so there is no share of them"
    return {label: "" if counts[AT[label]].sum() else reason.format(label) for label in (CK, PK, ND)}
