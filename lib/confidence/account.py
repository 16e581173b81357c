r"""How much of a difference in confidence moves along when neurons change places?

With \(H_b\) and \(H_p\) the mean entropy of base and post-trained model, and \(H_b(S)\), \(H_p(S)\) theirs with the
other's neurons of a set S in the place of their own,

.. math:: \mathrm{moved}(S) = \tfrac{1}{2} \big[ (H_b(S) - H_b) + (H_p - H_p(S)) \big], \qquad
    \mathrm{share}(S) = \mathrm{moved}(S) / (H_p - H_b) .

If the neurons made the difference, base would become as sure as the post-trained model by them, and the other way
round: the share would be 1. Both directions are averaged since the two can interact with what is around them. A share
of a difference that is not there has no meaning, so then there is none. Random sets of other neurons say what as many
neurons like these would move."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import ablation, controls, drawing, effects, resampling
from lib.controls import Against, Matched
from lib.effects import Readings
from lib.model import Model
from lib.resampling import Estimate

READ = "entropy"


@dataclass(frozen=True)
class Sets:
    """The sets of neurons that change places: the chosen, all of the layer, and matched ones by what they match."""

    chosen: Bool[Tensor, " neuron"]
    matched: dict[str, Matched]

    @property
    def all(self) -> Bool[Tensor, "set neuron"]:
        """Every set, in a fixed order: chosen, whole layer, then the matched ones."""
        whole = torch.ones_like(self.chosen)
        return torch.cat([self.chosen[None], whole[None], *(some.neuron for some in self.matched.values())])

    def rows(self, name: str) -> range:
        """Where the sets of one kind of match lie among all."""
        at = 2
        for other, some in self.matched.items():
            if other == name:
                return range(at, at + len(some.neuron))
            at += len(some.neuron)
        raise ValueError(f"sets are matched on {', '.join(self.matched)}, got {name!r}")

    @property
    def caution(self) -> str:
        """What has to be added where a match is not fair; empty where all are."""
        return "; ".join(some.caution for some in self.matched.values() if some.caution)


@dataclass(frozen=True)
class Shift:
    """How far sets of neurons move the mean entropy, in nats."""

    chosen: Estimate
    whole: Estimate
    """All neurons of the last layer."""
    against: dict[str, Against]
    """The chosen beside matched sets, by what they are matched on."""


@dataclass(frozen=True)
class Account:
    """What of a difference in mean entropy goes with the neurons."""

    difference: Estimate
    """Post-trained minus base, in nats."""
    into_base: Shift
    """Entropy of the base with the other's neurons, minus its own."""
    into_post: Shift
    """Entropy of the post-trained model with the base's neurons, minus its own."""
    moved: Shift
    """Half of `into_base` minus half of `into_post`: what moves along, in nats."""
    share: Estimate | str
    """Of the difference, by the chosen; a reason where there is no difference to account for."""
    whole_share: Estimate | str
    """The same by all neurons of the last layer."""


def shift(
    change: Float[Tensor, "set token"], sequence: Int[Tensor, " token"], sets: Sets, *, generator: torch.Generator
) -> Shift:
    """Means over tokens of the change that each set of `Sets.all` makes, with intervals over sequences; beside matched
    sets each resample meets another one. Raises ValueError as `resampling.mean` does."""
    _, place = sequence.unique(return_inverse=True)
    sums = torch.zeros(len(change), int(place.max()) + 1, dtype=torch.float64)
    sums.index_add_(1, place, change.double())
    n = torch.bincount(place).double()
    weights = drawing.weights(len(n), generator=generator)

    def mean(weight: Float[Tensor, " sequence"], row: int) -> Float[Tensor, ""]:
        return (weight @ sums[row]) / (weight @ n)

    given: dict[str, Any] = {"whole": torch.full_like(n, 1 / len(n)), "drawn": weights}
    given |= {"n": len(sequence), "n_sequences": len(n)}
    against = {}
    for name, some in sets.matched.items():
        found = controls.beside(mean, 0, [*sets.rows(name)], **given)
        against[name] = _widened(found, some)
    chosen, whole = (resampling.mean(change[row], sequence, generator=generator) for row in (0, 1))
    return Shift(chosen, whole, against)


