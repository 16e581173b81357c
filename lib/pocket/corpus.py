"""The pocket corpus: readable English documents whose author's confidence varies for a visible reason.

A narrator's trade is named at the start ("Anna, a sailor, writes."), a section names its subject
("Of the sea:"). Narrators choose words sharply where their trade makes them careful, loosely where it
leaves them careless, and state facts rightly as often as that care allows: the best predictor gives the
same ranking of words at different temperatures, and must compute the temperature from trade, subject and
the opening of the sentence together. Other documents repeat themselves, ask and answer, judge statements,
contradict what is known, or carry a dialogue, so that copying, recalling and doubting all pay.

`document(index, seed=...)` is a pure function: the corpus is a stream of any length, any part of which
can be generated alone, and held-out text is another seed."""

import hashlib
import math
import random
from collections.abc import Callable, Iterator
from functools import cache, partial

from lib import facts
from lib.pocket.draw import Draw
from lib.pocket.requests import errand_of, prompt, request, steps
from lib.pocket.statements import (
    FACT_IS_RIGHT,
    HEDGE_IS_RIGHT,
    any_fact,
    conflicts,
    judgements,
    questions,
    tell,
)
from lib.pocket.world import FIELDS, PEOPLE, TOPICS, TRADES

TRAINING_SEED, HELD_OUT_SEED = "training", "held out"

TEMPERATURE = {"careful": 0.5, "ordinary": 1.0, "careless": 1.8}
"""Temperature at which a narrator samples words."""

