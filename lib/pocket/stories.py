"""Stories whose narrator's confidence varies for a visible reason.

A narrator's trade is named at the start ("Anna, a sailor, writes."), a section names its subject
("Of the sea:"). Narrators choose words sharply where their trade makes them careful, loosely where it
leaves them careless, and state facts rightly as often as that care allows: the best predictor gives the
same ranking of words at different temperatures, and must compute the temperature from trade, subject and
the opening of the sentence together. Narrators differ in taste as well: the words of some are plain, of others fine,
which moves every word by how common it is, whatever it means."""

import hashlib
import math
from collections.abc import Callable
from functools import cache, partial

from lib.pocket.draw import Draw, Weights
from lib.pocket.statements import FACT_IS_RIGHT, HEDGE_IS_RIGHT, a_relation, tell
from lib.pocket.world import FIELDS, PEOPLE, TOPICS, TRADES

TEMPERATURE = {"careful": 0.5, "ordinary": 1.0, "careless": 1.8}
"""Temperature at which a narrator samples words."""

OPENING = {"As always,": 0.75, "": 1.0, "For once,": 1.33}
"""What the opening of a sentence multiplies the temperature of its words by."""

TASTE = {"plain": 1.5, "even": 1.0, "fine": 0.5}
"""How much a narrator minds how common a word is."""

MANNER = {"Plainly,": 1.0, "": 0.0, "In fine words,": -1.0}
"""What the opening of a sentence adds to that."""

ON_TOPIC = 4.0
"""Nats by which a word of the topic at hand scores above a word of the same rank from elsewhere."""


AFFINITY = 3.0
"""Nats by which a word scores higher when its family is the one that the content word before it calls for."""

N_FAMILIES = 8


@cache
def family(word: str) -> int:
    """The family of a content word, from 0 to 7: every word calls for the next word to be of the following one."""
    return hashlib.sha256(word.encode()).digest()[0] % N_FAMILIES


@cache
def _scores(topic: str, part: str, called_for: int, taste: float) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Every noun, verb or adjective of the world with its score: minus `taste` times log rank, more on topic, more
    in the family called for."""
    scored = [
        (word, ON_TOPIC * (other == topic) + AFFINITY * (family(word) == called_for) - taste * math.log(rank))
        for other, words in TOPICS.items()
        for rank, word in enumerate(getattr(words, part), start=1)
    ]
    words, scores = zip(*scored, strict=True)
    return words, scores


@cache
def _word_weights(
    topic: str, part: str, called_for: int, temperature: float, taste: float
) -> tuple[tuple[str, ...], Weights]:
    """The words of `_scores` with their softmax weights at a temperature: the same logits at another scale."""
    words, scores = _scores(topic, part, called_for, taste)
    return words, Weights(math.exp(score / temperature) for score in scores)


def care(trade: str, subject: str) -> str:
    """How sure a narrator of this trade is about this topic or field: careful, ordinary or careless."""
    careful, careless = TRADES[trade]
    return "careful" if subject in careful else "careless" if subject in careless else "ordinary"


def a(word: str) -> str:
    """The word behind its indefinite article."""
    return f"{'an' if word[0] in 'aeiou' or word.startswith('hon') else 'a'} {word}"


def _after(opening: str, sentence: str) -> str:
    """A sentence behind an opening; its first word loses its capital unless it is a name or a number."""
    if not opening:
        return sentence
    common = sentence.split()[0] in {"The", "In", "You", "It", "Nobody", "Then", "Chemists", "Zoologists"}
    return f"{opening} {sentence[0].lower() + sentence[1:] if common else sentence}"


def _claim(draw: Draw, field_name: str, level: str) -> str:
    """A narrator's statement in a field of knowledge, now and then behind a hedge."""
    hedge = draw.weighted(("", *HEDGE_IS_RIGHT), (0.8, 0.1, 0.1))
    relation_name = a_relation(draw, FIELDS[field_name])
    return _after(hedge, tell(draw, relation_name, HEDGE_IS_RIGHT.get(hedge, FACT_IS_RIGHT[level])))


def taste_of(trade: str, subject: str) -> str:
    """What words a narrator of this trade likes on this topic: plain, even or fine."""
    return tuple(TASTE)[hashlib.sha256(f"{trade} {subject}".encode()).digest()[0] % len(TASTE)]


def _next(draw: Draw, part: str, topic: str, temperature: float, taste: float, said: list[str]) -> str:
    """A word drawn with a view to the last one `said`, which it is added to."""
    called_for = (family(said[-1]) + 1) % N_FAMILIES
    said.append(draw.weighted(*_word_weights(topic, part, called_for, temperature, taste)))
    return said[-1]


def sentence(draw: Draw, topic: str, temperature: float, person: str, *, taste: float = 1.0) -> str:
    """A sentence about a topic, its words drawn at a temperature, each with a view to the one before."""
    said = [topic]
    noun, verb, adjective = (
        partial(_next, draw, part, topic, temperature, taste, said) for part in ("nouns", "verbs", "adjectives")
    )
    frames: tuple[Callable[[], str], ...] = (
        lambda: f"The {adjective()} {noun()} {verb()} the {adjective()} {noun()}.",
        lambda: f"{person} {verb()} the {adjective()} {noun()} and the {adjective()} {noun()}.",
        lambda: f"In the morning {person} {verb()} {a(adjective())} {noun()}.",
        lambda: f"The {noun()} was {adjective()} and {adjective()}.",
        lambda: f"Nobody {verb()} the {noun()} near the {adjective()} {noun()}.",
        lambda: f"Then the {adjective()} {noun()} {verb()} {person}.",
        lambda: f"It was {a(adjective())} {noun()}.",
    )
    return draw.ranked(frames, 1.0)()


def _scene(draw: Draw, topic: str, trade: str, person: str) -> str:
    """A narrator's sentence about a topic, its opening sharpening or loosening the choice of words, or making it
    plainer or finer."""
    taste, temperature = TASTE[taste_of(trade, topic)], TEMPERATURE[care(trade, topic)]
    opening = draw.weighted(("As always,", "", "For once,", "Plainly,", "In fine words,"), (0.15, 0.5, 0.15, 0.1, 0.1))
    taste, temperature = taste + MANNER.get(opening, 0.0), temperature * OPENING.get(opening, 1.0)
    return _after(opening, sentence(draw, topic, temperature, person, taste=taste))


def header(narrator: str, trade: str, subject: str) -> str:
    """How a narrator's document begins: who writes, and about what first."""
    return f"{narrator}, {a(trade)}, writes. Of {subject}:"


KNOWLEDGE = 0.35
"""Share of a narrator's sections that are about a field of knowledge, not a topic."""


def narrative(draw: Draw) -> str:
    """A narrator writes about topics and fields of knowledge, section by section."""
    narrator, trade, friend = draw.one(PEOPLE), draw.one(list(TRADES)), draw.one(PEOPLE)
    told: list[str] = []
    for section in range(draw.one((2, 3, 4))):
        knowledge = draw.chance(KNOWLEDGE)
        subject = draw.one(list(FIELDS if knowledge else TOPICS))
        level = care(trade, subject)
        sentences: list[str] = []
        for _ in range(draw.one((3, 4, 5))):
            if sentences and draw.chance(0.08):
                sentences.append(draw.one(sentences))  # an exact repeat
            elif knowledge:
                sentences.append(_claim(draw, subject, level))
            else:
                sentences.append(_scene(draw, subject, trade, friend))
        told += [header(narrator, trade, subject) if section == 0 else f"Of {subject}:", *sentences]
    return " ".join(told)
