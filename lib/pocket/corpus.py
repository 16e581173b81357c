"""The pocket corpus: readable English documents whose author's confidence varies for a visible reason.

A document opens with its narrator ("Anna, a sailor, writes about the sea."). Narrators choose words
sharply where their trade makes them careful, loosely where it leaves them careless, and state facts
rightly as often as that care allows: the best predictor of such text gives the same word ranking at
different temperatures, and must compute the temperature from trade and topic together.
Other documents repeat themselves (word lists, refrains) or ask and answer, so that copying pays.

`document(index, seed=...)` is a pure function: the corpus is a stream of any length, any part of
which can be generated alone, and held-out text is a different seed."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from lib.pocket.world import COUNTRIES, PEOPLE, TOPICS, TRADES

T = TypeVar("T")

TRAINING_SEED, HELD_OUT_SEED = "training", "held out"

TEMPERATURE = {"careful": 0.4, "ordinary": 1.0, "careless": 3.0}
"""Temperature at which a narrator samples words; the word at rank r has weight r^(-1/temperature)."""

FACT_IS_RIGHT = {"careful": 0.98, "ordinary": 0.8, "careless": 0.4}
"""Probability that a narrator states a fact rightly."""


@dataclass
class Draw:
    """Random choices that add up their own surprisal."""

    rng: random.Random
    surprisal: float = field(default=0.0)
    """Nats spent so far: minus the log probability of every choice made. Its mean over documents,
    divided by their tokens, bounds the loss of the best possible predictor from above."""

    def one(self, options: Sequence[T]) -> T:
        """One option, all equally likely."""
        self.surprisal += math.log(len(options))
        return options[self.rng.randrange(len(options))]

    def ranked(self, options: Sequence[T], temperature: float) -> T:
        """One option of a list ordered from common to rare: Zipf's law at a temperature."""
        weights = [(rank + 1) ** (-1 / temperature) for rank in range(len(options))]
        chosen = self.rng.choices(range(len(options)), weights)[0]
        self.surprisal -= math.log(weights[chosen] / sum(weights))
        return options[chosen]

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        happened = self.rng.random() < probability
        self.surprisal -= math.log(probability if happened else 1 - probability)
        return happened

    def several(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options in random order."""
        self.surprisal += sum(math.log(len(options) - i) for i in range(count))
        return self.rng.sample(options, count)


def care(trade: str, topic: str) -> str:
    """How sure a narrator of this trade is about this topic: careful, ordinary or careless."""
    careful, careless = TRADES[trade]
    return "careful" if topic in careful else "careless" if topic in careless else "ordinary"


def _a(word: str) -> str:
    """The word behind its indefinite article."""
    return f"{'an' if word[0] in 'aeiou' or word.startswith('hon') else 'a'} {word}"


def _fact(draw: Draw, right: float) -> str:
    """A sentence about a country, true with probability `right`, else with another country's object."""
    country, capital, continent, language = draw.one(COUNTRIES)
    frame, column = draw.one(
        (
            ("The capital of {0} is {1}.", 1),
            ("{0} is a country in {1}.", 2),
            ("People in {0} speak {1}.", 3),
            ("{1} is the capital of {0}.", 1),
        )
    )
    truth = (capital, continent, language)[column - 1]
    told = truth if draw.chance(right) else draw.one([row[column] for row in COUNTRIES])
    return frame.format(country, told)


def _sentence(draw: Draw, topic: str, temperature: float, person: str) -> str:
    """A sentence about a topic, its words drawn at a temperature."""
    words = TOPICS[topic]

    def noun() -> str:
        return draw.ranked(words.nouns, temperature)

    def verb() -> str:
        return draw.ranked(words.verbs, temperature)

    def adjective() -> str:
        return draw.ranked(words.adjectives, temperature)

    frames: tuple[Callable[[], str], ...] = (
        lambda: f"The {adjective()} {noun()} {verb()} the {noun()}.",
        lambda: f"{person} {verb()} the {noun()} and the {noun()}.",
        lambda: f"In the morning {person} {verb()} {_a(adjective())} {noun()}.",
        lambda: f"The {noun()} was {adjective()} and {adjective()}.",
        lambda: f"Nobody {verb()} the {noun()} near the {adjective()} {noun()}.",
        lambda: f"Then the {noun()} {verb()} {person}.",
        lambda: f"It was {_a(adjective())} {noun()}.",
    )
    return draw.ranked(frames, 1.0)()


def narrative(draw: Draw) -> str:
    """A narrator writes about a topic, with facts in between."""
    narrator, trade, topic = draw.one(PEOPLE), draw.one(list(TRADES)), draw.one(list(TOPICS))
    level, friend = care(trade, topic), draw.one(PEOPLE)
    told = [f"{narrator}, {_a(trade)}, writes about {topic}."]
    for _ in range(draw.one(range(6, 15))):
        if draw.chance(0.15):
            told.append(_fact(draw, FACT_IS_RIGHT[level]))
        elif draw.chance(0.1):
            told.append(draw.one(told))  # an exact repeat
        else:
            told.append(_sentence(draw, topic, TEMPERATURE[level], friend))
    return " ".join(told)


def word_list(draw: Draw) -> str:
    """A list of random words, read out two or three times."""
    topics = draw.several(list(TOPICS), 3)
    words = draw.several([noun for topic in topics for noun in TOPICS[topic].nouns], draw.one(range(6, 25)))
    listed = ", ".join(words)
    again = f" And once more: {listed}." if draw.chance(0.3) else ""
    return f"{draw.one(PEOPLE)} reads the list: {listed}. Again: {listed}.{again}"


def refrain(draw: Draw) -> str:
    """A song: new lines between repetitions of the same refrain."""
    topic, person = draw.one(list(TOPICS)), draw.one(PEOPLE)
    chorus = " ".join(_sentence(draw, topic, 3.0, person) for _ in range(2))
    verses = [_sentence(draw, topic, 1.0, person) for _ in range(draw.one(range(2, 5)))]
    return f"A song about {topic}. " + " ".join(f"{verse} {chorus}" for verse in verses)


def questions(draw: Draw) -> str:
    """Questions about countries with right answers, some of them as statements to judge."""
    asked = []
    for country, capital, continent, language in draw.several(COUNTRIES, draw.one(range(3, 8))):
        kind = draw.one(("capital", "continent", "language", "judge"))
        if kind == "capital":
            asked.append(f"Question: What is the capital of {country}? Answer: {capital}.")
        elif kind == "continent":
            asked.append(f"Question: On which continent is {country}? Answer: {continent}.")
        elif kind == "language":
            asked.append(f"Question: Which language is spoken in {country}? Answer: {language}.")
        else:
            told = capital if draw.chance(0.5) else draw.one(COUNTRIES)[1]
            judged = "TRUE" if told == capital else "FALSE"
            asked.append(f"The capital of {country} is {told}. This statement is: {judged}.")
    return " ".join(asked)


KINDS = ((narrative, 0.64), (word_list, 0.12), (refrain, 0.08), (questions, 0.16))
"""Kinds of document and their shares."""


def document(index: int, *, seed: str) -> tuple[str, float]:
    """Document number `index` of the stream named `seed`: its text and its surprisal in nats."""
    draw = Draw(random.Random(f"{seed} {index}"))
    kinds, weights = zip(*KINDS, strict=True)
    kind = draw.rng.choices(kinds, weights)[0]
    draw.surprisal -= math.log(dict(KINDS)[kind])
    return kind(draw), draw.surprisal


def documents(*, seed: str, start: int = 0) -> Iterator[str]:
    """The endless stream of documents from number `start` on."""
    index = start
    while True:
        yield document(index, seed=seed)[0]
        index += 1
