"""Randomness, handed in: what is drawn, and from which generator.

Every draw of a chapter has a name, and a generator made from the run's seed and that name, so that a cell that is run
twice, left out or moved changes no other cell's numbers. Whole sequences are drawn with replacement, parts of a
vocabulary without."""

import functools
import hashlib
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

N_RESAMPLES = 1000
FEWEST = 8
"""Sequences below which no interval is given: the coverage of any rule is a guess there."""


def named(seed: int, name: str) -> torch.Generator:
    """The generator of one draw, made from a run's seed and the draw's name: other draws, made before or after it or
    not at all, do not change it."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def seeded(seed: int) -> Callable[[str], torch.Generator]:
    """`named` for one seed: a chapter's `draw`."""
    return functools.partial(named, seed)


def enough(n_sequences: int, *, what: str = "sequences") -> None:
    """Raises ValueError with fewer than `FEWEST` of what is resampled."""
    if n_sequences < FEWEST:
        raise ValueError(f"an interval over {what} needs at least {FEWEST} {what}, got {n_sequences}; ask for more")


def too_few_to_halve(n_sequences: int) -> str:
    """Why nothing can be chosen on one half of the sequences and measured on the other; empty where it can."""
    if n_sequences >= 2 * FEWEST:
        return ""
    return f"one half of the sequences chooses and the other measures, which takes {2 * FEWEST}, not {n_sequences}"


def draws(
    n_sequences: int, *, generator: torch.Generator, n_resamples: int = N_RESAMPLES
) -> Int[Tensor, "resample sequence"]:
    """As many sequences as there are, with replacement, for each resample. Raises ValueError as `enough` does."""
    enough(n_sequences)
    return torch.randint(n_sequences, (n_resamples, n_sequences), generator=generator)


def weights(
    n_sequences: int, *, generator: torch.Generator, n_resamples: int = N_RESAMPLES
) -> Float[Tensor, "resample sequence"]:
    """The same draws as weights of the sequences; each row sums to 1."""
    drawn = draws(n_sequences, generator=generator, n_resamples=n_resamples)
    each = torch.full(drawn.shape, 1 / n_sequences, dtype=torch.float64)
    return torch.zeros(drawn.shape, dtype=torch.float64).scatter_add_(1, drawn, each)


def halves(n: int, *, n_halves: int, generator: torch.Generator) -> Bool[Tensor, "half n"]:
    """Random halves of `n` things, without replacement; the other half of each is its complement.

    A statistic of halves scatters about that of the whole as the whole does about the truth (McCarthy 1969), and no
    thing is in a half twice, which would make small singular values smaller. Raises ValueError with `n` below 2."""
    if n < 2:
        raise ValueError(f"halves need at least 2 things to part, got {n}")
    order = torch.rand(n_halves, n, generator=generator).argsort(1)
    return torch.zeros(n_halves, n, dtype=torch.bool).scatter_(1, order[:, : n // 2], True)
