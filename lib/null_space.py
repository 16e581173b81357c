r"""Directions of the residual stream that the unembedding does not read.

The singular values of the folded unembedding say how strongly it reads each direction. The
effective null space is the span of the `dim` left singular vectors with the smallest values: a
write inside it hardly moves the logits themselves, but it still lengthens the residual stream,
and so the final norm divides everything by more (Stolfo et al. 2024, section 3.3).

`dim` counts the direction that LayerNorm's centring removes exactly: the all-ones vector, whose
singular value is zero. The paper's 12 for GPT-2 small holds 11 directions that can be written to."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import resampling, vocabulary
from lib.resampling import Estimate


@dataclass(frozen=True)
class Values:
    """Singular values of an unembedding."""

    singular_value: Float[Tensor, " d_model"]
    """Descending, non-negative."""
    n_zero: int
    """Exactly zero singular values made by the norm's centring: 1 with LayerNorm, 0 with RMSNorm."""


@dataclass(frozen=True)
class Spectrum(Values):
    """Singular values of an unembedding with the directions of the residual stream that they belong to."""

    direction: Float[Tensor, "d_model d_model"]
    """Column i is the unit vector of the residual stream read with `singular_value[i]`."""


def spectrum(W_U: Float[Tensor, "d_model d_vocab"], *, centres: bool) -> Spectrum:
    """Left singular vectors and values of `W_U`, by the eigenvalues of W_U W_Uᵀ in float64.

    `centres` says whether the norm in front of `W_U` centres, so that one value is exactly zero;
    what rounding leaves of it is set to zero. Raises ValueError on weights that are not finite."""
    return of_gram(vocabulary.gram(W_U), centres=centres)


def of_gram(gram: Float[Tensor, "d_model d_model"], *, centres: bool) -> Spectrum:
    """The spectrum of an unembedding W from W Wᵀ, float64."""
    eigenvalue, direction = torch.linalg.eigh(gram)  # ascending
    return Spectrum(_roots(eigenvalue, centres=centres), int(centres), direction.flip(1))


def values_of_gram(gram: Float[Tensor, "d_model d_model"], *, centres: bool) -> Values:
    """`of_gram` without the directions, which take almost as long as the values."""
    return Values(_roots(torch.linalg.eigvalsh(gram), centres=centres), int(centres))


def _roots(eigenvalue: Float[Tensor, " d_model"], *, centres: bool) -> Float[Tensor, " d_model"]:
    value = eigenvalue.flip(0).clamp(min=0).sqrt()
    if centres:
        value[-1] = 0.0
    return value


def drop(spectrum: Values) -> Float[Tensor, " step"]:
    """Ratio of each singular value to the next smaller one, the exact zero left out; at least 1.

    Values that rounding alone has made count as equal: directions that no column uses form one step, not many."""
    value = spectrum.singular_value[: len(spectrum.singular_value) - spectrum.n_zero]
    value = value.clamp(min=(value[0] * math.sqrt(len(value) * torch.finfo(value.dtype).eps)).item())
    return value[:-1] / value[1:]


def tail_length(d_model: int, *, tail: float) -> int:
    """Directions in the last share `tail` of the spectrum, rounded up."""
    return math.ceil(tail * d_model)


def largest_drop(spectrum: Values, *, tail: float) -> tuple[int, float]:
    """The named rule for `dim`: cut the spectrum at its largest relative drop within its last share `tail`.

    Returns `dim`, the number of directions below the cut (the exact zero counted), and the drop there.
    GPT-2 small's published cut (index 755 of 768, `dim` 12) is of this kind; the paper reads it off a
    figure, the rule and its `tail` are ours. Raises ValueError when the tail holds no two neighbours."""
    d_model = len(spectrum.singular_value)
    candidates = tail_length(d_model, tail=tail) - spectrum.n_zero
    if not 1 <= candidates <= d_model - spectrum.n_zero - 1:
        raise ValueError(
            f"a tail of {tail:g} of {d_model} directions leaves {candidates} places to cut; "
            f"choose it between {(1 + spectrum.n_zero) / d_model:.3f} and 1"
        )
    steps = drop(spectrum)[-candidates:]
    cut = int(steps.argmax())
    return candidates - cut + spectrum.n_zero, steps[cut].item()


def basis(spectrum: Spectrum, *, dim: int) -> Float[Tensor, "d_model dim"]:
    """Orthonormal basis of the effective null space: the `dim` directions that are read least.

    Raises ValueError unless `dim` lies in 1 … d_model - 1."""
    d_model = len(spectrum.singular_value)
    if not 1 <= dim <= d_model - 1:
        raise ValueError(f"null-space dim must lie in 1 … {d_model - 1}, got {dim}")
    return spectrum.direction[:, -dim:]


def effective(spectrum: Spectrum, *, dim: int, tail: float) -> Float[Tensor, "d_model dim"]:
    """The effective null space of `dim` directions, or of as many as `largest_drop` finds when `dim` is 0.

    Raises ValueError as `basis` and `largest_drop` do, and for a `dim` that holds nothing but the direction which the
    norm's centring removes: no neuron can write there."""
    if 0 < dim <= spectrum.n_zero:
        raise ValueError(
            f"with LayerNorm dim counts a direction that nothing is written to, so name 2 or more, got {dim}"
        )
    return basis(spectrum, dim=dim or largest_drop(spectrum, tail=tail)[0])


