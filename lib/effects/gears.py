"""Which gear computes the effects, and how a batch of tokens goes through it.

- eager: exact, any device; a tile of tokens times vocabulary, neuron after neuron
- fused: exact, one compiled pass; compiling takes seconds, so only for runs above `WORTH_COMPILING` exponentials
- cumulant: matrix products in place of exponentials, exact where these would not do

All three give the same quantities. An architecture for which the closed form does not hold has no gear: its last
layer is computed again for every ablation."""

import sys
import time

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib.effects import cumulant, exact
from lib.effects.ablated import ablated_scale
from lib.effects.block import PER_PAIR, Block, FrequencyWrites, Writes, quantities, writes
from lib.effects.clean import Clean
from lib.effects.result import Report
from lib.model import Model

GEARS = ("auto", "eager", "fused", "cumulant")
WORTH_COMPILING = 1e9
"""Logits of a run below which the eager gear is as good as any."""
PAIRS = 2**21
"""Pairs of a token and a neuron that may be in memory at once."""
TOO_MANY = 0.2
"""Share of routed pairs from which on the rest of a run goes straight through the exact gear."""
ROUTED = 0.05
"""The share of its pairs that the cumulant gear may be expected to send through an exact one."""
WORTH_SAYING = 1e12
"""Exponentials of a run above which its time is estimated first."""
CELLS = 2**25
"""Logits that a block of tokens, or the writes of a chunk of neurons, may hold: 128 MiB in float32."""
RELATIVE_COST = {"eager": 1.7, "fused": 0.9, "cumulant": 0.2, "recomputed": 15.0}
"""Time per exponential asked for, over that of torch.exp alone; for an estimate, not for a decision."""
Sums = Float[Tensor, "quantity sequence column"]


def choose(model: Model, n_pairs: int, *, gear: str, tolerance: float, exponentials: int) -> Report:
    """The gear of a run over `n_pairs` of a token and a neuron: the one that was asked for, or under "auto" the fastest
    whose error stays under tolerance. `exponentials` is how many distributions each pair asks for.

    Raises ValueError for an unknown gear and a negative tolerance."""
    if gear not in GEARS:
        raise ValueError(f"gear must be one of {', '.join(GEARS)}, got {gear!r}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 (exact) or more, in nats, got {tolerance}")
    n_logits = n_pairs * model.final_layer.d_vocab
    large, chosen = n_logits > WORTH_COMPILING, gear
    if model.not_exact:
        chosen = "recomputed"
    elif gear == "auto":
        chosen = "cumulant" if large else "eager"
    if chosen == "cumulant" and tolerance == 0:
        chosen = "fused" if large else "eager"
    if chosen == "fused" and not exact.compiler_works(model.W_out.device.type):
        chosen = "eager"
    _say_how_long(exponentials * n_logits, chosen, model)
    behind = chosen == "cumulant" and ROUTED * n_logits > WORTH_COMPILING
    return Report(chosen, "fused" if behind and exact.compiler_works(model.W_out.device.type) else "eager")


def _say_how_long(exponentials: int, gear: str, model: Model) -> None:
    """Prints an estimate for a run above `WORTH_SAYING` exponentials, from a glance at this machine."""
    if exponentials <= WORTH_SAYING:
        return
    tile = torch.zeros(exact.CELLS, device=model.W_out.device)
    start = time.perf_counter()
    float(tile.exp().sum())
    seconds = (time.perf_counter() - start) / exact.CELLS * exponentials * RELATIVE_COST[gear]
    print(f"{exponentials:.0e} exponentials in the {gear} gear: about {seconds / 60:.0f} minutes", file=sys.stderr)


def block_size(model: Model) -> int:
    """Tokens of a block."""
    return max(1, CELLS // model.final_layer.d_vocab)


def add(
    sums: Sums,
    model: Model,
    clean: Clean,
    delta: Float[Tensor, "token d_mlp"],
    log_unigram: Float[Tensor, " d_vocab"] | None,
    *,
    report: Report,
    tolerance: float,
) -> None:
    """Adds what adding `delta` to each neuron alone changes, summed over the tokens of each sequence."""
    for at in torch.arange(len(delta), device=delta.device).split(block_size(model)):
        block = Block(model.final_layer, clean.part(at), log_unigram)
        n_neurons = max(1, min(block_size(model), PAIRS // len(at)))
        for neurons in torch.arange(delta.shape[1], device=delta.device).split(n_neurons):
            write = writes(model, block, delta[at], neurons)
            found = found_by(report, block, write, delta[at][:, neurons], tolerance)
            value = quantities(block, write, found).to(sums.dtype)
            for quantity, total in zip(value, sums, strict=True):
                total[:, neurons] = total[:, neurons].index_add(0, block.clean.sequence, quantity)


def found_by(
    report: Report,
    block: Block,
    write: Writes,
    delta: Float[Tensor, "token neuron"],
    tolerance: float,
) -> dict[str, Float[Tensor, "token neuron"]]:
    """What `PER_PAIR` names, by the gear of the report; by the exact one once the cumulant gear has been sending it too
    many pairs."""
    if report.gear == "cumulant" and report.routed_share > TOO_MANY:
        report.pairs, report.routed = report.pairs + delta.numel(), report.routed + delta.numel()
        return exact.every_pair(block, write, fused=report.exact == "fused")
    if report.gear == "cumulant":
        return cumulant.every_pair(block, write, delta, tolerance=tolerance, report=report)
    return exact.every_pair(block, write, fused=report.gear == "fused")


def add_sets(
    sums: Sums,
    model: Model,
    clean: Clean,
    delta: Float[Tensor, "token d_mlp"],
    sets: Bool[Tensor, "set d_mlp"],
    log_unigram: Float[Tensor, " d_vocab"] | None,
) -> None:
    """The same for whole sets: many sets' writes meet the unembedding in one product, the rest is on tiles."""
    layer, d_vocab = model.final_layer, model.final_layer.d_vocab
    for at in torch.arange(len(delta), device=delta.device).split(max(1, exact.CELLS // d_vocab)):
        block = Block(layer, clean.part(at), log_unigram)
        for columns in torch.arange(len(sets)).split(max(1, CELLS // (len(at) * d_vocab))):
            resid = torch.stack([delta[at][:, members] @ model.W_out[members] for members in sets[columns]])
            for column, write, U in zip(columns.tolist(), resid, resid @ (layer.multiplier * layer.W_U), strict=True):
                value = _set_quantities(block, write, U)
                sums[:, :, column].index_add_(1, block.clean.sequence, value.to(sums.dtype))


def _set_quantities(
    block: Block, write: Float[Tensor, "token d_model"], U: Float[Tensor, "token d_vocab"]
) -> Float[Tensor, "quantity token"]:
    scale, ablated = block.clean.scale, ablated_scale(block.clean, write)
    shrink = scale / ablated - 1
    still = (write == 0).all(-1)
    along = None
    if block.frequency:
        U_direction = (U @ block.frequency.direction)[:, None]
        back = -(shrink * block.frequency.z_direction)[:, None] - U_direction / ablated[:, None]
        along = FrequencyWrites(back, (U @ block.frequency.unigram)[:, None], U_direction)
    edit = Writes(
        U=U,
        shrink=shrink[:, None],
        free=ablated.reciprocal()[:, None],
        frozen=scale.reciprocal().masked_fill(still, 0)[:, None],
        U_target=U.gather(-1, block.clean.target[:, None]),
        frequency=along,
    )
    found = exact.set_of_neurons(block, edit)
    return quantities(block, edit, dict(zip(PER_PAIR, found[:, :, None], strict=True)))[:, :, 0]
