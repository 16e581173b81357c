"""How sure are we of a number? Bootstrap intervals over sequences.

Tokens of one sequence share a topic and a narrator, so they are not independent draws; the
sequences are. Every interval in the book resamples whole sequences with replacement."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Float, Int
from torch import Tensor

LEVEL = 0.95
N_RESAMPLES = 1000


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
        counts = f"{self.n:,} tokens in {self.n_sequences} sequences"
        return f"{self.value:.3f}  [{self.low:.3f}, {self.high:.3f}]  ({counts})"


def estimate(
    statistic: Callable[[Int[Tensor, " token"]], Float[Tensor, ""]],
    sequence: Int[Tensor, " token"],
    *,
    generator: torch.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Estimate:
    """`statistic` of all tokens, with an interval from resampled sequences.

    `statistic` takes token positions (with repetitions) and returns one number; `sequence` gives each
    token's sequence. The interval is Efron's bias-corrected percentile interval (1981), which matters for
    statistics such as the calibration error that noise can only push up.
    Raises ValueError with fewer than two sequences, or when the statistic is not finite."""
    members = [torch.nonzero(sequence == s)[:, 0] for s in sequence.unique()]
    if len(members) < 2:
        raise ValueError(
            f"an interval over sequences needs at least 2 sequences with scored tokens, got {len(members)}"
        )
    value = statistic(torch.arange(len(sequence)))
    if not value.isfinite():
        raise ValueError(f"the statistic of {len(sequence)} tokens is {value.item()}, not a finite number")
    drawn = torch.randint(len(members), (n_resamples, len(members)), generator=generator)
    resampled = torch.stack([statistic(torch.cat([members[s] for s in draw])) for draw in drawn.tolist()])
    low, high = bias_corrected_interval(value, resampled)
    return Estimate(value.item(), low, high, len(sequence), len(members))


def mean(
    value: Float[Tensor, " token"],
    sequence: Int[Tensor, " token"],
    *,
    generator: torch.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Estimate:
    """Mean over tokens, with an interval from resampled sequences."""
    return estimate(lambda tokens: value[tokens].mean(), sequence, generator=generator, n_resamples=n_resamples)


def binned(
    by: Float[Tensor, " token"],
    value: Float[Tensor, " token"],
    sequence: Int[Tensor, " token"],
    *,
    n_bins: int,
    generator: torch.Generator,
) -> list[tuple[float, float, float, float]]:
    """Sorts tokens by `by` into bins of equal mass; for each the means of `by` and `value`, and the latter's interval.

    Raises ValueError with fewer tokens than bins, and as `estimate` does."""
    if len(by) < n_bins:
        raise ValueError(f"{n_bins} bins of equal mass need at least {n_bins} tokens, got {len(by)}")
    bins = []
    for members in by.argsort(stable=True).tensor_split(n_bins):
        found = mean(value[members], sequence[members], generator=generator)
        bins.append((by[members].mean().item(), found.value, found.low, found.high))
    return bins


def resampled_means(
    value: Float[Tensor, "sequence ..."], *, generator: torch.Generator, n_resamples: int = N_RESAMPLES
) -> Float[Tensor, "resample ..."]:
    """Means over as many sequences as there are, drawn with replacement anew for each resample; float64.

    Raises ValueError with fewer than two sequences."""
    n_sequences = len(value)
    if n_sequences < 2:
        raise ValueError(f"an interval over sequences needs at least 2 sequences, got {n_sequences}")
    drawn = torch.randint(n_sequences, (n_resamples, n_sequences), generator=generator)
    weight = torch.zeros(n_resamples, n_sequences, dtype=torch.float64)
    weight.scatter_add_(1, drawn, torch.full(drawn.shape, 1 / n_sequences, dtype=torch.float64))
    return (weight @ value.reshape(n_sequences, -1).double().cpu()).view(n_resamples, *value.shape[1:])


def of_means(
    statistic: Callable[[Float[Tensor, "resample ..."]], Float[Tensor, " resample"]],
    value: Float[Tensor, "sequence ..."],
    *,
    n: int,
    generator: torch.Generator,
) -> Estimate:
    """A statistic of the means of some columns over sequences of equal weight, with its interval.

    `statistic` takes the means of many resamples at once and returns one number for each; `n` tokens are behind them.
    Raises ValueError with fewer than two sequences, or when the statistic is not finite."""
    resampled = statistic(resampled_means(value, generator=generator))
    whole = statistic(value.double().cpu().mean(0, keepdim=True))[0]
    if not whole.isfinite():
        raise ValueError(f"the statistic of {n} tokens is {whole.item()}, not a finite number")
    return Estimate(whole.item(), *bias_corrected_interval(whole, resampled), n, len(value))


def intervals(
    value: Float[Tensor, "sequence column"], *, generator: torch.Generator
) -> tuple[Float[Tensor, " column"], Float[Tensor, " column"]]:
    """Lower and upper ends of the intervals of every column's mean over sequences of equal weight."""
    means = zip(value.double().cpu().mean(0), resampled_means(value, generator=generator).mT, strict=True)
    low, high = torch.tensor([bias_corrected_interval(mean, resampled) for mean, resampled in means]).unbind(1)
    return low, high


def percentile(value: float, resampled: Float[Tensor, " resample"], *, n: int, n_sequences: int = 1) -> Estimate:
    """A number with the percentile interval of resamples that were drawn elsewhere: of a vocabulary, say, or of
    control sets; `n` is the number of things behind it."""
    tails = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64, device=resampled.device)
    low, high = resampled.double().quantile(tails).tolist()
    return Estimate(value, low, high, n, n_sequences)


def bias_corrected_interval(
    value: Float[Tensor, ""], resampled: Float[Tensor, " resample"], *, level: float = LEVEL
) -> tuple[float, float]:
    """Percentiles of the resamples, moved by twice the (normal) quantile at which `value` sits among them."""
    resampled, normal = resampled[resampled.isfinite()], NormalDist()
    below = (resampled < value).double().mean() + (resampled == value).double().mean() / 2
    edge = 1 / (len(resampled) + 1)
    shift = 2 * normal.inv_cdf(below.clamp(edge, 1 - edge).item())
    tail = (1 - level) / 2
    at = [normal.cdf(shift + normal.inv_cdf(p)) for p in (tail, 1 - tail)]
    low, high = resampled.double().quantile(torch.tensor(at, dtype=torch.float64, device=resampled.device)).tolist()
    return low, high


def share(hits: int, n: int) -> Estimate:
    """A share of `n` independent cases with its exact interval (Clopper and Pearson 1934).

    Raises ValueError unless 0 <= hits <= n and there is a case at all."""
    from scipy.stats import binomtest

    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"a share needs hits between 0 and the number of cases, got {hits} of {n}")
    interval = binomtest(hits, n).proportion_ci(LEVEL, method="exact")
    return Estimate(hits / n, float(interval.low), float(interval.high), n, n)
