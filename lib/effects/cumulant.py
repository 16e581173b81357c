r"""The cumulant gear: log-sum-exps and entropies of the ablated run from matrix products, with their errors.

For \(X = \varepsilon Z + \beta U\), the change of the logits about its mean, the log-sum-exp grows by the cumulant
series \(\sum_k \kappa_k(X) / k!\), and the mean of the clean logits moves by \(\sum_k \kappa(L, X, \dots, X) / k!\)
(k times X), which together give the entropy. Both are cut after order 4. What is cut is estimated from the terms
that are there: with \(h = \sqrt{\mathbb{E}X^4 / \mathbb{E}X^2}\) as the size of X where it matters, each further
order costs another factor h. Where some token's logit may move by more than 3, the remainder is estimated with
its exponential, since an unlikely token can then matter; and what the products' precision may cost is added.
Pairs whose estimate exceeds the tolerance go through an exact gear.

In every run the series is set beside the exact gear on random pairs and on those of largest \(|\delta|\); where one
of them errs by more than the tolerance unnoticed, the safety factor on the estimate grows until none does."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.effects import exact, moments
from lib.effects.changes import PER_PAIR, Found
from lib.effects.clean import Block
from lib.effects.edits import Edits
from lib.effects.moments import Moments, Sources
from lib.effects.result import Report

N_CHECKED = 1000
"""Random pairs, and pairs of largest |delta|, that a run compares with the exact gear, at the start of it."""
MIN_CHECKED = 20
"""The same for every later block of tokens and chunk of neurons."""
HEAD = 128
"""Most likely tokens among which a change of prediction is looked for."""
FAR = 3.0
"""Change of a logit, in nats, from which on an unlikely token is looked after."""
IN_NATS = ("free", "frozen", "frequency", "entropy")
"""What of `PER_PAIR` the series gives, and is checked."""
NEAR_THE_TOP = 64
"""Ranks that are counted exactly whatever a token from outside the likeliest does."""


@dataclass(frozen=True)
class Series:
    """The cut series for all pairs, and its estimated errors without safety factor."""

    found: Found
    error: Float[Tensor, "token edit"]


def series(block: Block, edit: Edits, reach: Float[Tensor, "token edit"]) -> Series:
    """Log-sum-exps and entropy of every pair by the series."""
    biased = bool(block.final.b_U.any())
    powers = moments.OF_BOTH if biased else moments.OF_Z
    raw, mean_z = moments.raw(Sources(block.log_p, block.z, edit.rows), powers)
    own = moments.central(raw) if biased else moments.without_bias(moments.central(raw))
    mu = raw[0, 0, 1]
    free, of_entropy, error = _norm_free(own, edit, reach)
    frozen, frozen_error = _log_sum_exp(own, torch.zeros_like(edit.free), edit.frozen, reach)
    error = torch.maximum(error, frozen_error) + _rounding(raw, edit)
    found = {
        "free": free + edit.shrink * mean_z[:, None] + edit.free * mu,
        "frozen": frozen + edit.frozen * mu,
        "entropy": block.entropy[:, None] + of_entropy,
    }
    if not (block.frequency and edit.frequency):
        return Series(found | {"frequency": torch.zeros_like(free)}, error)
    found["frequency"], frequency_error = _frequency(block, edit, reach)
    return Series(found, torch.maximum(error, frequency_error))


def _log_sum_exp(own: Moments, shrink: Tensor, free: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """Growth of the log-sum-exp beyond the mean of X, and the estimated size of what is cut."""
    m2, m3, m4 = (moments.along(own, 0, order, shrink, free) for order in (2, 3, 4))
    cut = m4.maximum(m2.square()) * _size(m2, m4) / 60
    return m2 / 2 + m3 / 6 + (m4 - 3 * m2.square()) / 24, cut.maximum(_of_rare_tokens(m2, m4, reach))


def _norm_free(own: Moments, edit: Edits, reach: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Growth of the log-sum-exp, change of entropy, and the estimated size of what is cut from the latter."""
    m2, m3, m4 = (moments.along(own, 0, order, edit.shrink, edit.free) for order in (2, 3, 4))
    c1, c2, c3 = (moments.along(own, 1, order, edit.shrink, edit.free) for order in (1, 2, 3))
    k4, c3 = m4 - 3 * m2.square(), c3 - 3 * c1 * m2
    grown = m2 / 2 + m3 / 6 + k4 / 24
    entropy = grown - (m2 + m3 / 2 + k4 / 6) - (c1 + c2 / 2 + c3 / 6)
    h = _size(m2, m4)
    cut = m4.maximum(m2.square()) * h / 30 + c3.abs() * h / 6
    return grown, entropy, cut.maximum(_of_rare_tokens(m2, m4, reach))


