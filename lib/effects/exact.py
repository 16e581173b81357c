"""The exact gears: for every token and edit an exponential of every logit, on tiles that fit the cache.

Layout decides the speed. Both gears hold a tile of some tokens times the vocabulary and go through the edits;
a three-dimensional block of tokens, edits and vocabulary would be many times slower. The eager gear works in
two buffers, in place. The fused gear has the compiler make one pass of the multiplication, the exponential and
all sums; where that cannot be had, it hands over to the eager gear, once, and says why."""

import inspect
import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory
from lib.effects.changes import PER_PAIR, Found, FrequencyShift, Shift
from lib.effects.clean import Block
from lib.effects.edits import Edits, Pair

CELLS = 2**21
"""Logits of a tile: 8 MiB in float32."""
FAR = 30.0
"""A log-sum-exp is shifted before it is taken where its largest entry is further from 0, in nats."""
REGISTER_BITS = {"DEFAULT": 1, "AVX2": 256, "AVX512": 512}
"""Width of the vector registers that torch's own kernels use here; another processor is asked for what it has."""
ONE_PASS = dict.fromkeys(("realize_reads_threshold", "realize_acc_reads_threshold", "realize_opcount_threshold"), 1000)
"""Asks the compiler to compute the logits again for each of its sums, all in one loop, rather than keep them."""
Some = slice | Int[Tensor, " some"]
"""Tokens of a block."""
Tile = Callable[[Block, Edits, Some, int], Tensor]
log = logging.getLogger(__name__)


def every_pair(block: Block, edit: Edits, *, fused: bool) -> Found:
    """What `PER_PAIR` names, for every token of the block and every edit."""
    found, tile = block.z.new_zeros(len(PER_PAIR), *edit.free.shape), _tile(fused)
    rows = memory.rows(block.z.shape[1], cells=CELLS)
    for tokens in torch.arange(block.n_tokens, device=block.z.device).split(rows):
        some = slice(int(tokens[0]), int(tokens[-1]) + 1)  # a view: the tile's rows are not copied
        for column in range(found.shape[2]):
            found[:, some, column] = tile(block, edit, some, column)
    return dict(zip(PER_PAIR, found, strict=True))


def some_pairs(block: Block, edit: Edits, pairs: Int[Tensor, "pair 2"], *, fused: bool) -> Float[Tensor, "found pair"]:
    """The same for some pairs of a token and an edit, in the order of `PER_PAIR`."""
    found, tile = block.z.new_zeros(len(PER_PAIR), len(pairs)), _tile(fused)
    order = pairs[:, 1].argsort(stable=True)
    columns, counts = pairs[order, 1].unique_consecutive(return_counts=True)
    rows = memory.rows(block.z.shape[1], cells=CELLS)
    for column, group in zip(columns.tolist(), order.split(counts.tolist()), strict=True):
        for some in group.split(rows):
            found[:, some] = tile(block, edit, pairs[some, 0], column)
    return found


def eager(block: Block, edit: Edits, tokens: Some, column: int) -> Float[Tensor, "found some"]:
    """One edit at some tokens: each step in place on a tile of tokens times vocabulary."""
    shrink, free, frozen, back = _coefficients(edit, tokens, column)[:, :, None]
    U, log_p = edit.row(column, tokens), block.log_p[tokens]
    x = torch.mul(block.z[tokens], shrink).addcmul_(free, U).add_(log_p)
    return _read(block, tokens, x, lambda out: torch.addcmul(log_p, frozen, U, out=out), back)


def from_logits(block: Block, pair: Pair, still: Bool[Tensor, "token 1"]) -> tuple[Found, Shift]:
    """What an ablation does, from the logits themselves: for roads that know no more than these."""
    log_p, target = block.log_p, block.clean.target[:, None]
    free, frozen = (logits - block.log_sum_exp[:, None] for logits in pair)
    grown, back, of_frequency = free - log_p, torch.zeros_like(log_p[:, :1]), None
    own, own_frozen = grown.gather(-1, target), (frozen - log_p).gather(-1, target)
    if block.frequency:
        direction = block.frequency.direction
        back = -(grown @ direction)[:, None]
        seen = (grown @ block.frequency.unigram)[:, None]
        of_frequency = FrequencyShift(own + back * direction[target], seen)
    found = _read(block, slice(None), free, lambda out: out.copy_(frozen), back)
    return dict(zip(PER_PAIR, found[:, :, None], strict=True)), Shift(own, own_frozen, still, of_frequency)


def _coefficients(edit: Edits, tokens: Some, column: int) -> Float[Tensor, "4 some"]:
    back = edit.frequency.back if edit.frequency else torch.zeros_like(edit.free)
    return torch.stack([c[tokens, column] for c in (edit.shrink, edit.free, edit.frozen, back)])


