"""How a question of the page is answered: by claims in both ledgers, each with its verdicts and its numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from lib.claims.carrying import Carried, Outcome, measurement
from lib.real_model.measured import Pair
from lib.sentences import real_model as says

Claims = dict[str, Carried]
Findings = tuple[list[str], dict[str, Outcome]]
"""Sentences, and the outcome of everything that they are about."""


@dataclass(frozen=True)
class Question:
    """One question of the page."""

    tables: tuple[str, ...]
    draw: Callable[[Pair], Figure]
    alt: str
    """What the figure shows, for those who cannot see it."""
    caption: str
    claims: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Each claim that answers it by id: what it says in short, and what it measures; the first is told in words."""
    second: str = ""
    """What the second half of the first claim measures."""
    drawn: tuple[str, ...] = ()
    """The claims whose numbers a second figure shows: those in units that share an axis."""
    more: Callable[[Pair], Findings] | None = None
    subject: str = ""
    """What it is about in short, where no claim says so."""

    @property
    def open(self) -> dict[str, Outcome]:
        """The outcome of a question that nothing answers."""
        return {next(iter(self.claims.values()), (self.subject, ""))[0]: "cannot be told"}

    def missing(self, pair: Pair) -> dict[str, list[str]]:
        """The tables that each run lacks, by its model."""
        return {run.name: [f"`{name}`" for name in self.tables if name not in run.files] for run in pair}

    def answered(self, pair: Pair, found: Claims) -> Findings:
        """What is told of the claims that are `found` in both ledgers."""
        own = {name: found[name] for name in self.claims if name in found}
        outcomes = {f"{self.claims[name][0]}{_failed(one)}": one.outcome for name, one in own.items()}
        if not own:
            return [], outcomes
        name, first = next(iter(own.items()))
        here, there = (f"`{run.name}`" for run in pair)
        told = [says.claim(first, what=self.claims[name][1], here=here, there=there)]
        second = self.second if name == next(iter(self.claims)) else ""
        told.append(says.second_half(first, what=second, here=here, there=there))
        if len(own) > 1:
            told.append(says.counts([*outcomes.values()], n_failed=sum(bool(_failed(one)) for one in own.values())))
        for other, one in [*own.items()][1:]:
            if one.outcome == "does not carry over":
                told.append(says.claim(one, what=self.claims[other][1], here=here, there=there))
                told.append(says.second_half(one, what="", here=here, there=there))
        return [sentence for sentence in told if sentence], outcomes

    def shown(self, found: Claims) -> Claims:
        """The claims that the second figure shows, by what they measure: those that a run has a number for."""
        some = {self.claims[name][1]: found[name] for name in self.drawn if name in found}
        return {what: one for what, one in some.items() if any(map(measurement, (one.here, one.there)))}


def _failed(one: Carried) -> str:
    """That what carries over is a failure, at least of a half."""
    if one.outcome != "carries over" or one.group == "supported on both":
        return ""
    return f" ({one.here['verdict']} on both)"