def _size(m2: Tensor, m4: Tensor) -> Tensor:
    """h of the module; no E X^4 is below (E X^2)^2, though rounding may put it there."""
    return (m4.maximum(m2.square()) / m2.clamp(min=torch.finfo(m2.dtype).tiny)).sqrt()


def _reach(block: Block, edit: Edits) -> Float[Tensor, "token edit"]:
    """How far any two tokens' logits may move apart, at most, with the norm free or frozen."""
    (least_z, most_z), (least_U, most_U) = block.z.aminmax(dim=-1), edit.rows.aminmax(dim=-1)
    return edit.shrink.abs() * (most_z - least_z)[:, None] + _larger(edit) * (most_U - least_U)


def _larger(edit: Edits) -> Float[Tensor, "token edit"]:
    """The larger of the factors on U, with the norm free and frozen."""
    return torch.maximum(edit.free.abs(), edit.frozen.abs())


def _of_rare_tokens(m2: Tensor, m4: Tensor, reach: Tensor) -> Tensor:
    """The remainder of order 5 with its exponential, where a token may move by more than `FAR`; else nought."""
    bound = m4.maximum(m2.square()) * reach * reach.clamp(max=60).exp() / 120
    return bound.where(reach > FAR, 0)


def _rounding(raw: Moments, edit: Edits) -> Float[Tensor, "token edit"]:
    """What the products of order 3 and 4 may lose to their precision: U is not about its own mean there, and where a
    prediction is nearly certain almost all of it cancels."""
    size = _larger(edit) * raw[0, 0, 2].clamp(min=0).sqrt()
    return moments.precision(edit.rows) * (size**3 / 2 + size**4 / 6)


def _frequency(block: Block, edit: Edits, reach: Tensor) -> tuple[Tensor, Tensor]:
    """With the token-frequency projection frozen: the same series once z and U are rid of their projection."""
    assert block.frequency and edit.frequency, "asked for without a unigram distribution"
    direction = block.frequency.direction
    z = block.z - torch.outer(block.frequency.z_direction, direction)
    U = edit.rows - torch.outer(edit.frequency.U_direction[0], direction)
    raw, mean_z = moments.raw(Sources(block.log_p, z, U), moments.OF_Z)
    grown, error = _log_sum_exp(moments.central(raw), edit.shrink, edit.free, reach)
    error = error + _rounding(raw, edit)
    return grown + edit.shrink * mean_z[:, None] + edit.free * raw[0, 0, 1], error


def predictions(
    block: Block, edit: Edits, reach: Float[Tensor, "token edit"]
) -> tuple[Tensor, Tensor, Bool[Tensor, "token edit"]]:
    """Reciprocal rank and change of prediction, counted among the `HEAD` likeliest tokens and the next one.

    The third tensor says where a token from outside might have become the likeliest, have passed a next token among
    the first `NEAR_THE_TOP`, or have been passed by one on its way up. Elsewhere the change of prediction is exact,
    and a reciprocal rank is off by less than 1 / NEAR_THE_TOP."""
    target = block.clean.target
    likely, head = block.log_p.topk(min(HEAD, block.z.shape[1]), -1)
    at_target = block.own[:, None]
    outside = block.n_above - (likely > at_target).sum(-1)
    is_target, best = head == target[:, None], (head == block.best[:, None]).int().argmax(-1).tolist()
    inside = is_target.any(-1)
    words, place = head.unique(return_inverse=True)
    U = edit.rows[:, words].mT.contiguous()  # a row for each token of the vocabulary that is likely somewhere
    z = block.z.gather(-1, head)
    reciprocal_rank, changes = torch.empty_like(edit.free), torch.empty_like(edit.free)
    own = at_target + edit.shrink * block.z_target[:, None] + edit.free * edit.U_target
    for token in range(block.n_tokens):
        x = U[place[token]].mul_(edit.free[token]).addcmul_(z[token][:, None], edit.shrink[token])
        x += likely[token][:, None]
        changes[token] = (x.amax(0) > x[best[token]]).to(x.dtype)
        x[is_target[token]] = -torch.inf  # no token outranks itself
        reciprocal_rank[token] = 1 / (1 + outside[token] + (x > own[token]).sum(0))
    if head.shape[1] == block.z.shape[1]:
        return reciprocal_rank, changes, torch.zeros_like(edit.free, dtype=torch.bool)
    least = likely[:, -1:]
    overtaken = reach >= likely[:, :1] - least
    passed = inside[:, None] & (reach >= at_target - least) & (reciprocal_rank > 1 / NEAR_THE_TOP)
    risen = ~inside[:, None] & (1 / reciprocal_rank - 1 - outside[:, None] < head.shape[1] - 0.5)
    return reciprocal_rank, changes, overtaken | passed | risen


