"""Every direction into every model: whose direction it is, whose verdicts follow, and what stands beside them.

A direction has the natural length that it has in its own model. One from a model of larger contrasts is longer, and may
do more only because of that; so a direction that is carried over is also added at the length that the other model's own
has. And a shift of that length in any direction does something: the control is that, in as many random directions as
there are facts, several times over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import directions, resampling
from lib.model import Model
from lib.resampling import Estimate
from lib.truthfulness import steering, verdicts
from lib.truthfulness.statements import TOPICS, Statements
from lib.truthfulness.steering import Effect, Place, Shifted
from lib.truthfulness.verdicts import Asked

RANDOM, OWN_LENGTH = "random", "{}, own length"
Key = tuple[str, str]
"""Whose direction, in which model."""


@dataclass(frozen=True)
class Where:
    """Where directions are found and added: what every model's residual stream holds there, and after which layers."""

    place: Place
    resid: Mapping[str, Float[Tensor, "text layer d_model"]]
    layer: int
    """The layer whose direction it is."""
    n_layers: int
    """How many layers it is added after, the last of them its own."""

    def shift(self, source: str, about: Statements) -> Float[Tensor, "text d_model"]:
        """Each statement's shift to the other kind; see `steering.toward_the_other`."""
        return steering.toward_the_other(self.resid[source], about, layer=self.layer)

    def strength(self, value: Float[Tensor, "text d_model"], model: str) -> float:
        """The mean length of shifts in units of a model's residual stream here."""
        return directions.strength(value, self.resid[model][:, self.layer]).mean().item()

    def shifted(self, value: Float[Tensor, "text d_model"]) -> Shifted:
        """What is handed to a run."""
        return Shifted(value, steering.window(self.layer, n_layers=self.n_layers), self.place)


@dataclass(frozen=True)
class Grid:
    """PD of every statement, without a shift and with each."""

    about: Statements
    place: Place
    clean: Mapping[str, Float[Tensor, " statement"]]
    """By model."""
    moved: Mapping[Key, Float[Tensor, " statement"]]
    strength: Mapping[Key, float] = field(default_factory=dict)
    """Length of each shift in units of the residual stream's norm, after each of its layers."""

    def clusters(self, key: Key, *, topics: Int[Tensor, " topic"] | None = None) -> Float[Tensor, "cluster 4"]:
        """PD and PD* by topic; by fact where `topics` names a single one. See `steering.clusters`."""
        about, all_topics = self.about, self.about.topic.unique()
        topics = all_topics if topics is None else topics
        here = torch.isin(about.topic, topics)
        by = about.fact if len(topics) == 1 else about.topic
        some = Statements(about.texts, about.true[here], about.topic[here], about.fact[here])
        return steering.clusters(self.clean[key[1]][here], self.moved[key][here], some, by[here])

    def count(self, topics: Int[Tensor, " topic"] | None = None) -> int:
        """Statements of some topics, or of all."""
        return len(self.about.topic) if topics is None else int(torch.isin(self.about.topic, topics).sum())

    def effect(self, key: Key, *, topics: Int[Tensor, " topic"] | None = None, generator: torch.Generator) -> Effect:
        """The indirect effect of one shift; see `steering.effect`."""
        return steering.effect(self.clusters(key, topics=topics), n=self.count(topics), generator=generator)

    def less(
        self, one: Key, other: Key, *, topics: Int[Tensor, " topic"] | None = None, generator: torch.Generator
    ) -> Estimate:
        """The indirect effect of one shift less that of another; see `steering.less`."""
        both = [self.clusters(key, topics=topics) for key in (one, other)]
        return steering.less(both, n=self.count(topics), generator=generator)


def run(
    models: Mapping[str, Model],
    asked: Asked,
    about: Statements,
    where: Where,
    *,
    clean: Mapping[str, Float[Tensor, " statement"]],
    n_random: int,
    draw: Callable[[str], torch.Generator],
) -> Grid:
    """Adds the direction of every model in every model, those carried over at their own model's length and at the
    other's, and random ones of the length of each model's own; `clean` are the verdicts without a shift.

    Raises ValueError as `steering` does."""
    moved, strength = {}, {}
    for model, run in models.items():
        own = where.shift(model, about)
        for key, value in _shifts(models, model, own, where, about).items():
            moved[key] = verdict(run, asked, where, value)
            strength[key] = where.strength(value, model)
        drawn = [
            steering.at_random(own, about, generator=draw(f"random {place} at the {where.place} of {model}"))
            for place in range(n_random)
        ]
        moved[RANDOM, model] = torch.stack([verdict(run, asked, where, value) for value in drawn]).mean(0)
        strength[RANDOM, model] = where.strength(own, model)
    return Grid(about, where.place, clean, moved, strength)


