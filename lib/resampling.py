r"""How sure are we of a number? Intervals over sequences that cover as often as they say, also when there are few.

Tokens of one sequence share a topic and a narrator, so they are not independent draws; the sequences are. Every
interval of a text statistic resamples whole sequences. With eight or sixteen of them the plain percentile interval is
too narrow, so better rules are used:

- smooth functions of means (means, ratios, shares): the *bootstrap-t* interval (Efron 1982; Hall 1992, chapter 3).
  Every resample is divided by its own standard error, by the delta method, so that a skewed statistic gets a skewed
  interval;
- any other statistic: the *expanded percentile* interval (Hesterberg 2015, section 3.3), whose level is raised as
  Student's t raises it;
- a correlation between means of sequences: the *jackknife* interval (Efron and Tibshirani 1993, chapter 11) on Fisher's
  scale. Resamples hold the same noise twice, so their correlations are all lower than that of the text itself.

The largest of several noisy numbers is no smooth statistic: it is chosen on one half of the sequences and measured on
the other (`largest`). A statistic of weights has no sequences; it is computed on halves of the vocabulary
(`drawing.halves`). Nothing is said about fewer than `FEWEST` sequences."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import drawing
from lib.drawing import FEWEST, N_RESAMPLES

LEVEL = 0.95
LEAST_ERROR = 0.2
"""Smallest standard error of a resample, as a share of the sample's."""
_ALMOST_ONE = 1 - 1e-12
COLUMNS = 2048
"""Columns whose resamples are held at once."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    """Tokens behind the number."""
    n_sequences: int

    def __repr__(self) -> str:
        counts = f"{self.n:,} tokens in {self.n_sequences} sequences" if self.n_sequences > 1 else f"of {self.n:,}"
        return f"{self.value:.3f}  [{self.low:.3f}, {self.high:.3f}]  ({counts})"


def mean(
    value: Float[Tensor, " token"],
    sequence: Int[Tensor, " token"],
    *,
    generator: torch.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Estimate:
    """Mean over tokens, with its bootstrap-t interval over sequences. Raises ValueError as `ratio` does."""
    return ratio(value, torch.ones_like(value), sequence, generator=generator, n_resamples=n_resamples)


def ratio(
    top: Float[Tensor, " token"],
    bottom: Float[Tensor, " token"],
    sequence: Int[Tensor, " token"],
    *,
    generator: torch.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Estimate:
    """Ratio of two means over tokens, with its bootstrap-t interval over sequences.

    Raises ValueError with fewer than `FEWEST` sequences, or when the ratio is not finite."""
    _, place = sequence.unique(return_inverse=True)
    both = torch.stack([top, bottom], dim=1).double().cpu()
    sums = both.new_zeros(int(place.max()) + 1, 2).index_add_(0, place.cpu(), both)
    return of_means(lambda m: m[:, 0] / m[:, 1], sums, n=len(top), generator=generator, n_resamples=n_resamples)


def of_means(
    statistic: Callable[[Float[Tensor, "resample ..."]], Float[Tensor, " resample"]],
    value: Float[Tensor, "sequence ..."],
    *,
    n: int,
    generator: torch.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Estimate:
    """A statistic of the means of some columns over sequences, with its interval; `n` tokens are behind them.

    `statistic` takes the means of many resamples at once and returns one number for each. Where torch can
    differentiate it the interval is bootstrap-t; where it cannot (it counts or ranks), expanded percentile.
    Raises ValueError with fewer than `FEWEST` sequences, or when the statistic is not finite."""
    value = value.double().cpu()
    weight = drawing.weights(len(value), generator=generator, n_resamples=n_resamples)
    whole, error = _with_error(statistic, value, torch.full_like(weight[:1], 1 / len(value)))
    if not whole.isfinite().all():
        raise ValueError(f"the statistic of {n} tokens is {whole.item()}, not a finite number")
    again, errors = _with_error(statistic, value, weight)
    if error is None or errors is None:
        low, high = expanded_percentiles(again[:, None], n_sequences=len(value))
    else:
        low, high = studentised(whole, error, again[:, None], errors[:, None])
    return Estimate(whole.item(), low.item(), high.item(), n, len(value))


def mean_of_sequences(value: Float[Tensor, " sequence"], *, n: int, generator: torch.Generator) -> Estimate:
    """Mean over sequences of equal weight, with its bootstrap-t interval; `n` tokens are behind it. Errors as in
    `of_means`."""
    return of_means(lambda mean: mean, value, n=n, generator=generator)


def _with_error(
    statistic: Callable[[Tensor], Tensor], value: Float[Tensor, "sequence ..."], weight: Float[Tensor, "_ sequence"]
) -> tuple[Float[Tensor, " _"], Float[Tensor, " _"] | None]:
    """The statistic under some weights of the sequences and its standard error by the delta method: the gradient
    says how far each sequence moves it. None where there is no gradient."""
    with torch.enable_grad():
        flat = value.reshape(len(value), -1)
        means = (weight @ flat).requires_grad_()
        found = statistic(means.view(len(weight), *value.shape[1:]))
        if not found.requires_grad:
            return found, None
        (gradient,) = torch.autograd.grad(found.sum(), means)
    moved = gradient @ flat.mT - (gradient * means.detach()).sum(1, keepdim=True)
    return found.detach(), ((weight * moved.square()).sum(1) / (len(value) - 1)).sqrt()


def estimate(
    statistic: Callable[[Int[Tensor, " token"]], Float[Tensor, ""]],
    sequence: Int[Tensor, " token"],
    *,
    generator: torch.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Estimate:
    """Any `statistic` of tokens, with its expanded percentile interval from resampled sequences.

    `statistic` takes token positions (with repetitions) and returns one number; `sequence` gives each token's
    sequence. Not for the largest of several numbers or for sums of absolute values: see `largest` and `calibration`.
    Raises ValueError with fewer than `FEWEST` sequences, or when the statistic is not finite."""
    members = [torch.nonzero(sequence == s)[:, 0] for s in sequence.unique()]
    drawn = drawing.draws(len(members), generator=generator, n_resamples=n_resamples)
    value = statistic(torch.arange(len(sequence)))
    if not value.isfinite():
        raise ValueError(f"the statistic of {len(sequence)} tokens is {value.item()}, not a finite number")
    again = torch.stack([statistic(torch.cat([members[s] for s in draw])) for draw in drawn.tolist()])
    low, high = expanded_percentiles(again[:, None].double().cpu(), n_sequences=len(members))
    return Estimate(value.item(), low.item(), high.item(), len(sequence), len(members))


def correlation(
    statistic: Callable[[Int[Tensor, " some"]], Float[Tensor, ""]], *, n_sequences: int, n: int
) -> Estimate:
    """A correlation between means over sequences, with its jackknife interval on Fisher's scale: how far it would be
    off on other texts of the same length, whose means are as noisy. It errs on the wide side.

    `statistic` takes the numbers of some sequences and gives a correlation in [-1, 1]; `n` tokens are behind it.
    Raises ValueError with fewer than `FEWEST` sequences, or when the correlation is not finite."""
    from scipy.stats import t

    drawing.enough(n_sequences)
    every = torch.arange(n_sequences)
    found = torch.stack([statistic(every), *(statistic(every[every != one]) for one in range(n_sequences))]).double()
    if not found.isfinite().all():
        raise ValueError(f"the correlation over {n_sequences} sequences is {found[0].item()}, not a finite number")
    z, *without_one = found.clamp(-_ALMOST_ONE, _ALMOST_ONE).atanh().cpu()
    error = torch.stack(without_one).std(correction=0) * sqrt(n_sequences - 1)
    far = float(t.ppf((1 + LEVEL) / 2, n_sequences - 1)) * error
    value, low, high = (end.tanh().item() for end in (z, z - far, z + far))
    return Estimate(value, low, high, n, n_sequences)


def intervals(
    top: Float[Tensor, "sequence column"],
    bottom: Float[Tensor, "#sequence #column"] | None = None,
    *,
    generator: torch.Generator,
    n_resamples: int = N_RESAMPLES,
) -> tuple[Float[Tensor, " column"], Float[Tensor, " column"]]:
    """Lower and upper ends of the bootstrap-t intervals of every column's mean over sequences, or of the ratio of its
    mean to that of `bottom`; 0 where that is nought. Raises ValueError with fewer than `FEWEST` sequences."""
    top = top.double().cpu()
    bottom = torch.ones_like(top) if bottom is None else bottom.double().cpu().expand_as(top)
    weight = drawing.weights(len(top), generator=generator, n_resamples=n_resamples)
    evenly = torch.full_like(weight[:1], 1 / len(top))
    ends = []
    for some in torch.arange(top.shape[1]).split(COLUMNS):
        whole, error = _ratios(top[:, some], bottom[:, some], evenly)
        ends.append(studentised(whole[0], error[0], *_ratios(top[:, some], bottom[:, some], weight)))
    low, high = (torch.cat(end) for end in zip(*ends, strict=True))
    return low, high


def _ratios(
    x: Float[Tensor, "sequence column"], y: Float[Tensor, "sequence column"], weight: Float[Tensor, "_ sequence"]
) -> tuple[Float[Tensor, "_ column"], Float[Tensor, "_ column"]]:
    """Ratios of weighted means and their standard errors (Cochran 1977, section 6.4)."""
    below = weight @ y
    found = torch.where(below > 0, weight @ x / below.where(below > 0, 1), 0)
    squares = weight @ x.square() - 2 * found * (weight @ (x * y)) + found.square() * (weight @ y.square())
    return found, squares.clamp(min=0).div(len(x) - 1).sqrt() / below.where(below > 0, 1)


def studentised(
    whole: Float[Tensor, " column"],
    error: Float[Tensor, " column"],
    again: Float[Tensor, "resample column"],
    errors: Float[Tensor, "resample column"],
) -> tuple[Float[Tensor, " column"], Float[Tensor, " column"]]:
    """Bootstrap-t intervals: `whole` less the quantiles of (again - whole) / errors times its own standard error.

    Where one sequence makes all the difference, a resample without it has next to no spread of its own, and its t would
    know no bound; so no resample's error counts as less than `LEAST_ERROR` of the whole's."""
    t = (again - whole) / torch.maximum(errors, LEAST_ERROR * error)
    low, high = t.nanquantile(_tails(LEVEL), dim=0).nan_to_num(0.0)
    return whole - high * error, whole - low * error


def expanded_percentiles(
    again: Float[Tensor, "resample column"], *, n_sequences: int
) -> tuple[Float[Tensor, " column"], Float[Tensor, " column"]]:
    """Percentiles of the resamples at the level that makes a normal mean of `n_sequences` values cover 95 %.

    Resamples that are not finite are left out."""
    from scipy.stats import norm

    far = sqrt(n_sequences / (n_sequences - 1)) * widening(n_sequences) * norm.ppf((1 + LEVEL) / 2)
    kept = again.where(again.isfinite(), torch.nan)
    low, high = kept.nanquantile(_tails(1 - 2 * norm.cdf(-far)), dim=0)
    return low, high


def widening(n_sequences: int) -> float:
    """How much farther out Student's t has its quantiles than a normal distribution."""
    from scipy.stats import norm, t

    return float(t.ppf((1 + LEVEL) / 2, n_sequences - 1) / norm.ppf((1 + LEVEL) / 2))