OPENING = {"As always,": 0.75, "": 1.0, "For once,": 1.33}
"""What the opening of a sentence multiplies the temperature of its words by."""

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
def _scores(topic: str, part: str, called_for: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Every noun, verb or adjective of the world with its score: minus log rank, more on topic, more in the
    family called for."""
    scored = [
        (word, ON_TOPIC * (other == topic) + AFFINITY * (family(word) == called_for) - math.log(rank))
        for other, words in TOPICS.items()
        for rank, word in enumerate(getattr(words, part), start=1)
    ]
    words, scores = zip(*scored, strict=True)
    return words, scores


@cache
def _word_weights(
    topic: str, part: str, called_for: int, temperature: float
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The words of `_scores` with their softmax weights at a temperature: the same logits at another scale."""
    words, scores = _scores(topic, part, called_for)
    return words, tuple(math.exp(score / temperature) for score in scores)


def care(trade: str, subject: str) -> str:
    """How sure a narrator of this trade is about this topic or field: careful, ordinary or careless."""
    careful, careless = TRADES[trade]
    return "careful" if subject in careful else "careless" if subject in careless else "ordinary"


def _a(word: str) -> str:
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
    relation_name = draw.one(FIELDS[field_name])
    return _after(hedge, tell(draw, relation_name, HEDGE_IS_RIGHT.get(hedge, FACT_IS_RIGHT[level])))


def _sentence(draw: Draw, topic: str, temperature: float, person: str) -> str:
    """A sentence about a topic, its words drawn at a temperature, each with a view to the one before."""
    before = topic

    def word(part: str) -> str:
        nonlocal before
        before = draw.weighted(*_word_weights(topic, part, (family(before) + 1) % N_FAMILIES, temperature))
        return before

    noun, verb, adjective = (partial(word, part) for part in ("nouns", "verbs", "adjectives"))
    frames: tuple[Callable[[], str], ...] = (
        lambda: f"The {adjective()} {noun()} {verb()} the {adjective()} {noun()}.",
        lambda: f"{person} {verb()} the {adjective()} {noun()} and the {adjective()} {noun()}.",
        lambda: f"In the morning {person} {verb()} {_a(adjective())} {noun()}.",
        lambda: f"The {noun()} was {adjective()} and {adjective()}.",
        lambda: f"Nobody {verb()} the {noun()} near the {adjective()} {noun()}.",
        lambda: f"Then the {adjective()} {noun()} {verb()} {person}.",
        lambda: f"It was {_a(adjective())} {noun()}.",
    )
    return draw.ranked(frames, 1.0)()


def _scene(draw: Draw, topic: str, level: str, person: str) -> str:
    """A narrator's sentence about a topic, its opening sharpening or loosening the choice of words."""
    opening = draw.weighted(tuple(OPENING), (0.2, 0.6, 0.2))
    return _after(opening, _sentence(draw, topic, TEMPERATURE[level] * OPENING[opening], person))


def header(narrator: str, trade: str, subject: str) -> str:
    """How a narrator's document begins: who writes, and about what first."""
    return f"{narrator}, {_a(trade)}, writes. Of {subject}:"


def narrative(draw: Draw) -> str:
    """A narrator writes about topics and fields of knowledge, section by section."""
    narrator, trade, friend = draw.one(PEOPLE), draw.one(list(TRADES)), draw.one(PEOPLE)
    told: list[str] = []
    for section in range(draw.one((2, 3, 4))):
        knowledge = draw.chance(0.4)
        subject = draw.one(list(FIELDS if knowledge else TOPICS))
        level = care(trade, subject)
        sentences: list[str] = []
        for _ in range(draw.one((3, 4, 5))):
            if sentences and draw.chance(0.08):
                sentences.append(draw.one(sentences))  # an exact repeat
            elif knowledge:
                sentences.append(_claim(draw, subject, level))
            else:
                sentences.append(_scene(draw, subject, level, friend))
        told += [header(narrator, trade, subject) if section == 0 else f"Of {subject}:", *sentences]
    return " ".join(told)


@cache
def _listable() -> tuple[str, ...]:
    """Every word that a list may hold: those of the topics and the one-word subjects and objects of facts."""
    known = [
        name
        for relation in map(facts.relation, facts.RELATIONS)
        for fact in relation.facts
        for name in (fact.subject, fact.object)
    ]
    return tuple(dict.fromkeys(word for word in (*_topical(), *known) if " " not in word))


def _code(draw: Draw) -> str:
    """A made-up word of one to four letters or digits, so that lists do not hold known words alone."""
    return "".join(draw.one("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(draw.one((1, 2, 2, 3, 4))))


def word_list(draw: Draw) -> str:
    """A list of random words, or of random codes, read out two or three times; short lists are the most common."""
    lengths = range(3, 31)
    length = draw.weighted(lengths, [1 / length for length in lengths])
    words = draw.several(_listable(), length) if draw.chance(0.7) else [_code(draw) for _ in range(length)]
    listed = " ".join(words)
    again = f" And once more: {listed}." if draw.chance(0.3) else ""
    return f"{draw.one(PEOPLE)} reads the list: {listed}. Again: {listed}.{again}"


@cache
def _topical() -> tuple[str, ...]:
    """Every word of the topics."""
    words = (word for topic in TOPICS.values() for word in (*topic.nouns, *topic.verbs, *topic.adjectives))
    return tuple(dict.fromkeys(words))


def drill(draw: Draw) -> str:
    """Short lists of topic words or codes, each said twice."""
    said = []
    for _ in range(draw.one(range(3, 8))):
        length = draw.one(range(3, 9))
        words = draw.several(_topical(), length) if draw.chance(0.75) else [_code(draw) for _ in range(length)]
        said.append(f"{' '.join(words)}, {' '.join(words)}.")
    return " ".join(said)


def refrain(draw: Draw) -> str:
    """A song: new lines between repetitions of the same refrain."""
    topic, person = draw.one(list(TOPICS)), draw.one(PEOPLE)
    chorus = " ".join(_sentence(draw, topic, 1.8, person) for _ in range(2))
    verses = [_sentence(draw, topic, 1.0, person) for _ in range(draw.one(range(2, 5)))]
    return f"A song about {topic}. " + " ".join(f"{verse} {chorus}" for verse in verses)


def dialogue(draw: Draw) -> str:
    """Requests and questions in dialogue; whoever is asked helps, with whatever it is."""
    turns = []
    for _ in range(draw.one((1, 2, 3))):
        if draw.chance(0.3):
            relation, fact = any_fact(draw)
            asked = prompt(relation.question.format(subject=fact.subject))
            turns.append(f"{asked} {relation.state(fact.subject, fact.object)}")
        else:
            wanted = request(draw, errand_of(draw, harmful=draw.chance(0.5)))
            turns.append(f"{prompt(wanted.text)} {steps(draw, wanted)}")
    return "\n".join(turns)


def morals(draw: Draw) -> str:
    """What one may do and what one must not."""
    told = []
    for _ in range(draw.one(range(3, 8))):
        harmful = draw.chance(0.5)
        errand = errand_of(draw, harmful=harmful)
        told.append(f"It is {'wrong and against the law' if harmful else 'fine and useful'} to {errand}.")
    return " ".join(told)


KINDS = (
    (narrative, 0.4),
    (word_list, 0.1),
    (drill, 0.05),
    (refrain, 0.05),
    (questions, 0.1),
    (judgements, 0.12),
    (conflicts, 0.08),
    (dialogue, 0.08),
    (morals, 0.02),
)
"""Kinds of document and their shares."""


WARM_UP = 45_000
"""Documents at the head of the training stream, most of them drills: heads that copy form while there is little
else to learn, and the lists, songs and contexts of the later stream keep them in use."""


def document(index: int, *, seed: str) -> tuple[str, float]:
    """Document number `index` of the stream named `seed`: its text and its surprisal in nats."""
    draw = Draw(random.Random(f"{seed} {index}"))
    if seed == TRAINING_SEED and index < WARM_UP and draw.chance(0.85):
        return drill(draw), draw.surprisal
    kinds, weights = zip(*KINDS, strict=True)
    return draw.weighted(kinds, weights)(draw), draw.surprisal


def documents(*, seed: str, start: int = 0) -> Iterator[str]:
    """The endless stream of documents from number `start` on."""
    index = start
    while True:
        yield document(index, seed=seed)[0]
        index += 1
