"""How much is held at once: of what has a number for every token of a vocabulary, never more than `BOUND`.

A text's logits take gigabytes (4,096 tokens times 128,000 in float32 are two), and of hardly any of them more than a
few sums is wanted. So whoever needs logits, or a copy of the unembedding in another precision, takes as many rows at a
time as `rows` allows, adds up, and lets them go."""

from collections.abc import Callable

import torch
from torch import Tensor

BOUND = 2**28
"""Bytes of the largest tensor that is made on the way: 256 MiB."""
WIDEST = 8
"""Bytes of a number, at most: float64."""
BLOCK = 2**22
"""Numbers of a block in `by_rows`: 16 MiB in float32, which an allocator can use again (blocks of 32 pile up)."""


def rows(width: int, *, cells: int = BOUND // WIDEST) -> int:
    """How many rows of `width` numbers may be held at once: at least 1, and no more than `BOUND` bytes of float64.

    `cells` asks for fewer numbers, those that stay in a processor's cache, say."""
    return max(1, min(cells, BOUND // WIDEST) // max(width, 1))


def by_rows(read: Callable[..., Tensor], *given: Tensor, width: int) -> Tensor:
    """`read` of some rows at a time, each of which it widens to `width` numbers, joined along its last axis.

    What is given has one length, and `read` finds for each row something that depends on no other. A block is far below
    `BOUND`, since `read` may need a handful of them."""
    parts = [each.split(rows(width, cells=BLOCK)) for each in given]
    return torch.cat([read(*some) for some in zip(*parts, strict=True)], dim=-1)
