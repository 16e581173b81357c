r"""Joint moments and cumulants of logits and writes under the clean distribution, for every token and neuron.

With Z and L a token's logits without and with their bias, each about its own mean under the clean distribution p,
\(\mathbb{E}_p[L^r Z^a U^b]\) is for all tokens and neurons at once the matrix product of \(p L^r Z^a\) with
\(U^b\): an exponential for each token, but none for each pair. The vocabulary is walked through in slices."""

from dataclasses import dataclass
from math import comb

import torch
from jaxtyping import Float
from torch import Tensor

from lib import memory

ORDER = 4
"""Moments of this order are the highest that are used."""
SLICE = 4096
"""Entries of the vocabulary in a slice, at most."""
Moments = dict[tuple[int, int, int], Tensor]
"""By (r, a, b), each of shape token by neuron, or token by 1 where b = 0."""


@dataclass(frozen=True)
class Powers:
    """Which powers of L and Z meet which of U."""

    left: tuple[tuple[int, int], ...]
    """Powers (r, a) of the left factor, so ordered that each b needs the first `count[b]` of them."""
    beyond: tuple[tuple[int, int], ...]
    """Powers that no product needs, each one Z more than the last ones of `left`."""
    count: dict[int, int]
    full: dict[int, int]
    """How many of them are of order 2 at most, which are taken in full precision."""


OF_Z = Powers(((0, 0), (0, 1), (0, 2), (0, 3)), ((0, 4),), {1: 4, 2: 3, 3: 2, 4: 1}, {1: 2, 2: 1})
"""Ten products: what the growth of a log-sum-exp needs, and the entropy too where there is no bias (`without_bias`)."""
OF_BOTH = Powers(
    ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (0, 3), (1, 2)),
    ((0, 4), (1, 3)),
    {1: 7, 2: 5, 3: 3, 4: 1},
    {1: 3, 2: 1},
)
"""Sixteen products, with those that the entropy needs where L and Z differ."""


@dataclass(frozen=True)
class Sources:
    """What moments are taken of."""

    log_p: Float[Tensor, "token d_vocab"]
    z: Float[Tensor, "token d_vocab"]
    U: Float[Tensor, "neuron d_vocab"]


def half_precision(device: torch.device) -> bool:
    """Whether products in bfloat16 are a gain here: with the processor's own instructions, or on a GPU."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported()
    return device.type == "cuda"


def precision(like: Tensor) -> float:
    """The relative rounding of products of order 3 and above."""
    return 2.0**-8 if short(like) == torch.bfloat16 else 8 * torch.finfo(like.dtype).eps


def width(n_tokens: int) -> int:
    """Entries of the vocabulary in a slice."""
    return max(64, min(SLICE, memory.rows(len(OF_BOTH.left) * n_tokens)))


def short(like: Tensor) -> torch.dtype:
    """The type in which products of order 3 and above are taken."""
    return torch.bfloat16 if like.dtype == torch.float32 and half_precision(like.device) else like.dtype


def raw(sources: Sources, powers: Powers) -> tuple[Moments, Float[Tensor, " token"]]:
    """The moments E_p[L^r Z^a U^b] of these powers with r + a + b at most `ORDER`, and E_p[z].

    U is as it comes here, not about its mean. Third orders and above are small corrections: bfloat16 does for
    their products where the hardware has it."""
    n_tokens, n_neurons = len(sources.z), len(sources.U)
    mean_z, mean_l = _means(sources)
    type_above, n_entries = short(sources.z), width(n_tokens)
    product = {b: sources.z.new_zeros(count, n_tokens, n_neurons) for b, count in powers.count.items()}
    alone, beyond = (sources.z.new_zeros(len(some), n_tokens) for some in (powers.left, powers.beyond))
    for start in range(0, sources.z.shape[1], n_entries):
        at = slice(start, start + n_entries)
        Z = sources.z[:, at] - mean_z[:, None]
        left = _left(powers, sources.log_p[:, at], Z, mean_l)
        alone += left.sum(-1)
        beyond += (left[-len(beyond) :] * Z).sum(-1)
        _add_products(product, powers.full, left, sources.U[:, at], type_above)
    each = (*powers.left, *powers.beyond)
    moments = {(r, a, 0): value[:, None] for (r, a), value in zip(each, [*alone, *beyond], strict=True)}
    for b, count in powers.count.items():
        moments |= {(*powers.left[i], b): product[b][i] for i in range(count)}
    return moments, mean_z


def _means(sources: Sources) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"]]:
    """Means of z and of log p under p, by slices."""
    mean_z, mean_l = sources.z.new_zeros(2, len(sources.z))
    for z, log_p in zip(sources.z.split(SLICE, 1), sources.log_p.split(SLICE, 1), strict=True):
        p = log_p.exp()
        mean_z += (p * z).sum(-1)
        mean_l += (p * log_p).sum(-1)
    return mean_z, mean_l


def _left(
    powers: Powers,
    log_p: Float[Tensor, "token slice"],
    Z: Float[Tensor, "token slice"],
    mean_l: Float[Tensor, " token"],
) -> Float[Tensor, "power token slice"]:
    """The left factors, each made of an earlier one, in place."""
    left = Z.new_empty(len(powers.left), *Z.shape)
    made = dict(zip(powers.left, left, strict=True))
    p = torch.exp(log_p, out=made[0, 0])
    if (1, 0) in made:
        torch.sub(log_p, mean_l[:, None], out=made[1, 0]).mul_(p)
    for (r, a), longer in made.items():
        if a > 0:
            torch.mul(made[r, a - 1], Z, out=longer)
    return left


def _add_products(
    product: dict[int, Float[Tensor, "power token neuron"]],
    full: dict[int, int],
    left: Float[Tensor, "power token slice"],
    U: Float[Tensor, "neuron slice"],
    type_above: torch.dtype,
) -> None:
    """Adds a slice's share: in full precision up to order 2, in `type_above` above."""
    left_short, power = left.to(type_above), U
    for b, total in product.items():
        n_full = full.get(b, 0) if type_above != U.dtype else len(total)
        total[:n_full].flatten(0, 1).addmm_(left[:n_full].flatten(0, 1), power.mT)
        if n_full < len(total):
            above = left_short[n_full : len(total)].flatten(0, 1) @ power.to(type_above).mT
            total[n_full:] += above.view_as(total[n_full:])
        power = power * U


def central(moments: Moments) -> Moments:
    """The same moments with U about its own mean at each token."""
    mu = moments[0, 0, 1]
    powers = {key[:2] for key in moments}
    moved = {}
    for r, a in powers:
        for b in range(ORDER + 1 - r - a):
            terms = [comb(b, j) * (-mu) ** (b - j) * moments[r, a, j] for j in range(b + 1)]
            moved[r, a, b] = sum(terms[1:], terms[0])
    return moved


def without_bias(moments: Moments) -> Moments:
    """Moments of Z alone with those of L beside them, where the logits have no bias: there L is Z."""
    return moments | {(1, a - 1, b): value for (r, a, b), value in moments.items() if r == 0 and a > 0}


def along(moments: Moments, r: int, order: int, shrink: Tensor, free: Tensor) -> Float[Tensor, "token neuron"]:
    """E_p[L^r X^order] for X = shrink * Z + free * U, from central moments."""
    terms = [comb(order, b) * shrink ** (order - b) * free**b * moments[r, order - b, b] for b in range(order + 1)]
    return sum(terms[1:], terms[0])
