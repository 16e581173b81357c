"""Logits of the ablated run, with the final norm free and with its scale frozen at the clean run's.

Two roads lead there. The closed form follows a write through the final norm on paper. It needs logits that are
linear in what the last MLP writes over the scale; where a norm after the MLP or a soft cap bends that, the write
is computed again for each ablation and sent through `FinalLayer.logits`: slow, but as exact."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib.effects.clean import Clean
from lib.model import Model

Pair = tuple[Float[Tensor, "token d_vocab"], Float[Tensor, "token d_vocab"]]
"""Logits with the norm free, and with the norm frozen."""


def logits(
    model: Model, clean: Clean, delta: Float[Tensor, "token d_mlp"], sets: Bool[Tensor, "set d_mlp"]
) -> Iterator[Pair]:
    """For each set of neurons in turn, the logits with `delta` added to the activations of its members."""
    road = recomputed if model.not_exact else closed_form
    return road(model, clean, delta, sets)


def closed_form(
    model: Model, clean: Clean, delta: Float[Tensor, "token d_mlp"], sets: Bool[Tensor, "set d_mlp"]
) -> Iterator[Pair]:
    """By the formula of this package, one product with the unembedding for each set."""
    layer = model.final_layer
    z = layer.multiplier * (clean.resid / clean.scale[:, None] @ layer.W_U)
    bias = layer.multiplier * layer.b_U
    for members in sets:
        if members.sum() == 1:  # one neuron writes along one direction: an outer product, no matrix product
            delta_i, w = delta[:, members][:, 0], model.W_out[members][0]
            write, moved = torch.outer(delta_i, w), torch.outer(delta_i, layer.multiplier * (w @ layer.W_U))
        else:
            write = delta[:, members] @ model.W_out[members]
            moved = layer.multiplier * (write @ layer.W_U)
        scale = ablated_scale(clean, write)[:, None]
        yield clean.scale[:, None] / scale * z + moved / scale + bias, z + moved / clean.scale[:, None] + bias


def ablated_scale(clean: Clean, write: Float[Tensor, "token d_model"]) -> Float[Tensor, " token"]:
    """What the final norm divides by once `write`, centred, is added to the residual stream."""
    grown = 2 * (clean.resid * write).sum(-1) + write.square().sum(-1)
    return (clean.scale.square() + grown / write.shape[-1]).sqrt()


def recomputed(
    model: Model, clean: Clean, delta: Float[Tensor, "token d_mlp"], sets: Bool[Tensor, "set d_mlp"]
) -> Iterator[Pair]:
    """With the last MLP's write computed again from the changed activations, whatever happens to it on its way."""
    layer, before = model.final_layer, model.write(clean.activation)
    for members in sets:
        resid = clean.resid + model.write(clean.activation + delta * members.to(delta.device)) - before
        yield layer.logits(resid), layer.logits(resid, scale=clean.scale)
