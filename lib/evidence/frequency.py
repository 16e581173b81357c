"""Claims about token-frequency neurons (chapter 05), held against permuted unigrams and other neurons."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import controls, drawing, effects, measures, memory, resampling, selection, token_frequency
from lib.controls import Against, Matched
from lib.effects import Effects, FrequencyEffects
from lib.evidence.ablation import Sequences, sequences
from lib.model import Model
from lib.resampling import Estimate

FEWEST_NEURONS = 3
"""Neurons of each kind below which two kinds cannot be told apart."""


def correlation_beyond_permuted(
    entropy: Float[Tensor, " token"],
    kl: Float[Tensor, " token"],
    permuted: Float[Tensor, "permutation token"],
    sequence: Int[Tensor, " token"],
    *,
    generator: torch.Generator,
    n_resamples: int = 300,
) -> Against:
    """Rank correlation of entropy and KL(unigram || model) over tokens, beside the same with unigram distributions
    whose probabilities were dealt out anew among the tokens: a spread-out prediction is nearer to any of them."""
    members = [torch.nonzero(sequence == s)[:, 0] for s in sequence.unique()]
    drawn = drawing.draws(len(members), generator=generator, n_resamples=n_resamples)
    tokens = [torch.cat([members[s] for s in draw]) for draw in drawn.tolist()]
    return controls.beside(
        lambda some, distance: measures.rank_correlation(entropy[some], distance[some]),
        kl,
        permuted,
        whole=torch.arange(len(sequence)),
        drawn=tokens,
        n=len(sequence),
        n_sequences=len(members),
    )


def binned_permuted(
    entropy: Float[Tensor, " token"], permuted: Float[Tensor, "permutation token"], *, n_bins: int
) -> Any:
    """Mean entropy in bins of equal mass by the distance to a permuted unigram, averaged over the permutations.

    A pandas table with a row for each bin (kl, entropy; nats)."""
    import pandas

    rows = []
    for distance in permuted.double():
        parts = distance.argsort(stable=True).tensor_split(n_bins)
        rows.append([(distance[some].mean().item(), entropy[some].double().mean().item()) for some in parts])
    return pandas.DataFrame(torch.tensor(rows, dtype=torch.float64).mean(0).numpy(), columns=["kl", "entropy"])


def percentile_beyond(
    effect: Effects, chosen: Bool[Tensor, " neuron"], sets: Matched, *, generator: torch.Generator
) -> Against:
    """Median over a set of the lower of each neuron's two percentile ranks, by frequency-mediated share and by mean
    absolute KL change, beside control sets."""
    share = effects.shares(effect, "direct_frequency")
    n = effect.n.double()[:, None]
    moved = n * effect.abs_kl_change.double()

    def lower(draw: Sequences) -> Float[Tensor, " neuron"]:
        remaining, total = share(draw)
        mediated = 1 - remaining / total.clamp(min=1e-300)
        return token_frequency.lower_percentile(mediated, moved[draw].sum(0) / n[draw].sum())

    given = sequences(effect, generator)
    given |= {"whole": lower(given["whole"]), "drawn": [lower(draw) for draw in given["drawn"]]}
    return controls.against(lambda percentile, mask: percentile[mask].median(), chosen, sets, **given)


def apart(
    effect: Effects, one: Bool[Tensor, " neuron"], other: Bool[Tensor, " neuron"], *, generator: torch.Generator
) -> Estimate | str:
    """Frequency-mediated share of the summed effects of one kind of neuron less that of another kind.

    Sequences *and the neurons of both kinds* are drawn anew: two sets differ anyhow, and the question is whether the
    kinds do. A text where a kind has fewer than `FEWEST_NEURONS`."""
    few = [int(kind.sum()) for kind in (one, other) if int(kind.sum()) < FEWEST_NEURONS]
    if few:
        return f"two kinds of neurons need at least {FEWEST_NEURONS} of each to be told apart, and one has {few[0]}"
    read = effects.shares(effect, "direct_frequency")
    units = [kind.cpu().nonzero()[:, 0] for kind in (one, other)]

    def difference(draw: Sequences, picked: list[Int[Tensor, " some"]]) -> Float[Tensor, ""]:
        remaining, total = read(draw)
        mediated = [1 - remaining[some].sum() / total[some].sum() for some in picked]
        return mediated[0] - mediated[1]

    given = sequences(effect, generator)
    again = []
    for draw in given["drawn"]:
        picked = [some[torch.randint(len(some), (len(some),), generator=generator)] for some in units]
        again.append(difference(draw, picked))
    smallest = min(len(effect.n), *map(len, units))
    low, high = resampling.expanded_percentiles(torch.stack(again)[:, None], n_sequences=smallest)
    value = difference(given["whole"], units).item()
    return Estimate(value, low.item(), high.item(), given["n"], given["n_sequences"])


def seen_alone(
    effect: FrequencyEffects,
    seen_only: Float[Tensor, "sequence neuron"],
    chosen: Bool[Tensor, " neuron"],
    *,
    generator: torch.Generator,
) -> dict[str, Estimate]:
    """Frequency-mediated share of a set's summed effects along the direction over all tokens (`all`), along that over
    seen tokens (`seen`, from the effects that it leaves, in nats), and the second minus the first (`difference`),
    resampled together."""
    left = effect.direct_frequency, seen_only, effect.total
    columns = [value[:, chosen.to(value.device)].sum(1) for value in left]
    both = torch.stack(columns, dim=1).double() * effect.n[:, None]

    def estimate(statistic: Callable[[Tensor], Tensor]) -> Estimate:
        return resampling.of_means(statistic, both, n=int(effect.n.sum()), generator=generator)

    return {
        "all": estimate(lambda m: 1 - m[:, 0] / m[:, 2]),
        "seen": estimate(lambda m: 1 - m[:, 1] / m[:, 2]),
        "difference": estimate(lambda m: (m[:, 0] - m[:, 1]) / m[:, 2]),
    }


def meeting(effect: Effects, *, top: float, min_share: float) -> Bool[Tensor, " neuron"]:
    """All neurons of a layer that meet the rule `selection.frequency_neurons` on these sequences, however many; on the
    CPU. Raises ValueError as it does."""
    axes, n = (effect.frequency_mediated, effect.mean("abs_kl_change")), effect.total.shape[1]
    return selection.frequency_neurons(*axes, count=n, top=top, min_share=min_share)


def confirmed(
    effect: Effects,
    found: Bool[Tensor, " neuron"],
    rule: Callable[[Effects], Bool[Tensor, " neuron"]],
    *,
    generator: torch.Generator,
) -> Estimate:
    """How many neurons that a rule found elsewhere it finds on these sequences too, with resampled sequences."""
    drawn = drawing.draws(len(effect.n), generator=generator, n_resamples=300)
    counts = torch.stack([(found & rule(effect.part(draw))).sum().double() for draw in drawn])
    low, high = resampling.expanded_percentiles(counts[:, None], n_sequences=len(effect.n))
    value = float((found & rule(effect)).sum())
    return Estimate(value, low.item(), high.item(), int(effect.n.sum()), len(effect.n))


def kl_to_permuted(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    scored: Bool[Tensor, "sequence position"],
    *,
    log_unigram: Float[Tensor, " d_vocab"],
    n_permutations: int,
    generator: torch.Generator,
) -> Float[Tensor, "permutation token"]:
    """KL(unigram || model) in nats at every scored token, for unigram distributions whose probabilities are dealt out
    anew among the tokens; the logits of one sequence are held at a time, and as many distributions as `memory` allows.
    """
    final, p = model.final_layer, log_unigram.exp()
    orders = [torch.randperm(len(p), generator=generator) for _ in range(n_permutations)]
    n, parts = memory.rows(len(p)), []
    for some, at in zip(tokens, scored, strict=True):
        log_q = model.run(some[None], "logits").logits[0, at].log_softmax(-1).to(final.W_U.dtype)
        dealt = (torch.stack([p[order] for order in orders[i : i + n]], 1) for i in range(0, n_permutations, n))
        means = torch.cat([log_q @ some.to(log_q) for some in dealt], 1)
        parts.append((-torch.special.entr(p).sum().to(log_q) - means).cpu())
    return torch.cat(parts).mT