def _tails(level: float) -> Float[Tensor, "2"]:
    return torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)


def largest(value: Float[Tensor, "sequence column"], *, n: int, generator: torch.Generator) -> tuple[int, Estimate]:
    """Which column has the largest mean, and how large that is: chosen on the sequences of even number, measured on
    the others (Cox 1975), since the largest of many noisy means is too large by itself.

    `n` tokens are behind the measured half. Raises ValueError when that holds fewer than `FEWEST` sequences."""
    column = int(value[::2].mean(0).argmax())
    return column, of_means(lambda m: m[:, 0], value[1::2, column, None], n=n, generator=generator)


def percentile(value: float, again: Float[Tensor, " draw"], *, n: int, n_sequences: int = 1) -> Estimate:
    """A number with the percentile interval of draws that were made elsewhere: halves of a vocabulary, shuffles, …

    Its ends are draws, the k-th from below and from above with k the whole part of 2.5 % of one more than there are, so
    that a draw like the others lies beyond an end no more often than that (Davison and Hinkley 1997, section 4.2).
    `n` is the number of things behind it."""
    sorted_draws, tail = again.double().cpu().sort().values, (1 - LEVEL) / 2
    rank = max(1, int(tail * (len(sorted_draws) + 1)))
    return Estimate(value, sorted_draws[rank - 1].item(), sorted_draws[-rank].item(), n, n_sequences)


