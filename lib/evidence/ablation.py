"""Claims about what ablations do (chapter 04): the norm's share of an effect, and what one neuron is for.

The largest of several shares is chosen on the sequences of even number and measured on the others. One neuron is held
against single neurons of like effect, by the same statistic: that an effect has a sign says little, since about half of
all neurons have that sign."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import ablation, controls, drawing, effects, measures, null_space
from lib.controls import Against, Matched
from lib.effects import Effects
from lib.model import Model
from lib.resampling import Estimate

Sequences = Int[Tensor, " draw"]
N_LIKE = 40
"""Single neurons that one is held against: enough for an interval of 95 % to have two ends."""


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
    read, dim = effects.shares(effect, "direct"), basis.shape[1]
    w = w_out.double().cpu()
    spaces = torch.randn(n_random, len(basis), dim, generator=generator, dtype=torch.float64)
    random = [null_space.rho(w, torch.linalg.qr(space).Q) for space in spaces]

    def statistic(draw: Sequences, rho: Float[Tensor, " neuron"]) -> Float[Tensor, ""]:
        remaining, total = read(draw)
        return measures.rank_correlation(rho[among], (1 - remaining / total.clamp(min=1e-300))[among])

    own = null_space.rho(w, basis.double().cpu())
    return controls.beside(statistic, own, random, **sequences(effect, generator))


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
    chosen = rule(choosing).cpu()
    sets = controls.matched(chosen, choosing.mean("total").cpu(), n_sets=n_sets, generator=generator)
    read = effects.shares(testing, "direct")

    def statistic(draw: Sequences, mask: Bool[Tensor, " neuron"]) -> Float[Tensor, ""]:
        remaining, total = read(draw)[:, mask]
        return (1 - remaining / total.clamp(min=1e-300)).median()

    return controls.against(statistic, chosen, sets, **sequences(testing, generator))


@dataclass(frozen=True)
class Lone:
    """One neuron and others of like total effect, each ablated alone, token by token."""

    unit: Int[Tensor, " neuron"]
    """The neuron itself, then the others."""
    sets: Matched
    """The others, as control sets of one."""
    loss: Float[Tensor, " token"]
    """Clean, in nats."""
    correct: Bool[Tensor, " token"]
    """Whether the most likely next token is the true one."""
    fires: Bool[Tensor, "neuron token"]
    """Whether each neuron's activation is above its mean over all positions."""
    change: dict[str, Float[Tensor, "neuron token"]]
    """Ablated less clean, by what was read."""
    sequence: Int[Tensor, " token"]

    def mean_beyond(self, name: str, among: Bool[Tensor, "#neuron token"], *, generator: torch.Generator) -> Against:
        """Mean change of the neuron over some tokens (of its own, where each neuron has its own), beside the others."""
        sums = self._sums([torch.ones_like(self.change[name]), self.change[name]], among)
        return self._beyond(lambda s: s[1] / s[0], sums, among, generator)

    def slope_beyond(self, name: str, among: Bool[Tensor, "#neuron token"], *, generator: torch.Generator) -> Against:
        """Slope of the change on the clean loss over some tokens, beside the others."""
        y, x = self.change[name], self.loss.expand_as(self.change[name])
        sums = self._sums([torch.ones_like(y), x, y, x * x, x * y], among)

        def slope(s: Float[Tensor, "sum neuron"]) -> Float[Tensor, " neuron"]:
            return (s[4] / s[0] - s[1] * s[2] / s[0] ** 2) / (s[3] / s[0] - (s[1] / s[0]) ** 2)

        return self._beyond(slope, sums, among, generator)

    def correlation_beyond(
        self, one: str, other: str, among: Bool[Tensor, "#neuron token"], *, generator: torch.Generator
    ) -> Against:
        """Correlation of two changes over some tokens, beside the others."""
        x, y = self.change[one], self.change[other]
        sums = self._sums([torch.ones_like(x), x, y, x * x, y * y, x * y], among)

        def correlation(s: Float[Tensor, "sum neuron"]) -> Float[Tensor, " neuron"]:
            n, mx, my = s[0], s[1] / s[0], s[2] / s[0]
            spread = (s[3] / n - mx**2).clamp(min=0) * (s[4] / n - my**2).clamp(min=0)
            return (s[5] / n - mx * my) / spread.sqrt()

        return self._beyond(correlation, sums, among, generator)

    def n_sequences(self, among: Bool[Tensor, "#neuron token"]) -> int:
        """Sequences in which the neuron has such a token."""
        return len(self.sequence[among[0]].unique())

    def _sums(
        self, columns: list[Float[Tensor, "neuron token"]], among: Bool[Tensor, "#neuron token"]
    ) -> Float[Tensor, "sum sequence neuron"]:
        _, place = self.sequence.unique(return_inverse=True)
        kept = [(column.double() * among).mT for column in columns]
        empty = kept[0].new_zeros(int(place.max()) + 1, len(self.unit))
        return torch.stack([empty.index_add(0, place, column) for column in kept])

    def _beyond(
        self,
        statistic: Callable[[Float[Tensor, "sum neuron"]], Float[Tensor, " neuron"]],
        sums: Float[Tensor, "sum sequence neuron"],
        among: Bool[Tensor, "#neuron token"],
        generator: torch.Generator,
    ) -> Against:
        """All neurons' statistics are computed once for each draw; a set of one then picks its own."""
        n_sequences = sums.shape[1]
        place = torch.zeros(self.sets.neuron.shape[1], dtype=torch.long)
        place[self.unit] = torch.arange(len(self.unit))
        chosen = torch.zeros_like(self.sets.neuron[0]).index_fill(0, self.unit[:1], True)
        drawn = drawing.draws(n_sequences, generator=generator)
        return controls.against(
            lambda values, mask: values[place[mask]].mean(),
            chosen,
            self.sets,
            whole=statistic(sums.sum(1)),
            drawn=[statistic(sums[:, draw].sum(1)) for draw in drawn],
            n=int(among[0].sum()),
            n_sequences=n_sequences,
        )


