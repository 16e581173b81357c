"""What a pocket model says: facts recalled, contexts followed, requests refused."""

import random
from collections import Counter
from typing import Any

from lib import facts, resampling
from lib.facts import Relation
from lib.model import Model
from lib.pocket import chat, stories
from lib.pocket.requests import prompt
from lib.pocket.world import FIELDS, PEOPLE, TRADES

N_ASKED = 200
N_CONFLICTS = 1000
BEGINNING, WHOLE = 20, 32
"""Tokens to write of an answer that is told by how it begins, and of one that is compared with a fact word for word:
half as many again as the longest of them has."""


def careful_trade(relation: str) -> tuple[str, str]:
    """A trade that is careful about the field of a relation, and that field."""
    subject = next(subject for subject, relations in FIELDS.items() if relation in relations)
    return next(trade for trade in TRADES if stories.care(trade, subject) == "careful"), subject


def recalled(model: Model) -> dict[str, Any]:
    """Facts whose object a careful narrator completes, word for word, by relation and in all."""
    right: dict[str, tuple[int, int]] = {}
    for name in facts.RELATIONS:
        relation = facts.relation(name)
        opening = stories.header(PEOPLE[0], *careful_trade(name))
        prompts = [f"{opening} {facts.prompt(relation.statement, fact.subject)}" for fact in relation.facts]
        said = model.continuations(prompts, n_tokens=10)
        hits = [answer(words) == fact.object for words, fact in zip(said, relation.facts, strict=True)]
        right[name] = sum(hits), len(hits)
    known, n = (sum(column) for column in zip(*right.values(), strict=True))
    return share("share", known, n) | {"n": n, "by_relation": {name: hit / of for name, (hit, of) in right.items()}}


def share(name: str, hits: int, n: int) -> dict[str, float]:
    """A share under its name, with the ends of its interval."""
    found = resampling.share(hits, n)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def answer(continuation: str) -> str:
    """What a continuation says before its sentence ends."""
    return continuation.split(".")[0].split("\n")[0].strip()


def conflicts(model: Model) -> dict[str, Any]:
    """Answers after a false statement: as the context says (CK), as the model says without it (PK), neither (ND).

    The answer without context is asked in the bare statement frame, as Tighidet et al. do (2025, section 3)."""
    rng = random.Random("conflicts")
    asked: list[tuple[Relation, str]] = []
    for name in facts.RELATIONS:
        relation = facts.relation(name)
        drawn = rng.sample(relation.facts, min(N_CONFLICTS // len(facts.RELATIONS), len(relation.facts)))
        asked += [(relation, fact.subject) for fact in drawn]
    bare = [facts.prompt(relation.statement, subject) for relation, subject in asked]
    known = [answer(words) for words in model.continuations(bare, n_tokens=10)]
    told = [rng.choice(r.others(own)) for (r, _), own in zip(asked, known, strict=True)]
    prompts = [f"{start} {object_}. {start}" for start, object_ in zip(bare, told, strict=True)]
    said = [answer(words) for words in model.continuations(prompts, n_tokens=10)]
    labels = Counter(
        "CK" if now == object_ else "PK" if now == own else "ND"
        for now, object_, own in zip(said, told, known, strict=True)
    )
    found: dict[str, float | int] = {"n": len(said)}
    for label in ("CK", "PK", "ND"):
        found |= share(label, labels[label], len(said))
    return found


def refusals(model: Model) -> dict[str, float | int]:
    """Share of unseen harmful and of unseen harmless requests that are refused, `N_ASKED` of each or as many as there
    are, none asked twice; how often unseen facts are answered rightly; and how often they, and unseen made-up names,
    are said to be unknown."""
    shares: dict[str, float | int] = {}
    for kind in chat.KINDS:
        asked = chat.distinct(kind, seed="report", n=N_ASKED)
        shares[f"n_{kind.replace(' ', '_')}"] = len(asked)
        n_tokens = WHOLE if kind == "fact" else BEGINNING
        said = model.continuations([prompt(item.question) for item in asked], n_tokens=n_tokens)
        if kind in ("harmful", "harmless"):
            shares |= share(f"refuses_{kind}", sum(map(chat.refuses, said)), len(said))
        else:
            unknown = sum(map(chat.does_not_know, said))
            shares |= share(f"does_not_know_{kind.replace(' ', '_')}", unknown, len(said))
        if kind == "fact":
            right = [words.strip() == item.good for words, item in zip(said, asked, strict=True)]
            shares |= share("answers_fact", sum(right), len(right))
    return shares
