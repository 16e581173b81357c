"""Which heads drive a neuron on a repeat? Put heads to rest and watch its activation.

A head at rest attends to the BOS. The paper (Stolfo et al. 2024, section 6.2) lets it rest at one query position
at a time: everything before that position stays as it was, keys and values included. With all positions at rest
at once the head also stops writing what later positions read, and effects add up along the sequence: another
quantity, and under another name here."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.model import Model


def one_at_a_time(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    heads: Bool[Tensor, "layer head"],
    *,
    queries: Int[Tensor, " query"],
) -> Float[Tensor, "sequence query d_mlp"]:
    """Last-layer activations at each queried position when the heads rest there and nowhere else.

    Exact: each query is the last position of a run of its own, so that nothing comes after it."""
    parts = []
    with model.bos_ablated(heads, queries=slice(-1, None)):
        for query in queries.tolist():
            parts.append(model.run(tokens[:, : query + 1], "activation", batch_size=64).activation[:, -1])
    return torch.stack(parts, dim=1)


def all_at_once(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    heads: Bool[Tensor, "layer head"],
    *,
    queries: Int[Tensor, " query"],
) -> Float[Tensor, "sequence query d_mlp"]:
    """Last-layer activations at each queried position when the heads rest at every position of the sequence."""
    with model.bos_ablated(heads):
        return model.run(tokens, "activation", batch_size=64).activation[:, queries]
