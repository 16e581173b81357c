"""Claims about what ablations do (chapter 04): the norm's share of an effect, and whether weights foretell it.

The largest of several shares is chosen on the sequences of even number and measured on the others. One neuron is held
against single neurons of like effect (`lone`)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import controls, drawing, effects, measures, null_space, resampling, selection
from lib.controls import Against, Matched
from lib.effects import AsTemperature, Effects, TokenEffects
from lib.effects.result import mediated
from lib.evidence.lone import N_LIKE, Lone
from lib.resampling import Estimate

Sequences = Int[Tensor, " draw"]


def share_beyond(
    effect: Effects,
    chosen: Bool[Tensor, " neuron"],
    sets: Matched,
    *,
    left: str = "direct",
    generator: torch.Generator,
) -> Against:
    """Mediated share of a set's summed effects, beside that of control sets: 1 - left / total, where `left` is the
    effect that remains once the road is closed (`direct`, `direct_frequency`)."""
    read = effects.shares(effect, left)

    def statistic(draw: Sequences, mask: Bool[Tensor, " neuron"]) -> Float[Tensor, ""]:
        remaining, total = read(draw)[:, mask].sum(1)
        return 1 - remaining / total

    return controls.against(statistic, chosen, sets, **sequences(effect, generator))


def shares_beyond(
    effect: Effects,
    chosen: Bool[Tensor, " neuron"],
    sets: Mapping[str, Matched],
    *,
    draw: Callable[[str], torch.Generator],
) -> dict[str, Against]:
    """Norm-mediated share of a set's summed effects, beside each kind of control set, by what these are matched on."""
    return {k: share_beyond(effect, chosen, some, generator=draw(f"share on {k}")) for k, some in sets.items()}


def correlation_with_rho(
    effect: Effects,
    w_out: Float[Tensor, "neuron d_model"],
    basis: Float[Tensor, "d_model dim"],
    *,
    among: Bool[Tensor, " neuron"],
    n_random: int,
    generator: torch.Generator,
) -> Against:
    """Rank correlation over neurons of rho and norm-mediated share, beside that with rho in random spaces of as many
    directions: a handful of neurons correlates with anything."""
    read = effects.shares(effect, "direct")

    def statistic(draw: Sequences, rho: Float[Tensor, " neuron"]) -> Float[Tensor, ""]:
        remaining, total = read(draw)
        return measures.rank_correlation(rho[among], (1 - remaining / total.clamp(min=1e-300))[among])

    own, random = rho_and_random(w_out, basis, n_random=n_random, generator=generator)
    return controls.beside(statistic, own, random, **sequences(effect, generator))


def rho_and_random(
    w_out: Float[Tensor, "neuron d_model"],
    basis: Float[Tensor, "d_model dim"],
    *,
    n_random: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, " neuron"], list[Float[Tensor, " neuron"]]]:
    """Every neuron's rho in a null space, and in `n_random` random spaces of as many directions; float64."""
    w = w_out.double().cpu()
    spaces = torch.randn(n_random, *basis.shape, generator=generator, dtype=torch.float64)
    return null_space.rho(w, basis.double().cpu()), [null_space.rho(w, torch.linalg.qr(one).Q) for one in spaces]


def largest_share(
    effect: Effects, among: Bool[Tensor, " neuron"], sets: Matched, *, generator: torch.Generator
) -> Against:
    """The largest norm-mediated share `among` some neurons, beside that of control sets: each set's neuron is chosen on
    the sequences of even number and measured on the others."""
    even = torch.arange(len(effect.n)) % 2 == 0
    remaining, total = effects.shares(effect.part(even), "direct")(torch.arange(int(even.sum())))
    seen = 1 - remaining / total.clamp(min=1e-300)
    read = effects.shares(effect.part(~even), "direct")

    def statistic(draw: Sequences, mask: Bool[Tensor, " neuron"]) -> Float[Tensor, ""]:
        remaining, total = read(draw)[:, seen.masked_fill(~mask, -torch.inf).argmax()]
        return 1 - remaining / total

    return controls.against(statistic, among, sets, **sequences(effect.part(~even), generator))


def entropy_alone(
    effect: Effects,
    rule: Callable[[Effects], Bool[Tensor, " neuron"]],
    *,
    n_sets: int,
    generator: torch.Generator,
) -> Against:
    """Median norm-mediated share of the neurons that `rule` picks on the sequences of even number, measured on the
    others, beside neurons matched on total effect."""
    even = torch.arange(len(effect.n)) % 2 == 0
    choosing, testing = effect.part(even), effect.part(~even)
    chosen = rule(choosing)
    sets = controls.matched(chosen, choosing.mean("total"), n_sets=n_sets, generator=generator)
    read = effects.shares(testing, "direct")

    def statistic(draw: Sequences, mask: Bool[Tensor, " neuron"]) -> Float[Tensor, ""]:
        remaining, total = read(draw)[:, mask]
        return (1 - remaining / total.clamp(min=1e-300)).median()

    return controls.against(statistic, chosen, sets, **sequences(testing, generator))