def every_pair(
    block: Block,
    edit: Edits,
    delta: Float[Tensor, "token edit"],
    *,
    asked: tuple[str, ...] = PER_PAIR,
    tolerance: float,
    report: Report,
) -> Found:
    """What `PER_PAIR` names, by the series where its error is under `tolerance`, else exactly; `report` grows.

    `asked` may name "frequency" alone, which takes a series and no more."""
    reach = _reach(block, edit)
    if asked == ("frequency",):
        of_frequency, error = _frequency(block, edit, reach)
        by_name, crossed = {"frequency": of_frequency}, torch.zeros_like(error, dtype=torch.bool)
    else:
        cut = series(block, edit, reach)
        reciprocal_rank, changes, crossed = predictions(block, edit, reach)
        by_name, error = {**cut.found, "reciprocal_rank": reciprocal_rank, "prediction_change": changes}, cut.error
    found = torch.stack([by_name[name] for name in asked])
    _settle(block, edit, delta, found, asked, Doubt(error, crossed, tolerance), report)
    return dict(zip(asked, found, strict=True))


@dataclass(frozen=True)
class Doubt:
    """Where the series may be too far off."""

    error: Float[Tensor, "token edit"]
    """Estimated, in nats, without safety factor."""
    crossed: Bool[Tensor, "token edit"]
    """Where a prediction or a rank may be another than was counted."""
    tolerance: float


def _settle(
    block: Block,
    edit: Edits,
    delta: Float[Tensor, "token edit"],
    found: Float[Tensor, "found token edit"],
    names: tuple[str, ...],
    doubt: Doubt,
    report: Report,
) -> None:
    """Checks some pairs of what the series found, by these names of `PER_PAIR`, and puts in the exact values there and
    wherever it is in doubt; `report` grows."""
    rows = [PER_PAIR.index(name) for name in names]
    pairs = _to_check(delta, max(MIN_CHECKED, N_CHECKED - report.checked // 2))
    fused = report.exact == "fused"
    truth = exact.some_pairs(block, edit, pairs, fused=fused)[rows]
    in_nats = [row for row, name in enumerate(names) if name in IN_NATS]
    wrong = (truth - found[:, pairs[:, 0], pairs[:, 1]])[in_nats].abs().amax(0).nan_to_num(nan=math.inf)
    over, report.safety, worst = _over(doubt.error, pairs, wrong, doubt.tolerance, report.safety)
    found[:, pairs[:, 0], pairs[:, 1]] = truth
    over |= doubt.crossed
    over[pairs[:, 0], pairs[:, 1]] = False
    routed = over.nonzero()
    found[:, routed[:, 0], routed[:, 1]] = exact.some_pairs(block, edit, routed, fused=fused)[rows]
    report.pairs, report.routed = report.pairs + over.numel(), report.routed + len(routed)
    report.checked, report.largest_error = report.checked + len(pairs), max(report.largest_error, worst)


def _over(
    error: Float[Tensor, "token edit"],
    pairs: Int[Tensor, "pair 2"],
    wrong: Float[Tensor, " pair"],
    tolerance: float,
    safety: float,
) -> tuple[Bool[Tensor, "token edit"], float, float]:
    """Which pairs are over tolerance, the safety factor at which no checked pair slips through, and the largest
    error among those that are left to the series."""
    while True:
        over = ~(safety * error <= tolerance)
        left = ~over[pairs[:, 0], pairs[:, 1]]
        worst = wrong[left].max().item() if left.any() else 0.0
        if worst <= tolerance or over.all():
            return over, safety, worst
        safety *= 2


def _to_check(delta: Float[Tensor, "token edit"], n: int) -> Int[Tensor, "pair 2"]:
    """`n` random pairs and the `n` of largest |delta|, each once."""
    n = min(n, delta.numel())
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randperm(delta.numel(), generator=generator)[:n].to(delta.device)
    largest = delta.abs().flatten().topk(n).indices
    index = torch.cat([drawn, largest]).unique()
    return torch.stack([index // delta.shape[1], index % delta.shape[1]], 1)
