"""What a model says of every token of a sequence: how sure it is, what that costs, and what its neurons do."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import measures, memory
from lib.model import Model


@dataclass(frozen=True)
class Reading:
    """The clean run at every position that a token follows: all but the last."""

    entropy: Float[Tensor, "sequence position"]
    """In nats."""
    loss: Float[Tensor, "sequence position"]
    """In nats."""
    activation: Float[Tensor, "sequence position d_mlp"]
    """Of the last layer's neurons."""


def read(model: Model, tokens: Int[Tensor, "sequence position"]) -> Reading:
    """Entropy, loss and last-layer activations, the logits of a few sequences at a time."""
    final = model.final_layer
    rows = memory.rows(final.d_vocab * tokens.shape[1])
    parts = []
    for batch in tokens.split(rows):
        run = model.run(batch, "resid", "activation")
        logits = final.logits(run.resid[:, :-1].to(final.W_U.dtype))
        target = batch[:, 1:].to(logits.device)
        parts.append((measures.entropy(logits), measures.loss(logits, target), run.activation[:, :-1]))
    return Reading(*(torch.cat(part).cpu().float() for part in zip(*parts, strict=True)))
