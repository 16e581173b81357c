"""Which heads drive a neuron on a repeat? Put heads to rest and watch its activation.

A head at rest attends to the BOS. The paper (Stolfo et al. 2024, section 6.2) lets it rest at one query position
at a time: everything before that position stays as it was, keys and values included. With all positions at rest
at once the head also stops writing what later positions read, and effects add up along the sequence: another
quantity, and under another name here."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import drawing, resampling
from lib.controls import Against, beside
from lib.induction.heads import Head, mask
from lib.induction.repeats import Repeats
from lib.model import Model, attaching, recording, resuming
from lib.resampling import Estimate

WHOLE = "the whole reaction"
"""How far the neuron moves from first pass to repeat, as a row among those of the heads."""


@dataclass(frozen=True, eq=False)
class Resting:
    """Last-layer activations with heads at rest, from what a plain pass over the same sequences left behind.

    A head at rest puts out the first token's value vector, which is the same in every pass. Blocks in front of the
    first such head, and positions before the first at which it rests, are as they were and do not run again."""

    model: Model
    started: resuming.Started

    @classmethod
    def of(
        cls, model: Model, tokens: Int[Tensor, "sequence position"], masks: Collection[Bool[Tensor, "layer head"]]
    ) -> "Resting":
        """Runs the sequences once, for all of these masks. Raises as `Model.run` does."""
        return cls(model, resuming.start(model.bridge, tokens, first=0, blocks={*map(_lowest, masks)}))

    def one_at_a_time(
        self, heads: Bool[Tensor, "layer head"], *, queries: Int[Tensor, " query"]
    ) -> Float[Tensor, "sequence query d_mlp"]:
        """At each queried position when the heads rest there and nowhere else."""
        parts = [self._run(heads, slice(query, query + 1))[:, 0] for query in queries.tolist()]
        return torch.stack(parts, dim=1)

    def all_at_once(
        self, heads: Bool[Tensor, "layer head"], *, queries: Int[Tensor, " query"]
    ) -> Float[Tensor, "sequence query d_mlp"]:
        """At each queried position when the heads rest at every position of the sequence."""
        return self._run(heads, slice(0, int(queries.max()) + 1))[:, queries]

    def _run(self, heads: Bool[Tensor, "layer head"], at: slice) -> Float[Tensor, "sequence position d_mlp"]:
        bridge, n_sequences = self.model.bridge, len(self.started.tokens)
        rest = self.started.behind(torch.arange(n_sequences), at.start, until=at.stop)
        kept: dict[str, Tensor] = {}
        place = {"activation": f"blocks.{self.model.n_layers - 1}.mlp.hook_post"}
        hooks = [
            (
                f"blocks.{layer}.attn.hook_z",
                partial(put, head=mask.nonzero()[:, 0], value=self.started.first_value(layer)),
            )
            for layer, mask in enumerate(heads.cpu())
            if mask.any()
        ]
        with attaching(bridge, hooks), recording(bridge, place, kept):
            rest.run(_lowest(heads), rest.stream(_lowest(heads)))
        return kept["activation"].float().cpu()


def put(
    z: Float[Tensor, "sequence position head d_head"],
    hook: Any,
    *,
    head: Int[Tensor, " some"],
    value: Float[Tensor, "sequence group d_head"],
) -> Float[Tensor, "sequence position head d_head"]:
    """The heads' outputs with a value vector of each sequence in the place of some of them."""
    z = z.clone()
    z[:, :, head] = value[:, None, head * value.shape[1] // z.shape[2]]
    return z


def _lowest(heads: Bool[Tensor, "layer head"]) -> int:
    """The first layer with a head at rest; 0 where none rests."""
    return int(heads.any(1).int().argmax())


@dataclass(frozen=True)
class Rest:
    """What sets of heads contribute to one neuron's reaction to a repeat.

    Activations are times the norm of the output weight, and signed so that the reaction is positive."""

    repeat: Float[Tensor, "sequence query"]
    """Clean, at the queried positions of the repeat."""
    first: Float[Tensor, "sequence query"]
    """Clean, at the same tokens of the first pass."""
    at_rest: dict[str, Float[Tensor, "sequence query"]]
    """At the repeat with a set of heads at rest, one position at a time, by the set's name."""
    all_at_once: dict[str, Float[Tensor, "sequence query"]]
    """The same with the set at rest at all positions."""

    def table(self, *, generator: torch.Generator) -> Any:
        """A row per set: how far the neuron falls back when it rests (`fall`), with the interval, and `all_at_once`.

        The first row, `WHOLE`, is the yardstick of both: the reaction itself."""
        import pandas

        one = {WHOLE: self.first} | self.at_rest
        fall = {name: vars(self._mean(self.repeat - value, generator)) for name, value in one.items()}
        every = [(self.repeat - value).mean().item() for value in (self.first, *self.all_at_once.values())]
        fall = {name: fall[name] for name in (WHOLE, *self.all_at_once)}
        return pandas.DataFrame(fall).T.rename(columns={"value": "fall"}).assign(all_at_once=every)

    def driven(self, heads: str, controls: list[str], *, generator: torch.Generator) -> tuple[Against, Estimate] | str:
        """How far the neuron falls when one set of heads rests beside control sets of as many heads, of which each
        resample of the sequences meets another; and the fall for control sets as a share of the whole reaction.

        A text where there are no control sets, and where the interval of the whole reaction does not lie above nought:
        then there is nothing to drive. Raises ValueError with fewer than `drawing.FEWEST` sequences."""
        if not controls:
            return "no head is left to match"
        falls = {name: (self.repeat - self.at_rest[name]).mean(1).double() for name in (heads, *controls)}
        reaction = (self.repeat - self.first).mean(1).double()
        whole = resampling.mean_of_sequences(reaction, n=self.repeat.numel(), generator=generator)
        if whole.low <= 0:
            return "the neuron is not seen to react to the repeat, so there is nothing that heads could drive"
        given: dict[str, Any] = {
            "whole": torch.arange(len(reaction)),
            "drawn": drawing.draws(len(reaction), generator=generator),
            "n": self.repeat.numel(),
            "n_sequences": len(reaction),
        }
        found = beside(lambda draw, name: falls[name][draw].mean(), heads, controls, **given)
        share = beside(lambda draw, name: falls[name][draw].mean() / reaction[draw].mean(), heads, controls, **given)
        return found, share.controls

    def _mean(self, value: Float[Tensor, "sequence query"], generator: torch.Generator) -> Estimate:
        return resampling.mean_of_sequences(value.mean(1), n=value.numel(), generator=generator)


def rest(
    model: Model,
    repeats: Repeats,
    *,
    unit: int,
    heads: dict[str, list[Head]],
    queries: Int[Tensor, " query"],
    controls: dict[str, list[Head]] | None = None,
) -> Rest:
    """Puts sets of heads to rest, one after another, and reads a last-layer neuron at some positions of a repeat.

    The repeat is synthetic: a query's first pass lies half a sequence before it. Further `controls` rest one position
    at a time only."""
    length, nobody = repeats.tokens.shape[1] // 2, torch.zeros(model.n_layers, model.n_heads)
    clean = model.run(repeats.tokens, "activation").activation[..., unit].float().cpu()
    moved = (clean[:, queries] - clean[:, queries - length]).mean()
    weight = model.W_out[unit].norm().item() * (-1 if moved < 0 else 1)
    masks = {name: mask(some, like=nobody) for name, some in heads.items()}
    others = {name: mask(some, like=nobody) for name, some in (controls or {}).items()}
    resting = Resting.of(model, repeats.tokens, [*masks.values(), *others.values()])
    one = {
        name: weight * resting.one_at_a_time(some, queries=queries)[..., unit]
        for name, some in (masks | others).items()
    }
    every = {name: weight * resting.all_at_once(some, queries=queries)[..., unit] for name, some in masks.items()}
    return Rest(weight * clean[:, queries], weight * clean[:, queries - length], one, every)
