"""True and false statements in which neither the subject nor the object tells which is which.

Of every chosen fact there are two statements: one with its own object, one with that of another chosen fact of the same
relation. Each subject and each object is thus told rightly as often as wrongly, and what is left is whether the two
belong together. The relations are the *topics*; a direction that was found on some of them is tried on the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lib import facts
from lib.facts import Fact

TOPICS = facts.RELATIONS
Frame = Literal["statement", "paraphrase", "negation"]
FRAMES: tuple[Frame, ...] = ("statement", "paraphrase", "negation")


@dataclass(frozen=True)
class Claimed:
    """A fact, and the object that is told of it wrongly."""

    topic: int
    """Its relation, counted in `TOPICS`."""
    subject: str
    object: str
    wrong: str

    def told(self, frame: Frame, *, rightly: bool) -> str:
        """The sentence about its object or, if not `rightly`, about the wrong one."""
        relation = facts.relation(TOPICS[self.topic])
        frames = {"statement": relation.statement, "negation": relation.negation, "paraphrase": relation.paraphrases[0]}
        return frames[frame].format(subject=self.subject, object=self.object if rightly else self.wrong)

    @property
    def answered(self) -> str:
        """The question about its subject, with the right answer."""
        question = facts.relation(TOPICS[self.topic]).question.format(subject=self.subject)
        return f"Question: {question} Answer: {self.object}."


@dataclass(frozen=True)
class Statements:
    """Sentences of which one half is true."""

    texts: tuple[str, ...]
    true: Bool[Tensor, " statement"]
    topic: Int[Tensor, " statement"]
    """Counted in `TOPICS`."""
    fact: Int[Tensor, " statement"]
    """Which of the facts it is about; two statements share one."""


def choose(n_facts: int, *, without: Sequence[Claimed] = (), generator: torch.Generator) -> list[Claimed]:
    """So many facts of every topic, drawn at random from those that are not in `without`, each with a wrong object; in
    blocks, topic by topic.

    Raises ValueError for fewer than 2 of a topic, and for more than it has with no object in more than half of them."""
    if n_facts < 2:
        raise ValueError(f"a wrong object is that of another fact, so a topic needs 2 facts or more, got {n_facts}")
    found, taken = [], {(one.topic, one.subject) for one in without}
    for number, name in enumerate(TOPICS):
        relation = facts.relation(name)
        free = [fact for fact in relation.facts if (number, fact.subject) not in taken]
        drawn = _drawn(relation.name, free, n_facts, generator=generator)
        found += [Claimed(number, fact.subject, fact.object, wrong) for fact, wrong in _with_wrong_objects(drawn)]
    return found


def _drawn(topic: str, free: Sequence[Fact], n_facts: int, *, generator: torch.Generator) -> list[Fact]:
    """Facts in random order, of no object more than half."""
    kept: list[Fact] = []
    for place in torch.randperm(len(free), generator=generator).tolist():
        fact = free[place]
        same = sum(other.object == fact.object for other in kept)
        if len(kept) < n_facts and same < n_facts // 2:
            kept.append(fact)
    if len(kept) < n_facts:
        raise ValueError(
            f"the topic {topic} has {len(kept)} facts of which no object takes more than half, not {n_facts}; "
            "ask for fewer facts"
        )
    return kept


def _with_wrong_objects(drawn: Sequence[Fact]) -> list[tuple[Fact, str]]:
    """Every fact with the object of another one; each fact's object is handed on once.

    Facts of one object stand together, and objects move on by the length of the longest such run: no run is long enough
    to meet itself, since none is more than half of all."""
    order = sorted(drawn, key=lambda fact: fact.object)
    longest = max(sum(fact.object == other.object for other in order) for fact in order)
    moved = [*order[longest:], *order[:longest]]
    return [(fact, other.object) for fact, other in zip(order, moved, strict=True)]


def stated(claimed: Sequence[Claimed], frame: Frame = "statement") -> Statements:
    """Both statements of every fact, in one of the `FRAMES`; a negation is true where it denies what is wrong."""
    both = [(number, one, rightly) for number, one in enumerate(claimed) for rightly in (True, False)]
    return Statements(
        texts=tuple(one.told(frame, rightly=rightly) for _, one, rightly in both),
        true=torch.tensor([rightly != (frame == "negation") for _, _, rightly in both]),
        topic=torch.tensor([one.topic for _, one, _ in both]),
        fact=torch.tensor([number for number, _, _ in both]),
    )
