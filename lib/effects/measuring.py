"""Effects of every neuron, or of whole sets, averaged over the scored tokens of each sequence."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import ablation
from lib.effects import ablated
from lib.effects.clean import clean_run, difference
from lib.effects.distributions import Distributions, stacked
from lib.effects.result import QUANTITIES, Effects
from lib.model import Model

Gear = Literal["auto", "eager", "fused", "cumulant"]
Replacement = Float[Tensor, " d_mlp"] | Float[Tensor, "sequence position d_mlp"]
TOKEN_BLOCK = 256


def measure(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"],
    replacement: Replacement | None = None,
    gear: Gear = "auto",
    tolerance: float = 1e-4,
) -> Effects:
    """Ablates every last-layer neuron, one at a time; `replacement` holds the values of `ablation`, the mean over
    all positions unless it is given.

    Raises ValueError as `clean_run` does, and when a sequence has no scored position."""
    single = torch.eye(model.W_out.shape[0], dtype=torch.bool, device=model.W_out.device)
    return measure_sets(model, tokens, sets=single, scored=scored, log_unigram=log_unigram, replacement=replacement)


def measure_sets(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"],
    replacement: Replacement | None = None,
) -> Effects:
    """Ablates all neurons of a set together, one set after another; errors as in `measure`."""
    n = scored.sum(1)
    if scored.any() and not n.all():
        raise ValueError(f"sequence {int((n == 0).nonzero()[0])} has no scored position; drop it")
    clean = clean_run(model, tokens, scored)
    if replacement is None:
        replacement = ablation.mean(model.run(tokens, "activation").activation)
    sums = torch.zeros(len(QUANTITIES), len(tokens), len(sets), dtype=torch.float64, device=clean.scale.device)
    for block in torch.arange(len(clean.target)).split(TOKEN_BLOCK):
        part = clean.part(block)
        before = Distributions(model.final_layer, part, log_unigram)
        pairs = ablated.logits(model, part, difference(part, replacement), sets)
        for column, (free, frozen) in enumerate(pairs):
            sums[:, :, column].index_add_(1, part.sequence, stacked(before.changes(free, frozen)).double())
    return Effects(*(sums / n[:, None].to(sums.device)), n=n)
