r"""What an ablation does to the logits: rows over the vocabulary, each with a factor for every token.

With s' the ablated scale, z the clean logits less their bias, and U what is written, in logits (the package's formula,
taken as a change of the clean run),

    clean logits + shrink * z + free * U       norm free, shrink = s / s' - 1, free = 1 / s'
    clean logits + frozen * U                  norm frozen, frozen = 1 / s

One neuron writes along one direction at every token, so that one row of U does for all of them, with \(\delta\) in the
factors. A set of neurons writes along another direction at each token, and needs a row for each. What else is asked of
the logits (the next token's, their projections) is as linear as they are.

Where a norm after the MLP or a soft cap bends this, the write is computed again for each ablation and sent through
`FinalLayer.logits`: slow, but as exact."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.effects.clean import Block, Clean, Frequency
from lib.model import Model

Replacement = Float[Tensor, " d_mlp"] | Float[Tensor, "sequence place d_mlp"]
"""Activations to put in, as `ablation` makes them: one value for each neuron, or one for each position too, up to the
last that is scored at least."""
Pair = tuple[Float[Tensor, "token d_vocab"], Float[Tensor, "token d_vocab"]]
"""Logits with the norm free, and with the norm frozen."""


def mean_activation(model: Model, tokens: Int[Tensor, "sequence position"]) -> Float[Tensor, " d_mlp"]:
    """Each neuron's mean over all positions, BOS included, batch after batch."""
    parts = [model.run(some, "activation").activation.double().sum((0, 1)) for some in tokens.split(8)]
    return (torch.stack(parts).sum(0) / tokens.numel()).to(model.W_out.dtype)


def difference(clean: Clean, replacement: Replacement) -> Float[Tensor, "token d_mlp"]:
    """Replacement less clean activation, at the tokens of a clean run."""
    value = replacement.to(clean.activation)
    return (value if value.ndim == 1 else value[clean.sequence, clean.position]) - clean.activation


@dataclass(frozen=True)
class FrequencyEdits:
    """What edits do along the unigram distribution and the token-frequency direction."""

    back: Float[Tensor, "token edit"]
    """How far along the token-frequency direction the norm-free run has to go back."""
    U_unigram: Float[Tensor, "#token edit"]
    U_direction: Float[Tensor, "#token edit"]


@dataclass(frozen=True)
class Edits:
    """Some ablations at the tokens of a block, each a column."""

    U: Float[Tensor, "edit row d_vocab"]
    """What is written, in logits: one row for all tokens, or one for each."""
    shrink: Float[Tensor, "token edit"]
    free: Float[Tensor, "token edit"]
    frozen: Float[Tensor, "token edit"]
    """0 where nothing is written."""
    U_target: Float[Tensor, "token edit"]
    frequency: FrequencyEdits | None

    @property
    def rows(self) -> Float[Tensor, "edit d_vocab"]:
        """U of edits that need no more than one row each."""
        return self.U[:, 0]

    def row(self, column: int, tokens: slice | Int[Tensor, " some"]) -> Float[Tensor, "row d_vocab"]:
        """What one ablation writes at some tokens."""
        return self.U[column] if self.U.shape[1] == 1 else self.U[column, tokens]


def alone(
    model: Model,
    block: Block,
    delta: Float[Tensor, "token d_mlp"],
    neurons: Int[Tensor, " neuron"],
    *,
    about: Float[Tensor, " d_vocab"] | None = None,
) -> Edits:
    """Each neuron by itself, `delta` added to its activation. U is less its mean under the distribution `about`, where
    one is given: that changes no probability, and products of U lose less to rounding."""
    final, w, delta = model.final_layer, model.W_out[neurons], delta[:, neurons]
    U = (final.multiplier * w) @ final.W_U
    if about is not None:
        U -= (U @ about)[:, None]
    along = delta * (block.clean.resid @ w.mT)
    return _edits(block, U[:, None], delta, along=along, squared=delta.square() * w.square().sum(-1))


def together(model: Model, block: Block, delta: Float[Tensor, "token d_mlp"], sets: Bool[Tensor, "set d_mlp"]) -> Edits:
    """All neurons of a set at once, for each set: the writes of all sets meet the unembedding in one product."""
    final = model.final_layer
    write = torch.stack([delta[:, members] @ model.W_out[members] for members in sets])  # set token d_model
    U = (final.multiplier * write) @ final.W_U
    writes = (write != 0).any(-1).mT.to(U)
    along = (block.clean.resid * write).sum(-1).mT
    return _edits(block, U, writes, along=along, squared=write.square().sum(-1).mT)


def _edits(
    block: Block,
    U: Float[Tensor, "edit row d_vocab"],
    size: Float[Tensor, "token edit"],
    *,
    along: Float[Tensor, "token edit"],
    squared: Float[Tensor, "token edit"],
) -> Edits:
    """The closed form: `size` times U is written, `along` is what is written times the residual stream, and `squared`
    times itself."""
    scale, target = block.clean.scale[:, None], block.clean.target
    grown = (2 * along + squared) / block.final.d_model
    ablated = (scale.square() + grown).sqrt()
    shrink, free = -grown / (ablated * (ablated + scale)), size / ablated
    U_target = U[:, 0, target] if U.shape[1] == 1 else U.gather(-1, target.expand(len(U), -1)[..., None])[..., 0]
    along_frequency = None if block.frequency is None else _of_frequency(block.frequency, U, shrink, free)
    return Edits(U, shrink, free, size / scale, U_target.mT, along_frequency)


def _of_frequency(frequency: Frequency, U: Tensor, shrink: Tensor, free: Tensor) -> FrequencyEdits:
    U_direction = (U @ frequency.direction).mT
    back = -(shrink * frequency.z_direction[:, None] + free * U_direction)
    return FrequencyEdits(back, (U @ frequency.unigram).mT, U_direction)


def logits(
    model: Model, block: Block, delta: Float[Tensor, "token d_mlp"], sets: Bool[Tensor, "set d_mlp"]
) -> Iterator[Pair]:
    """For each set of neurons in turn, the logits with `delta` added to the activations of its members."""
    if model.not_exact:
        yield from recomputed(model, block.clean, delta, sets)
        return
    clean = block.logits
    for members in sets:
        one = members.sum() == 1  # its write needs no product with the unembedding for each token
        edit = (
            alone(model, block, delta, members.nonzero()[:, 0]) if one else together(model, block, delta, members[None])
        )
        U = edit.row(0, slice(None))
        yield clean + (edit.shrink * block.z).addcmul_(edit.free, U), torch.addcmul(clean, edit.frozen, U)


def recomputed(
    model: Model, clean: Clean, delta: Float[Tensor, "token d_mlp"], sets: Bool[Tensor, "set d_mlp"]
) -> Iterator[Pair]:
    """With the last MLP's write computed again from the changed activations, whatever happens to it on its way."""
    final, before = model.final_layer, model.write(clean.activation)
    for members in sets:
        resid = clean.resid + model.write(clean.activation + delta * members.to(delta.device)) - before
        yield final.logits(resid), final.logits(resid, scale=clean.scale)
