"""Pairs of a true and a false statement that differ in the subject alone.

    Hanoi is a city in Vietnam.        Bergen is a city in Vietnam.

Both end in the same object, so nothing that a model thinks of the object by itself tells them apart. To be patched
position by position they have to have the same token layout too: as many tokens before the subject, in it, and so on.
Which layout that is depends on the tokenizer, so it is found from it: the one that most true statements have (Du et al.
2025, appendix; their code has it written down for each tokenizer). A fact stands in one pair at most, on one of its
sides, so that to draw pairs anew is to draw facts anew."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lib import facts
from lib.drawing import FEWEST
from lib.facts import COMPARISON
from lib.model import Tokenizer

Draw = Callable[[str], torch.Generator]
"""A generator by the name of its draw; see `drawing.seeded`."""
TOPICS = ("city", "continent", "animal", "currency", "element", "spanish", COMPARISON)
"""Topics of which many statements share a layout with the tokenizers that this was tried on."""
SEEN = 1000
"""True statements of a topic that its layout is found on, at most."""
LARGEST = 99
"""The largest number that is compared."""


@dataclass(frozen=True)
class Statement:
    """A sentence about a subject, with what it says of it."""

    subject: str
    object: str
    text: str
    true: bool
    spans: tuple[tuple[int, int], tuple[int, int]]
    """The characters of subject and object."""


@dataclass(frozen=True)
class Topic:
    """What statements are made of: a frame, and which objects are true of which subjects."""

    name: str
    frame: str
    """With `{subject}` before `{object}`."""
    facts: tuple[tuple[str, str], ...]
    """Subjects with an object that is true of them."""
    holds: Callable[[str, str], bool]

    @property
    def subjects(self) -> tuple[str, ...]:
        """Each subject once."""
        return tuple(dict.fromkeys(subject for subject, _ in self.facts))

    def say(self, subject: str, object_: str) -> Statement:
        """The statement of them, true or not."""
        head, _, tail = self.frame.partition("{subject}")
        middle, _, end = tail.partition("{object}")
        first, second = len(head), len(head + subject + middle)
        spans = (first, first + len(subject)), (second, second + len(object_))
        text = head + subject + middle + object_ + end
        return Statement(subject, object_, text, self.holds(subject, object_), spans)


def topic(name: str) -> Topic:
    """A relation of `lib.facts`, or the comparison of numbers. Raises ValueError for another name."""
    if name == COMPARISON:
        larger = tuple((str(a), str(b)) for a, b, _ in facts.comparisons(largest=LARGEST) if a > b)
        return Topic(name, "{subject} is larger than {object}.", larger, lambda one, other: int(one) > int(other))
    if name not in facts.RELATIONS:
        raise ValueError(f"there is no topic {name!r}; there are {', '.join((*facts.RELATIONS, COMPARISON))}")
    relation = facts.relation(name)
    told = tuple((fact.subject, fact.object) for fact in relation.facts)
    own = dict(told)
    return Topic(name, relation.statement, told, lambda subject, object_: own[subject] == object_)


@dataclass(frozen=True)
class Pair:
    """A true and a false statement with one object."""

    true: Statement
    false: Statement


@dataclass(frozen=True)
class DataSet:
    """The pairs of a topic, and the lines that stand before each of them."""

    name: str
    pairs: tuple[Pair, ...]
    context: tuple[Statement, ...]
    """Two true and two false ones, of subjects that no pair is about."""
    columns: tuple[str, ...]
    """What the tokens of a statement and its question are: s1, s2, … of the subject, o1, … of the object, or a word."""
    n_of_layout: int
    """True statements that have this layout."""
    n_statements: int

    @property
    def n_false(self) -> int:
        """Different false statements."""
        return len({pair.false.text for pair in self.pairs})

    @property
    def objects(self) -> Counter[str]:
        """How many pairs end in each object."""
        return Counter(pair.true.object for pair in self.pairs)


def layout(tokenizer: Tokenizer, statement: Statement, ending: str) -> tuple[str, ...]:
    """What each token of a statement on a line of its own is: s1, s2, …, o1, …, or the text that it stands for."""
    names: list[str] = []
    text, counts = f"\n{statement.text}{ending}", Counter[str]()
    spans = [(name, 1 + a, 1 + b) for name, (a, b) in zip("so", statement.spans, strict=True)]
    for first, behind in tokenizer.encode_with_offsets(text)[1]:
        if behind <= 1:
            continue  # the line break
        part = next((name for name, a, b in spans if first < b and a < behind), "")
        counts[part] += 1
        names.append(f"{part}{counts[part]}" if part else text[first:behind].strip())
    return tuple(names)


def data_set(
    tokenizer: Tokenizer, name: str, *, question: str, n_pairs: int, generator: torch.Generator, n_context: int = 2
) -> DataSet:
    """At most `n_pairs` pairs of a topic, drawn from those of the layout that most of its true statements have.

    The context has `n_context` true and as many false statements, of any layout. There are no pairs where no two
    statements share a layout and an object. Raises ValueError for an unknown topic."""
    about, ending = topic(name), f" {question}"
    order = torch.randperm(len(about.facts), generator=generator).tolist()
    told = [about.say(*about.facts[at]) for at in order]
    layouts = Counter(layout(tokenizer, statement, ending) for statement in told[:SEEN])
    columns, n_of_layout = layouts.most_common(1)[0]
    context = _context(about, n_context, generator)
    free = [subject for subject in about.subjects if subject not in {said.subject for said in context}]
    free = [free[at] for at in torch.randperm(len(free), generator=generator).tolist()]
    pairs: list[Pair] = []
    for true in told:
        if len(pairs) < n_pairs and true.subject in free and layout(tokenizer, true, ending) == columns:
            others = (other for other in free if other != true.object and not about.holds(other, true.object))
            wrong = (about.say(other, true.object) for other in others)
            false = next((some for some in wrong if layout(tokenizer, some, ending) == columns), None)
            if false:
                pairs.append(Pair(true, false))
                free = [subject for subject in free if subject not in (true.subject, false.subject)]
    return DataSet(name, tuple(pairs), context, columns, n_of_layout, sum(layouts.values()))


def data_sets(
    tokenizer: Tokenizer, names: Sequence[str], *, question: str, n_pairs: int, n_lines: int, draw: Draw
) -> list[DataSet]:
    """The topics of which at least `FEWEST` pairs can be made, each behind `n_lines` lines of which half are true.

    Raises ValueError for an unknown topic, an odd number of lines, and where no topic has that many pairs."""
    if n_lines < 0 or n_lines % 2:
        raise ValueError(f"lines in front are 0, 2, 4, … (half of them true), got {n_lines}")
    given: dict[str, Any] = {"question": question, "n_pairs": n_pairs, "n_context": n_lines // 2}
    made = [
        data_set(tokenizer, name, **given, generator=draw(f"pairs of {name} behind {n_lines} lines")) for name in names
    ]
    enough = [one for one in made if len(one.pairs) >= FEWEST]
    if not enough:
        most = max((len(one.pairs) for one in made), default=0)
        raise ValueError(
            f"a topic needs {FEWEST} pairs of statements of one token layout, and none of {', '.join(names)} has more "
            f"than {most} here; name others by topics, or ask for more by n_pairs"
        )
    return enough


def _context(about: Topic, n: int, generator: torch.Generator) -> tuple[Statement, ...]:
    """`n` true and `n` false statements of different subjects."""
    subjects = [about.subjects[at] for at in torch.randperm(len(about.subjects), generator=generator).tolist()]
    true = dict(about.facts)
    right = [about.say(subject, true[subject]) for subject in subjects[:n]]
    objects = dict.fromkeys(object_ for _, object_ in about.facts)
    wrong: list[Statement] = []
    for subject in subjects[n:]:
        others = [object_ for object_ in objects if not about.holds(subject, object_) and object_ != subject]
        if others and len(wrong) < n:
            at = int(torch.randint(len(others), (1,), generator=generator))
            wrong.append(about.say(subject, others[at]))
    return (*right, *wrong)
