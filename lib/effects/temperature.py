r"""How much of a change is a mere change of temperature?

Among the distributions softmax(z / T) of the clean logits z one is nearest to the ablated distribution p': the
one whose mean logit is the same. With b = 1 / T, KL(p' || softmax(bz)) has the slope

.. math:: \frac{\mathrm{d}}{\mathrm{d}b} \mathrm{KL} = \mathbb{E}_{\mathrm{softmax}(bz)}[z] - \mathbb{E}_{p'}[z],

which grows with b (its own slope is a variance), so that Newton's method inside a bracket finds its only zero."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import measures
from lib.effects import ablated
from lib.effects.clean import clean_run, difference
from lib.effects.measuring import Replacement, mean_activation
from lib.model import Model

CELLS = 2**22
"""Logits that a block of tokens may hold."""
COLDEST, HOTTEST = 1e-2, 1e2
N_STEPS = 60


def best(clean: Float[Tensor, "token d_vocab"], ablated: Float[Tensor, "token d_vocab"]) -> Float[Tensor, " token"]:
    """The temperature in 0.01 … 100 at which the clean logits come nearest to the ablated distribution."""
    wanted = (ablated.softmax(-1) * clean).sum(-1)
    low, high = torch.full_like(wanted, 1 / HOTTEST), torch.full_like(wanted, 1 / COLDEST)
    inverse = torch.ones_like(wanted)
    for _ in range(N_STEPS):
        p = (inverse[:, None] * clean).softmax(-1)
        mean = (p * clean).sum(-1)
        variance = (p * (clean - mean[:, None]).square()).sum(-1)
        low, high = torch.where(mean < wanted, inverse, low), torch.where(mean < wanted, high, inverse)
        step = inverse + (wanted - mean) / variance
        inside = (step >= low) & (step <= high)
        moved = torch.where(inside, step, (low * high).sqrt())
        settled = (moved - inverse).abs() <= 4 * torch.finfo(wanted.dtype).eps * inverse
        inverse = moved
        if settled.all():
            break
    return 1 / inverse


@dataclass(frozen=True)
class AsTemperature:
    """What a single temperature explains of the ablation of each set, token by token."""

    temperature: Float[Tensor, "set token"]
    """The temperature of the clean logits that mimics the ablation best; no unit, 1 for no change."""
    kl_from_clean: Float[Tensor, "set token"]
    """KL(ablated || clean), in nats."""
    kl_left: Float[Tensor, "set token"]
    """KL(ablated || clean at that temperature), in nats: what no temperature explains."""
    sequence: Int[Tensor, " token"]


def as_temperature(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    replacement: Replacement | None = None,
) -> AsTemperature:
    """Ablates all neurons of a set together, by the mean over all positions unless `replacement` is given.

    Raises ValueError as `clean_run` does."""
    clean, layer = clean_run(model, tokens, scored), model.final_layer
    value = mean_activation(model, tokens) if replacement is None else replacement
    parts = []
    for block in torch.arange(len(clean.target)).split(max(1, CELLS // layer.d_vocab)):
        part = clean.part(block)
        before = layer.logits(part.resid, scale=part.scale)
        pairs = ablated.logits(model, part, difference(part, value), sets)
        parts.append(torch.stack([_explained(before, free) for free, _ in pairs], dim=1))
    nearest, whole, left = torch.cat(parts, dim=-1).cpu()
    return AsTemperature(nearest, whole, left, clean.sequence.cpu())


def _explained(clean: Float[Tensor, "token d_vocab"], free: Float[Tensor, "token d_vocab"]) -> Float[Tensor, "3 token"]:
    nearest = best(clean, free)
    left = measures.kl_divergence(free, clean / nearest[:, None])
    return torch.stack([nearest, measures.kl_divergence(free, clean), left])
