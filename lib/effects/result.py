"""The effects of many ablations, kept as means by sequence, and how sure we are of their means."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import resampling
from lib.resampling import Estimate

QUANTITIES = (
    "total",
    "direct",
    "direct_frequency",
    "loss_change",
    "entropy_change",
    "abs_entropy_change",
    "prediction_change",
    "kl_change",
    "abs_kl_change",
    "reciprocal_rank_change",
)
"""The names of what can be measured, in order."""
OF_FREQUENCY = ("direct_frequency", "frequency_mediated", "kl_change", "abs_kl_change", "kl", "frequency_loss_change")
"""What needs a unigram distribution, of means by sequence and of single tokens."""
MEDIATED = {"norm_mediated": "direct", "frequency_mediated": "direct_frequency"}
"""The effect that is left once the named road is closed."""


@dataclass
class Report:
    """How effects were computed."""

    gear: str
    """eager, fused, cumulant, or recomputed where the closed form does not hold."""
    exact: str = "eager"
    """The exact gear behind the cumulant one, for pairs over tolerance and for its check."""
    pairs: int = 0
    """Pairs of a token and a neuron that the cumulant gear was asked about."""
    routed: int = 0
    """Those among them over tolerance, which went through an exact gear."""
    checked: int = 0
    """Pairs that were computed both ways."""
    largest_error: float = 0.0
    """Of the checked pairs that were left to the cumulant gear, in nats."""
    safety: float = 2.0
    """Factor on the estimated error, grown until no checked pair erred unnoticed."""

    @property
    def routed_share(self) -> float:
        """Share of the pairs that went through an exact gear."""
        return self.routed / max(self.pairs, 1)


class Unmeasured:
    """Says, of what needs a unigram distribution, that none was given."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(without(name) if name in OF_FREQUENCY else f"{type(self).__name__} has no {name!r}")


def without(name: str) -> str:
    """One sentence for who asks for what was not measured."""
    return f"these effects were measured without a unigram distribution; to have {name!r}, pass log_unigram"