def _shifts(
    models: Mapping[str, Model], model: str, own: Float[Tensor, "text d_model"], where: Where, about: Statements
) -> dict[Key, Float[Tensor, "text d_model"]]:
    found = {}
    for source in models:
        value = own if source == model else where.shift(source, about)
        found[source, model] = value
        if source != model:
            found[OWN_LENGTH.format(source), model] = value * (own.norm(dim=-1) / value.norm(dim=-1))[:, None]
    return found


def verdict(
    model: Model, asked: Asked, where: Where, value: Float[Tensor, "text d_model"]
) -> Float[Tensor, " statement"]:
    """P(TRUE) - P(FALSE) of every statement with one shift added at a place."""
    return verdicts.difference(verdicts.probabilities(model, asked, shift=where.shifted(value)))


def transferred(found: Grid, *, topics: Int[Tensor, " topic"] | None = None, generator: torch.Generator) -> Estimate:
    """The smaller of the two indirect effects of a direction carried over, each less that of random directions of the
    length of the model's own: the claim that both move verdicts rests on that one."""
    names = [*found.clean]
    pairs = [(one, other) for one in names for other in names if one != other]
    all_of = [found.less(key, (RANDOM, key[1]), topics=topics, generator=generator) for key in pairs]
    return min(all_of, key=lambda one: one.low)


def unlike_own(found: Grid, *, topics: Int[Tensor, " topic"] | None = None, generator: torch.Generator) -> Estimate:
    """The larger difference, in size, between what a direction does that is carried over and the model's own."""
    names = [*found.clean]
    pairs = [(one, other) for one in names for other in names if one != other]
    all_of = [found.less(key, (key[1], key[1]), topics=topics, generator=generator) for key in pairs]
    return max(all_of, key=lambda one: max(abs(one.low), abs(one.high)))


def least_asymmetric(
    found: Grid, *, topics: Int[Tensor, " topic"] | None = None, generator: torch.Generator
) -> Estimate:
    """The smallest, over all directions and models, of the effect on true statements less that on false ones."""
    keys = [(one, other) for one in found.clean for other in found.clean]
    all_of = [
        steering.asymmetry(found.clusters(key, topics=topics), n=found.count(topics), generator=generator)
        for key in keys
    ]
    return min(all_of, key=lambda one: one.low)


def baseline(
    clean: Mapping[str, Float[Tensor, " statement"]],
    about: Statements,
    *,
    topics: Int[Tensor, " topic"],
    generator: torch.Generator,
) -> dict[str, Estimate]:
    """For each model half the difference between PD of true and of false statements: 1 is certainty, 0 no verdict."""
    found = {}
    for name, value in clean.items():
        grid = Grid(about, "verdict", clean, {(name, name): value})
        rows, n = grid.clusters((name, name), topics=topics), grid.count(topics)
        halves = (rows[:, 0] - rows[:, 2]) / 2
        found[name] = resampling.mean_of_sequences(halves, n=n, generator=generator)
    return found


def beside_random(found: Grid, *, draw: Callable[[str], torch.Generator]) -> dict[str, tuple[Estimate, Estimate]]:
    """For each model the indirect effect of its own direction, and that less random directions of its length."""
    result = {}
    for name in found.clean:
        generator = draw(f"own direction of {name} at the {found.place}")
        effect = found.effect((name, name), generator=generator).both
        result[name] = effect, found.less((name, name), (RANDOM, name), generator=generator)
    return result


def beside_own(found: Grid, *, draw: Callable[[str], torch.Generator]) -> dict[Key, tuple[Estimate, Estimate]]:
    """For each direction carried over its indirect effect less the other model's own, at its own model's length and at
    the other's."""
    result = {}
    for one in found.clean:
        for other in found.clean:
            if one != other:
                generator = draw(f"direction of {one} at the {found.place} of {other}")
                keys = (one, other), (OWN_LENGTH.format(one), other)
                natural, own = (found.less(key, (other, other), generator=generator) for key in keys)
                result[one, other] = natural, own
    return result


def effects(found: Grid, *, draw: Callable[[str], torch.Generator]) -> Any:
    """Every indirect effect, over all topics and for each of them: a pandas table (see `steering.table`)."""
    topics = {"all": None} | {TOPICS[one]: found.about.topic.new_tensor([one]) for one in found.about.topic.unique()}
    generator, rows, strength = draw(f"effects at the {found.place}"), {}, {}
    for key in found.moved:
        for name, some in topics.items():
            where: tuple[str, str, str, str] = (*key, found.place, name)
            rows[where] = found.effect(key, topics=some, generator=generator)
            strength[where] = found.strength[key]
    return steering.table(rows, strength=strength)
