"""What one neuron is for, held against single neurons of like effect.

That an effect has a sign says little, since about half of all neurons have that sign. So the neuron's number stands
beside the same number of others, each ablated alone, and every resample of the sequences meets another of them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import ablation, controls, drawing, effects, resampling
from lib.controls import Against, Matched
from lib.model import Model

N_LIKE = 40
"""Single neurons that one is held against: enough for an interval of 95 % to have two ends."""
MIDDLE = (0.05, 0.95)
"""Ends of the band of the others in `Lone.by_loss`."""


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
    """Ablated less clean, by what was read: loss, entropy, and kl where there was a unigram distribution."""
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
            return _over(s[4] / s[0] - s[1] * s[2] / s[0] ** 2, _variance(s[3] / s[0], s[1] / s[0]))

        return self._beyond(slope, sums, among, generator)

    def correlation_beyond(
        self, one: str, other: str, among: Bool[Tensor, "#neuron token"], *, generator: torch.Generator
    ) -> Against:
        """Correlation of two changes over some tokens, beside the others."""
        x, y = self.change[one], self.change[other]
        sums = self._sums([torch.ones_like(x), x, y, x * x, y * y, x * y], among)

        def correlation(s: Float[Tensor, "sum neuron"]) -> Float[Tensor, " neuron"]:
            n, mx, my = s[0], s[1] / s[0], s[2] / s[0]
            spread = _variance(s[3] / n, mx) * _variance(s[4] / n, my)
            return _over(s[5] / n - mx * my, spread.sqrt())

        return self._beyond(correlation, sums, among, generator)

    def by_loss(
        self, name: str, among: Bool[Tensor, "#neuron token"], *, n_bins: int, generator: torch.Generator
    ) -> Any:
        """Mean change over some tokens in bins of equal mass by clean loss: a pandas table with a row for each bin.

        Columns: loss (mean clean loss of the bin, in nats), change with low and high (of the neuron; NaN where its
        tokens come from fewer than `drawing.FEWEST` sequences), usual (mean over the others), usual_low and usual_high
        (their middle nine tenths)."""
        import pandas

        others, rows = self.sets.neuron.sum(0)[self.unit].double()[1:], []
        for members in self.loss.argsort(stable=True).tensor_split(n_bins):
            some = torch.zeros_like(self.loss, dtype=torch.bool).index_fill(0, members, True) & among
            kept = some.expand_as(self.change[name])
            mean = (self.change[name].double() * kept).sum(1) / kept.sum(1)
            there = mean[1:].isfinite()
            ends = mean[1:][there].quantile(torch.tensor(MIDDLE).double()).tolist() if there.any() else [nan, nan]
            usual = (mean[1:] * others)[there].sum() / others[there].sum()
            own = self._own(name, kept[0], generator)
            rows.append((self.loss[members].mean().item(), mean[0].item(), *own, usual.item(), *ends))
        columns = ["loss", "change", "low", "high", "usual", "usual_low", "usual_high"]
        return pandas.DataFrame(rows, columns=columns)

    def _own(self, name: str, kept: Bool[Tensor, " token"], generator: torch.Generator) -> tuple[float, float]:
        if len(self.sequence[kept].unique()) < drawing.FEWEST:
            return nan, nan
        found = resampling.mean(self.change[name][0, kept], self.sequence[kept], generator=generator)
        return found.low, found.high

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


def _variance(square: Float[Tensor, " neuron"], mean: Float[Tensor, " neuron"]) -> Float[Tensor, " neuron"]:
    """The mean square less the square of the mean, and nought where that is no more than rounding."""
    found = square - mean**2
    return found.where(found > 1e-12 * square, 0)


def _over(part: Float[Tensor, " neuron"], whole: Float[Tensor, " neuron"]) -> Float[Tensor, " neuron"]:
    """NaN where the whole is nought: a neuron whose tokens are all alike has no such number."""
    return torch.where(whole > 0, part / whole.where(whole > 0, 1), torch.nan)


NOT_SEEN = f"fewer than {drawing.FEWEST} sequences hold such a token"


def hedging(found: Lone, *, draw: Callable[[str], torch.Generator]) -> dict[str, Against | str]:
    """Does a neuron hedge more than others like it (Stolfo et al. 2024, C7 and C16)? By claim, in nats: mean change of
    the entropy over all tokens, and of the loss over wrong predictions; where the neuron fires, mean change of the loss
    over right predictions, and the slope of that change on the clean loss. A text where too few sequences can tell."""
    everywhere, wrong = torch.ones_like(found.correct)[None], ~found.correct[None]

    def told(compare: Callable[..., Against], name: str, among: Tensor, claim: str) -> Against | str:
        seen = found.n_sequences(among) >= drawing.FEWEST
        return compare(name, among, generator=draw(claim)) if seen else NOT_SEEN

    return {
        "C7.entropy": told(found.mean_beyond, "entropy", everywhere, "C7.entropy"),
        "C7.loss": told(found.mean_beyond, "loss", wrong, "C7.loss"),
        "C16.correct": told(found.mean_beyond, "loss", found.fires & found.correct, "C16.correct"),
        "C16.slope": told(found.slope_beyond, "loss", found.fires, "C16.slope"),
    }


def lone(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    unit: int,
    *,
    total: Float[Tensor, " neuron"],
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"] | None = None,
    replacement: effects.Replacement | None = None,
    generator: torch.Generator,
) -> Lone:
    """Ablates one neuron, and `N_LIKE` others nearest in total effect, each alone; reads the changes of loss and
    entropy, and with `log_unigram` that of "kl", KL(unigram || model), all in nats. The mean over all positions is put
    in unless `replacement` is given. Raises ValueError as `effects.by_token` does."""
    one = torch.arange(len(total)) == unit
    n_like = min(N_LIKE, len(total) - 1)
    sets = controls.matched(one, total.cpu(), n_sets=1000, generator=generator, nearest=n_like)
    units = torch.cat([torch.tensor([unit]), sets.neuron.any(0).nonzero()[:, 0]])
    activation = model.run(tokens, "activation").activation.to(model.W_out.dtype)
    mean = ablation.mean(activation)
    single = torch.eye(len(total), dtype=torch.bool)[units].to(model.W_out.device)
    found = effects.by_token(
        model,
        tokens,
        sets=single,
        scored=scored,
        log_unigram=log_unigram,
        replacement=mean if replacement is None else replacement,
    )
    read = ("loss", "entropy") if log_unigram is None else ("loss", "entropy", "kl")
    fires = (activation[scored.to(activation.device)] > mean)[:, units.to(activation.device)]
    return Lone(
        unit=units,
        sets=sets,
        loss=found.loss,
        correct=found.reciprocal_rank == 1,
        fires=fires.mT.cpu(),
        change={name: getattr(found, f"{name}_change") for name in read},
        sequence=found.sequence,
    )
