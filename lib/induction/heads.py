"""Attention heads that continue a repeated sequence: induction heads.

A sequence of random tokens is followed by itself; an induction head at a token of the repeat attends to
the token after that token's first occurrence (Olsson et al. 2022; Stolfo et al. 2024, section 6)."""

import torch
from jaxtyping import Float
from torch import Tensor

from lib.model import Model


def induction_score(
    model: Model, *, n_sequences: int, length: int, generator: torch.Generator
) -> Float[Tensor, "layer head"]:
    """Mean attention, over the repeat, from each token to the one after its first occurrence; in [0, 1].

    Sequences are BOS, `length` random tokens, and the same tokens again.
    Raises ValueError when `length` is under 2."""
    if length < 2:
        raise ValueError(f"a sequence to repeat needs at least 2 tokens, got {length}")
    bos = model.tokenizer.bos
    others = torch.tensor([token for token in range(model.final_layer.d_vocab) if token != bos])
    drawn = torch.randint(len(others), (n_sequences, length), generator=generator)
    first = others[drawn]
    tokens = torch.cat([torch.full((n_sequences, 1), bos), first, first], dim=1)
    return repeat_attention(model.run(tokens, "pattern", batch_size=4).pattern)


def repeat_attention(
    pattern: Float[Tensor, "sequence layer head position position"],
) -> Float[Tensor, "layer head"]:
    """Mean attention from each token of a repeat to the one after its first occurrence.

    The sequences are BOS and then the same tokens twice."""
    length = pattern.shape[-1] // 2
    query = torch.arange(length + 1, 2 * length + 1)
    return pattern[..., query, query - length + 1].mean((0, -1))