def rho(w: Float[Tensor, "*write d_model"], null_space: Float[Tensor, "d_model dim"]) -> Float[Tensor, "*write"]:
    """Fraction of each write's norm that lies in `null_space`, in [0, 1] (Stolfo et al. 2024, section 3.3).

    0 for a write of nothing."""
    return (w @ null_space).norm(dim=-1) / w.norm(dim=-1).clamp(min=torch.finfo(w.dtype).tiny)


def chance(*, dim: int, d_model: int, centres: bool) -> float:
    """Root mean square of `rho` over random directions that the final norm lets through.

    With LayerNorm one direction of both the space and the stream is unreachable:
    sqrt((dim - 1) / (d_model - 1)); with RMSNorm sqrt(dim / d_model)."""
    unreachable = int(centres)
    return math.sqrt((dim - unreachable) / (d_model - unreachable))


def halved(
    blocks: Float[Tensor, "block d_model d_model"], half: Bool[Tensor, " block"], *, centres: bool
) -> tuple[Values, Values]:
    """The singular values of one half of the vocabulary and of the other."""
    return values_of_gram(blocks[half].sum(0), centres=centres), values_of_gram(blocks[~half].sum(0), centres=centres)


@dataclass(frozen=True)
class Random:
    """Spectra of unembeddings without structure, and how sharp their largest drop is."""

    singular_value: Float[Tensor, "control d_model"]
    """Descending."""
    drop: Float[Tensor, " half"]
    """Ratio of neighbouring singular values at a cut that was chosen on the other half of the vocabulary."""


def random_spectra(
    W_U: Float[Tensor, "d_model d_vocab"],
    *,
    centres: bool,
    tail: float,
    n_controls: int,
    n_halves: int,
    generator: torch.Generator,
) -> Random:
    """`n_controls` random unembeddings with columns as long as those of `W_U`, each parted into its share of `n_halves`
    halves and treated as `sharpness` treats the model's own. Raises ValueError as `largest_drop` does."""
    halves = vocabulary.halves(W_U.shape[1], n_halves=n_halves, generator=generator)
    values, drops = [], torch.empty(n_halves, dtype=torch.float64)
    for control in range(n_controls):
        blocks = vocabulary.random_grams(W_U, centres=centres, generator=generator)
        values.append(values_of_gram(blocks.sum(0), centres=centres).singular_value)
        some = torch.arange(n_halves) % min(n_controls, n_halves) == control
        if some.any():
            drops[some] = _drops(blocks, halves[some], centres=centres, tail=tail)[1]
    return Random(torch.stack(values), drops)


@dataclass(frozen=True)
class Sharpness:
    """How sharp the largest drop at the end of a spectrum is."""

    dim: Estimate
    """Directions below the cut that the rule makes; the interval is that of halves of the vocabulary."""
    drop: Estimate
    """Ratio of neighbouring singular values at a cut that was chosen on the other half of the vocabulary."""
    over_random: Estimate
    """The same, over that of random unembeddings; 1 for a drop as any spectrum shows."""


def sharpness(
    W_U: Float[Tensor, "d_model d_vocab"],
    random: Random,
    *,
    centres: bool,
    tail: float,
    generator: torch.Generator,
) -> Sharpness:
    """The largest drop within the last share `tail` of the spectrum, measured where it was not chosen.

    The largest of many ratios is large in any spectrum. So the cut is made on one half of the vocabulary and its drop
    read off the other, for as many halves as `random` has, and each is divided by one of a random unembedding; values
    are geometric means over halves, intervals their percentiles (half-samples: McCarthy 1969).
    Raises ValueError as `largest_drop` does."""
    d_vocab, n_halves = W_U.shape[1], len(random.drop)
    halves = vocabulary.halves(d_vocab, n_halves=n_halves, generator=generator)
    blocks = vocabulary.grams(W_U, generator=generator)
    dim, own = _drops(blocks, halves, centres=centres, tail=tail)
    whole = largest_drop(values_of_gram(blocks.sum(0), centres=centres), tail=tail)[0]
    drop, over = (resampling.percentile(x.log().mean().exp().item(), x, n=d_vocab) for x in (own, own / random.drop))
    return Sharpness(resampling.percentile(float(whole), dim, n=d_vocab), drop, over)


def _drops(
    blocks: Float[Tensor, "block d_model d_model"], halves: Bool[Tensor, "half block"], *, centres: bool, tail: float
) -> tuple[Float[Tensor, " half"], Float[Tensor, " half"]]:
    """For each half its `dim`, and the drop at that cut in the other half."""
    found = []
    for half in halves:
        one, other = halved(blocks, half, centres=centres)
        dim, _ = largest_drop(one, tail=tail)
        found.append((float(dim), drop(other)[-(dim - one.n_zero)].item()))
    dims, drops = torch.tensor(found, dtype=torch.float64).unbind(1)
    return dims, drops
