"""The exact gears: for every token and neuron an exponential of every logit, on tiles that fit the cache.

Layout decides the speed. Both gears hold a tile of some tokens times the vocabulary and go through the neurons;
a three-dimensional block of tokens, neurons and vocabulary would be many times slower. The eager gear works in
two buffers, in place. The fused gear has the compiler make one pass of the multiplication, the exponential and
all sums; where that cannot be had, it hands over to the eager gear, once, and says why."""

import inspect
import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.effects.block import PER_PAIR, Block, Writes

CELLS = 2**21
"""Logits of a tile: 8 MiB in float32."""
FAR = 30.0
"""A log-sum-exp is shifted before it is taken where its largest entry is further from 0, in nats."""
REGISTER_BITS = {"DEFAULT": 1, "AVX2": 256, "AVX512": 512}
"""Width of the vector registers that torch's own kernels use here; another processor is asked for what it has."""
Found = dict[str, Tensor]
"""By the names of `PER_PAIR`, each of shape token by neuron."""
Tile = Callable[..., Tensor]
log = logging.getLogger(__name__)


def empty(block: Block, n_neurons: int) -> Float[Tensor, "quantity token neuron"]:
    """Room for what a gear finds about all pairs of tokens and neurons, in the order of `PER_PAIR`."""
    return block.z.new_zeros(len(PER_PAIR), block.n_tokens, n_neurons)