def _read(
    block: Block,
    tokens: Some,
    x: Float[Tensor, "some d_vocab"],
    frozen: Callable[[Tensor], Tensor],
    back: Float[Tensor, "some 1"],
) -> Float[Tensor, "found some"]:
    """What `PER_PAIR` names, from the clean log probabilities plus the change of the logits: `x` with the norm free,
    and with the norm frozen what `frozen` puts into a tile; overwrites `x`."""
    total = of_frequency = block.log_total[tokens]
    e, at_best = torch.empty_like(x), x.gather(-1, block.best[tokens][:, None])[:, 0]
    if block.frequency:
        of_frequency = log_sum_exp(torch.addcmul(x, back, block.frequency.direction, out=e))
    above = torch.gt(x, x.gather(-1, block.clean.target[tokens][:, None]), out=e).sum(-1)
    largest = x.amax(-1)
    shift = _shift(x, largest)
    mass = torch.exp(x, out=e).sum(-1)
    entropy = mass.log() - x.mul_(e).sum(-1) / mass
    grown = torch.stack([mass.log() + shift, log_sum_exp(frozen(x)), of_frequency]) - total
    return torch.stack([*grown, entropy, 1 / (1 + above), (largest > at_best).to(x.dtype)])


def log_sum_exp(x: Float[Tensor, "some d_vocab"]) -> Float[Tensor, " some"]:
    """Of every row; overwrites `x`."""
    shift = _shift(x, x.amax(-1))
    return x.exp_().sum(-1).log() + shift


def _shift(x: Float[Tensor, "some d_vocab"], largest: Float[Tensor, " some"]) -> Float[Tensor, " some"]:
    """Subtracts a row's largest entry where the exponentials might otherwise leave the range of floats."""
    shift = torch.where(largest.abs() > FAR, largest, 0)
    if shift.any():
        x -= shift[:, None]
    return shift


def one_pass(
    z: Float[Tensor, "row d_vocab"],
    log_p: Float[Tensor, "row d_vocab"],
    U: Float[Tensor, " d_vocab"],
    direction: Float[Tensor, " d_vocab"] | None,
    coefficient: Float[Tensor, "4 token"],
    target: Int[Tensor, " token"],
    best: Int[Tensor, " token"],
    tokens: Int[Tensor, " token"] | None = None,
) -> tuple[Tensor, ...]:
    """The sums of the fused gear, written so that the compiler needs one pass over the tile. Single logits are gathered
    from what comes in: gathered from `x`, they would have all of it, and `e`, written to memory first. Where `tokens`
    are given, the tile is made of these rows of z and log p, which the pass reads where they lie."""
    if tokens is not None:
        z, log_p = z[tokens], log_p[tokens]
    shrink, free, frozen, back = coefficient[:, :, None]
    x, at = log_p + (shrink * z + free * U), torch.stack([target, best], 1)
    e, own = x.exp(), log_p.gather(-1, at) + (shrink * z.gather(-1, at) + free * U[at])
    own = own + 4 * torch.finfo(x.dtype).eps * own.abs()  # computed twice, it must not exceed itself by a rounding
    mass = e.sum(-1)
    again = x[None].exp()[0]  # an exponential asked for twice would be kept in memory, and so this is another
    return (
        mass,
        (log_p + frozen * U).exp().sum(-1),
        mass if direction is None else (x + back * direction).exp().sum(-1),
        (again * x).sum(-1),
        (x > own[:, :1]).to(x.dtype).sum(-1),
        x.amax(-1) > own[:, 1],
    )


def fused(block: Block, edit: Edits, tokens: Some, column: int) -> Float[Tensor, "found some"]:
    """One edit at some tokens, in one compiled pass; a row out of the range of floats is left to `eager`, and so
    is a single token, for which the compiler would make another kernel, and a row for each token."""
    if edit.U.shape[1] > 1 or (isinstance(tokens, Tensor) and len(tokens) == 1):
        return eager(block, edit, tokens, column)
    some, at = (slice(None), tokens) if isinstance(tokens, Tensor) else (tokens, None)
    rows = block.z[some], block.log_p[some], edit.U[column, 0]
    coefficient = _coefficients(edit, tokens, column)
    direction = block.frequency.direction if block.frequency else None
    free, frozen, of_frequency, ex, above_target, changes = compiled()(
        *rows, direction, coefficient, block.clean.target[tokens], block.best[tokens], at
    )
    sums = torch.stack([free, frozen, of_frequency])
    if not ((sums > 1e-30) & (sums < 1e30)).all():
        return eager(block, edit, tokens, column)
    grown = sums.log() - block.log_total[tokens]
    if not block.frequency:
        grown[2] = 0
    return torch.stack([*grown, free.log() - ex / free, 1 / (1 + above_target), changes.to(free.dtype)])


@cache
def compiled() -> Callable[..., tuple[Tensor, ...]]:
    """`one_pass`, compiled when it is first called (without the checks of shapes, which cannot be traced).

    The compiler keeps its code on disk and looks it up by what it was asked, not by the processor's instructions: code
    for wider registers would be taken up by a narrower run, and sum wrongly. So the width is part of what is asked."""
    width = REGISTER_BITS.get(torch.backends.cpu.get_cpu_capability())
    options: dict[str, Any] = {"cpp.simdlen": width} | ONE_PASS
    return torch.compile(inspect.unwrap(one_pass), dynamic=True, options=options)


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
