"""Which neurons are the entropy neurons? Each paper's rule, by name.

A rule takes the weight statistics of one layer's neurons and returns a mask over them. The papers picked by
eye or by hand; where they state no number, ours is a named argument. No rule is told what another found."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.neuron_weights import NeuronWeights


def pareto_rank(
    norm: Float[Tensor, " neuron"], logit_variance: Float[Tensor, " neuron"], *, n_fronts: int
) -> Int[Tensor, " neuron"]:
    """0 for neurons on the Pareto front of high norm and low LogitVar, 1 for the front once those are taken
    away, and so on; `n_fronts` for all that are left after as many fronts."""
    rank = torch.full(norm.shape, n_fronts)
    left = norm.argsort(descending=True)
    for front in range(n_fronts):
        variance = logit_variance[left]
        best_before = torch.cat([variance.new_full((1,), torch.inf), variance.cummin(0).values[:-1]])[: len(left)]
        on_front = variance < best_before
        rank[left[on_front]] = front
        left = left[~on_front]
    return rank


def stolfo(weights: NeuronWeights, *, count: int = 6, within: int = 3) -> Bool[Tensor, " neuron"]:
    """High norm and low LogitVar (Stolfo et al. 2024, section 3.1, where the outliers are picked by eye).

    Among neurons at or above the 75th percentile of norm that lie on the Pareto front or within `within` ranks of
    it, the `count` of lowest LogitVar."""
    long = weights.norm >= weights.norm.quantile(0.75)
    near = pareto_rank(weights.norm, weights.logit_variance, n_fronts=within + 1) <= within
    return lowest(weights.logit_variance, among=long & near, count=count)


def rho_top(weights: NeuronWeights, *, count: int = 6) -> Bool[Tensor, " neuron"]:
    """The `count` neurons of largest rho (the rule of Stolfo et al.'s case studies, by their code)."""
    return lowest(-weights.rho, among=torch.ones_like(weights.rho, dtype=torch.bool), count=count)


def tighidet(weights: NeuronWeights, *, count: int = 6, rho_floor: float = 0.4) -> Bool[Tensor, " neuron"]:
    """rho of at least `rho_floor`, then the `count` of lowest LogitVar, whatever the norm (Tighidet et al. 2025)."""
    return lowest(weights.logit_variance, among=weights.rho >= rho_floor, count=count)


def du(weights: NeuronWeights, *, count: int = 10) -> Bool[Tensor, " neuron"]:
    """The top quarter by norm, then the `count` of lowest LogitVar (Du et al. 2025, section 6)."""
    return lowest(weights.logit_variance, among=weights.norm >= weights.norm.quantile(0.75), count=count)


def causal(
    total: Float[Tensor, " neuron"], direct: Float[Tensor, " neuron"], *, count: int = 6
) -> Bool[Tensor, " neuron"]:
    """The `count` neurons of largest LayerNorm-mediated effect, total less direct, among those where it is positive."""
    return lowest(direct - total, among=total > direct, count=count)


def entropy_alone(
    abs_entropy_change: Float[Tensor, " neuron"], prediction_change: Float[Tensor, " neuron"]
) -> Bool[Tensor, " neuron"]:
    """Neurons that move entropy a lot and predictions little: in the top quarter by entropy change and, among those,
    in the lower half by prediction change (Stolfo et al. 2024, figure 1, shows them; the quarter and half are ours)."""
    much = abs_entropy_change >= abs_entropy_change.quantile(0.75)
    return much & (prediction_change <= prediction_change[much].quantile(0.5))


def lowest(value: Float[Tensor, " neuron"], *, among: Bool[Tensor, " neuron"], count: int) -> Bool[Tensor, " neuron"]:
    """The `count` neurons of lowest `value` among some; all of those when there are fewer, and possibly none."""
    if count < 1:
        raise ValueError(f"a rule has to choose at least 1 neuron, got count={count}")
    order = value.masked_fill(~among, torch.inf).argsort(stable=True)[: min(count, int(among.sum()))]
    return torch.zeros_like(among).index_fill(0, order, True)


RULES = {"stolfo": stolfo, "rho_top": rho_top, "tighidet": tighidet, "du": du}
"""The rules that need nothing but weights, by name; `causal` looks at effects and cannot be tested by them."""
NAMES = (*RULES, "causal")
"""All rules, as the columns of `neurons.csv` are called."""


def by_name(rule: str, weights: NeuronWeights, *, count: int) -> Bool[Tensor, " neuron"]:
    """What a rule of `RULES` chooses. Raises ValueError for an unknown rule, or when it chooses no neuron."""
    if rule not in RULES:
        raise ValueError(f"a rule that needs only weights is one of {', '.join(RULES)}; got {rule!r}")
    chosen = RULES[rule](weights, count=count)
    if not chosen.any():
        others = ", ".join(other for other in RULES if other != rule)
        raise ValueError(f"the rule {rule!r} chooses no neuron here, so there is nothing to follow; try {others}")
    return chosen


def overlap(one: Bool[Tensor, " neuron"], other: Bool[Tensor, " neuron"]) -> float:
    """Jaccard index of two sets, in [0, 1]; 1 for two empty ones."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 1.0


def shared_by_chance(one: Bool[Tensor, " neuron"], other: Bool[Tensor, " neuron"]) -> tuple[float, float]:
    """What two random sets of these sizes share: how many neurons on average, and the probability of sharing
    at least as many as these two do (hypergeometric)."""
    n, n_one, n_other = len(one), int(one.sum()), int(other.sum())
    shared = range(int((one & other).sum()), min(n_one, n_other) + 1)
    ways = sum(math.comb(n_one, k) * math.comb(n - n_one, n_other - k) for k in shared)
    return n_one * n_other / n, ways / math.comb(n, n_other)