def every_pair(block: Block, write: Writes, *, fused: bool) -> Found:
    """What `PER_PAIR` names, for every token of the block and every neuron."""
    found, tile = empty(block, len(write.U)), _tile(fused)
    rows = max(1, CELLS // block.z.shape[1])
    for tokens in torch.arange(block.n_tokens, device=block.z.device).split(rows):
        some = slice(int(tokens[0]), int(tokens[-1]) + 1)  # a view: the tile's rows are not copied
        for neuron in range(len(write.U)):
            found[:, some, neuron] = tile(block, write, some, neuron)
    return dict(zip(PER_PAIR, found, strict=True))


def some_pairs(
    block: Block, write: Writes, pairs: Int[Tensor, "pair 2"], *, fused: bool
) -> Float[Tensor, "quantity pair"]:
    """The same for some pairs of a token and a neuron."""
    found, tile = empty(block, 0).new_zeros(len(PER_PAIR), len(pairs)), _tile(fused)
    order = pairs[:, 1].argsort(stable=True)
    neurons, counts = pairs[order, 1].unique_consecutive(return_counts=True)
    rows = max(1, CELLS // block.z.shape[1])
    for neuron, group in zip(neurons.tolist(), order.split(counts.tolist()), strict=True):
        for some in group.split(rows):
            found[:, some] = tile(block, write, pairs[some, 0], neuron)
    return found


def eager(
    block: Block, write: Writes, tokens: slice | Int[Tensor, " token"], neuron: int
) -> Float[Tensor, "quantity token"]:
    """One neuron at some tokens: each step in place on a tile of tokens times vocabulary."""
    return _eager_rows(block, write.U[neuron], tokens, _coefficients(write, tokens, neuron))


def set_of_neurons(block: Block, write: Writes) -> Float[Tensor, "quantity token"]:
    """A set of neurons whose write has another direction at each token, at all tokens of a small block."""
    everywhere = slice(0, block.n_tokens)
    return _eager_rows(block, write.U, everywhere, _coefficients(write, everywhere, 0))


def _coefficients(write: Writes, tokens: slice | Int[Tensor, " token"], neuron: int) -> Float[Tensor, "4 token"]:
    back = write.frequency.back if write.frequency else torch.zeros_like(write.free)
    return torch.stack([c[tokens, neuron] for c in (write.shrink, write.free, write.frozen, back)])


def _eager_rows(
    block: Block,
    U: Float[Tensor, "*#token d_vocab"],
    tokens: slice | Int[Tensor, " token"],
    coefficient: Float[Tensor, "4 token"],
) -> Float[Tensor, "quantity token"]:
    z, log_p, total = block.z[tokens], block.log_p[tokens], block.log_total[tokens]
    shrink, free, frozen, back = coefficient[:, :, None]
    x = torch.mul(z, shrink).addcmul_(free, U).add_(log_p)
    e, at_best = torch.empty_like(x), x.gather(-1, block.best[tokens][:, None])[:, 0]
    of_frequency = total
    if block.frequency:
        of_frequency = _log_sum_exp(torch.addcmul(x, back, block.frequency.direction, out=e))
    above = torch.gt(x, x.gather(-1, block.clean.target[tokens][:, None]), out=e).sum(-1)
    largest = x.amax(-1)
    shift = _shift(x, largest)
    mass = torch.exp(x, out=e).sum(-1)
    entropy = mass.log() - x.mul_(e).sum(-1) / mass
    of_frozen = _log_sum_exp(torch.addcmul(log_p, frozen, U, out=x))
    grown = torch.stack([mass.log() + shift, of_frozen, of_frequency]) - total
    return torch.stack([*grown, entropy, 1 / (1 + above), (largest > at_best).to(x.dtype)])


def _log_sum_exp(x: Float[Tensor, "token d_vocab"]) -> Float[Tensor, " token"]:
    """Of every row; overwrites `x`."""
    shift = _shift(x, x.amax(-1))
    return x.exp_().sum(-1).log() + shift


def _shift(x: Float[Tensor, "token d_vocab"], largest: Float[Tensor, " token"]) -> Float[Tensor, " token"]:
    """Subtracts a row's largest entry where the exponentials might otherwise leave the range of floats."""
    shift = torch.where(largest.abs() > FAR, largest, 0)
    if shift.any():
        x -= shift[:, None]
    return shift


def one_pass(
    z: Float[Tensor, "token d_vocab"],
    log_p: Float[Tensor, "token d_vocab"],
    U: Float[Tensor, " d_vocab"],
    direction: Float[Tensor, " d_vocab"] | None,
    coefficient: Float[Tensor, "4 token"],
    target: Int[Tensor, " token"],
    best: Int[Tensor, " token"],
) -> tuple[Tensor, ...]:
    """The sums of the fused gear, written so that the compiler needs one pass over the tile."""
    shrink, free, frozen, back = coefficient[:, :, None]
    x = log_p + (shrink * z + free * U)
    e, own = x.exp(), x.gather(-1, torch.stack([target, best], 1))
    own = own + 4 * torch.finfo(x.dtype).eps * own.abs()  # computed twice, it must not exceed itself by a rounding
    of_frequency = e if direction is None else (x + back * direction).exp()
    return (
        e.sum(-1),
        (log_p + frozen * U).exp().sum(-1),
        of_frequency.sum(-1),
        (e * x).sum(-1),
        (x > own[:, :1]).to(x.dtype).sum(-1),
        x.amax(-1) > own[:, 1],
    )


def fused(
    block: Block, write: Writes, tokens: slice | Int[Tensor, " token"], neuron: int
) -> Float[Tensor, "quantity token"]:
    """One neuron at some tokens, in one compiled pass; a row out of the range of floats is left to `eager`, and so
    is a single token, for which the compiler would make another kernel."""
    if isinstance(tokens, Tensor) and len(tokens) == 1:
        return eager(block, write, tokens, neuron)
    rows = block.z[tokens], block.log_p[tokens], write.U[neuron]
    coefficient = _coefficients(write, tokens, neuron)
    direction = block.frequency.direction if block.frequency else None
    free, frozen, of_frequency, ex, above_target, changes = compiled()(
        *rows, direction, coefficient, block.clean.target[tokens], block.best[tokens]
    )
    sums = torch.stack([free, frozen, of_frequency])
    if not ((sums > 1e-30) & (sums < 1e30)).all():
        return eager(block, write, tokens, neuron)
    grown = sums.log() - block.log_total[tokens]
    if not block.frequency:
        grown[2] = 0
    return torch.stack([*grown, free.log() - ex / free, 1 / (1 + above_target), changes.to(free.dtype)])


@cache
def compiled() -> Callable[..., tuple[Tensor, ...]]:
    """`one_pass`, compiled when it is first called (without the checks of shapes, which cannot be traced).

    The compiler keeps its code on disk and looks it up by what it was asked, not by the processor's instructions: code
    for wider registers would be taken up by a narrower run, and sum wrongly. So the width is part of what is asked."""
    width: Any = REGISTER_BITS.get(torch.backends.cpu.get_cpu_capability())
    return torch.compile(inspect.unwrap(one_pass), dynamic=True, options={"cpp.simdlen": width})


@cache
def compiler_works(device: str) -> bool:
    """Whether the fused gear can be had here, tried once; the reason is logged where it cannot."""
    row, token = torch.zeros(2, 64, device=device), torch.zeros(2, dtype=torch.long, device=device)
    try:
        compiled()(row, row, row[0], row[0], row.new_zeros(4, 2), token, token)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        log.warning("the fused gear needs a compiler and falls back to the eager one: %s", reason)
        return False
    return True


def _tile(is_fused: bool) -> Tile:
    return fused if is_fused else eager
