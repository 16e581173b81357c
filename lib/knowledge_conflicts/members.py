"""Sets of neurons as lists of their members: few of many neurons are in a set, and sums go over those alone."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Members:
    """The neurons of each set, filled up to one length."""

    sets: Bool[Tensor, "set d_mlp"]
    W_out: Float[Tensor, "d_mlp d_model"]

    @cached_property
    def held(self) -> Int[Tensor, " held"]:
        """The neurons that are in some set."""
        return self.sets.any(0).nonzero()[:, 0]

    @cached_property
    def unit(self) -> Int[Tensor, "set member"]:
        """The neurons of each set, and any others behind them where a set is filled up."""
        return self._both[0]

    @cached_property
    def weight(self) -> Float[Tensor, "set member"]:
        """1 for a neuron of the set, 0 where it is filled up."""
        return self._both[1]

    @cached_property
    def _both(self) -> tuple[Tensor, Tensor]:
        width = max(1, int(self.sets.sum(1).max()) if len(self.sets) else 1)
        weight, unit = self.sets.to(self.W_out.dtype).topk(min(width, self.sets.shape[1]), dim=1)
        return unit, weight

    @property
    def width(self) -> int:
        """Neurons of the largest set."""
        return self.unit.shape[1]

    @cached_property
    def place(self) -> Int[Tensor, "set member"]:
        """Where each neuron of each set stands among those that are held; 0 where a set is filled up."""
        place = torch.zeros(self.sets.shape[1], dtype=torch.long, device=self.sets.device)
        place[self.held] = torch.arange(len(self.held), device=self.sets.device)
        return place[self.unit]

    @cached_property
    def gram(self) -> Float[Tensor, "set member member"]:
        """Inner products of the output weights of each set."""
        rows = self.W_out[self.unit]
        return rows @ rows.mT

    def moved(
        self, delta: Float[Tensor, "text d_mlp"], row: Int[Tensor, " pair"], at: Int[Tensor, " pair"]
    ) -> Float[Tensor, "pair member"]:
        """What is added to the activation of each member of a set, at a text of each pair."""
        return delta[at[:, None], self.unit[row]] * self.weight[row]

    def growth(
        self,
        resid: Float[Tensor, "text d_model"],
        scale: Float[Tensor, " text"],
        delta: Float[Tensor, "text d_mlp"],
        row: Int[Tensor, " pair"],
        at: Int[Tensor, " pair"],
    ) -> Float[Tensor, " pair"]:
        """By how much a set's writes change the scale, s' - s, at a text of each pair, from inner products alone.

        `resid` is centred, `delta` is what is added to each activation."""
        moved = self.moved(delta, row, at)
        along = (moved * (resid @ self.W_out.mT)[at[:, None], self.unit[row]]).sum(1)
        square = ((moved[:, None] @ self.gram[row])[:, 0] * moved).sum(1)
        return (scale[at].square() + (2 * along + square) / resid.shape[1]).clamp(min=0).sqrt() - scale[at]
