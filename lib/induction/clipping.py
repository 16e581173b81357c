"""Take the reaction to a repeat away, and nothing else: clip ablation (Stolfo et al. 2024, section 6).

Where a neuron rises on the repeat, its activation is cut off at its mean of the first pass; where it falls, it is kept
from falling below. What that does to the entropy says whether the reaction held the model's confidence back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import ablation, effects
from lib.induction.repeats import Repeats
from lib.model import Model

TOGETHER = "the entropy neurons together"
"""What the row of the chosen neurons is called."""


@dataclass(frozen=True)
class Clipped:
    """Entropy on the repeat (nats), clean and with neurons clipped, and what that does to the loss."""

    clean: Float[Tensor, "sequence pair"]
    alone: Float[Tensor, "neuron sequence pair"]
    """Each neuron of the layer clipped alone."""
    together: Float[Tensor, "sequence pair"]
    """The chosen neurons clipped together."""
    controls: dict[str, Float[Tensor, "_ sequence pair"]]
    """Control sets, each clipped together, by kind."""
    loss: Float[Tensor, " token"]
    """Clean, in nats, token by token."""
    loss_change: Float[Tensor, "neuron token"]
    """Clipped less clean, of each neuron alone."""
    sequence: Int[Tensor, " token"]

    def compared(
        self, unit: int, like: Bool[Tensor, " neuron"], *, name: str
    ) -> dict[str, Float[Tensor, "sequence pair"]]:
        """The entropy with one neuron clipped, under its `name`, and with the chosen ones; then what they are held
        against: single neurons `like` the one, averaged, and the control sets of each kind, averaged."""
        rows = {name: self.alone[unit], TOGETHER: self.together, "others of like effect": self.alone[like].mean(0)}
        return rows | {f"sets matched on {kind}": some.mean(0) for kind, some in self.controls.items()}


def clip_away(
    model: Model,
    repeats: Repeats,
    *,
    activation: Float[Tensor, "sequence position neuron"],
    rises: Bool[Tensor, " neuron"],
    chosen: Bool[Tensor, " neuron"],
    sets: Mapping[str, Bool[Tensor, "_ neuron"]],
) -> Clipped:
    """Clips every neuron of the last layer alone, the chosen ones together, and control sets; at every token of the
    repeat.

    `activation` is read at all positions but the last, and `rises` says which neurons rise on the repeat. Raises as
    `effects.by_token` does."""
    mean = ablation.mean(activation, among=repeats.first_mask[:, :-1])
    given: dict[str, Any] = {"scored": repeats.repeat_mask, "replacement": ablation.clip(activation, mean, rises)}
    single = torch.eye(len(chosen), dtype=torch.bool)
    alone = effects.by_token(model, repeats.tokens, sets=single, **given)
    groups = [chosen[None], *sets.values()]
    found = effects.by_token(model, repeats.tokens, sets=torch.cat(groups), **given)
    shape = len(repeats.tokens), -1  # as many pairs in every sequence
    clean = alone.entropy.view(shape)
    together, *others = (clean + found.entropy_change.unflatten(1, shape)).split([*map(len, groups)])
    return Clipped(
        clean=clean,
        alone=clean + alone.entropy_change.unflatten(1, shape),
        together=together[0],
        controls=dict(zip(sets, others, strict=True)),
        loss=alone.loss,
        loss_change=alone.loss_change,
        sequence=alone.sequence,
    )
