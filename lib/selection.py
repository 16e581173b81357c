"""Which neurons are the entropy neurons, and which the token-frequency neurons? Each paper's rule, by name.

A rule takes statistics of one layer's neurons, of their weights or of their effects, and returns a mask over them. The
papers picked by eye or by hand; where they state no number, ours is a named argument. No rule is told what another
found."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.neuron_weights import NeuronWeights

TOP, MIN_SHARE = 0.5, 0.3
"""Of `frequency_neurons`: the share of the layer that moves predictions most, and the smallest mediated share."""


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
    near = pareto_rank(weights.norm, weights.logit_variance, n_fronts=within + 1) <= within
    return lowest(weights.logit_variance, among=is_long(weights) & near, count=count)


def is_long(weights: NeuronWeights) -> Bool[Tensor, " neuron"]:
    """Neurons at or above the 75th percentile of norm: those that a rule by norm lets pass."""
    return weights.norm >= weights.norm.quantile(0.75)


def rho_top(weights: NeuronWeights, *, count: int = 6) -> Bool[Tensor, " neuron"]:
    """The `count` neurons of largest rho (the rule of Stolfo et al.'s case studies, by their code)."""
    return lowest(-weights.rho, among=torch.ones_like(weights.rho, dtype=torch.bool), count=count)


def tighidet(weights: NeuronWeights, *, count: int = 6, rho_floor: float = 0.4) -> Bool[Tensor, " neuron"]:
    """rho of at least `rho_floor`, then the `count` of lowest LogitVar, whatever the norm (Tighidet et al. 2025)."""
    return lowest(weights.logit_variance, among=weights.rho >= rho_floor, count=count)


def du(weights: NeuronWeights, *, count: int = 10) -> Bool[Tensor, " neuron"]:
    """The top quarter by norm, then the `count` of lowest LogitVar (Du et al. 2025, section 6)."""
    return lowest(weights.logit_variance, among=is_long(weights), count=count)


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


def moves_much(abs_kl_change: Float[Tensor, " neuron"], *, top: float) -> Bool[Tensor, " neuron"]:
    """The share `top` of a layer that changes KL(unigram || model) most. Raises ValueError unless it lies in 0 … 1."""
    if not 0 < top <= 1:
        raise ValueError(f"the share of neurons to choose from must lie above 0 and not above 1, got top={top:g}")
    return abs_kl_change >= abs_kl_change.quantile(1 - top)


def frequency_neurons(
    frequency_mediated: Float[Tensor, " neuron"],
    abs_kl_change: Float[Tensor, " neuron"],
    *,
    count: int = 6,
    top: float = TOP,
    min_share: float = MIN_SHARE,
) -> Bool[Tensor, " neuron"]:
    """Token-frequency neurons: a frequency-mediated share of at least `min_share` in the `top` of the layer by mean
    absolute KL change; of those the `count` that change it most, and possibly none.

    A share alone chooses no neuron, since a weak one's is wild; and a top tenth on both axes would ask a layer of a
    hundred neurons for more than one of a thousand. Stolfo et al. (2024, section 4.2) pick neurons that are high on
    both axes by eye; rule and numbers are ours. Raises ValueError unless `top` lies in 0 … 1."""
    fit = moves_much(abs_kl_change, top=top) & (frequency_mediated >= min_share)
    return lowest(-abs_kl_change, among=fit, count=count)


def nearest_to_frequency(
    frequency_mediated: Float[Tensor, " neuron"],
    abs_kl_change: Float[Tensor, " neuron"],
    *,
    count: int = 6,
    top: float = TOP,
) -> Bool[Tensor, " neuron"]:
    """What comes nearest to `frequency_neurons` where it finds none: the `count` largest shares in the `top` of the
    layer. Raises ValueError as it does."""
    return lowest(-frequency_mediated, among=moves_much(abs_kl_change, top=top), count=count)


def mask_of(units: Sequence[int], *, d_mlp: int) -> Bool[Tensor, " neuron"]:
    """The neurons with these units. Raises ValueError for a unit that the layer does not have."""
    wrong = [unit for unit in units if not 0 <= unit < d_mlp]
    if wrong:
        raise ValueError(f"the layer has neurons 0 … {d_mlp - 1}, and none with unit {wrong[0]}")
    return torch.zeros(d_mlp, dtype=torch.bool).index_fill(0, torch.tensor([*units], dtype=torch.long), True)


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
SORTED_BY = {"stolfo": "LogitVar", "rho_top": "rho", "tighidet": "LogitVar", "du": "LogitVar", "causal": "effect"}
"""By which number each rule takes the first of those that its floors let pass."""


def passing(weights: NeuronWeights, *, rho_floor: float = 0.4) -> dict[str, Bool[Tensor, " neuron"]]:
    """The neurons that the floors of each rule of `RULES` let pass, among which it could choose.

    Where they are hardly more than it chooses, the floor has chosen; where they are nearly all, there is no floor."""
    n = len(weights.norm)
    return {
        "stolfo": stolfo(weights, count=n),
        "rho_top": torch.ones_like(weights.norm, dtype=torch.bool),
        "tighidet": tighidet(weights, count=n, rho_floor=rho_floor),
        "du": is_long(weights),
    }


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


def shared_by_chance(
    one: Bool[Tensor, " neuron"],
    other: Bool[Tensor, " neuron"],
    *,
    among: tuple[Bool[Tensor, " neuron"], Bool[Tensor, " neuron"]] | None = None,
) -> tuple[float, float]:
    """What two random sets of these sizes share: how many neurons on average, and the probability of sharing
    at least as many as these two do (hypergeometric).

    Each set is drawn from the neurons that its rule lets pass (`among`; None: from all), so that what two floors
    have in common counts as chance. Raises ValueError for a set with neurons that its rule bars."""
    from scipy.stats import hypergeom

    mine, others = among or (torch.ones_like(one), torch.ones_like(other))
    if (one & ~mine).any() or (other & ~others).any():
        raise ValueError("a set holds neurons that are not among those its rule lets pass; give it the rule's own")
    n_one, n_other, shared = (int(some.sum()) for some in (one, other, one & other))
    n_mine, n_others, n_both = (int(some.sum()) for some in (mine, others, mine & others))
    if not n_one or not n_other:
        return 0.0, 1.0
    passing_both = torch.arange(min(n_one, n_both) + 1).numpy()  # of the one set, how many the other rule lets pass
    weight = hypergeom(n_mine, n_both, n_one).pmf(passing_both)
    as_many = hypergeom(n_others, passing_both, n_other).sf(shared - 1)
    return n_one * n_other * n_both / (n_mine * n_others), float((weight * as_many).sum())


def pairs(rules: Mapping[str, Bool[Tensor, " neuron"]], passing: Mapping[str, Bool[Tensor, " neuron"]]) -> Any:
    """What every two rules share, beside what random sets of these sizes would: a pandas table, a row for each pair.

    Columns: rule, other, shared, by chance (mean number that random sets share, each drawn from the neurons `passing`
    its rule's floors), P(as many) (probability that they share at least as many), alike (whether both rules sort by the
    same number). Raises ValueError as `shared_by_chance` does."""
    import pandas

    rows = []
    for one, other in combinations(rules, 2):
        among = passing[one], passing[other]
        by_chance, probability = shared_by_chance(rules[one], rules[other], among=among)
        shared = int((rules[one] & rules[other]).sum())
        rows.append((one, other, shared, by_chance, probability, SORTED_BY[one] == SORTED_BY[other]))
    return pandas.DataFrame(rows, columns=["rule", "other", "shared", "by chance", "P(as many)", "alike"])
