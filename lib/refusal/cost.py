"""What an intervention costs on text that has nothing to do with refusal.

A direction that silences refusal and leaves the model able to read is one thing; damage that silences everything is
another. The loss on running text tells them apart."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import measures, resampling
from lib.model import Model
from lib.refusal.answers import Intervention, edits


def losses(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    scored: Bool[Tensor, "sequence position"],
    intervention: Intervention,
    *,
    batch_size: int = 8,
) -> Float[Tensor, " sequence"]:
    """The mean loss of every sequence over its scored tokens under an intervention, in nats.

    Raises ValueError for a sequence without a scored token."""
    if not scored.any(1).all():
        raise ValueError("a mean loss needs a scored token in every sequence; lengthen them")
    resid = model.run(tokens, "resid", edits=edits(model, [intervention]), batch_size=batch_size).resid
    means = []
    for stream, ids, keep in zip(resid, tokens, scored, strict=True):
        at = keep.nonzero()[:, 0]
        logits = model.final_layer.logits(stream[at].to(model.final_layer.W_U.dtype))
        means.append(measures.loss(logits, ids[at + 1].to(logits.device)).mean())
    return torch.stack(means).cpu()


def table(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    done: dict[str, dict[str, Intervention]],
    *,
    name: str,
    generator: torch.Generator,
) -> Any:
    """A row for each intervention: model, intervention, direction_from, the change of the loss in nats with its
    interval over sequences, and whether the direction is `random`. Raises ValueError as `losses` does, and with fewer
    sequences than an interval needs."""
    import pandas

    scored, rows = model.scored(tokens), []
    clean, n = losses(model, tokens, scored, Intervention()), int(scored.sum())
    for kind, some in done.items():
        for source, one in some.items():
            change = losses(model, tokens, scored, one) - clean
            found = resampling.mean_of_sequences(change, n=n, generator=generator)
            numbers = {"loss_change": found.value, "low": found.low, "high": found.high, "clean": clean.mean().item()}
            numbers["random"] = one.random
            rows.append({"model": name, "intervention": kind, "direction_from": source} | numbers)
    return pandas.DataFrame(rows)