def lone(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    unit: int,
    *,
    total: Float[Tensor, " neuron"],
    scored: Bool[Tensor, "sequence position"],
    read: dict[str, effects.Read],
    replacement: effects.Replacement | None = None,
    generator: torch.Generator,
) -> Lone:
    """Ablates one neuron, and `N_LIKE` others nearest in total effect, one after another; `read` names what is read off
    the logits besides the loss. The mean over all positions is put in unless `replacement` is given."""
    one = torch.arange(len(total)) == unit
    n_like = min(N_LIKE, len(total) - 1)
    sets = controls.matched(one, total.cpu(), n_sets=1000, generator=generator, nearest=n_like)
    units = torch.cat([torch.tensor([unit]), sets.neuron.any(0).nonzero()[:, 0]])
    activation = model.run(tokens, "activation").activation.to(model.W_out.dtype)
    mean = ablation.mean(activation)
    single = torch.eye(len(total), dtype=torch.bool)[units].to(model.W_out.device)
    found = effects.readings(
        model,
        tokens,
        sets=single,
        scored=scored,
        replacement=mean if replacement is None else replacement,
        read={"loss": effects.read_loss, "correct": effects.read_correct} | read,
    )
    fires = (activation[scored.to(activation.device)] > mean)[:, units.to(activation.device)]
    return Lone(
        unit=units,
        sets=sets,
        loss=found.clean["loss"],
        correct=found.clean["correct"] > 0,
        fires=fires.mT.cpu(),
        change={name: found.ablated[name] - found.clean[name] for name in found.clean},
        sequence=found.sequence,
    )


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
    found = Lone(units, sets, loss, everywhere[0], everywhere, {"loss": change[units]}, sequence)
    return found.slope_beyond("loss", everywhere, generator=generator)
