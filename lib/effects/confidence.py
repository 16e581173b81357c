"""What can be read off the logits of every token under the ablation of many sets: entropy, loss, or whatever is asked.

`by_token` for when little is wanted of many sets: nothing is kept but what is read."""

from collections.abc import Callable
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
Read = Callable[[Float[Tensor, "token d_vocab"], Int[Tensor, " token"]], Float[Tensor, " token"]]
"""From logits and the tokens that come next to one number for each token."""


def read_entropy(logits: Float[Tensor, "token d_vocab"], target: Int[Tensor, " token"]) -> Float[Tensor, " token"]:
    """Entropy in nats, whatever comes next."""
    return measures.entropy(logits)


def read_loss(logits: Float[Tensor, "token d_vocab"], target: Int[Tensor, " token"]) -> Float[Tensor, " token"]:
    """Loss in nats."""
    return measures.loss(logits, target)


def read_correct(logits: Float[Tensor, "token d_vocab"], target: Int[Tensor, " token"]) -> Float[Tensor, " token"]:
    """1 where the most likely token is the one that comes next, else 0."""
    return (logits.argmax(-1) == target).to(logits.dtype)


def read_unigram_kl(log_unigram: Float[Tensor, " d_vocab"]) -> Read:
    """KL(unigram || model) in nats."""
    p = log_unigram.exp()

    def kl(logits: Float[Tensor, "token d_vocab"], target: Int[Tensor, " token"]) -> Float[Tensor, " token"]:
        return logits.logsumexp(-1) - logits @ p.to(logits) - torch.special.entr(p).sum().to(logits)

    return kl


@dataclass(frozen=True)
class Readings:
    """What was read of every scored token, clean and ablated, by name; on the CPU."""

    clean: dict[str, Float[Tensor, " token"]]
    ablated: dict[str, Float[Tensor, "set token"]]
    sequence: Int[Tensor, " token"]
    position: Int[Tensor, " token"]


def readings(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    replacement: Replacement,
    read: dict[str, Read],
) -> Readings:
    """Ablates all neurons of a set together, one set after another. Raises ValueError as `clean_run` does."""
    clean, layer = clean_run(model, tokens, scored), model.final_layer
    parts = []
    for block in torch.arange(len(clean.target)).split(max(1, CELLS // layer.d_vocab)):
        part = clean.part(block)
        before = layer.logits(part.resid, scale=part.scale)
        pairs = ablated.logits(model, part, difference(part, replacement), sets)
        logits = (before, *(free for free, _ in pairs))
        parts.append(torch.stack([torch.stack([f(z, part.target) for f in read.values()]) for z in logits], dim=1))
    found = dict(zip(read, torch.cat(parts, dim=-1).cpu(), strict=True))
    ours, theirs = ({name: part(value) for name, value in found.items()} for part in (lambda v: v[0], lambda v: v[1:]))
    return Readings(ours, theirs, clean.sequence.cpu(), clean.position.cpu())


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
    """Entropy and loss under the ablation of sets; as `readings`."""
    both: dict[str, Read] = {"entropy": read_entropy, "loss": read_loss}
    found = readings(model, tokens, sets=sets, scored=scored, replacement=replacement, read=both)
    clean, changed = found.clean, found.ablated
    return Confidence(
        entropy=clean["entropy"],
        loss=clean["loss"],
        ablated_entropy=changed["entropy"],
        ablated_loss=changed["loss"],
        sequence=found.sequence,
        position=found.position,
    )