def scatter(value: float, halves: Float[Tensor, " draw"], *, n: int) -> Estimate:
    """A number of the whole with the interval of its values on halves, moved to lie about it.

    Halves say how far such a number scatters. Where it depends on how many things there are, as the end of a spectrum
    does on the tokens of a vocabulary, they are all off to one side, and an interval of their own would miss it."""
    return percentile(value, halves.double() - halves.double().mean() + value, n=n)


def share(hits: int, n: int) -> Estimate:
    """A share of `n` independent cases with its exact interval (Clopper and Pearson 1934); cases that were asked
    twice are not independent.

    Raises ValueError unless 0 <= hits <= n and there is a case at all."""
    from scipy.stats import binomtest

    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"a share needs hits between 0 and the number of cases, got {hits} of {n}")
    interval = binomtest(hits, n).proportion_ci(LEVEL, method="exact")
    return Estimate(hits / n, float(interval.low), float(interval.high), n, n)


def binned(
    by: Float[Tensor, " token"],
    value: Float[Tensor, " token"],
    sequence: Int[Tensor, " token"],
    *,
    n_bins: int,
    generator: torch.Generator,
) -> list[tuple[float, float, float, float]]:
    """Sorts tokens by `by` into bins of equal mass; for each the means of `by` and `value`, and the latter's interval.

    A bin with tokens of fewer than `FEWEST` sequences has no interval (NaN). Raises ValueError with fewer tokens than
    bins."""
    if len(by) < n_bins:
        raise ValueError(f"{n_bins} bins of equal mass need at least {n_bins} tokens, got {len(by)}")
    bins = []
    for members in by.argsort(stable=True).tensor_split(n_bins):
        low = high = float("nan")
        if len(sequence[members].unique()) >= FEWEST:
            found = mean(value[members], sequence[members], generator=generator)
            low, high = found.low, found.high
        bins.append((by[members].mean().item(), value[members].mean().item(), low, high))
    return bins
