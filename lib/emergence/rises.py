"""How far a statistic of chosen neurons rises from the first weights to the final ones, beside other neurons.

Neurons that were chosen at the end tend to have risen, as anything chosen for its height has. So the rise of every
neuron of the layer is measured, and the chosen are held against sets drawn anew with each resample."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import controls, drawing, effects, null_space
from lib.controls import Against, Matched
from lib.effects import Effects
from lib.emergence.points import Checkpoint
from lib.model import Model


def first_that_writes(points: list[Checkpoint], *, load: Callable[[Checkpoint], Model]) -> Model | None:
    """The first checkpoint whose neurons write anything; None where there is none."""
    models = map(load, points)
    return next((model for model in models if model.W_out.any()), None)


def rho_risen(
    first: Model,
    final: Model,
    chosen: Bool[Tensor, " neuron"],
    sets: Matched,
    *,
    dim: int,
    n_halves: int,
    generator: torch.Generator,
) -> Against:
    """Rise of the mean rho, over halves of the vocabulary, the same ones in both models."""
    state, rhos = generator.get_state(), []
    for model in (first, final):
        generator.set_state(state)  # the same tokens are drawn for both
        blocks = null_space.grams(model.final_layer.weight_coordinates(), generator=generator)
        halves = drawing.halves(len(blocks), n_halves=n_halves, generator=generator)
        grams = [blocks.sum(0), *(blocks[half].sum(0) for half in halves)]
        rhos.append(torch.stack([_rho(model, gram, dim=dim) for gram in grams]))
    whole, *drawn = rhos[1] - rhos[0]
    n = final.final_layer.d_vocab
    return controls.against(lambda rise, mask: rise[mask].mean(), chosen, sets, whole=whole, drawn=drawn, n=n)


def _rho(model: Model, gram: Float[Tensor, "d_model d_model"], *, dim: int) -> Float[Tensor, " neuron"]:
    spectrum = null_space.of_gram(gram, centres=model.final_layer.centres)
    return null_space.rho(model.W_out.double().cpu(), null_space.basis(spectrum, dim=dim))


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
