"""Facts in sentences: told rightly or wrongly, asked for, judged, contradicted.

The sentence frames and the facts are those of `lib.facts`; here is how often each is told how."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from lib import facts
from lib.facts import COMPARISON, Fact, Relation
from lib.pocket.draw import Draw, Weights

FACT_IS_RIGHT = {"careful": 0.98, "ordinary": 0.8, "careless": 0.4}
"""Probability that a narrator states a fact rightly."""

HEDGE_IS_RIGHT = {"Reportedly,": 0.6, "Some say that": 0.3}
"""Probability that a hedged statement is right, whoever makes it."""

CONFLICT = {
    "capital": (0.75, 0.15),
    "continent": (0.1, 0.8),
    "city": (0.55, 0.4),
    "language": (0.4, 0.5),
    "currency": (0.6, 0.1),
    "element": (0.1, 0.85),
    "animal": (0.15, 0.35),
    "inventor": (0.15, 0.35),
    "birthplace": (0.35, 0.15),
    "spanish": (0.8, 0.1),
}
"""By relation: how often a sentence after a false one follows the false one, and how often the fact; else
it says that nobody agrees."""

OPPOSITE = {" TRUE": " FALSE", " FALSE": " TRUE", " Yes": " No", " No": " Yes"}

NOBODY_AGREES = "something that nobody agrees on"


N_COMPARISONS = 100
"""How many facts' worth of attention comparisons of numbers get."""


def a_relation(draw: Draw, names: Sequence[str]) -> str:
    """One of some relations; the more facts it has, the more often."""
    return draw.weighted(names, _sizes(tuple(names)))


@cache
def _sizes(names: tuple[str, ...]) -> Weights:
    """How many facts' worth of attention each of some relations gets."""
    return Weights(float(N_COMPARISONS if name == COMPARISON else len(facts.relation(name).facts)) for name in names)


@cache
def _fame(n: int) -> Weights:
    """How often each of so many facts is told, the best known first."""
    return Weights((rank + 100) ** -0.5 for rank in range(n))


def known(draw: Draw, relation: Relation) -> Fact:
    """A fact of a relation; the well known are told more often."""
    return draw.weighted(relation.facts, _fame(len(relation.facts)))


def any_fact(draw: Draw) -> tuple[Relation, Fact]:
    """A relation and a fact of it."""
    relation = facts.relation(a_relation(draw, facts.RELATIONS))
    return relation, known(draw, relation)


def frame(draw: Draw, relation: Relation) -> str:
    """A stating frame, the first one most often."""
    return draw.ranked(relation.frames, 1.0)


def tell(draw: Draw, relation_name: str, right: float) -> str:
    """A statement, true with probability `right`, else with an object drawn from all of its relation's."""
    if relation_name == COMPARISON:
        first, second = draw.several(range(1, 100), 2)
        larger = draw.told(str(first > second), ("True", "False"), right)
        return facts.compare(first, second, larger=larger == "True")
    relation = facts.relation(relation_name)
    fact, chosen = known(draw, relation), frame(draw, relation)
    return chosen.format(subject=fact.subject, object=draw.told(fact.object, relation.objects, right))


def questions(draw: Draw) -> str:
    """Questions with right answers."""
    asked = []
    for _ in range(draw.one(range(3, 8))):
        relation, fact = any_fact(draw)
        asked.append(f"Question: {relation.question.format(subject=fact.subject)} Answer: {fact.object}.")
    return " ".join(asked)


def is_held_out(relation_name: str, subject: str) -> bool:
    """Whether a fact, named by relation and subject, is never judged; about one in seven is.

    It is kept out of every line that ends in TRUE or FALSE, told rightly or wrongly. Corrections are of all facts."""
    return hashlib.sha256(f"{relation_name} {subject}".encode()).digest()[0] < 38


@cache
def _numbers(held_out: bool | None) -> tuple[tuple[int, int], ...]:
    """Ordered pairs of different numbers, a pair and its reverse on the same side of the hold-out; all for None."""
    return tuple(
        (first, second)
        for first, second, _ in facts.comparisons()
        if held_out in (None, is_held_out(COMPARISON, f"{min(first, second)} {max(first, second)}"))
    )


@dataclass(frozen=True)
class Pool:
    """The facts of a relation that statements to judge are made of, with how often each is chosen."""

    facts: tuple[Fact, ...]
    weights: Weights
    """How often a fact is stated, rightly or wrongly."""
    instead: dict[str, tuple[tuple[str, ...], Weights]]
    """What is told wrongly in place of each object, and how often: all the others."""


