r"""How last-layer neurons react to a repeat, as numbers with intervals.

The measure of a reaction is the activation change, repeat less first pass, times the length of the neuron's output
weight (Stolfo et al. 2024, appendix): \((\bar n_\mathrm{repeat} - \bar n_\mathrm{first}) \lVert w \rVert\), how much
further it pushes. What the reaction does is seen by clipping it away and comparing entropies, as a ratio."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import resampling
from lib.resampling import Estimate

FLOOR = 1e-6
"""Nats: where the clean entropy is smaller still, a ratio to it says nothing, and this is put in its place."""


def follow(change: Float[Tensor, " neuron"], *, among: Bool[Tensor, " neuron"], unit: int = -1) -> int:
    """The neuron to follow: `unit`, or the one of largest absolute change among some, among all where there is none.

    Raises ValueError for a unit that the layer does not have."""
    if not -1 <= unit < len(change):
        raise ValueError(f"the last layer has neurons 0 … {len(change) - 1} (-1 lets a rule choose), got {unit}")
    candidates = among if among.any() else torch.ones_like(among)
    return unit if unit >= 0 else int(change.abs().masked_fill(~candidates, -1).argmax())


def standing(
    change: Float[Tensor, "sequence neuron"],
    chosen: Bool[Tensor, " neuron"],
    *controls: Bool[Tensor, " neuron"],
    n: int,
    generator: torch.Generator,
) -> Estimate:
    """Share of the other neurons whose mean change is smaller than a chosen one's, mean over the chosen.

    0.5 by chance, 1 where no other neuron changes as much. With control sets, that share less the largest of theirs.
    `n` tokens are behind the changes."""

    def share(size: Float[Tensor, "resample neuron"], some: Bool[Tensor, " neuron"]) -> Float[Tensor, " resample"]:
        return (size[:, some, None] > size[:, None, ~some]).double().mean((1, 2))

    def statistic(mean: Float[Tensor, "resample neuron"]) -> Float[Tensor, " resample"]:
        own = share(mean.abs(), chosen)
        return own - torch.stack([share(mean.abs(), c) for c in controls]).amax(0) if controls else own

    return resampling.of_means(statistic, change, n=n, generator=generator)


@dataclass(frozen=True)
class EntropyRatio:
    """Entropy under ablation over clean entropy on the repeat; below 1 where the ablation makes the model surer."""

    ratio_of_means: Estimate
    """Dominated by the tokens of high entropy."""
    mean_of_ratios: Estimate
    """Dominated by the tokens of low entropy; the paper's."""


def entropy_ratio(
    clean: Float[Tensor, "sequence pair"], ablated: Float[Tensor, "sequence pair"], *, generator: torch.Generator
) -> EntropyRatio:
    """Both ratios over all tokens of the repeat. Raises ValueError with fewer than two sequences."""
    n = clean.numel()
    means = torch.stack([ablated.mean(1), clean.mean(1).clamp(min=FLOOR)], dim=1)
    of_means = resampling.of_means(lambda mean: mean[:, 0] / mean[:, 1], means, n=n, generator=generator)
    ratio = (ablated / clean.clamp(min=FLOOR)).mean(1)
    return EntropyRatio(of_means, resampling.of_means(lambda mean: mean, ratio, n=n, generator=generator))


def largest_reduction(
    clean: Float[Tensor, "sequence pair"], ablated: Float[Tensor, "sequence pair"], *, generator: torch.Generator
) -> Estimate:
    """By how much an ablation lowers the entropy at the position where it lowers it most: 1 - mean ratio there.

    The position is chosen on the sequences of even number and the reduction measured on the others: the lowest of
    many noisy ratios is below 1 even when nothing happens. Raises ValueError with fewer than four sequences."""
    ratio = ablated / clean.clamp(min=FLOOR)
    position = ratio[::2].mean(0).argmin()
    return resampling.of_means(lambda mean: 1 - mean, ratio[1::2, position], n=len(ratio[1::2]), generator=generator)
