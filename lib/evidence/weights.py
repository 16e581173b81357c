"""Claims about output weights alone (chapter 03): long and hardly read, and written into the null space."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import controls, resampling, selection
from lib.controls import Against
from lib.neuron_weights import NeuronWeights
from lib.resampling import Estimate

Rule = Callable[[NeuronWeights], Bool[Tensor, " neuron"]]


def outlying(weights: NeuronWeights, rule: Rule, *, n_shuffles: int, generator: torch.Generator) -> Estimate:
    """LogitVar of what a rule chooses once norms are shuffled among the neurons, over that of what it chooses.

    Geometric means; above 1 when the *same* neurons are long and hardly read. The value is the median, the interval
    holds 95 % of the shuffles: a permutation test."""
    n = len(weights.norm)
    orders = [torch.randperm(n, generator=generator) for _ in range(n_shuffles)]
    shuffled = torch.stack([_quietness(replace(weights, norm=weights.norm[order]), rule) for order in orders])
    ratio = (shuffled - _quietness(weights, rule)).exp()
    return resampling.percentile(ratio.median().item(), ratio, n=n)


def _quietness(weights: NeuronWeights, rule: Rule) -> Float[Tensor, ""]:
    chosen = weights.logit_variance[rule(weights)]
    return chosen.clamp(min=torch.finfo(chosen.dtype).tiny).log().mean()


Halves = list[tuple[NeuronWeights, NeuronWeights]]
"""Weight statistics under halves of the vocabulary, each beside those under the other half."""


def inside(halves: Halves, rule: Rule, *, n_sets: int, n: int, generator: torch.Generator) -> Against:
    """Mean rho of the neurons that `rule` chooses beside that of sets matched on norm, over halves of a vocabulary of
    `n` tokens.

    One half chooses and the other measures: whatever chance makes a neuron look quiet on some tokens makes it look as
    if it wrote where those tokens do not read. Each half of the vocabulary meets `n_sets` control sets."""
    parts = [(rule(choosing), choosing.norm, measuring.rho) for choosing, measuring in halves]
    return controls.over_halves(parts, n_sets=n_sets, n=n, generator=generator)


def chosen_again(weights: NeuronWeights, halves: Halves, rule: Rule, named: list[int], *, n: int) -> Estimate:
    """How many of some named neurons a rule chooses; the interval is that of halves of the vocabulary."""
    counts = torch.stack([rule(some)[named].sum() for some in (weights, *(half for half, _ in halves))]).double()
    return resampling.percentile(counts[0].item(), counts[1:], n=n)


def of_named(
    weights: NeuronWeights,
    halves: Halves,
    halving: functools.partial[Halves],
    named: list[int],
    *,
    rule: Rule,
    draw: Callable[[str], torch.Generator],
) -> dict[str, Estimate] | dict[str, str]:
    """The claims about neurons that a paper names (C1.set, X1, C4.rho40): how many of them `rule` chooses, how many are
    among as many of largest rho in a null space of 1 % of the directions, and their mean rho in one of 40. Where none
    is `named`, the reason why nothing is measured stands in the place of each.

    `halving` gives the weight statistics under halves of the vocabulary for a `dim`; intervals are theirs, and the
    numbers about other null spaces are means over them."""
    if not named:
        return dict.fromkeys(("C1.set", "X1", "C4.rho40"), "it is about six named neurons of GPT-2 small")
    n, d_model = len(weights.norm), halving.args[0].shape[1]
    narrow = halving(dim=round(0.01 * d_model), generator=draw("halves at 1 %"))
    wide = halving(dim=40, generator=draw("halves at 40"))
    top = functools.partial(selection.rho_top, count=len(named))
    rho = torch.stack([some.rho[named].mean() for some, _ in wide]).double()
    return {
        "C1.set": chosen_again(weights, halves, rule, named, n=n),
        "X1": chosen_again(narrow[0][0], narrow, top, named, n=n),
        "C4.rho40": resampling.percentile(rho.mean().item(), rho, n=n),
    }


def of_last_layer(found: Mapping[str, Any], *, at: int, n_layers: int) -> Mapping[str, Any]:
    """What was found about layer `at`, where that is the last of `n_layers`; else, for each claim, that it is about
    another layer."""
    if at == n_layers - 1:
        return found
    return dict.fromkeys(found, f"it is about the last layer; this is layer {at}")
