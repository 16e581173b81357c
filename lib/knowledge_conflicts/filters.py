"""Which answers can be told from everything else in their prompt: the paper's three filters, in its order.

An answer that stands in its subject, or almost, can be copied from there; one that stands in the example can be copied
from that; and a name that occurs with facts of another kind makes those facts hang together (Tighidet et al. 2025,
section 4.1, by their code). Each filter removes facts, and one of them nearly emptied whole groups of the authors'
table; so what it leaves is counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lib.knowledge_conflicts.answers import Answer

ALIKE = 0.8
"""Jaro–Winkler similarity of subject and object from which they count as one name."""


@dataclass(frozen=True)
class Step:
    """What one filter left."""

    filter: str
    before: int
    after: int
    note: str = ""
    """What a reader should know about this filter here; mostly empty."""


def survivors(answers: Sequence[Answer], *, with_example: bool) -> tuple[list[Answer], list[Step]]:
    """The answers that pass all three filters, in order, and what each filter left.

    `with_example` says whether the frame showed one; without it, nothing can leak from it."""
    apart = [answer for answer in answers if is_apart(answer)]
    unleaked = [answer for answer in apart if not leaks(answer)] if with_example else apart
    kept = in_one_group(unleaked)
    groups = {answer.question.group for answer in answers}
    return kept, [
        Step("subject and object overlap", len(answers), len(apart)),
        Step("leak from the example", len(apart), len(unleaked), "" if with_example else "no example was shown"),
        Step("name in another group", len(unleaked), len(kept), "" if len(groups) > 1 else "all facts are one group"),
    ]


def is_apart(answer: Answer) -> bool:
    """Whether neither of subject and object stands in the other and both are not nearly the same; an empty answer,
    which stands in everything, is not."""
    subject, said = answer.question.subject, answer.text
    one, other = subject.lower(), said.lower()
    return not (one in other or other in one or jaro_winkler(subject, said) >= ALIKE)


def leaks(answer: Answer) -> bool:
    """Whether the answer may come from the example: it is that of the example, or its subject, and not the truth; or
    the question is the example."""
    example = answer.question.example
    shown = {example.object.lower(), example.subject.lower()}
    said = answer.text.lower()
    return answer.question.is_example or (said in shown and said != answer.question.object.lower())


def in_one_group(answers: Sequence[Answer]) -> list[Answer]:
    """The answers whose subject and object occur in no other group, one after the other: an answer that was dropped no
    longer stands in the way of those behind it, so the order of the facts matters."""
    names = [(answer.question.group, {answer.question.subject.lower(), answer.text.lower()}) for answer in answers]
    in_all = Counter(name for _, both in names for name in both)
    in_group = Counter((group, name) for group, both in names for name in both)
    kept = []
    for answer, (group, both) in zip(answers, names, strict=True):
        if any(in_all[name] > in_group[group, name] for name in both):
            in_all.subtract(both)
            in_group.subtract((group, name) for name in both)
        else:
            kept.append(answer)
    return kept


def jaro_winkler(one: str, other: str) -> float:
    """How alike two names are, 0 … 1: shared letters in nearly the same places (Jaro 1989), and, for names that are
    alike at all (above 0.7), a common beginning of up to four letters counts extra (Winkler 1990)."""
    jaro = _jaro(one, other)
    if jaro <= 0.7:
        return jaro
    same = [a == b for a, b in zip(one[:4], other[:4], strict=False)]
    prefix = same.index(False) if False in same else len(same)
    return jaro + 0.1 * prefix * (1 - jaro)


def _jaro(one: str, other: str) -> float:
    if not one or not other:
        return float(one == other)
    reach = max(0, max(len(one), len(other)) // 2 - 1)
    taken = [False] * len(other)
    shared = []
    for at, letter in enumerate(one):
        for there in range(max(0, at - reach), min(len(other), at + reach + 1)):
            if not taken[there] and other[there] == letter:
                taken[there] = True
                shared.append(letter)
                break
    if not shared:
        return 0.0
    there_too = [letter for letter, took in zip(other, taken, strict=True) if took]
    swapped = sum(a != b for a, b in zip(shared, there_too, strict=True)) // 2
    n = len(shared)
    return (n / len(one) + n / len(other) + (n - swapped) / n) / 3