def by_entropy_alone(effect: Effects) -> Bool[Tensor, " neuron"]:
    """What `selection.entropy_alone` chooses by mean absolute entropy change and share of changed predictions."""
    return selection.entropy_alone(effect.mean("abs_entropy_change"), effect.mean("prediction_change"))


def entropy_with_predictions(effect: Effects) -> Estimate:
    """Rank correlation over neurons of the two changes that a temperature would part: entropy and prediction."""

    def correlation(some: Int[Tensor, " some"]) -> Float[Tensor, ""]:
        part = effect.part(some)
        return measures.rank_correlation(part.mean("abs_entropy_change"), part.mean("prediction_change"))

    return resampling.correlation(correlation, n_sequences=len(effect.n), n=int(effect.n.sum()))


def together(read: TokenEffects, *, generator: torch.Generator) -> Estimate:
    """Mean absolute loss change of a set ablated together over that of the sum of its neurons' single changes: 1 where
    these add up, more where neurons help each other, less where one stands in for another.

    The first set of `read` is all of them, the others hold one each. Changes are added with their signs: single ones
    that go opposite ways cancel, and would seem to stand in for each other if only their sizes were added."""
    joint, added = read.loss_change[0].abs(), read.loss_change[1:].sum(0).abs()
    return resampling.ratio(joint, added, read.sequence, generator=generator)


def explained_beyond(found: AsTemperature, *, rows: slice, generator: torch.Generator) -> Against:
    """Share of the KL from the clean prediction that a single temperature explains: of the first set, beside the
    control sets in `rows`; 0 where an ablation changes nothing."""
    _, place = found.sequence.unique(return_inverse=True)
    both = torch.stack([found.kl_left, found.kl_from_clean]).double()
    sums = both.new_zeros(2, len(both[0]), int(place.max()) + 1).index_add_(2, place, both)
    n_sequences = sums.shape[2]
    return controls.beside(
        lambda draw, row: mediated(*sums[:, row, draw].sum(-1)),
        0,
        list(range(*rows.indices(sums.shape[1]))),
        whole=torch.arange(n_sequences),
        drawn=drawing.draws(n_sequences, generator=generator),
        n=len(found.sequence),
        n_sequences=n_sequences,
    )


def explained_beside(
    found: AsTemperature, controls: Mapping[str, Bool[Tensor, "_ neuron"]], *, draw: Callable[[str], torch.Generator]
) -> dict[str, Against]:
    """`explained_beyond` each kind of control set, where `found` holds the chosen set, and then the control sets kind
    by kind."""
    explained, start = {}, 1
    for name, sets in controls.items():
        rows = slice(start, start + len(sets))
        explained[name] = explained_beyond(found, rows=rows, generator=draw(f"explained, {name}"))
        start = rows.stop
    return explained


def sequences(effect: Effects, generator: torch.Generator) -> dict[str, Any]:
    """The sequences of effects and resamples of them, as `controls.beside` takes them."""
    n_sequences = len(effect.n)
    drawn = drawing.draws(n_sequences, generator=generator)
    return {
        "whole": torch.arange(n_sequences),
        "drawn": drawn,
        "n": int(effect.n.sum()),
        "n_sequences": n_sequences,
    }


def over(found: Estimate, unit: float) -> Estimate:
    """An estimate in another unit."""
    return Estimate(found.value / unit, found.low / unit, found.high / unit, found.n, found.n_sequences)


def of_clipped(
    loss: Float[Tensor, " token"],
    change: Float[Tensor, "neuron token"],
    sequence: Int[Tensor, " token"],
    unit: int,
    *,
    total: Float[Tensor, " neuron"],
    generator: torch.Generator,
) -> Against:
    """Slope of one neuron's loss change on the clean loss, beside single neurons of like total effect, where the change
    of every neuron is at hand."""
    one, everywhere = torch.arange(len(total)) == unit, torch.ones_like(change[:1], dtype=torch.bool)
    sets = controls.matched(one, total.cpu(), n_sets=1000, generator=generator, nearest=min(N_LIKE, len(total) - 1))
    units = torch.cat([torch.tensor([unit]), sets.neuron.any(0).nonzero()[:, 0]])
    fires = everywhere.expand(len(units), -1)
    found = Lone(units, sets, loss, everywhere[0], fires, {"loss": change[units]}, sequence)
    return found.slope_beyond("loss", everywhere, generator=generator)
