r"""How last-layer neurons react to a repeat, as numbers with intervals.

The measure of a reaction is the activation change, repeat less first pass, times the length of the neuron's output
weight (Stolfo et al. 2024, appendix): \((\bar n_\mathrm{repeat} - \bar n_\mathrm{first}) \lVert w \rVert\), how much
further it pushes. What the reaction does is seen by clipping it away and comparing entropies, as a ratio."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import controls, drawing, resampling
from lib.controls import Against, Matched
from lib.resampling import Estimate

N_LIKE = 40
"""Single neurons that one is held against: enough for an interval of 95 % to have two ends."""
FLOOR = 1e-6
"""Nats: where the clean entropy is smaller still, a ratio to it says nothing, and this is put in its place."""


def follow(
    change: Float[Tensor, " neuron"], *, among: Bool[Tensor, " neuron"], unit: int = -1, named: Sequence[int] = ()
) -> int:
    """The neuron to follow: `unit`, unless it is -1; else the first that is `named`; else the one of largest absolute
    change among some, and among all where these are none.

    Raises ValueError for a unit that the layer does not have."""
    asked = unit if unit >= 0 or not named else named[0]
    if not -1 <= asked < len(change):
        raise ValueError(f"the last layer has neurons 0 … {len(change) - 1} (-1 lets a rule choose), got {asked}")
    candidates = among if among.any() else torch.ones_like(among)
    return asked if asked >= 0 else int(change.abs().masked_fill(~candidates, -1).argmax())


def as_before(
    change: Float[Tensor, "sequence neuron"],
    before: Float[Tensor, " neuron"],
    *,
    rises: Sequence[int] = (),
) -> Float[Tensor, "sequence neuron"]:
    """Every neuron's change, positive where it goes the way that the neuron went `before`, on other text.

    Those of which a paper says that they rise are held to that: theirs is positive where they rise."""
    way = before.sign()
    way[list(rises)] = 1
    return way * change


def standing(
    change: Float[Tensor, "sequence neuron"], chosen: Bool[Tensor, " neuron"], *, n: int, generator: torch.Generator
) -> Estimate:
    """Share of the other neurons whose mean change is smaller than a chosen one's, mean over the chosen.

    0.5 by chance, 1 where no other neuron changes as much. `n` tokens are behind the changes."""

    def statistic(mean: Float[Tensor, "resample neuron"]) -> Float[Tensor, " resample"]:
        return torch.stack([_standing(row.abs(), chosen) for row in mean])

    return resampling.of_means(statistic, change, n=n, generator=generator)


def standing_beyond(
    change: Float[Tensor, "sequence neuron"],
    chosen: Bool[Tensor, " neuron"],
    sets: Matched,
    *,
    n: int,
    generator: torch.Generator,
) -> Against:
    """The standing of the chosen neurons beside that of control sets; errors as in `controls.against`."""
    size = change.double()
    return controls.against(
        _standing,
        chosen,
        sets,
        whole=size.mean(0).abs(),
        drawn=[size[draw].mean(0).abs() for draw in drawing.draws(len(size), generator=generator)],
        n=n,
        n_sequences=len(size),
    )


def standings(
    change: Mapping[str, Float[Tensor, "_ neuron"]],
    chosen: Bool[Tensor, " neuron"],
    sets: Mapping[str, Matched],
    *,
    n: Mapping[str, int],
    draw: Callable[[str], torch.Generator],
) -> dict[str, Against]:
    """The standing of the chosen neurons on every text, beside the kind of control sets that says least for them; `n`
    tokens of each text are behind it. Errors as in `controls.against`."""
    found = {}
    for text, moved in change.items():
        each = [
            standing_beyond(moved, chosen, some, n=n[text], generator=draw(f"standing on {text} beside {kind}"))
            for kind, some in sets.items()
        ]
        found[text] = controls.weakest(*each)
    return found


def _standing(size: Float[Tensor, " neuron"], some: Bool[Tensor, " neuron"]) -> Float[Tensor, ""]:
    return (size[some, None] > size[None, ~some]).double().mean()


def reaction_beyond(
    change: Float[Tensor, "sequence neuron"],
    unit: int,
    size: Float[Tensor, " neuron"],
    *,
    n: int,
    generator: torch.Generator,
) -> Against:
    """Mean change of one neuron beside single neurons of like `size`, of which each resample meets another."""
    one = torch.arange(len(size)) == unit
    sets = controls.matched(one, size, n_sets=1000, generator=generator, nearest=N_LIKE)
    draws = drawing.draws(len(change), generator=generator)
    return controls.against(
        lambda mean, mask: mean[mask].mean(),
        one,
        sets,
        whole=change.double().mean(0),
        drawn=[change[draw].double().mean(0) for draw in draws],
        n=n,
        n_sequences=len(change),
    )


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
    return EntropyRatio(of_means, resampling.mean_of_sequences(ratio, n=n, generator=generator))


def largest_reduction(
    clean: Float[Tensor, "sequence pair"],
    ablated: Float[Tensor, "neuron sequence pair"],
    unit: int,
    size: Float[Tensor, " neuron"],
    *,
    generator: torch.Generator,
) -> Against:
    """By how much the ablation of one neuron lowers the entropy at the position where it lowers it most, 1 - mean
    ratio there, beside single neurons of like `size`.

    Each neuron's position is chosen on the sequences of even number and the reduction measured on the others: the
    lowest of many noisy ratios is below 1 even when nothing happens. Raises ValueError when that half holds fewer
    than `drawing.FEWEST` sequences."""
    ratio = ablated / clean.clamp(min=FLOOR)
    position = ratio[:, ::2].mean(1).argmin(1)
    reduced = 1 - ratio[torch.arange(len(ratio)), 1::2, position].mT
    return reaction_beyond(reduced, unit, size, n=len(reduced), generator=generator)
