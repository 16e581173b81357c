"""How far a verdict has to be pushed: the same shift at several lengths, beside random ones of the same lengths.

The unit is the residual stream's norm at the place. A shift that is longer than the stream itself does not correct what
is there but replaces it, and whatever a model says then, it does not say about the statement."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lib import resampling
from lib.model import Model
from lib.resampling import Estimate
from lib.truthfulness import steering
from lib.truthfulness.grid import RANDOM, Where, verdict
from lib.truthfulness.statements import Statements
from lib.truthfulness.verdicts import Asked

OWN = "own direction"
COLUMNS = ("place", "model", "direction", "multiple", "strength", "label", "pd", "low", "high", "n")


def sweep(
    models: Mapping[str, Model],
    asked: Asked,
    about: Statements,
    where: Where,
    *,
    clean: Mapping[str, Float[Tensor, " statement"]],
    multiples: Sequence[float],
    generator: torch.Generator,
) -> Any:
    """PD of true and of false statements when each model's own direction is added at several multiples of its natural
    length, and a random direction for each fact; and without a shift (`clean`, multiple 0). A pandas table, with
    intervals over topics."""
    import pandas

    rows = []
    for name, model in models.items():
        own = where.shift(name, about)
        unit = where.strength(own, name)
        kinds = {OWN: own, RANDOM: steering.at_random(own, about, generator=generator)}
        for kind, multiple in product(kinds, (0.0, *multiples)):
            found = verdict(model, asked, where, multiple * kinds[kind]) if multiple else clean[name]
            for label, one in by_label(found, about, generator=generator).items():
                rows.append((where.place, name, kind, multiple, multiple * unit, label, *_ends(one)))
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def by_label(
    found: Float[Tensor, " statement"], about: Statements, *, generator: torch.Generator
) -> dict[bool, Estimate]:
    """PD of the true and of the false statements, with intervals over topics."""
    result = {}
    for label in (True, False):
        some = about.true == label
        topics = torch.stack([found[some & (about.topic == one)].mean() for one in about.topic.unique()])
        result[label] = resampling.mean_of_sequences(topics, n=int(some.sum()), generator=generator)
    return result


def _ends(one: Estimate) -> tuple[float, float, float, int]:
    return one.value, one.low, one.high, one.n