def ablated(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    sets: Sets,
    *,
    scored: Bool[Tensor, "sequence position"],
    generator: torch.Generator,
) -> Shift:
    """How far a model's mean entropy moves (nats) when each set of `Sets.all` is mean-ablated, the mean being over all
    positions. Raises ValueError as `shift` does."""
    mean = ablation.mean(model.run(tokens, "activation").activation.to(model.W_out.dtype))
    every = sets.all.to(model.W_out.device)
    found = effects.readings(
        model, tokens, sets=every, scored=scored, replacement=mean, read={READ: effects.read_entropy}
    )
    return shift(found.ablated[READ] - found.clean[READ], found.sequence, sets, generator=generator)


def _widened(found: Against, sets: Matched) -> Against:
    """With the interval of the difference as wide as chosen neurons ask for; see `controls.against`."""
    by, d = controls.wider(sets.n_candidates), found.difference
    return replace(
        found, difference=replace(d, low=d.value - by * (d.value - d.low), high=d.value + by * (d.high - d.value))
    )


def account(base: Readings, post: Readings, sets: Sets, *, draw: Any) -> Account:
    """What goes with the neurons, from readings of entropy by `swapping` of each model with the other's neurons.

    Raises ValueError for readings of unequal tokens."""
    if not (torch.equal(base.sequence, post.sequence) and torch.equal(base.position, post.position)):
        raise ValueError("an account needs both models at the same tokens, got different ones")
    own, theirs = (one.clean[READ].double() for one in (base, post))
    into_base = base.ablated[READ].double() - own
    into_post = post.ablated[READ].double() - theirs
    moved, apart, sequence = (into_base - into_post) / 2, theirs - own, base.sequence
    difference = resampling.mean(apart, sequence, generator=draw("difference"))
    share, whole_share = (
        _share(row, apart, sequence, difference, draw(f"share of {name}"))
        for name, row in {"the chosen": moved[0], "the layer": moved[1]}.items()
    )
    shifts = {
        name: shift(change, sequence, sets, generator=draw(name))
        for name, change in {"into_base": into_base, "into_post": into_post, "moved": moved}.items()
    }
    return Account(difference, **shifts, share=share, whole_share=whole_share)


def exists(difference: Estimate) -> bool:
    """Whether the whole interval of a difference lies on one side of nought."""
    return difference.low > 0 or difference.high < 0


def _share(
    moved: Float[Tensor, " token"],
    apart: Float[Tensor, " token"],
    sequence: Int[Tensor, " token"],
    difference: Estimate,
    generator: torch.Generator,
) -> Estimate | str:
    if not exists(difference):
        return "the two models do not differ in mean entropy, as far as can be told"
    return resampling.ratio(moved, apart, sequence, generator=generator)


def size(difference: Estimate) -> Estimate:
    """A difference without its sign, for a claim that there is one: an interval that held nought reaches below it."""
    return (
        difference
        if difference.value >= 0
        else replace(difference, value=-difference.value, low=-difference.high, high=-difference.low)
    )


def rows(shifts: Mapping[str, Shift]) -> Any:
    """A pandas table for a figure: for each intervention the chosen neurons and the sets of each kind (columns what,
    kind, value, low, high; in nats)."""
    import pandas

    found = []
    for what, one in shifts.items():
        found.append((what, "chosen", one.chosen.value, one.chosen.low, one.chosen.high))
        for name, beside in one.against.items():
            other = beside.controls
            found.append((f"matched on {name}", "other", other.value, other.low, other.high))
    return pandas.DataFrame(found, columns=["what", "kind", "value", "low", "high"])


def table(accounts: Mapping[str, Account]) -> Any:
    """A pandas table of accounts by text: difference and what moves along, in nats; shares (value, low, high, n)."""
    import pandas

    found = []
    for text, one in accounts.items():
        quantities: dict[str, Estimate | str]
        quantities = {"difference": one.difference, "moved": one.moved.chosen, "moved, whole layer": one.moved.whole}
        quantities |= {f"moved, matched on {name}": beside.controls for name, beside in one.moved.against.items()}
        quantities |= {"share": one.share, "share, whole layer": one.whole_share}
        for name, estimate in quantities.items():
            if not isinstance(estimate, str):
                found.append((text, name, estimate.value, estimate.low, estimate.high, estimate.n))
    return pandas.DataFrame(found, columns=["text", "quantity", "value", "low", "high", "n"])
