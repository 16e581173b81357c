"""What one neuron does, word by word: for a page to show, and for no claim (chapter 03)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import effects
from lib.model import Model


@dataclass(frozen=True)
class Stretch:
    """Running text, and what one last-layer neuron does there."""

    unit: int
    tokens: Int[Tensor, " token"]
    added: Float[Tensor, " token"]
    """Entropy that the neuron adds to the prediction made after each token, clean minus mean-ablated, in nats; 0 where
    a token is not scored."""


def strongest_stretch(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    units: Sequence[int],
    *,
    scored: Bool[Tensor, "sequence position"],
    width: int,
) -> Stretch:
    """Of some neurons the one that moves the entropy most, by mean absolute change, and the `width` neighbouring tokens
    where it moves it most (all of a sequence, where that is shorter).

    Both are picked for their effect, so the stretch is no sample of the text. Raises ValueError without neurons, and as
    `effects.by_token` does."""
    if not units:
        raise ValueError("no neuron is given, so there is none to follow through the text")
    single = torch.eye(len(model.W_out), dtype=torch.bool, device=model.W_out.device)
    found = effects.by_token(model, tokens, sets=single[list(units)], scored=scored)
    best = int(found.entropy_change.abs().mean(1).argmax())
    moved = torch.zeros(tokens.shape, dtype=found.entropy_change.dtype)
    moved[found.sequence.cpu(), found.position.cpu()] = -found.entropy_change[best].cpu()
    windows = moved.abs().unfold(1, min(width, tokens.shape[1]), 1).sum(-1)
    row, start = divmod(int(windows.argmax()), windows.shape[1])
    some = slice(start, start + width)
    return Stretch(units[best], tokens[row, some].cpu(), moved[row, some])
