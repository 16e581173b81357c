"""What chosen neurons are held against: other neurons like them, drawn anew again and again.

Whether a set of neurons stands out cannot be told from one other set, nor from two: which of two sets of one
population lies above the other is decided by which neurons happened to be drawn. So controls are many random sets, each
matched to the chosen neurons one by one, and every resample of the text meets another of them. The interval then covers
both: other text, and other neurons of the same kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, sqrt
from typing import TypeVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import resampling
from lib.resampling import Estimate

Draw = TypeVar("Draw")
Thing = TypeVar("Thing")
NEAREST = 20
"""Neurons among which each control is drawn. Fewer match better and say less about what other neurons do."""


@dataclass(frozen=True)
class Matched:
    """Random control sets that are like the chosen neurons in some respect, and how like."""

    neuron: Bool[Tensor, "set neuron"]
    """As many as were chosen in each set, none of them chosen."""
    ratio: float
    """Median ratio of control to chosen neuron; 1 is a perfect match."""
    n_candidates: int
    """Neurons among which the control of one chosen neuron was drawn."""

    @property
    def is_fair(self) -> bool:
        """Whether the median ratio lies in 0.8 … 1.25; otherwise no matched control exists."""
        return 0.8 <= self.ratio <= 1.25

    @property
    def caution(self) -> str:
        """What a verdict that rests on these controls has to add; empty when the match is fair."""
        return "" if self.is_fair else f"the controls are matched to a median ratio of {self.ratio:.2f} only"

    def __repr__(self) -> str:
        return f"median ratio {self.ratio:.2f}" + ("" if self.is_fair else ": no matched control exists")


def matched(
    chosen: Bool[Tensor, " neuron"],
    value: Float[Tensor, " neuron"],
    *,
    n_sets: int,
    generator: torch.Generator,
    nearest: int = NEAREST,
) -> Matched:
    """Random control sets: each takes, for each chosen neuron, one of the `nearest` others in log `value` (positive)
    that are still free. The chosen of largest value go first, since they have the fewest neighbours.

    Raises ValueError when nothing is chosen, or when fewer neurons are left than were chosen."""
    n_chosen, n_free = int(chosen.sum()), int((~chosen).sum())
    if n_free < n_chosen:
        raise ValueError(f"{n_chosen} neurons need as many others to match, but {n_free} are left")
    if not n_chosen:
        raise ValueError("no neuron is chosen, so there is nothing to match")
    log = value.clamp(min=torch.finfo(value.dtype).tiny).log().cpu()
    members = chosen.cpu().nonzero()[:, 0]
    members = members[log[members].argsort(descending=True)]
    distance = (log - log[members, None]).abs().masked_fill(chosen.cpu(), torch.inf)
    by_distance = distance.argsort(dim=1, stable=True).tolist()
    sets, ratios = torch.zeros(n_sets, len(value), dtype=torch.bool), []
    for control in sets:
        picked: list[int] = []
        for order in by_distance:
            within = order[: min(nearest + len(picked), n_free)]  # beyond them are the chosen themselves
            free = [unit for unit in within if unit not in picked][:nearest]
            picked.append(free[int(torch.randint(len(free), (1,), generator=generator))])
        control[picked] = True
        ratios.append((log[picked] - log[members]).exp())
    return Matched(sets, torch.cat(ratios).median().item(), min(nearest, n_free))


@dataclass(frozen=True)
class Against:
    """A statistic of chosen neurons beside the same of their controls, each with its interval."""

    chosen: Estimate
    """Under other text, the neurons being what they are."""
    controls: Estimate
    """Of a control set, under other text and other controls."""
    difference: Estimate
    """Chosen less a control set, under other text and other controls: what a verdict is about."""


def against(
    statistic: Callable[[Draw, Bool[Tensor, " neuron"]], Float[Tensor, ""]],
    chosen: Bool[Tensor, " neuron"],
    sets: Matched,
    *,
    whole: Draw,
    drawn: Sequence[Draw] | Tensor,
    n: int,
    n_sequences: int | None = None,
) -> Against:
    """`statistic` of chosen neurons less that of matched sets; otherwise as `beside`.

    A chosen neuron is one draw more from a population of which its m candidates are known, so the interval of the
    difference is wider by sqrt((m + 1) / (m - 1))."""
    found = beside(statistic, chosen, sets.neuron, whole=whole, drawn=drawn, n=n, n_sequences=n_sequences)
    by, d = wider(sets.n_candidates), found.difference
    low, high = d.value - by * (d.value - d.low), d.value + by * (d.high - d.value)
    return replace(found, difference=replace(d, low=low, high=high))


def wider(n_candidates: int) -> float:
    """How much wider an interval has to be for a chosen neuron than for one of its `n_candidates` controls: the spread
    of a further draw about the mean of those, over their own spread about it."""
    return sqrt((n_candidates + 1) / max(n_candidates - 1, 1))


def beside(
    statistic: Callable[[Draw, Thing], Float[Tensor, ""]],
    own: Thing,
    others: Sequence[Thing] | Tensor,
    *,
    whole: Draw,
    drawn: Sequence[Draw] | Tensor,
    n: int,
    n_sequences: int | None = None,
) -> Against:
    """`statistic` of one thing (neurons, directions, counts) less that of others like it.

    `statistic` takes a draw (of sequences, say, or of half a vocabulary) and a thing; `whole` is the draw that holds
    everything once, `drawn` are resamples, and each meets the next of the others. The value is that of the one on the
    whole less the mean of the others there; the interval holds the middle 95 % of the differences, expanded for
    `n_sequences` resampled sequences as in `resampling` (None: halves of something large). `n` is what is behind it.
    Raises ValueError without others or draws, or when a value is not finite."""
    if not len(others) or not len(drawn):
        raise ValueError(f"controls need others and draws, got {len(others)} others and {len(drawn)} draws")
    draws, things = cast(Sequence[Draw], drawn), cast(Sequence[Thing], others)  # as the rows of a tensor are
    pairs = [(i % len(draws), i % len(things)) for i in range(max(len(things), len(draws)))]
    one = torch.stack([_number(statistic(draw, own)) for draw in draws])
    other = torch.stack([_number(statistic(draws[i], things[j])) for i, j in pairs])
    value = _number(statistic(whole, own)).item()
    usual = torch.stack([_number(statistic(whole, thing)) for thing in things]).nanmean().item()
    if not (isfinite(value) and isfinite(usual)):
        raise ValueError(f"a comparison needs finite numbers, got {value} and {usual} for the controls")
    differences = one[[i for i, _ in pairs]] - other
    found = {"chosen": (value, one), "controls": (usual, other), "difference": (value - usual, differences)}
    return Against(**{k: _estimate(v, again, n=n, n_sequences=n_sequences) for k, (v, again) in found.items()})


def over_halves(
    halves: Sequence[tuple[Bool[Tensor, " neuron"], Float[Tensor, " neuron"], Float[Tensor, " neuron"]]],
    *,
    n_sets: int,
    n: int,
    generator: torch.Generator,
) -> Against:
    """Mean of a value over chosen neurons beside that over matched sets, where one half of a vocabulary of `n` tokens
    chooses and the other measures.

    For each parting: the neurons that the first half chooses, what controls are matched on, and the value that the
    second half gives every neuron. Whatever chance makes a neuron stand out on some tokens is thus left behind. Each
    parting meets `n_sets` control sets."""
    chosen, others = [], []
    for some, size, value in halves:
        sets = matched(some, size, n_sets=n_sets, generator=generator)
        chosen.append(_number(value[some].mean()).expand(n_sets))
        others.append(torch.stack([_number(value[control].mean()) for control in sets.neuron]))
    own, other = torch.cat(chosen), torch.cat(others)
    middle = (own - other).mean()
    parts = {"chosen": own, "controls": other, "difference": middle + wider(sets.n_candidates) * (own - other - middle)}
    return Against(**{name: resampling.percentile(part.mean().item(), part, n=n) for name, part in parts.items()})


def _number(value: Float[Tensor, ""]) -> Float[Tensor, ""]:
    return value.detach().double().cpu()


def _estimate(value: float, again: Float[Tensor, " pair"], *, n: int, n_sequences: int | None) -> Estimate:
    kept = again[again.isfinite()]
    if n_sequences is None:
        return resampling.percentile(value, kept, n=n)
    low, high = resampling.expanded_percentiles(kept[:, None], n_sequences=n_sequences)
    return Estimate(value, low.item(), high.item(), n, n_sequences)


def weakest(*found: Against) -> Against:
    """Of comparisons with several kinds of control the one that says least for the chosen: a claim that needs all of
    them rests on that one (an intersection-union test; Berger 1982)."""
    return min(found, key=lambda one: one.difference.low)