@dataclass(frozen=True, kw_only=True)
class Effects(Unmeasured):
    """Mean effects by sequence and neuron (or set); the mean over `n` tokens is the estimand, a sequence its unit.

    A change is ablated less clean. What needs a unigram distribution is in `FrequencyEffects`."""

    total: Float[Tensor, "sequence neuron"]
    """Absolute loss change with the norm free, in nats."""
    direct: Float[Tensor, "sequence neuron"]
    """Absolute loss change with the norm frozen, in nats."""
    loss_change: Float[Tensor, "sequence neuron"]
    """Signed loss change with the norm free, in nats."""
    entropy_change: Float[Tensor, "sequence neuron"]
    """Signed entropy change, in nats."""
    abs_entropy_change: Float[Tensor, "sequence neuron"]
    """Absolute entropy change, in nats."""
    prediction_change: Float[Tensor, "sequence neuron"]
    """Share of tokens whose most likely next token changes."""
    reciprocal_rank_change: Float[Tensor, "sequence neuron"]
    """Signed change of 1 / rank of the true next token, rank 1 being the most likely."""
    n: Int[Tensor, " sequence"]
    """Scored tokens of each sequence."""
    report: Report = field(default_factory=lambda: Report("eager"), compare=False)
    """How the numbers came about."""

    @classmethod
    def quantities(cls) -> tuple[str, ...]:
        """The names of what is measured, in order."""
        own = {field.name for field in fields(cls)}
        return tuple(name for name in QUANTITIES if name in own)

    def mean(self, name: str) -> Float[Tensor, " neuron"]:
        """Mean of one quantity over all scored tokens."""
        weight = (self.n / self.n.sum()).to(self.total)
        return weight @ self._by_sequence(name)

    @property
    def norm_mediated(self) -> Float[Tensor, " neuron"]:
        """1 - mean direct / mean total effect: the share that acts through the final norm; at most 1.

        0 for a neuron without any effect."""
        return mediated(self.mean("direct"), self.mean("total"))

    def interval(
        self, name: str, *, generator: torch.Generator, n_resamples: int = resampling.N_RESAMPLES
    ) -> tuple[Float[Tensor, " neuron"], Float[Tensor, " neuron"]]:
        """Lower and upper end of each neuron's 95 % interval, from resampled sequences.

        `name` is a quantity, or a mediated share, whose two means are then resampled together.
        Raises ValueError with fewer than `drawing.FEWEST` sequences."""
        n = self.n.to(self.total)[:, None]
        if name not in MEDIATED:
            return resampling.intervals(n * self._by_sequence(name), n, generator=generator, n_resamples=n_resamples)
        left, total = n * getattr(self, MEDIATED[name]), n * self.total
        low, high = resampling.intervals(left, total, generator=generator, n_resamples=n_resamples)
        some = self.mean("total") > 0
        return torch.where(some, 1 - high, 0), torch.where(some, 1 - low, 0)

    def estimate(self, name: str, column: int, *, generator: torch.Generator) -> Estimate:
        """One neuron's mean (or mediated share) with its interval; errors as in `interval`."""
        only = torch.arange(self.total.shape[1]) == column
        alone = self.pooled(only)
        low, high = alone.interval(name, generator=generator)
        value = getattr(alone, name) if name in MEDIATED else alone.mean(name)
        return Estimate(value.item(), low.item(), high.item(), int(self.n.sum()), len(self.n))

    def pooled(self, mask: Bool[Tensor, " neuron"]) -> "Effects":
        """The mean over some neurons, as effects of one column. Raises ValueError when there are none."""
        if not mask.any():
            raise ValueError("effects are pooled over at least one neuron, but the mask holds none")
        values = {name: getattr(self, name)[:, mask].mean(1, keepdim=True) for name in self.quantities()}
        return type(self)(**values, n=self.n, report=self.report)

    def table(self, *names: str, generator: torch.Generator) -> Any:
        """A pandas table with a row for each neuron: every named quantity or share, and its interval in columns
        `<name>_low` and `<name>_high`; errors as in `interval`."""
        import pandas

        columns: dict[str, Tensor] = {}
        for name in names:
            low, high = self.interval(name, generator=generator)
            value = getattr(self, name) if name in MEDIATED else self.mean(name)
            columns |= {name: value, f"{name}_low": low, f"{name}_high": high}
        return pandas.DataFrame({name: column.numpy() for name, column in columns.items()})

    def part(self, sequence: Int[Tensor, " some"] | Bool[Tensor, " sequence"]) -> "Effects":
        """Some of the sequences, by position (repetitions allowed) or by mask."""
        values = {name: getattr(self, name)[sequence] for name in self.quantities()}
        return type(self)(**values, n=self.n[sequence], report=self.report)

    def _by_sequence(self, name: str) -> Float[Tensor, "sequence neuron"]:
        if name not in self.quantities():
            known = f"effects hold {', '.join(self.quantities())}, not {name!r}"
            raise ValueError(without(name) if name in OF_FREQUENCY else known)
        return getattr(self, name)


@dataclass(frozen=True, kw_only=True)
class FrequencyEffects(Effects):
    """Effects measured beside a unigram distribution."""

    direct_frequency: Float[Tensor, "sequence neuron"]
    """Absolute loss change with the token-frequency projection frozen, the norm free, in nats."""
    kl_change: Float[Tensor, "sequence neuron"]
    """Signed change of KL(unigram || model), in nats."""
    abs_kl_change: Float[Tensor, "sequence neuron"]
    """Absolute change of KL(unigram || model), in nats."""

    @property
    def frequency_mediated(self) -> Float[Tensor, " neuron"]:
        """1 - mean frequency-frozen / mean total effect; at most 1, and 0 for a neuron without any effect."""
        return self.mediated_along(self.direct_frequency)

    def mediated_along(self, left: Float[Tensor, "sequence neuron"]) -> Float[Tensor, " neuron"]:
        """The same share along another token-frequency direction, of which `direct_frequency` has told what is left."""
        weight = (self.n / self.n.sum()).to(left)
        return mediated(weight @ left, self.mean("total"))


def mediated(left: Float[Tensor, "*neuron"], total: Float[Tensor, "*neuron"]) -> Float[Tensor, "*neuron"]:
    """1 - left / total, and 0 where the total is nought."""
    return torch.where(total > 0, 1 - left / total.where(total > 0, 1), 0)


def shares(effect: Effects, left: str) -> Callable[[Int[Tensor, " draw"]], Float[Tensor, "2 neuron"]]:
    """Of some sequences (repetitions allowed), every neuron's summed effect that is `left` and summed total effect, in
    nats; float64, on the CPU."""
    n = effect.n.double()[:, None]
    both = torch.stack([n * getattr(effect, name).double() for name in (left, "total")])
    return lambda draw: both[:, draw].sum(1)
