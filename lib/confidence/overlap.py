"""Are the entropy neurons of two models the same ones?

Each rule of chapter 03 chooses in each model, and the sets are laid on each other. What they share is held against
chance: two random sets of these sizes, each drawn from the neurons that its rule lets pass. The number of neurons that
a rule may choose is ours to set, so several are tried. Beyond the chosen, all neurons can be compared: whether norm and
LogitVar keep their order, and how far the paper's ratio of the two moves (Du et al. 2025, section 6)."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import measures, neuron_weights, null_space, resampling, selection
from lib.model import Model
from lib.neuron_weights import NeuronWeights
from lib.resampling import Estimate

FLOORS = {"du, longest tenth": 0.9, "du, longer half": 0.5}
"""Variants of Du's rule: from which quantile of norm on a neuron counts as long, where the paper has 0.75."""


def weigh(model: Model, *, dim: int, tail: float) -> NeuronWeights:
    """Norm, LogitVar and rho of the last layer's neurons, as in chapter 03, on the CPU; errors as in `null_space`."""
    W_out, W_U = model.weights()
    spectrum = null_space.spectrum(W_U, centres=model.final_layer.centres)
    return neuron_weights.measure(W_out, W_U, null_space.effective(spectrum, dim=dim, tail=tail))


Choice = tuple[Bool[Tensor, " neuron"], Bool[Tensor, " neuron"]]
"""What a rule chooses, and what its floors let pass."""


def chosen(weights: NeuronWeights, rule: str, *, count: int) -> Choice:
    """What a rule chooses, and what its floors let pass. Raises ValueError for a rule that there is not."""
    if rule in FLOORS:
        passing = weights.norm >= weights.norm.quantile(FLOORS[rule])
        return selection.lowest(weights.logit_variance, among=passing, count=count), passing
    if rule not in selection.RULES:
        raise ValueError(f"a rule is one of {', '.join((*selection.RULES, *FLOORS))}, got {rule!r}")
    return selection.RULES[rule](weights, count=count), selection.passing(weights)[rule]


def table(weights: Mapping[str, NeuronWeights], *, counts: Sequence[int]) -> Any:
    """What every two models share by every rule, for several numbers k of neurons: a pandas table with the columns
    rule, k, one, other, shared, jaccard, by_chance (mean number shared by random sets), jaccard_by_chance (the index at
    that number) and probability (of as many)."""
    import pandas

    rows = []
    for rule in (*selection.RULES, *FLOORS):
        for k in counts:
            sets = {name: chosen(some, rule, count=k) for name, some in weights.items()}
            for one, other in combinations(sets, 2):
                (a, among_a), (b, among_b) = sets[one], sets[other]
                by_chance, probability = selection.shared_by_chance(a, b, among=(among_a, among_b))
                shared, either = int((a & b).sum()), int(a.sum() + b.sum())
                jaccard = selection.overlap(a, b) if either else float("nan")
                chance = by_chance / (either - by_chance) if either else float("nan")
                rows.append((rule, k, one, other, shared, jaccard, by_chance, chance, probability))
    columns = ["rule", "k", "one", "other", "shared", "jaccard", "by_chance", "jaccard_by_chance", "probability"]
    return pandas.DataFrame(rows, columns=columns)


Halves = Sequence[Mapping[str, NeuronWeights]]
"""Weight statistics of all models under the same half of the vocabulary, for many halves."""


def halves(models: Mapping[str, Model], *, dim: int, tail: float, n_halves: int, draw: Any) -> Halves:
    """Weight statistics of the models under random halves of their vocabulary, the same for all of them."""
    found = []
    for model in models.values():
        (W_out, W_U), final = model.weights(), model.final_layer
        generator = draw("halves of the vocabulary")
        chosen: dict[str, Any] = {"centres": final.centres, "dim": dim, "tail": tail, "n_halves": n_halves}
        parts = neuron_weights.parts(W_U, generator=generator)
        pairs = neuron_weights.halves(W_out, parts, **chosen, generator=generator)
        found.append([half for half, _ in pairs])
    return [dict(zip(models, half, strict=True)) for half in zip(*found, strict=True)]


def shared(
    weights: Mapping[str, NeuronWeights],
    halves: Halves,
    *,
    models: tuple[str, str],
    rule: str,
    count: int,
    n: int,
    generator: torch.Generator,
) -> tuple[Estimate, Estimate]:
    """How many neurons a rule chooses in both models, and how many more than random sets would share.

    Intervals are those of halves of a vocabulary of `n` tokens; in the second each half meets two random sets, drawn
    from the neurons that the rule lets pass, so that it holds nought where two models have nothing in common."""

    def both(some: Mapping[str, NeuronWeights]) -> tuple[Choice, Choice, float]:
        one, other = (chosen(some[name], rule, count=count) for name in models)
        return one, other, float((one[0] & other[0]).sum())

    one, other, whole = both(weights)
    by_chance = selection.shared_by_chance(one[0], other[0], among=(one[1], other[1]))[0]
    again = torch.tensor(
        [(value, value - _of_random(a, b, generator)) for a, b, value in map(both, halves)], dtype=torch.float64
    )
    found = {0: whole, 1: whole - by_chance}
    count_shared, beyond = (resampling.percentile(value, again[:, at], n=n) for at, value in found.items())
    return count_shared, beyond


def _of_random(one: Choice, other: Choice, generator: torch.Generator) -> float:
    """Neurons that two random sets share which are as large as two chosen ones, drawn from what passes."""
    sets = []
    for some, among in (one, other):
        candidates = among.nonzero()[:, 0]
        drawn = candidates[torch.randperm(len(candidates), generator=generator)[: int(some.sum())]]
        sets.append(set(drawn.tolist()))
    return float(len(sets[0] & sets[1]))


def ratio_change(
    weights: Mapping[str, NeuronWeights], halves: Halves, *, models: tuple[str, str], rule: str, count: int, n: int
) -> Estimate | str:
    """Mean absolute relative change of norm over LogitVar, over the neurons that a rule chooses in both models.

    The interval is that of halves of a vocabulary of `n` tokens; a reason where the two share no neuron."""
    first, second = models
    both = chosen(weights[first], rule, count=count)[0] & chosen(weights[second], rule, count=count)[0]
    if not both.any():
        return "the two models share no chosen neuron"

    def statistic(some: Mapping[str, NeuronWeights]) -> float:
        one, other = (some[name].norm[both].double() / _variance(some[name])[both] for name in models)
        return float((other / one - 1).abs().mean())

    again = torch.tensor([statistic(half) for half in halves], dtype=torch.float64)
    return resampling.percentile(statistic(weights), again, n=n)


def _variance(weights: NeuronWeights) -> Float[Tensor, " neuron"]:
    return weights.logit_variance.double().clamp(min=torch.finfo(weights.logit_variance.dtype).tiny)


def order_kept(one: NeuronWeights, other: NeuronWeights, *, draw: Any) -> dict[str, Estimate]:
    """Rank correlation of norm, LogitVar and rho between two models over all neurons; intervals over neurons."""

    def kept(name: str) -> Estimate:
        a, b = getattr(one, name), getattr(other, name)
        return resampling.estimate(
            lambda t: measures.rank_correlation(a[t], b[t]), torch.arange(len(a)), generator=draw(f"order of {name}")
        )

    return {name: kept(name) for name in ("norm", "logit_variance", "rho")}
