"""Which neurons are the entropy neurons? Each paper's rule, by name, and the sets they are compared with.

A rule takes the weight statistics of one layer's neurons and returns a mask over them. The papers picked by
eye or by hand; where they state no number, ours is a named argument. No rule is told what another found."""

import math
from dataclasses import dataclass

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
    """What a rule of `RULES` chooses. Raises ValueError for an unknown rule, or when it chooses nobody."""
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


@dataclass(frozen=True)
class Matched:
    """Control neurons that are like the chosen ones in some respect, and how like."""

    neuron: Bool[Tensor, "*set neuron"]
    """As many as were chosen, none of them chosen; one mask, or one for each set."""
    ratio: float
    """Median ratio of control to chosen neuron; 1 is a perfect match."""

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


def matched(chosen: Bool[Tensor, " neuron"], value: Float[Tensor, " neuron"]) -> Matched:
    """For each chosen neuron the nearest other neuron in log `value` (positive), without replacement.

    The chosen of largest value are matched first, since they have the fewest neighbours.
    Raises ValueError when fewer neurons are left than were chosen."""
    control, ratio = _match(chosen, value, nearest=1, generator=torch.Generator())
    return Matched(control, ratio.median().item())


def matched_sets(
    chosen: Bool[Tensor, " neuron"],
    value: Float[Tensor, " neuron"],
    *,
    n_sets: int,
    generator: torch.Generator,
    nearest: int = 5,
) -> Matched:
    """Random control sets: each takes, for each chosen neuron, one of the `nearest` others still free at random.

    Otherwise as `matched`. A wider choice makes more sets and worse matches: look at `ratio`."""
    found = [_match(chosen, value, nearest=nearest, generator=generator) for _ in range(n_sets)]
    return Matched(torch.stack([control for control, _ in found]), torch.cat([r for _, r in found]).median().item())


def _match(
    chosen: Bool[Tensor, " neuron"], value: Float[Tensor, " neuron"], *, nearest: int, generator: torch.Generator
) -> tuple[Bool[Tensor, " neuron"], Float[Tensor, " chosen"]]:
    """One control set, and the ratio of control to chosen neuron for each of its members."""
    free, control = ~chosen, torch.zeros_like(chosen)
    if int(free.sum()) < int(chosen.sum()):
        raise ValueError(f"{int(chosen.sum())} neurons need as many others to match, but {int(free.sum())} are left")
    if not chosen.any():
        raise ValueError("no neuron is chosen, so there is nothing to match")
    log = value.clamp(min=torch.finfo(value.dtype).tiny).log()
    members, ratios = chosen.nonzero()[:, 0], []
    for neuron in members[log[members].argsort(descending=True)].tolist():
        distance = (log - log[neuron]).abs().masked_fill(~free, torch.inf)
        candidates = distance.argsort(stable=True)[: min(nearest, int(free.sum()))]
        picked = candidates[torch.randint(len(candidates), (1,), generator=generator)].item()
        free[picked], control[picked] = False, True
        ratios.append((log[picked] - log[neuron]).exp())
    return control, torch.stack(ratios)
