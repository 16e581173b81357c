"""The pocket corpus: readable English documents that need what the papers study.

Stories are told with a confidence that varies for a reason (`stories`), lists and songs repeat themselves (`lists`),
facts are asked for, judged and contradicted (`statements`), dialogues ask for help: copying, recalling and doubting
all pay.

`document(index, seed=...)` is a pure function: the corpus is a stream of any length, any part of which
can be generated alone, and held-out text is another seed."""

import random
from collections.abc import Iterator

from lib.pocket.draw import Draw
from lib.pocket.lists import drill, lots, refrain, word_list
from lib.pocket.requests import errand_of, prompt, request, steps
from lib.pocket.statements import any_fact, conflicts, judgements, questions
from lib.pocket.stories import narrative

TRAINING_SEED, HELD_OUT_SEED = "training", "held out"


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
    (narrative, 0.34),
    (word_list, 0.1),
    (drill, 0.05),
    (refrain, 0.05),
    (lots, 0.1),
    (questions, 0.19),
    (judgements, 0.04),
    (conflicts, 0.05),
    (dialogue, 0.06),
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
