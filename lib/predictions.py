"""How sure a model is at every scored token of a text, what that costs, and whether it is right.

Read off the model's own logits, which nobody could hold for a whole text: a few sequences are run at a time, one at
least, and of each prediction four numbers are kept."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import measures, memory
from lib.model import Model

BATCH = 8
"""Sequences that are run at a time, at most."""


@dataclass(frozen=True)
class Predictions:
    """One model at the scored tokens of a text, on the CPU."""

    entropy: Float[Tensor, " token"]
    """In nats."""
    loss: Float[Tensor, " token"]
    """In nats."""
    confidence: Float[Tensor, " token"]
    """Probability of the most likely token."""
    correct: Bool[Tensor, " token"]
    """Whether that is the one that comes next."""
    target: Int[Tensor, " token"]
    """The one that comes next."""
    sequence: Int[Tensor, " token"]


def logits(
    model: Model, tokens: Int[Tensor, "sequence position"], scored: Bool[Tensor, "sequence position"]
) -> Float[Tensor, "token d_vocab"]:
    """The model's own logits at the scored positions of a sequence or two, on the CPU: nobody could hold more."""
    return _logits(model, tokens, scored).cpu()


def read(
    model: Model, tokens: Int[Tensor, "sequence position"], scored: Bool[Tensor, "sequence position"]
) -> Predictions:
    """Reads a text. Raises ValueError when nothing is scored."""
    if not scored.any():
        raise ValueError("no position is scored, so there is nothing to read")
    n, parts = min(BATCH, memory.rows(model.final_layer.d_vocab * tokens.shape[1])), []
    for some, kept in zip(tokens.split(n), scored.split(n), strict=True):
        logits = _logits(model, some, kept)
        target = some.roll(-1, 1)[kept].to(logits.device)
        sure, right = measures.confidence(logits), logits.argmax(-1) == target
        found = (measures.entropy(logits), measures.loss(logits, target), sure, right, target)
        parts.append([part.cpu() for part in found])
    entropy, loss, sure, right, target = (torch.cat(column) for column in zip(*parts, strict=True))
    return Predictions(entropy, loss, sure, right, target, scored.nonzero()[:, 0].cpu())


def _logits(
    model: Model, tokens: Int[Tensor, "sequence position"], scored: Bool[Tensor, "sequence position"]
) -> Float[Tensor, "token d_vocab"]:
    found = model.run(tokens, "logits").logits
    return found[scored.to(found.device)]
