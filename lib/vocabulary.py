"""Sums over a vocabulary, part by part: what weight statistics of the whole, and of any half, are made of.

The spectrum of an unembedding W is that of W Wᵀ, a sum over tokens. So the vocabulary is dealt out into random parts,
and the sum over each is made once; half of the parts is a random half of the vocabulary, whose spectrum costs an
addition, whatever the number of tokens. Halves and not bootstrap samples, since a column that is drawn twice would make
the smallest singular values smaller."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import drawing, memory

N_BLOCKS = 50
"""Random parts of the vocabulary of which halves are made."""
CELLS = 2**22
"""Weights that are made wide at a time: 32 MiB in float64."""


def gram(W_U: Float[Tensor, "d_model d_vocab"]) -> Float[Tensor, "d_model d_model"]:
    """W Wᵀ in float64, of which some columns at a time are made wide; on the CPU, where spectra are made.

    Raises ValueError on weights that are not finite."""
    total = torch.zeros(len(W_U), len(W_U), dtype=torch.float64, device=W_U.device)
    for some in W_U.split(memory.rows(len(W_U), cells=CELLS), dim=1):
        wide = some.double()
        total += wide @ wide.mT
    if not total.diagonal().isfinite().all():
        raise ValueError("the unembedding W_U holds values that are not finite")
    return total.cpu()


def random_unembedding(
    W_U: Float[Tensor, "d_model d_vocab"], *, centres: bool, generator: torch.Generator
) -> Float[Tensor, "d_model d_vocab"]:
    """Negative control: Gaussian columns as long as those of `W_U`, centred the same way; it has no structure."""
    noise = torch.randn(W_U.shape, generator=generator, dtype=W_U.dtype).to(W_U.device)
    if centres:
        noise = noise - noise.mean(0, keepdim=True)
    return noise * (W_U.norm(dim=0) / noise.norm(dim=0))


def parts(d_vocab: int, *, generator: torch.Generator) -> tuple[Int[Tensor, " some"], ...]:
    """A vocabulary in `n_parts` random parts of nearly one size."""
    return torch.randperm(d_vocab, generator=generator).tensor_split(n_parts(d_vocab))


def grams(
    W_U: Float[Tensor, "d_model d_vocab"], *, generator: torch.Generator
) -> Float[Tensor, "block d_model d_model"]:
    """W Wᵀ of random parts of the vocabulary, float64, on the CPU. They sum to that of the whole; any half of them is
    that of half the vocabulary, so that a spectrum can be had for many halves at little cost."""
    drawn = parts(W_U.shape[1], generator=generator)
    return torch.stack([gram(W_U[:, part.to(W_U.device)]) for part in drawn])


def random_grams(
    W_U: Float[Tensor, "d_model d_vocab"], *, centres: bool, generator: torch.Generator
) -> Float[Tensor, "block d_model d_model"]:
    """`grams` of a `random_unembedding`, of which no more than one part is held at a time."""
    found = []
    for part in parts(W_U.shape[1], generator=generator):
        some = W_U[:, part.to(W_U.device)]
        found.append(gram(random_unembedding(some, centres=centres, generator=generator)))
    return torch.stack(found)


def n_parts(d_vocab: int) -> int:
    """Into how many parts a vocabulary is dealt out: `N_BLOCKS`, or as many as it has tokens."""
    return min(N_BLOCKS, d_vocab)


def halves(d_vocab: int, *, n_halves: int, generator: torch.Generator) -> Bool[Tensor, "half block"]:
    """Random halves of a vocabulary, as those of its parts that are in each.

    Raises ValueError for a vocabulary of fewer than 2 tokens."""
    return drawing.halves(n_parts(d_vocab), n_halves=n_halves, generator=generator)
