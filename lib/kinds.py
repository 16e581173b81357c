"""The two kinds of neurons that the book follows, each found by one rule in every chapter.

Entropy neurons are what the rule `stolfo` finds in the last layer's weights (chapter 03), token-frequency neurons what
`frequency_neurons` finds in their effects (chapter 05); where a paper names those of the model at hand, the named ones
are followed. Later chapters ask here, with the same arguments, so that one name means one set through the whole book;
and a page says by which rule, since other rules find other neurons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import neuron_weights, null_space, selection
from lib.effects import FrequencyEffects
from lib.model import Model
from lib.neuron_weights import NeuronWeights

COUNT = 6
"""Neurons of a kind, at most."""
TAIL = 0.05
"""Last share of the spectrum in which the null space's cut is looked for."""
BY_THE_PAPER = "named by the paper"
NEAREST = "nearest to frequency_neurons"


@dataclass(frozen=True)
class Kind:
    """Neurons of one kind, and how they were found."""

    neurons: Bool[Tensor, " neuron"]
    """Which of the last layer's, on the CPU; possibly none."""
    rule: str
    """The rule's name, or that the paper names them."""
    stands_in: bool = False
    """Whether the rule chose none and others were taken in their place, of which no claim is."""

    @property
    def units(self) -> list[int]:
        """Their numbers in the layer."""
        return self.neurons.nonzero()[:, 0].tolist()


def entropy(model: Model, *, count: int = COUNT, dim: int = 0, tail: float = TAIL, named: Sequence[int] = ()) -> Kind:
    """The last layer's entropy neurons: those that are `named`, else by `selection.stolfo`.

    `dim` directions of the effective null space, or for 0 as many as chapter 02's rule finds in the last `tail` of the
    spectrum. Raises ValueError as `null_space.effective` and `selection.mask_of` do."""
    if named:
        return Kind(selection.mask_of(named, d_mlp=len(model.W_out)), BY_THE_PAPER)
    W_out, W_U = model.weights()
    spectrum = null_space.spectrum(W_U, centres=model.final_layer.centres)
    weights = neuron_weights.measure(W_out, W_U, null_space.effective(spectrum, dim=dim, tail=tail))
    return Kind(selection.stolfo(weights, count=count), "stolfo")


def frequency(
    effect: FrequencyEffects,
    *,
    count: int = COUNT,
    top: float = selection.TOP,
    min_share: float = selection.MIN_SHARE,
    named: Sequence[int] = (),
) -> Kind:
    """The last layer's token-frequency neurons: those that are `named`, else by `selection.frequency_neurons`, on the
    sequences of even number, so that the others can test what these chose.

    Raises ValueError as those functions do."""
    if named:
        return Kind(selection.mask_of(named, d_mlp=effect.total.shape[1]), BY_THE_PAPER)
    chosen = selection.frequency_neurons(*_axes(effect), count=count, top=top, min_share=min_share)
    return Kind(chosen, "frequency_neurons")


def to_follow(
    found: Kind, effect: FrequencyEffects, *, count: int = COUNT, top: float = selection.TOP, named: Sequence[int] = ()
) -> Kind:
    """Token-frequency neurons to follow whether or not there are any by the rule: those that are `named`, else what
    `frequency` has `found`, else what comes nearest to it.

    Raises ValueError as `nearest_to_frequency` and `selection.mask_of` do."""
    if named:
        return Kind(selection.mask_of(named, d_mlp=effect.total.shape[1]), BY_THE_PAPER)
    return found if found.units else nearest_to_frequency(effect, count=count, top=top)


def by_rule(rule: str, weights: NeuronWeights, *, count: int) -> Kind:
    """What a rule of `selection.RULES` chooses, or, where it chooses none, the neurons of largest rho in their place,
    which the kind's `stands_in` says. Raises ValueError for an unknown rule."""
    if rule in selection.RULES and not selection.RULES[rule](weights, count=count).any():
        return Kind(selection.rho_top(weights, count=count), f"largest rho in place of {rule}", stands_in=True)
    return Kind(selection.by_name(rule, weights, count=count), rule)


def nearest_to_frequency(effect: FrequencyEffects, *, count: int = COUNT, top: float = selection.TOP) -> Kind:
    """What comes nearest to `frequency` where that finds none, on the same sequences. Raises ValueError as it does."""
    return Kind(selection.nearest_to_frequency(*_axes(effect), count=count, top=top), NEAREST, stands_in=True)


def frequency_or_nearest(effect: FrequencyEffects, *, count: int = COUNT, named: Sequence[int] = ()) -> Kind:
    """What `frequency` finds, or, where it finds none, what comes nearest to it, which the kind's `stands_in` says.
    Raises ValueError as those do."""
    found = frequency(effect, count=count, named=named)
    return found if found.units else nearest_to_frequency(effect, count=count)


def _axes(effect: FrequencyEffects) -> tuple[Float[Tensor, " neuron"], Float[Tensor, " neuron"]]:
    """Frequency-mediated share and mean absolute KL change on the sequences of even number, on the CPU."""
    even = effect.part(torch.arange(len(effect.n)) % 2 == 0)
    return even.frequency_mediated, even.mean("abs_kl_change")


def table(kinds: Mapping[str, Bool[Tensor, " neuron"]]) -> Any:
    """A pandas table with a row for each neuron that any rule chose and a column for each rule, marked where it did."""
    import pandas

    marks = pandas.DataFrame({name: chosen.cpu().numpy() for name, chosen in kinds.items()}).rename_axis("unit")
    return marks[marks.any(axis=1)].map(lambda chosen: "●" if chosen else "")
