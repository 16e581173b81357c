r"""Neurons of the last layer that change places between two models of a pair, exactly and without running them again.

Putting the partner's neurons of a set S in the place of the model's own moves the final residual stream by

.. math:: \Delta = \sum_{i \in S} n'_i w'_i - n_i w_i

with n the activations and w the output weights, primed for the partner: \(n'_i\) is what the partner's neuron answers
to what this model's last MLP reads. That is an ablation to nought and an addition at once, so the closed form of
`effects` gives the logits. A norm after the MLP bends it; there the last MLP's write is computed again for each set."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory
from lib.effects import Clean, Read, Readings, clean_run, edits
from lib.effects.by_token import CELLS
from lib.effects.clean import Block
from lib.model import Model, borrowed


@dataclass(frozen=True)
class Guests:
    """A model at some tokens, and what its partner's last-layer neurons would do in the place of its own."""

    host: Model
    partner: Model
    clean: Clean
    """The host as it is."""
    activation: Float[Tensor, "token d_mlp"]
    """Of the partner's neurons, reading what the host's read."""


def invite(
    host: Model,
    partner: Model,
    tokens: Int[Tensor, "sequence position"],
    scored: Bool[Tensor, "sequence position"],
) -> Guests:
    """Runs both at the scored positions; errors as in `clean_run` and `borrowed.answers`."""
    clean = clean_run(host, tokens, scored)
    there = scored.to(clean.resid.device)
    return Guests(host, partner, clean, borrowed.answers(host, partner, tokens)[there].to(clean.activation))


def logits(guests: Guests, sets: Bool[Tensor, "set d_mlp"]) -> Iterator[Float[Tensor, "token d_vocab"]]:
    """For each set in turn, the host's logits with the partner's neurons of the set in the place of its own."""
    road = _recomputed if guests.host.not_exact else _closed_form
    return road(guests, sets)


def _closed_form(guests: Guests, sets: Bool[Tensor, "set d_mlp"]) -> Iterator[Float[Tensor, "token d_vocab"]]:
    """As the ablation of neurons of a layer twice as wide: the host's own to nought, the partner's from nought."""
    host, clean = guests.host, guests.clean
    theirs = host.final_layer.centre(borrowed.writes(guests.partner).to(host.W_out))
    both = replace(host, W_out=torch.cat([host.W_out, theirs]))
    delta = torch.cat([-clean.activation, guests.activation], dim=1)
    for free, _ in edits.logits(both, Block(both, clean), delta, sets.repeat(1, 2)):
        yield free


def _recomputed(guests: Guests, sets: Bool[Tensor, "set d_mlp"]) -> Iterator[Float[Tensor, "token d_vocab"]]:
    """With the last MLP's write computed again for each set, whatever happens to it on its way."""
    host, clean = guests.host, guests.clean
    theirs, before = borrowed.writes(guests.partner).to(host.W_out), host.write(clean.activation)
    for members in sets.to(clean.activation.device):
        written = host.write(clean.activation * ~members, beside=guests.activation[:, members] @ theirs[members])
        yield host.final_layer.logits(clean.resid + written - before)


def readings(
    host: Model,
    partner: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    read: dict[str, Read],
) -> Readings:
    """What is read of every scored token of the host as it is, and with each set of neurons from the partner.

    Errors as in `invite`."""
    guests, parts = invite(host, partner, tokens, scored), []
    for block in torch.arange(len(guests.clean.target)).split(memory.rows(host.final_layer.d_vocab, cells=CELLS)):
        part = replace(guests, clean=guests.clean.part(block), activation=guests.activation[block])
        before = host.final_layer.logits(part.clean.resid, scale=part.clean.scale)
        swapped = (torch.stack([f(z, part.clean.target) for f in read.values()]) for z in (before, *logits(part, sets)))
        parts.append(torch.stack([*swapped], dim=1))
    found = dict(zip(read, torch.cat(parts, dim=-1).cpu(), strict=True))
    own, with_guests = ({k: v[0] for k, v in found.items()}, {k: v[1:] for k, v in found.items()})
    return Readings(own, with_guests, guests.clean.sequence.cpu(), guests.clean.position.cpu())
