"""How far a statistic of chosen neurons rises from the first weights to the final ones, beside other neurons.

Neurons that were chosen at the end tend to have risen, as anything chosen for its height has. So the rise of every
neuron of the layer is measured, and the chosen are held against sets drawn anew with each resample."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import controls, drawing, effects, neuron_weights
from lib.controls import Against, Matched
from lib.effects import Effects
from lib.emergence.points import Checkpoint
from lib.model import Model
from lib.neuron_weights import NeuronWeights
from lib.resampling import Estimate


def first_that_writes(points: list[Checkpoint], *, load: Callable[[Checkpoint], Model]) -> Model | None:
    """The first checkpoint whose neurons write anything; None where there is none."""
    models = map(load, points)
    return next((model for model in models if model.W_out.any()), None)


def rho_risen(
    first: Model,
    final: Model,
    rule: Callable[[NeuronWeights], Bool[Tensor, " neuron"]],
    *,
    dim: int,
    n_halves: int,
    generator: torch.Generator,
) -> Against:
    """Rise of the mean rho of the neurons that `rule` chooses on the final weights, beside sets matched on final norm:
    one half of the vocabulary chooses, the other half, the same in both models, measures."""
    state, pairs = generator.get_state(), []
    for model in (first, final):
        generator.set_state(state)  # the same tokens are drawn for both
        final_layer, (w_out, W_U) = model.final_layer, model.weights()
        parts = neuron_weights.parts(W_U, generator=generator)
        given: dict[str, Any] = {
            "centres": final_layer.centres,
            "dim": dim,
            "tail": 0.05,
            "n_halves": n_halves,
            "generator": generator,
        }
        pairs.append(neuron_weights.halves(w_out, parts, **given))
    chosen = [
        (rule(choosing), choosing.norm, measured.rho - before.rho)
        for (_, before), (choosing, measured) in zip(*pairs, strict=True)
    ]
    return controls.over_halves(chosen, n_sets=10, n=final.final_layer.d_vocab, generator=generator)


def share_risen(
    first: Effects,
    final: Effects,
    chosen: Bool[Tensor, " neuron"],
    sets: Matched,
    *,
    left: str,
    generator: torch.Generator,
) -> Against:
    """Rise of the mediated share of summed effects, on the same sequences: 1 - left / total, where `left` is the
    effect that remains once the road is closed (`direct`, `direct_frequency`)."""
    reads = [effects.shares(effect, left) for effect in (first, final)]

    def statistic(draw: Tensor, mask: Bool[Tensor, " neuron"]) -> Float[Tensor, ""]:
        shares = [1 - remaining / total for remaining, total in (read(draw)[:, mask].sum(1) for read in reads)]
        return shares[1] - shares[0]

    n_sequences = len(final.n)
    return controls.against(
        statistic,
        chosen,
        sets,
        whole=torch.arange(n_sequences),
        drawn=drawing.draws(n_sequences, generator=generator),
        n=int(final.n.sum()),
        n_sequences=n_sequences,
    )


def halves(rise: Against | Estimate | str) -> tuple[Estimate, Estimate] | Estimate | str:
    """What the ledger takes of a rise beside controls: how far it goes beyond theirs, and the rise itself; of anything
    else all."""
    return (rise.difference, rise.chosen) if isinstance(rise, Against) else rise
