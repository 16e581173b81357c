"""Attention heads that continue a repeated sequence: induction heads.

A sequence of random tokens is followed by itself; an induction head at a token of the repeat attends to
the token after that token's first occurrence (Olsson et al. 2022; Stolfo et al. 2024, section 6). To find
it, it must know which token came before each one, which only a head in an earlier layer can have told it."""

from itertools import combinations
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import resampling
from lib.induction.repeats import random_tokens, twice
from lib.model import Model


class Head(NamedTuple):
    """An attention head by layer and number, both from 0."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"L{self.layer}H{self.head}"


def induction_score(
    model: Model, *, n_sequences: int, length: int, generator: torch.Generator
) -> Float[Tensor, "layer head"]:
    """Mean attention, over the repeat, from each token to the one after its first occurrence; in [0, 1].

    Sequences are BOS, `length` random tokens, and the same tokens again.
    Raises ValueError when `length` is under 2."""
    if length < 2:
        raise ValueError(f"a sequence to repeat needs at least 2 tokens, got {length}")
    drawn = random_tokens(model, n_sequences, length, generator)
    return head_scores(model, twice(drawn, bos=model.tokenizer.bos).tokens).mean(0)


def head_scores(model: Model, tokens: Int[Tensor, "sequence position"]) -> Float[Tensor, "sequence layer head"]:
    """The induction score of every head on each sequence: BOS, some tokens, and as many again."""
    parts = [repeat_attention(model.run(batch, "pattern").pattern) for batch in tokens.split(4)]
    return torch.cat(parts).float().cpu()


def repeat_attention(
    pattern: Float[Tensor, "sequence layer head position position"],
) -> Float[Tensor, "sequence layer head"]:
    """Mean attention from each token of a repeat to the one after its first occurrence.

    The sequences are BOS and then the same tokens twice."""
    length = pattern.shape[-1] // 2
    query = torch.arange(length + 1, 2 * length + 1)
    return pattern[..., query, query - length + 1].mean(-1)


def best_score(
    score: Float[Tensor, "sequence layer head"], *, length: int, generator: torch.Generator
) -> resampling.Estimate:
    """The highest mean score of any head, chosen on the sequences of even number and measured on the others
    (`resampling.largest`, also for the errors); `length` tokens of each sequence are behind it."""
    return resampling.largest(score.flatten(1), n=len(score) // 2 * length, generator=generator)[1]


def best_score_risen(
    first: Float[Tensor, "sequence layer head"],
    final: Float[Tensor, "sequence layer head"],
    *,
    length: int,
    generator: torch.Generator,
) -> resampling.Estimate:
    """The best head's score on final weights less that of the best head on earlier ones, on the same sequences: each
    chosen on those of even number, both measured on the others. Errors as in `best_score`."""
    best = [int(score[::2].flatten(1).mean(0).argmax()) for score in (first, final)]
    pair = torch.stack([s[1::2].flatten(1)[:, at] for s, at in zip((first, final), best, strict=True)], dim=1)
    n = len(pair) * length
    return resampling.of_means(lambda mean: mean[:, 1] - mean[:, 0], pair, n=n, generator=generator)


def n_above(
    score: Float[Tensor, "sequence layer head"], *, threshold: float, length: int, generator: torch.Generator
) -> resampling.Estimate:
    """How many heads have a mean score above `threshold`, with an interval."""

    def count(mean: Float[Tensor, "resample layer head"]) -> Float[Tensor, " resample"]:
        return (mean > threshold).flatten(1).sum(1).double()

    return resampling.of_means(count, score, n=len(score) * length, generator=generator)


def strongest(score: Float[Tensor, "layer head"], *, count: int, threshold: float) -> list[Head]:
    """The `count` heads of highest score among those above `threshold`; among all of them where none is."""
    ranked = ranking(score)
    above = [head for head in ranked if score[head] > threshold]
    return (above or ranked)[:count]


def ranking(score: Float[Tensor, "layer head"]) -> list[Head]:
    """All heads, the highest score first."""
    order = score.flatten().argsort(descending=True).tolist()
    return [Head(*divmod(index, score.shape[1])) for index in order]


def matched_heads(
    score: Float[Tensor, "layer head"], heads: list[Head], *, threshold: float, generator: torch.Generator
) -> list[Head]:
    """For each head a random other one of its layer that is no induction head, none of them twice.

    Where a layer has none left, one of the nearest layer that has. Fewer than `heads` when all are used up."""
    order = torch.randperm(score.numel(), generator=generator).tolist()
    free = [Head(*divmod(index, score.shape[1])) for index in order]
    free = [other for other in free if other not in heads and score[other] <= threshold]
    controls = []
    for head in heads[: len(free)]:
        controls.append(min(free, key=lambda other: abs(other.layer - head.layer)))
        free.remove(controls[-1])
    return controls


def matched_sets(
    score: Float[Tensor, "layer head"],
    heads: list[Head],
    *,
    threshold: float,
    n_sets: int,
    generator: torch.Generator,
) -> list[list[Head]]:
    """Up to `n_sets` different draws of `matched_heads`; fewer where there are not so many."""
    found: dict[frozenset[Head], list[Head]] = {}
    for _ in range(10 * n_sets):
        drawn = matched_heads(score, heads, threshold=threshold, generator=generator)
        if len(drawn) == len(heads) and len(found) < n_sets:
            found.setdefault(frozenset(drawn), drawn)
    return list(found.values())


def subsets(heads: list[Head]) -> dict[str, list[Head]]:
    """Every head alone, every pair, and so on up to all of them, by name: `L1H0 + L2H3`."""
    chosen = (subset for size in range(1, len(heads) + 1) for subset in combinations(heads, size))
    return {" + ".join(map(str, subset)): list(subset) for subset in chosen}


def mask(heads: list[Head], *, like: Float[Tensor, "layer head"]) -> Bool[Tensor, "layer head"]:
    """True at some heads, in the shape of their scores."""
    chosen = torch.zeros_like(like, dtype=torch.bool)
    for head in heads:
        chosen[head] = True
    return chosen
