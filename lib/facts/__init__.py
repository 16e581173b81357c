"""True facts of the world, one table per relation: a subject, its one object, and the sentences that join them.

A table is a CSV file of this folder. Its first lines are sentence frames: `statement` puts the subject
first and the object last, so that the sentence without its object is a prompt for any language model;
`negation` denies it, `paraphrase` says the same otherwise, `question` asks for the object, a `note` says what counts
as one.
Tables run from well known to little known, and every subject has one object. Comparisons of numbers are
generated, not stored."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

FOLDER = Path(__file__).parent
RELATIONS = tuple(sorted(path.stem for path in FOLDER.glob("*.csv")))
"""Names of the relations that have a table."""
COMPARISON = "comparison"
"""The generated relation: which of two numbers is larger."""


@dataclass(frozen=True)
class Fact:
    """One subject with the object that a relation gives it."""

    subject: str
    object: str


@dataclass(frozen=True)
class Relation:
    """A relation: its facts and the frames that state them or ask for them."""

    name: str
    statement: str
    """The frame with `{subject}` first and `{object}` last, such as "{subject} has the capital {object}."."""
    paraphrases: tuple[str, ...]
    """Other frames with `{object}` last."""
    question: str
    """A question about `{subject}`."""
    negation: str
    """The statement's denial, `{object}` last; true where the statement is false."""
    facts: tuple[Fact, ...]
    """From well known to little known; no subject twice."""

    @property
    def frames(self) -> tuple[str, ...]:
        """Every frame that states a fact, `statement` first."""
        return (self.statement, *self.paraphrases)

    @cached_property
    def objects(self) -> tuple[str, ...]:
        """The different objects, in the order of their first fact."""
        return tuple(dict.fromkeys(fact.object for fact in self.facts))

    def others(self, object_: str) -> tuple[str, ...]:
        """The objects but one."""
        return tuple(other for other in self.objects if other != object_)

    def state(self, subject: str, object_: str) -> str:
        """The first frame with a subject and an object in it, whether that is a fact or not."""
        return self.statement.format(subject=subject, object=object_)


def prompt(frame: str, subject: str) -> str:
    """A stating frame up to its object, without the blank before it: "France has the capital".

    Raises ValueError for a frame whose object is not last."""
    before, found, after = frame.partition("{object}")
    if not found or after != ".":
        raise ValueError(f"a prompt needs a frame that ends in '{{object}}.', got {frame!r}")
    return before.format(subject=subject).rstrip()


@cache
def relation(name: str) -> Relation:
    """The relation called `name`. Raises ValueError, with the names there are, for any other."""
    if name not in RELATIONS:
        raise ValueError(f"there is no relation {name!r}; there are {', '.join(RELATIONS)}")
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        header: list[str] = []
        rows: list[str] = []
        for line in lines:
            (header if line.startswith("#") else rows).append(line)
    frames = [line.removeprefix("#").strip().split(": ", 1) for line in header]

    def of_kind(kind: str) -> tuple[str, ...]:
        return tuple(frame for name, frame in frames if name == kind)

    return Relation(
        name=name,
        statement=of_kind("statement")[0],
        paraphrases=of_kind("paraphrase"),
        question=of_kind("question")[0],
        negation=of_kind("negation")[0],
        facts=tuple(Fact(row["subject"], row["object"]) for row in csv.DictReader(rows)),
    )


def comparisons(*, largest: int = 99) -> Iterator[tuple[int, int, str]]:
    """Every ordered pair of different numbers from 1 to `largest`, with the true statement about them."""
    for first in range(1, largest + 1):
        for second in range(1, largest + 1):
            if first != second:
                yield first, second, compare(first, second, larger=first > second)


def compare(first: int, second: int, *, larger: bool) -> str:
    """The statement that one number is larger, or smaller, than another; true or not."""
    return f"{first} is {'larger' if larger else 'smaller'} than {second}."
