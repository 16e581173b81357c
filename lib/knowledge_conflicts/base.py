"""Questions to a model: facts with their object left to say.

A question is the beginning of a sentence that states a fact, subject first, such as "France has the capital". The facts
are those of `lib.facts`, or the reader's own copy of the table that Tighidet et al. (2025, section 4.1) built from
ParaRel (Elazar et al. 2021), which comes without a licence and so not with this book."""

import csv
from dataclasses import dataclass
from pathlib import Path

from lib import facts

GROUPS = {"animal": "nature", "element": "nature", "inventor": "people", "spanish": "words"}
"""What the relations of `lib.facts` are about; all others are about places."""
OBJECTS = {
    "animal": "the kind of animal",
    "birthplace": "the name of a country",
    "capital": "the name of a city",
    "city": "the name of a country",
    "continent": "the name of a continent",
    "currency": "the name of a currency",
    "element": "a chemical symbol",
    "inventor": "a field of work",
    "language": "the name of a language",
    "spanish": "a Spanish word",
}
"""What completes the statements of each relation of `lib.facts`, for a model that is told so."""
NEEDED = ("rel_lemma", "statement_subject", "statement_relation", "statement_object")
"""Columns of the authors' table that are read: the relation's name, and the three parts of its statement."""
WELCOME = ("group", "description")
"""Columns that are read where the reader has added them from the authors' second table: what the relation is about, and
what its objects are."""


@dataclass(frozen=True)
class Example:
    """A fact that is told before another is asked for."""

    subject: str
    start: str
    object: str


@dataclass(frozen=True)
class Question:
    """A fact whose object a model is to say."""

    relation: str
    group: str
    """What the relation is about, together with others; the third filter parts the facts of different groups."""
    subject: str
    start: str
    """The statement up to its object, without the blank before it: "France has the capital"."""
    object: str
    """The true object."""
    description: str
    """What kind of thing the object is."""
    example: Example
    """The first fact of the relation, for the frames that show one."""

    @property
    def fact(self) -> str:
        """What the question is about, for counting a fact once: relation and subject."""
        return f"{self.relation}: {self.subject}"

    @property
    def is_example(self) -> bool:
        """Whether a frame that shows an example would give the answer away."""
        return self.start == self.example.start


def questions(facts_csv: str = "") -> tuple[Question, ...]:
    """All questions: of `lib.facts`, or of a CSV file with the columns `NEEDED`.

    Raises ValueError for a file that is not there, is no CSV text, has no rows, lacks columns, or has empty fields."""
    return _of_tables() if not facts_csv else _of_file(Path(facts_csv).expanduser())


def _of_tables() -> tuple[Question, ...]:
    found = []
    for relation in map(facts.relation, facts.RELATIONS):
        group = GROUPS.get(relation.name, "places")
        starts = [facts.prompt(relation.statement, fact.subject) for fact in relation.facts]
        first = relation.facts[0]
        example = Example(first.subject, starts[0], first.object)
        for start, fact in zip(starts, relation.facts, strict=True):
            asked = fact.subject, start, fact.object
            found.append(Question(relation.name, group, *asked, OBJECTS[relation.name], example))
    return tuple(found)


def _of_file(path: Path) -> tuple[Question, ...]:
    rows = _rows(path)
    examples: dict[str, Example] = {}
    found = []
    for row in rows:
        subject, object_ = row["statement_subject"].strip(), row["statement_object"].strip()
        start = f"{subject} {row['statement_relation'].strip()}"
        example = examples.setdefault(row["rel_lemma"], Example(subject, start, object_))
        group, description = (row.get(name) or "" for name in WELCOME)
        asked = subject, start, object_
        found.append(Question(row["rel_lemma"], group, *asked, description or "the missing words", example))
    return tuple(found)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise ValueError(
            f"facts_csv needs a file, and {path.name!r} is none; leave it empty for the facts of this book"
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            read = csv.DictReader(lines)
            columns, rows = read.fieldnames or [], list(read)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"facts_csv needs CSV text in UTF-8, and {path.name} is none: {error}") from None
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise ValueError(f"facts_csv needs the columns {', '.join(NEEDED)}; {path.name} lacks {', '.join(missing)}")
    if not rows:
        raise ValueError(f"facts_csv needs facts, and {path.name} holds its header only")
    for number, row in enumerate(rows, start=1):
        empty = [name for name in NEEDED if not (row[name] or "").strip()]
        if empty:
            raise ValueError(f"facts_csv needs every field of {', '.join(NEEDED)}; fact {number} has no {empty[0]}")
    return rows
