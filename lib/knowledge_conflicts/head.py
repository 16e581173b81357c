"""The last layer where tokens are predicted, read once however many sets of neurons are asked about.

A set of neurons changes what is added to a state. The likeliest tokens of the state itself, and what a neuron can give
a token at most, are the same for all sets, values and roads. They take a pass over the vocabulary each and are kept."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory
from lib.model import Model

CLOSE = 32
"""Tokens of largest clean logit that are compared before the whole vocabulary is."""
CLOSER = 1024
"""The same where many sets are open at one text."""
ROUNDINGS = 64
"""Units of rounding, of the largest term, that a comparison has to be clear of; else the whole formula decides."""
CELLS = 2**24
"""Numbers that may be in memory at once, in each of a handful of tensors: 64 MiB in float32."""


@dataclass(frozen=True)
class Near:
    """The tokens that come close to being the likeliest of some texts."""

    token: Int[Tensor, "text close"]
    """Those of largest clean logit, the likeliest first."""
    lead: Float[Tensor, "text close"]
    """How far the likeliest is ahead of each of them, in units of s times a logit."""

    def part(self, some: Tensor | slice) -> "Near":
        """Those of some of the texts."""
        return Near(self.token[some], self.lead[some])


@dataclass(frozen=True)
class State:
    """The last layer where some tokens are predicted, in the precision of the folded weights."""

    resid: Float[Tensor, "text d_model"]
    activation: Float[Tensor, "text d_mlp"]
    near: Near | None = None
    """Where it has been read already."""

    def part(self, some: Tensor | slice) -> "State":
        """The state at some of the texts."""
        return State(self.resid[some], self.activation[some], self.near and self.near.part(some))


class Head:
    """The last layer's neurons and the vocabulary of a model, and what has been found out about them."""

    def __init__(self, model: Model) -> None:
        self.model, self.final = model, model.final_layer
        self._known = torch.zeros(len(model.W_out), dtype=torch.bool, device=model.W_out.device)
        self._low, self._high = (model.W_out.new_zeros(len(model.W_out)) for _ in range(2))

    @cached_property
    def columns(self) -> Float[Tensor, "d_vocab d_model"]:
        """The unembedding with one row for each token."""
        return self.final.W_U.mT.contiguous()

    @cached_property
    def longest(self) -> float:
        """The largest norm of a token's column."""
        return self.final.W_U.norm(dim=0).max().item()

    def near(self, resid: Float[Tensor, "text d_model"]) -> Near:
        """The tokens that come close at some states, read a few states at a time."""
        parts = [self._near(some) for some in resid.split(memory.rows(self.final.d_vocab, cells=CELLS))]
        return Near(torch.cat([part.token for part in parts]), torch.cat([part.lead for part in parts]))

    def _near(self, resid: Float[Tensor, "text d_model"]) -> Near:
        top = self.final.logits(self.final.centre(resid)).topk(min(CLOSER + 1, self.final.d_vocab))
        scale = self.final.scale(resid)[:, None]
        return Near(top.indices, scale * (top.values[:, :1] - top.values) / self.final.multiplier)

    def ends(self, held: Bool[Tensor, " d_mlp"]) -> tuple[Float[Tensor, " d_mlp"], Float[Tensor, " d_mlp"]]:
        """The least and the most that each neuron that is held gives any token, per unit of activation; 0 for a neuron
        that nobody has asked about."""
        new = (held & ~self._known).nonzero()[:, 0]
        for some in new.split(memory.rows(self.final.d_vocab, cells=CELLS)):
            self._low[some], self._high[some] = (self.model.W_out[some] @ self.final.W_U).aminmax(dim=1)
        self._known |= held
        return self._low, self._high
