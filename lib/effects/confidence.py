"""Entropy and loss of every token under the ablation of many sets: `by_token` for when nothing else is wanted."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import measures
from lib.effects import ablated
from lib.effects.clean import clean_run, difference
from lib.effects.measuring import Replacement
from lib.model import Model

CELLS = 2**20
"""Logits of a block of tokens: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Confidence:
    """How sure the model is of every scored token, and what that costs, clean and ablated; nats throughout."""

    entropy: Float[Tensor, " token"]
    loss: Float[Tensor, " token"]
    ablated_entropy: Float[Tensor, "set token"]
    ablated_loss: Float[Tensor, "set token"]
    sequence: Int[Tensor, " token"]
    position: Int[Tensor, " token"]

    def by_sequence(self, value: Float[Tensor, "*set token"]) -> Float[Tensor, "*set sequence pair"]:
        """A quantity by sequence and scored position. Raises ValueError unless all sequences have as many of these."""
        count = self.sequence.bincount()
        if (count != count[0]).any():
            raise ValueError(f"sequences have between {count.min()} and {count.max()} scored tokens, not one number")
        return value.unflatten(-1, (len(count), int(count[0])))


def confidence(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    replacement: Replacement,
) -> Confidence:
    """Ablates all neurons of a set together, one set after another. Raises ValueError as `clean_run` does."""
    clean, layer = clean_run(model, tokens, scored), model.final_layer
    parts = []
    for block in torch.arange(len(clean.target)).split(max(1, CELLS // layer.d_vocab)):
        part = clean.part(block)
        before = layer.logits(part.resid, scale=part.scale)
        pairs = ablated.logits(model, part, difference(part, replacement), sets)
        both = [_both(logits, part.target) for logits in (before, *(free for free, _ in pairs))]
        parts.append(torch.stack(both, dim=1))
    entropy, loss = torch.cat(parts, dim=-1).cpu()
    return Confidence(entropy[0], loss[0], entropy[1:], loss[1:], clean.sequence.cpu(), clean.position.cpu())


def _both(logits: Float[Tensor, "token d_vocab"], target: Int[Tensor, " token"]) -> Float[Tensor, "2 token"]:
    return torch.stack([measures.entropy(logits), measures.loss(logits, target)])
