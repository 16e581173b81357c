r"""Joint moments and cumulants of logits and writes under the clean distribution, for every token and neuron.

With Z and L a token's logits without and with their bias, each about its own mean under the clean distribution p,
\(\mathbb{E}_p[L^r Z^a U^b]\) is for all tokens and neurons at once the matrix product of \(p L^r Z^a\) with
\(U^b\): an exponential for each token, but none for each pair. The vocabulary is walked through in slices."""

from dataclasses import dataclass
from math import comb

import torch
from jaxtyping import Float
from torch import Tensor

ORDER = 4
"""Moments of this order are the highest that are used."""
LEFT = [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (0, 3), (1, 2)]
"""Powers (r, a) of the left factor, so ordered that b = 1, 2, 3, 4 need the first 7, 5, 3, 1 of them."""
BEYOND = [(0, 4), (1, 3)]
"""Powers that no product needs, each one Z more than the last two."""
COUNT = {1: 7, 2: 5, 3: 3, 4: 1}
FULL = {1: 3, 2: 1}
"""How many of them are of order 2 at most, which are taken in full precision."""
SLICE = 4096
"""Entries of the vocabulary in a slice, at most."""
LEFT_CELLS = 2**25
"""Numbers that the left factors of a slice may hold together."""
Moments = dict[tuple[int, int, int], Tensor]
"""By (r, a, b), each of shape token by neuron, or token by 1 where b = 0."""


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
    return max(64, min(SLICE, LEFT_CELLS // (len(LEFT) * n_tokens)))


def short(like: Tensor) -> torch.dtype:
    """The type in which products of order 3 and above are taken."""
    return torch.bfloat16 if like.dtype == torch.float32 and half_precision(like.device) else like.dtype


def raw(sources: Sources) -> tuple[Moments, Float[Tensor, " token"]]:
    """The moments E_p[L^r Z^a U^b] with r at most 1 and r + a + b at most `ORDER`, and E_p[z].

    U is as it comes here, not about its mean. Third orders and above are small corrections: bfloat16 does for
    their products where the hardware has it."""
    n_tokens, n_neurons = len(sources.z), len(sources.U)
    mean_z, mean_l = _means(sources)
    type_above, n_entries = short(sources.z), width(n_tokens)
    product = {b: sources.z.new_zeros(count, n_tokens, n_neurons) for b, count in COUNT.items()}
    alone, beyond = sources.z.new_zeros(len(LEFT), n_tokens), sources.z.new_zeros(2, n_tokens)
    for start in range(0, sources.z.shape[1], n_entries):
        at = slice(start, start + n_entries)
        Z = sources.z[:, at] - mean_z[:, None]
        left = _left(sources.log_p[:, at], Z, mean_l)
        alone += left.sum(-1)
        beyond += (left[-2:] * Z).sum(-1)
        _add_products(product, left, sources.U[:, at], type_above)
    moments = {(r, a, 0): value[:, None] for (r, a), value in zip([*LEFT, *BEYOND], [*alone, *beyond], strict=True)}
    for b, count in COUNT.items():
        moments |= {(*LEFT[i], b): product[b][i] for i in range(count)}
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
    log_p: Float[Tensor, "token slice"], Z: Float[Tensor, "token slice"], mean_l: Float[Tensor, " token"]
) -> Float[Tensor, "power token slice"]:
    """The left factors, each made of an earlier one, in place."""
    left = Z.new_empty(len(LEFT), *Z.shape)
    p, pZ, pL, pZZ, pLZ, pZZZ, pLZZ = left
    torch.exp(log_p, out=p)
    torch.mul(p, Z, out=pZ)
    torch.sub(log_p, mean_l[:, None], out=pL).mul_(p)
    for shorter, longer in ((pZ, pZZ), (pL, pLZ), (pZZ, pZZZ), (pLZ, pLZZ)):
        torch.mul(shorter, Z, out=longer)
    return left


def _add_products(
    product: dict[int, Float[Tensor, "power token neuron"]],
    left: Float[Tensor, "power token slice"],
    U: Float[Tensor, "neuron slice"],
    type_above: torch.dtype,
) -> None:
    """Adds a slice's share: in full precision up to order 2, in `type_above` above."""
    left_short, power = left.to(type_above), U
    for b, total in product.items():
        n_full = FULL.get(b, 0) if type_above != U.dtype else len(total)
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


def along(moments: Moments, r: int, order: int, shrink: Tensor, free: Tensor) -> Float[Tensor, "token neuron"]:
    """E_p[L^r X^order] for X = shrink * Z + free * U, from central moments."""
    terms = [comb(order, b) * shrink ** (order - b) * free**b * moments[r, order - b, b] for b in range(order + 1)]
    return sum(terms[1:], terms[0])
