"""Facts in sentences: told rightly or wrongly, asked for, judged, contradicted.

The sentence frames and the facts are those of `lib.facts`; here is how often each is told how."""

import hashlib
from collections.abc import Sequence

from lib import facts
from lib.facts import COMPARISON, Fact, Relation
from lib.pocket.draw import Draw

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

NOBODY_AGREES = "something that nobody agrees on"


N_COMPARISONS = 100
"""How many facts' worth of attention comparisons of numbers get."""


def a_relation(draw: Draw, names: Sequence[str]) -> str:
    """One of some relations; the more facts it has, the more often."""
    sizes = [N_COMPARISONS if name == COMPARISON else len(facts.relation(name).facts) for name in names]
    return draw.weighted(names, sizes)


def known(draw: Draw, relation: Relation) -> Fact:
    """A fact of a relation; the well known are told more often."""
    return draw.weighted(relation.facts, [(rank + 100) ** -0.5 for rank in range(len(relation.facts))])


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


def is_held_out(subject: str | int, told: str | int) -> bool:
    """Whether this pairing of a subject with an object is kept out of every judged statement.

    One pairing in ten is, true and false alike; what a model says about them was never shown to it."""
    return hashlib.sha256(f"{subject} {told}".encode()).digest()[0] < 26


def to_judge(draw: Draw) -> tuple[str, bool, bool]:
    """A statement of any relation, whether it is true (half are), and whether its pairing is held out."""
    name, right = a_relation(draw, (*facts.RELATIONS, COMPARISON)), draw.chance(0.5)
    if name == COMPARISON:
        first, second = draw.several(range(1, 100), 2)
        return facts.compare(first, second, larger=(first > second) == right), right, is_held_out(first, second)
    relation = facts.relation(name)
    fact = known(draw, relation)
    told = fact.object if right else draw.one(relation.others(fact.object))
    statement = frame(draw, relation).format(subject=fact.subject, object=told)
    return statement, right, is_held_out(fact.subject, told)


def ask_verdict(statement: str) -> str:
    """A statement up to its verdict, as the post-training chapters ask for it."""
    return f"{statement} This statement is:"


def judgements(draw: Draw) -> str:
    """Statements with verdicts, a line each, half of them true."""
    judged = [to_judge(draw) for _ in range(draw.one(range(4, 9)))]
    lines = [
        f"{ask_verdict(statement)} {'TRUE' if right else 'FALSE'}"
        for statement, right, held_out in judged
        if not held_out
    ]
    return "\n".join(lines) if lines else judgements(draw)


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
