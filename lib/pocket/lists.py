"""Words out of context: lists that are read again, drills, refrains, words from a box.

They repeat what cannot be foreseen, so that copying pays, or come as often as they are common and no more, so that
nothing but the unigram distribution does."""

import random
from collections import Counter
from functools import cache

from lib import facts
from lib.pocket.draw import Draw, Weights
from lib.pocket.stories import a, narrative, sentence
from lib.pocket.world import PEOPLE, TOPICS


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


def token_lists(draw: Draw, *, length: int, d_vocab: int) -> list[int]:
    """Tokens and no text: a sequence of so many that begins with BOS and holds lists of random tokens, each read two or
    three times and ended by EOS. BOS and EOS are token 0; all others are equally likely."""
    tokens, lengths = [0], range(2, length // 2)
    while len(tokens) < length:
        some = [draw.one(range(1, d_vocab)) for _ in range(draw.weighted(lengths, [1 / n for n in lengths]))]
        tokens += [*some * draw.one((2, 2, 3)), 0]
    return tokens[:length]


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


@cache
def _box() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Every word of five hundred stories, and how often it comes in them."""
    stories = (narrative(Draw(random.Random(f"box {number}"))) for number in range(500))
    counted = Counter(word.strip(".,:") for story in stories for word in story.split())
    return tuple(counted), tuple(counted.values())


HANDS = {"heavy": 1.5, "open": 1.0, "light": 0.5}
"""How much a drawer's hand minds how common a word is."""


@cache
def _weights(hand: str) -> tuple[tuple[str, ...], Weights]:
    """Every word of the box, and how likely this hand is to draw it."""
    words, counts = _box()
    return words, Weights(count ** HANDS[hand] for count in counts)


def lots(draw: Draw) -> str:
    """Words drawn from a box and put back: the more likely the more common, by the hand that draws, whatever came
    before."""
    drawn = []
    for _ in range(draw.one((2, 3, 4, 5))):
        hand = draw.one(tuple(HANDS))
        words = [draw.weighted(*_weights(hand)) for _ in range(draw.one(range(6, 21)))]
        drawn.append(f"with {a(hand)} hand: {' '.join(words)}")
    return f"{draw.one(PEOPLE)} draws words from the box {', '.join(drawn)}."


def refrain(draw: Draw) -> str:
    """A song: new lines between repetitions of the same refrain."""
    topic, person = draw.one(list(TOPICS)), draw.one(PEOPLE)
    chorus = " ".join(sentence(draw, topic, 1.8, person) for _ in range(2))
    verses = [sentence(draw, topic, 1.0, person) for _ in range(draw.one(range(2, 5)))]
    return f"A song about {topic}. " + " ".join(f"{verse} {chorus}" for verse in verses)
