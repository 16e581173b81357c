"""Text as the models see it: running text cut into sequences, and the positions that count.

A sequence is the beginning-of-sequence token and then running text: documents joined by the
end-of-sequence token and cut without regard to where they end (as Stolfo et al. prepare C4)."""

from collections.abc import Iterable
from itertools import islice

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lib.documents import EMBEDDED, PYTHON, SAMPLE, Documents, TextError, described, documents, fingerprint, suiting

__all__ = [
    "EMBEDDED",
    "PYTHON",
    "SAMPLE",
    "Documents",
    "TextError",
    "described",
    "documents",
    "fingerprint",
    "scored",
    "sequences",
    "suiting",
]


def sequences(
    encoded: Iterable[list[int]],
    *,
    bos: int,
    eos: int,
    n_sequences: int,
    sequence_length: int,
) -> Int[Tensor, "sequence position"]:
    """The first `n_sequences` sequences: `bos`, then `sequence_length` - 1 tokens of running text.

    `encoded` are the token ids of the documents, none added.
    Raises TextError when the text is too short, with the number of sequences that it has room for."""
    if n_sequences < 1 or sequence_length < 6:
        raise TextError(
            "at least 1 sequence of at least 6 tokens is needed, "
            f"got n_sequences={n_sequences}, sequence_length={sequence_length}"
        )
    n_text = sequence_length - 1
    stream = (token for document in encoded for token in (*document, eos))
    running = torch.tensor(list(islice(stream, n_sequences * n_text)), dtype=torch.long)
    if len(running) < n_sequences * n_text:
        raise TextError(
            f"{n_sequences} sequences of {sequence_length} tokens need {n_sequences * n_text:,} tokens of text, but "
            f"the text has {len(running):,}, enough for {len(running) // n_text}; lower n_sequences or sequence_length"
        )
    return torch.cat([torch.full((n_sequences, 1), bos), running.view(n_sequences, n_text)], dim=1)


def scored(tokens: Int[Tensor, "sequence position"], *, bos: int, eos: int) -> Bool[Tensor, "sequence position"]:
    """The positions that statistics are over: 3 … length - 2, where neither this nor the next token is BOS or EOS."""
    special = (tokens == bos) | (tokens == eos)
    keep = ~special
    keep[:, :-1] &= ~special[:, 1:]
    keep[:, :3], keep[:, -1] = False, False
    return keep
