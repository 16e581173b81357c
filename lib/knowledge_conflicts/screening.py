r"""Which of many sets of neurons change the next token? Almost none, and for most of them a bound proves it.

Without the set N the logit of token v at a state x (centred, with scale s) is, times the new scale s',

.. math:: s' z'_v = s z_v + \sum_{i \in N} \delta_i\, w_i \cdot u_v + (s' - s)\, b_v .

The likeliest token t stays the likeliest as long as s times its lead over every other token exceeds what the two added
terms can give that token over t: at most the sum of each neuron's best gain over the vocabulary, and the change of the
scale, at most \(\lVert \Delta \rVert / \sqrt{d}\), times the spread of the bias. Both are sums over the neurons of a
set, so one matrix product bounds all sets at all states. Where the bound does not suffice the set's write is made, and
the tokens that come close are compared; the whole vocabulary is read only where neither decides.

The same formula closes one road: with the write left out of the logits only the *scale* acts, and with s in the place
of s' only the *direct* write does. Without a bias (RMSNorm) the scale alone has nothing to add: it changes no token."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory
from lib.model import Model

Road = Literal["both", "scale", "direct"]
ROADS: tuple[Road, ...] = ("both", "scale", "direct")
"""How an ablation may act: as it does, through the final norm's scale alone, or with the scale frozen."""
CLOSE = 32
"""Tokens of largest clean logit that are compared before the whole vocabulary is."""
CELLS = 2**24
"""Numbers that may be in memory at once, in each of a handful of tensors: 64 MiB in float32."""
DENSE = 1 / 32
"""Share of open pairs of a set and a text from which on all pairs are compared by one product."""
ROUNDINGS = 64
"""Units of rounding, of the largest term, that a comparison has to be clear of; else the whole formula decides."""


@dataclass(frozen=True)
class State:
    """The last layer where some tokens are predicted, in the precision of the folded weights."""

    resid: Float[Tensor, "text d_model"]
    activation: Float[Tensor, "text d_mlp"]

    def part(self, some: Tensor | slice) -> "State":
        """The state at some of the texts."""
        return State(self.resid[some], self.activation[some])


@dataclass(frozen=True)
class Tile:
    """What is known of some texts and all sets before any set's write is made; in units of s times a logit."""

    resid: Float[Tensor, "text d_model"]
    """Centred as the norm centres."""
    activation: Float[Tensor, "text d_mlp"]
    delta: Float[Tensor, "text d_mlp"]
    scale: Float[Tensor, " text"]
    close: Int[Tensor, "text close"]
    """The tokens of largest clean logit, the likeliest first."""
    lead: Float[Tensor, "text close"]
    """How far the likeliest is ahead of each of them."""
    reach: Float[Tensor, "set text"]
    """What a set can give any token over the likeliest, at most; rounding is in it."""


