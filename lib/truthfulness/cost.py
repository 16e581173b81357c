"""What a shift costs where nothing is to be judged: the loss on running text with it at every position.

A shift that turns verdicts may do so as any shift of its length would, by breaking the model. What it does to text,
next to what random shifts of the same length do, says how much of a scalpel it is."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import measures, resampling
from lib.model import Model, Site, add
from lib.resampling import Estimate

BATCH = 4
"""Sequences whose logits are held at once."""


def loss(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    scored: Bool[Tensor, "sequence position"],
    *,
    layers: tuple[int, ...] = (),
    shift: Float[Tensor, " d_model"] | None = None,
) -> Float[Tensor, " token"]:
    """The loss at every scored token, in nats, with one shift after these layers at all positions, or with none."""
    edits = [] if shift is None else [add(Site(at, "resid_post"), shift) for at in layers]
    stream, final, parts = Site(model.n_layers - 1, "resid_post"), model.final_layer, []
    for some, which in zip(tokens.split(BATCH), scored.split(BATCH), strict=True):
        resid = model.record(some, [stream], edits=edits, batch_size=BATCH)[stream]
        target = some.roll(-1, 1)[which].to(resid.device)
        parts.append(measures.loss(final.logits(resid[which.to(resid.device)].to(final.W_U.dtype)), target))
    return torch.cat(parts).double().cpu()


def changes(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    scored: Bool[Tensor, "sequence position"],
    shifts: Mapping[str, Float[Tensor, "shift d_model"]],
    *,
    layers: tuple[int, ...],
    generator: torch.Generator,
) -> dict[str, Estimate]:
    """For each kind of shift the mean loss change in nats, over its shifts and over tokens, with the interval over
    sequences."""
    clean, sequence = loss(model, tokens, scored), scored.nonzero()[:, 0].cpu()
    found = {}
    for name, some in shifts.items():
        moved = torch.stack([loss(model, tokens, scored, layers=layers, shift=one) for one in some])
        found[name] = resampling.mean(moved.mean(0) - clean, sequence, generator=generator)
    return found