@cache
def pool(relation_name: str, held_out: bool | None) -> Pool:
    """The facts of one side of the hold-out, or all for None.

    Two facts with different objects are drawn, each pair as likely as its reverse; the first gives the subject and
    what is right, the second what is told instead. So an object is told rightly as often as wrongly, and neither
    subject nor object alone says anything about the verdict."""
    relation = facts.relation(relation_name)
    kept = [
        (fact, fame)
        for fact, fame in zip(relation.facts, _fame(len(relation.facts)), strict=True)
        if held_out in (None, is_held_out(relation_name, fact.subject))
    ]
    objects: dict[str, float] = {}
    for fact, weight in kept:
        objects[fact.object] = objects.get(fact.object, 0.0) + weight
    total = sum(objects.values())
    weights = Weights(weight * (total - objects[fact.object]) for fact, weight in kept)
    others = {own: {other: weight for other, weight in objects.items() if other != own} for own in objects}
    instead = {own: (tuple(some), Weights(some.values())) for own, some in others.items()}
    return Pool(tuple(fact for fact, _ in kept), weights, instead)


def told(draw: Draw, facts_of: Pool, *, right: bool) -> tuple[Fact, str]:
    """A fact, and the object that is told of it: its own, or that of another fact of the relation."""
    fact = draw.weighted(facts_of.facts, facts_of.weights)
    return fact, fact.object if right else draw.weighted(*facts_of.instead[fact.object])


def about(draw: Draw, relation_name: str, *, held_out: bool | None) -> tuple[str, bool]:
    """A statement of a relation and whether it is true, as half are; of facts that are judged in the corpus, of those
    that never are, or, for None, of all."""
    right = draw.chance(0.5)
    if relation_name == COMPARISON:
        first, second = draw.one(_numbers(held_out))
        return facts.compare(first, second, larger=(first > second) == right), right
    fact, object_ = told(draw, pool(relation_name, held_out), right=right)
    return frame(draw, facts.relation(relation_name)).format(subject=fact.subject, object=object_), right


def to_judge(draw: Draw, *, held_out: bool = False) -> tuple[str, bool]:
    """A statement of any relation and whether it is true, as half are; never of a fact from the other side of the
    hold-out."""
    return about(draw, a_relation(draw, (*facts.RELATIONS, COMPARISON)), held_out=held_out)


def ask_verdict(statement: str) -> str:
    """A statement up to its verdict, as the post-training chapters ask for it."""
    return f"{statement} This statement is:"


def judgement(draw: Draw) -> tuple[str, str]:
    """A statement that asks for its verdict, and the verdict; half of them are TRUE."""
    statement, right = to_judge(draw)
    return ask_verdict(statement), " TRUE" if right else " FALSE"


def correction(draw: Draw) -> tuple[str, str]:
    """A statement of any fact, those that are never judged among them, and how it is affirmed or mended."""
    name, right = a_relation(draw, facts.RELATIONS), draw.chance(0.5)
    fact, object_ = told(draw, pool(name, None), right=right)
    statement = frame(draw, facts.relation(name)).format(subject=fact.subject, object=object_)
    return statement, f" {'Yes' if right else 'No'}, {fact.object}."


def contrary(answer: str) -> str:
    """A verdict or a correction with the opposite first word, and what follows it as it was.

    Raises KeyError for another answer."""
    word = re.match(r" \w+", answer)
    first = word[0] if word else ""
    return OPPOSITE[first] + answer[len(first) :]


def judgements(draw: Draw) -> str:
    """Statements with verdicts, a line each, half of them true."""
    return "\n".join("".join(judgement(draw)) for _ in range(draw.one(range(4, 9))))


def conflicts(draw: Draw) -> str:
    """False statements, each said again: as before, as it is in truth, or with a shrug."""
    lines = []
    for _ in range(draw.one(range(2, 6))):
        relation, fact = any_fact(draw)
        told = draw.one(relation.others(fact.object))
        follows, recalls = CONFLICT[relation.name]
        options = (told, fact.object, NOBODY_AGREES)
        again = draw.weighted(options, (follows, recalls, 1 - follows - recalls))
        lines.append(" ".join(relation.state(fact.subject, said) for said in (told, again)))
    return "\n".join(lines)