@dataclass(frozen=True)
class Screen:
    """Sets of last-layer neurons of a model, and what their absence does to the next token by one road."""

    model: Model
    sets: Bool[Tensor, "set d_mlp"]
    road: Road = "both"

    def likeliest(
        self, state: State, delta: Float[Tensor, "text d_mlp"], wanted: Bool[Tensor, "set text"]
    ) -> tuple[Int[Tensor, " text"], Int[Tensor, "set text"]]:
        """The likeliest token of every text, and that without each set, where it is `wanted` (elsewhere the former).

        `delta` is what an ablation adds to each activation. Changed is what the same formula changes, so that the
        rounding of a model in few bits changes nothing, and a set that adds nothing never does."""
        n_texts = memory.rows(max(len(self.sets), self.model.final_layer.d_vocab), cells=CELLS)
        own, ids = [], []
        for some in torch.arange(len(delta), device=delta.device).split(n_texts):
            tile = self._tile(state.part(some), delta[some])
            own.append(tile.close[:, 0])
            ids.append(own[-1].expand(len(self.sets), -1).clone())
            doubtful = self._doubtful(tile, wanted[:, some])
            if not self.model.not_exact and doubtful.float().mean() > DENSE:
                doubtful = self._compare_close(tile, doubtful, ids[-1])
            for row, at in self._pairs(tile, doubtful):
                ids[-1][row, at] = self._decided(tile, row, at)
        return torch.cat(own), torch.cat(ids, 1)

    @cached_property
    def _members(self) -> tuple[Int[Tensor, "set member"], Float[Tensor, "set member"]]:
        """The neurons of each set, filled up to one length, and 1 where there is one, 0 where it is filled up."""
        width = max(1, int(self.sets.sum(1).max()) if len(self.sets) else 1)
        there, unit = self.sets.to(self.model.W_out.dtype).topk(min(width, self.sets.shape[1]), dim=1)
        return unit, there

    @cached_property
    def _columns(self) -> Float[Tensor, "d_vocab d_model"]:
        return self.model.final_layer.W_U.mT.contiguous()

    @cached_property
    def _ends(self) -> tuple[Float[Tensor, " d_mlp"], Float[Tensor, " d_mlp"]]:
        """The least and the most that each neuron of a set gives any token; 0 for a neuron in none."""
        held = self.sets.any(0).nonzero()[:, 0]
        low = self.model.W_out.new_zeros(self.sets.shape[1])
        high = low.clone()
        for some in held.split(memory.rows(self.model.final_layer.d_vocab, cells=CELLS)):
            low[some], high[some] = (self.model.W_out[some] @ self.model.final_layer.W_U).aminmax(dim=1)
        return low, high

    @cached_property
    def _longest(self) -> float:
        return self.model.final_layer.W_U.norm(dim=0).max().item()

    def _tile(self, state: State, delta: Float[Tensor, "text d_mlp"]) -> Tile:
        final, some = self.model.final_layer, self.sets.to(delta.dtype)
        resid, scale = final.centre(state.resid), final.scale(state.resid)
        top = final.logits(resid).topk(min(CLOSE + 1, final.d_vocab))
        lead = scale[:, None] * (top.values[:, :1] - top.values) / final.multiplier
        at_own = (self.model.W_out @ final.W_U[:, top.indices[:, 0]]).mT
        low, high = self._ends
        gain = torch.where(delta > 0, delta * (high - at_own), delta * (low - at_own)).clamp(min=0)
        length = some @ (delta.abs() * self.model.W_out.norm(dim=1)).mT
        rounding = ROUNDINGS * torch.finfo(delta.dtype).eps
        reach = rounding * (sqrt(final.d_model) * scale + length) * (self._longest + final.b_U.abs().max())
        if self.road != "scale":
            reach = reach + some @ gain.mT
        if self.road != "direct":
            b = final.b_U[top.indices[:, 0]]
            reach = reach + length / sqrt(final.d_model) * torch.maximum(final.b_U.max() - b, b - final.b_U.min())
        reach = torch.where(length == 0, -1.0, reach)
        return Tile(resid, state.activation, delta, scale, top.indices, lead, reach)

    def _doubtful(self, tile: Tile, wanted: Bool[Tensor, "set text"]) -> Bool[Tensor, "set text"]:
        """The pairs of a set and a text that the bound leaves open."""
        if self.model.not_exact:
            return wanted & (tile.reach >= 0)
        return wanted & (tile.reach >= tile.lead[:, min(1, tile.lead.shape[1] - 1)])

    def _compare_close(
        self, tile: Tile, doubtful: Bool[Tensor, "set text"], ids: Int[Tensor, "set text"]
    ) -> Bool[Tensor, "set text"]:
        """Compares the tokens that come close for all pairs of some texts and all sets at once, and enters in `ids`
        what that decides. What it leaves open is returned."""
        left = doubtful.clone()
        n_texts = memory.rows(CLOSE * max(len(self.sets), self.sets.shape[1]), cells=CELLS)
        for some in torch.arange(doubtful.shape[1], device=doubtful.device).split(n_texts):
            ahead, rounding = self._ahead(tile, some)
            best = ahead.topk(min(2, ahead.shape[2]), dim=2, largest=False)
            clear = best.values[..., -1] - best.values[..., 0] > rounding
            sure = doubtful[:, some] & clear & (tile.reach[:, some] < tile.lead[some, -1])
            token = tile.close[some].expand(len(self.sets), -1, -1).gather(2, best.indices[..., :1])[..., 0]
            ids[:, some] = torch.where(sure, token, ids[:, some])
            left[:, some] &= ~sure
        return left

    def _ahead(
        self, tile: Tile, some: Int[Tensor, " some"]
    ) -> tuple[Float[Tensor, "set some close"], Float[Tensor, "set some"]]:
        """How far the clean likeliest token stays ahead of each that comes close, in units of s' times a logit, and
        how far rounding may be out there."""
        final, members = self.model.final_layer, self.sets.to(tile.delta.dtype)
        close = tile.close[some, : max(1, tile.close.shape[1] - 1)]
        gain = (self._columns[close] - self._columns[close[:, :1]]) @ self.model.W_out.mT
        ahead = tile.lead[some, : close.shape[1]] - (
            0 if self.road == "scale" else (gain * tile.delta[some, None]).matmul(members.mT).permute(2, 0, 1)
        )
        length = members @ (tile.delta[some].abs() * self.model.W_out.norm(dim=1)).mT
        rounding = ROUNDINGS * torch.finfo(ahead.dtype).eps * (sqrt(final.d_model) * tile.scale[some] + length)
        rounding = rounding * (self._longest + final.b_U.abs().max())
        if self.road == "direct":
            return ahead.expand(len(self.sets), -1, -1), rounding
        bias = final.b_U[close[:, :1]] - final.b_U[close]
        return ahead + self._growth(tile, some)[..., None] * bias, rounding

    def _growth(self, tile: Tile, some: Int[Tensor, " some"]) -> Float[Tensor, "set some"]:
        """By how much each set's absence changes the scale: s' - s, from inner products of the writes alone."""
        W_out, scale = self.model.W_out, tile.scale[some]
        delta = tile.delta[some]
        along = self.sets.to(delta.dtype) @ (delta * (tile.resid[some] @ W_out.mT)).mT
        unit, there = self._members
        moved = delta[:, unit] * there  # some set member
        gram = W_out[unit] @ W_out[unit].mT  # set member member
        square = torch.einsum("tsm,smn,tsn->st", moved, gram, moved)
        grown = scale.square() + (2 * along + square) / self.model.final_layer.d_model
        return grown.clamp(min=0).sqrt() - scale

    def _pairs(self, tile: Tile, open_: Bool[Tensor, "set text"]) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs, as rows and places, some at a time."""
        row, at = open_.nonzero(as_tuple=True)
        width = max(tile.close.shape[1], self._members[0].shape[1]) * tile.resid.shape[1]
        n_pairs = memory.rows(width, cells=CELLS)
        yield from zip(row.split(n_pairs), at.split(n_pairs), strict=True) if len(row) else ()

    def _decided(self, tile: Tile, row: Int[Tensor, " pair"], at: Int[Tensor, " pair"]) -> Int[Tensor, " pair"]:
        """The likeliest token of each pair: among those that come close where that is enough, else among all."""
        if self.model.not_exact:
            return self._among_all(tile, row, at, self._exact_write(tile, row, at))
        final, write = self.model.final_layer, self._write(tile, row, at)
        resid, scale = self._by_road(tile, at, write)
        close = tile.close[at, : max(1, tile.close.shape[1] - 1)]
        logit = (self._columns[close] @ resid[:, :, None])[..., 0] / scale[:, None] + final.b_U[close]
        best = logit.topk(min(2, logit.shape[1]))
        ahead = scale * (best.values[:, 0] - best.values[:, -1])
        rounding = ROUNDINGS * torch.finfo(ahead.dtype).eps * scale * sqrt(final.d_model) * self._longest
        sure = (ahead > rounding) & (tile.reach[row, at] < tile.lead[at, -1])
        found = close.gather(1, best.indices[:, :1])[:, 0]
        found[~sure] = self._among_all(tile, row[~sure], at[~sure], write[~sure])
        return found

    def _write(self, tile: Tile, row: Int[Tensor, " pair"], at: Int[Tensor, " pair"]) -> Float[Tensor, "pair d_model"]:
        unit, there = (of_set[row] for of_set in self._members)
        return ((tile.delta[at[:, None], unit] * there)[..., None] * self.model.W_out[unit]).sum(1)

    def _exact_write(
        self, tile: Tile, row: Int[Tensor, " pair"], at: Int[Tensor, " pair"]
    ) -> Float[Tensor, "pair d_model"]:
        """The same where a norm follows the MLP."""
        clean, delta = tile.activation[at], tile.delta[at] * self.sets[row]
        if "a norm after the last MLP" not in self.model.not_exact:
            return delta @ self.model.W_out
        return self.model.write(clean + delta) - self.model.write(clean)

    def _by_road(
        self, tile: Tile, at: Int[Tensor, " pair"], write: Float[Tensor, "pair d_model"]
    ) -> tuple[Float[Tensor, "pair d_model"], Float[Tensor, " pair"]]:
        """What the unembedding reads, and what it is divided by."""
        resid = tile.resid[at]
        scale = tile.scale[at] if self.road == "direct" else self.model.final_layer.scale(resid + write)
        return resid if self.road == "scale" else resid + write, scale

    def _among_all(
        self, tile: Tile, row: Int[Tensor, " pair"], at: Int[Tensor, " pair"], write: Float[Tensor, "pair d_model"]
    ) -> Int[Tensor, " pair"]:
        """The likeliest of the whole vocabulary; a tie changes nothing."""
        final, found = self.model.final_layer, tile.close[at, 0].clone()
        for some in torch.arange(len(at), device=at.device).split(memory.rows(final.d_vocab, cells=CELLS)):
            resid, scale = self._by_road(tile, at[some], write[some])
            logit, own = final.logits(resid, scale=scale), found[some]
            most, which = logit.max(-1)
            found[some] = torch.where(logit.gather(1, own[:, None])[:, 0] < most, which, own)
        return found
