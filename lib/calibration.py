r"""Is the confidence earned? Confidence beside accuracy, and the error that is left once noise is taken away.

A model that says 70 % should be right 7 times in 10. Tokens are sorted by top-1 confidence into bins of equal mass and
each bin's accuracy is set beside its confidence (Naeini et al. 2015). The expected calibration error is the mean
distance of the two,

.. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b| ,

and noise can only push it up: a perfectly calibrated model has a positive one. So the estimate asks for which true
gaps the observed error would be an ordinary outcome (a test, inverted; Cox and Hinkley 1974, section 7.2)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import drawing, resampling
from lib.resampling import Estimate

FACTORS = torch.cat([torch.linspace(0, 2, 41), torch.linspace(2.25, 20, 72)]).double()
"""Multiples of the observed gaps that are tried as the true ones."""


@dataclass(frozen=True)
class Reliability:
    """Top-1 confidence beside accuracy, in bins of equal mass."""

    confidence: Float[Tensor, " bins"]
    """Mean confidence of each bin, ascending."""
    accuracy: Float[Tensor, " bins"]
    """Share of tokens of each bin whose most likely token is the true one."""
    count: Int[Tensor, " bins"]
    """Tokens in each bin; any two bins differ by at most one."""

    @property
    def error(self) -> Float[Tensor, ""]:
        """The plain expected calibration error, noise included, in [0, 1]."""
        gap = (self.accuracy - self.confidence).abs()
        return (gap * self.count).sum() / self.count.sum()


def reliability(confidence: Float[Tensor, " token"], correct: Bool[Tensor, " token"], *, n_bins: int) -> Reliability:
    """Sorts tokens by confidence into `n_bins` bins of equal mass.

    Raises ValueError with fewer tokens than bins."""
    bins = _bins(confidence, n_bins)
    return Reliability(
        confidence=torch.stack([confidence[i].mean() for i in bins]),
        accuracy=torch.stack([correct[i].to(confidence.dtype).mean() for i in bins]),
        count=torch.tensor([len(i) for i in bins], device=confidence.device),
    )


def error(
    confidence: Float[Tensor, " token"],
    correct: Bool[Tensor, " token"],
    sequence: Int[Tensor, " token"],
    *,
    n_bins: int,
    generator: torch.Generator,
) -> Estimate:
    """The calibration error without its noise, with its 95 % interval over sequences; 0 where the observed error is
    no larger than a calibrated model's usually is.

    Which true error would make the observed one an ordinary outcome depends on how it is spread over the bins: the
    more evenly, the more of it noise can hide. Three spreads are tried: like the observed gaps, of one size, and nought
    in the bins whose gap is within its noise. The estimate is the error under which the observed one is the mean
    outcome, halfway between the lowest and the highest of the three. The interval reaches from the smallest error under
    which the observed one is not above the 97.5th percentile to the largest under which it is not below the 2.5th.
    Outcomes scatter as the gaps of resampled sequences do.
    Raises ValueError with fewer tokens than bins, and with fewer than `drawing.FEWEST` sequences."""
    _, place = sequence.unique(return_inverse=True)
    short = (correct.double() - confidence.double()).cpu()
    n_sequences = int(place.max()) + 1
    sums = torch.zeros(n_sequences, n_bins + 1, dtype=torch.float64)
    for column, members in enumerate(_bins(confidence, n_bins)):
        sums[:, column].index_add_(0, place[members].cpu(), short[members.cpu()])
    sums[:, -1] = torch.bincount(place.cpu(), minlength=n_sequences)
    whole = sums.mean(0)
    again = drawing.weights(n_sequences, generator=generator) @ sums
    gap = whole[:-1] / whole[-1]
    noise = (n_sequences / (n_sequences - 1)) ** 0.5 * (again[:, :-1] / again[:, -1:] - gap)
    wider = resampling.widening(n_sequences)
    few = gap.where(gap.abs() > 2 * noise.std(0), 0)
    spreads = (gap, gap.sign() * gap.abs().mean(), few if few.any() else gap)
    values, lows, highs = zip(*(_inverted(gap, spread, noise, wider) for spread in spreads), strict=True)
    value, low, high = (min(values) + max(values)) / 2, min(lows), max(highs)
    return Estimate(value, low, high, len(confidence), n_sequences)


def _inverted(
    gap: Float[Tensor, " bins"], spread: Float[Tensor, " bins"], noise: Float[Tensor, "resample bins"], wider: float
) -> tuple[float, float, float]:
    """The errors, spread over bins as `spread` is, under which the observed one is the mean outcome, and at the upper
    and the lower end of the outcomes."""
    observed, spread = gap.abs().sum(), spread * (gap.abs().sum() / spread.abs().sum().clamp(min=1e-300))
    mean, outcome = (
        torch.stack([(factor * spread + by * noise).abs().sum(1) for factor in FACTORS]) for by in (1.0, wider)
    )
    low, high = outcome.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64), dim=1)
    value, lowest, highest = (_crossing(curve - observed) * float(observed) for curve in (mean.mean(1), high, low))
    return value, lowest, highest


def _crossing(above: Float[Tensor, " factor"]) -> float:
    """The smallest factor at which a curve reaches nought, between the tried ones by interpolation; the largest tried
    where it never does."""
    if not (above >= 0).any():
        return FACTORS[-1].item()
    at = int((above >= 0).int().argmax())
    if at == 0:
        return 0.0
    part = -above[at - 1] / (above[at] - above[at - 1])
    return (FACTORS[at - 1] + part * (FACTORS[at] - FACTORS[at - 1])).item()


def _bins(confidence: Float[Tensor, " token"], n_bins: int) -> tuple[Int[Tensor, " some"], ...]:
    if len(confidence) < n_bins:
        raise ValueError(f"{n_bins} bins of equal mass need at least {n_bins} tokens, got {len(confidence)}")
    return confidence.argsort(stable=True).tensor_split(n_bins)
