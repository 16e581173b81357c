"""How often each token occurs, and the direction of logit space along which that is read.

The unigram distribution is counted in running text, one added to every count so that unseen tokens keep
a finite logarithm. The token-frequency direction is its centred logarithm: moving logits along it makes
frequent tokens likelier and rare ones less likely (Stolfo et al. 2024, section 4.1)."""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor


def counts(documents: Iterable[list[int]], *, d_vocab: int) -> Int[Tensor, " d_vocab"]:
    """How often each token occurs in documents of token ids.

    Raises ValueError when a token lies outside the vocabulary, or when there are no tokens at all."""
    total = torch.zeros(d_vocab, dtype=torch.long)
    for document in documents:
        found = torch.tensor(document, dtype=torch.long).bincount(minlength=d_vocab)
        if len(found) > d_vocab:
            raise ValueError(f"token {len(found) - 1} lies outside a vocabulary of {d_vocab}")
        total += found
    if not total.any():
        raise ValueError("the text to count tokens in is empty")
    return total


def log_unigram(counts: Int[Tensor, " d_vocab"]) -> Float[Tensor, " d_vocab"]:
    """Log probabilities of the add-one smoothed unigram distribution, float64, in nats."""
    smoothed = counts.double() + 1
    return (smoothed / smoothed.sum()).log()


def direction(log_unigram: Float[Tensor, " d_vocab"]) -> Float[Tensor, " d_vocab"]:
    """The token-frequency direction: the centred log unigram distribution at unit norm.

    Raises ValueError when every token is equally frequent, which leaves no direction."""
    centred = log_unigram - log_unigram.mean()
    if centred.norm() < 1e-9:
        raise ValueError("every token is equally frequent in this text, so there is no token-frequency direction")
    return centred / centred.norm()
