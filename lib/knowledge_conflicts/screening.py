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
from torch.nn.functional import embedding_bag

from lib import memory
from lib.knowledge_conflicts import closer
from lib.knowledge_conflicts.head import CELLS, CLOSE, ROUNDINGS, Head, Near, State
from lib.knowledge_conflicts.members import Members
from lib.knowledge_conflicts.whole import by_members
from lib.model import Model

Road = Literal["both", "scale", "direct"]
ROADS: tuple[Road, ...] = ("both", "scale", "direct")
"""How an ablation may act: as it does, through the final norm's scale alone, or with the scale frozen."""
DENSE = 1 / 32
"""Share of open pairs of a set and a text from which on all are compared by what each neuron gives each close token."""
CROWDED = 2**20
"""Logits of all open sets at one text from which on these are compared for the text by itself, with more tokens."""


@dataclass(frozen=True)
class Tile:
    """What is known of some texts and all sets before any set's write is made; in units of s times a logit."""

    resid: Float[Tensor, "text d_model"]
    """Centred as the norm centres."""
    activation: Float[Tensor, "text d_mlp"]
    delta: Float[Tensor, "text d_mlp"]
    scale: Float[Tensor, " text"]
    near: Near
    """The tokens of largest clean logit, the likeliest first; the first few of them are compared everywhere."""
    length: Float[Tensor, "set text"]
    """The longest that a set's write can be."""
    reach: Float[Tensor, "set text"]
    """What a set can give any token over the likeliest, at most; rounding is in it."""

    @property
    def close(self) -> Int[Tensor, "text close"]:
        """The first few tokens of largest clean logit."""
        return self.near.token[:, : CLOSE + 1]

    @property
    def lead(self) -> Float[Tensor, "text close"]:
        """How far the likeliest is ahead of each of them."""
        return self.near.lead[:, : CLOSE + 1]


@dataclass(frozen=True)
class Screen:
    """Sets of last-layer neurons of a model, and what their absence does to the next token by one road."""

    model: Model
    sets: Bool[Tensor, "set d_mlp"]
    road: Road = "both"
    known: Head | None = None
    """What is known of the model already."""

    def likeliest(
        self, state: State, delta: Float[Tensor, "text d_mlp"], wanted: Bool[Tensor, "set text"]
    ) -> tuple[Int[Tensor, " text"], Int[Tensor, "set text"]]:
        """The likeliest token of every text, and that without each set, where it is `wanted` (elsewhere the former).

        `delta` is what an ablation adds to each activation. Changed is what the same formula changes, so that the
        rounding of a model in few bits changes nothing, and a set that adds nothing never does."""
        n_texts = memory.rows(max(*self.sets.shape, 1), cells=CELLS)
        own, ids = [], []
        for some in torch.arange(len(delta), device=delta.device).split(n_texts):
            tile = self._tile(state.part(some), delta[some])
            own.append(tile.close[:, 0])
            ids.append(own[-1].expand(len(self.sets), -1).clone())
            doubtful = self._doubtful(tile, wanted[:, some])
            if not self.model.not_exact and doubtful.float().mean() > DENSE:
                doubtful = self._compare_close(tile, doubtful, ids[-1])
            doubtful = self._compare_closer(tile, doubtful, ids[-1])
            row, at = self._decide_close(tile, doubtful, ids[-1])
            ids[-1][row, at] = self._among_all(tile, row, at)
        return torch.cat(own), torch.cat(ids, 1)

    @cached_property
    def _head(self) -> Head:
        return Head(self.model) if self.known is None else self.known

    @cached_property
    def _members(self) -> Members:
        return Members(self.sets, self.model.W_out)

    def _tile(self, state: State, delta: Float[Tensor, "text d_mlp"]) -> Tile:
        final, some = self.model.final_layer, self.sets.to(delta.dtype)
        resid, scale = final.centre(state.resid), final.scale(state.resid)
        near = self._head.near(state.resid) if state.near is None else state.near
        own = near.token[:, 0]
        length = some @ (delta.abs() * self.model.W_out.norm(dim=1)).mT
        reach = self._rounding(scale, length)
        if self.road != "scale":
            at_own = (self.model.W_out @ final.W_U[:, own]).mT
            low, high = self._head.ends(self.sets.any(0))
            gain = torch.where(delta > 0, delta * (high - at_own), delta * (low - at_own)).clamp(min=0)
            reach = reach + some @ gain.mT
        if self.road != "direct":
            b = final.b_U[own]
            reach = reach + length / sqrt(final.d_model) * torch.maximum(final.b_U.max() - b, b - final.b_U.min())
        reach = torch.where(length == 0, -1.0, reach)
        return Tile(resid, state.activation, delta, scale, near, length, reach)

    def _rounding(
        self, scale: Float[Tensor, "*pair"], length: Float[Tensor, "*set pair"]
    ) -> Float[Tensor, "*set pair"]:
        """How far rounding may be out where a set's write has this length, in units of s times a logit."""
        final, units = self.model.final_layer, ROUNDINGS * torch.finfo(length.dtype).eps
        return units * (sqrt(final.d_model) * scale + length) * (self._head.longest + final.b_U.abs().max())

    def _doubtful(self, tile: Tile, wanted: Bool[Tensor, "set text"]) -> Bool[Tensor, "set text"]:
        """The pairs of a set and a text that the bound leaves open."""
        if self.model.not_exact:
            return wanted & (tile.reach >= 0)
        return wanted & (tile.reach >= tile.lead[:, min(1, tile.lead.shape[1] - 1)])

    def _compare_close(
        self, tile: Tile, doubtful: Bool[Tensor, "set text"], ids: Int[Tensor, "set text"]
    ) -> Bool[Tensor, "set text"]:
        """Compares the tokens that come close, for all doubtful pairs, by sums of what each neuron gives them, and
        enters in `ids` what that decides. What it leaves open is returned."""
        left, n_pairs = doubtful.clone(), memory.rows(max(CLOSE, self._members.width**2), cells=CELLS)
        n_texts = memory.rows(CLOSE * len(self._members.held), cells=CELLS)
        for some in range(0, doubtful.shape[1], n_texts):
            part = slice(some, some + n_texts)
            given = self._given(tile, part)
            row, at = doubtful[:, part].nonzero(as_tuple=True)
            for rows, places in zip(row.split(n_pairs), at.split(n_pairs), strict=True):
                token, clear = self._among_close(tile, part, given, rows, places)
                there = places + part.start
                sure = clear & (tile.reach[rows, there] < tile.lead[there, -1])
                ids[rows[sure], there[sure]] = token[sure]
                left[rows[sure], there[sure]] = False
        return left

    def _compare_closer(
        self, tile: Tile, doubtful: Bool[Tensor, "set text"], ids: Int[Tensor, "set text"]
    ) -> Bool[Tensor, "set text"]:
        """The same with more tokens, where so many sets are open at a text that the text is worth a product."""
        left, n_sets = doubtful.clone(), memory.rows(self._members.width * tile.resid.shape[1], cells=CELLS)
        crowded = doubtful.sum(0) * self.model.final_layer.d_vocab >= CROWDED
        for at in crowded.nonzero()[:, 0].tolist() if not self.model.not_exact else ():
            for row in doubtful[:, at].nonzero()[:, 0].split(n_sets):
                place = torch.full_like(row, at)
                resid, scale = self._by_road(tile, place, self._write(tile, row, place))
                near = tile.near.part(slice(at, at + 1))
                token, sure = closer.among(self._head, near, resid, scale, tile.reach[row, at])
                ids[row[sure], at] = token[sure]
                left[row[sure], at] = False
        return left

    def _given(self, tile: Tile, some: slice) -> Float[Tensor, "some held close"]:
        """What the ablation of each neuron gives each close token over the likeliest."""
        close = tile.close[some, : max(1, tile.close.shape[1] - 1)]
        if self.road == "scale":
            return tile.delta.new_zeros(len(close), len(self._members.held), close.shape[1])
        apart = self._head.columns[close] - self._head.columns[close[:, :1]]
        return (self.model.W_out[self._members.held] @ apart.mT) * tile.delta[some][:, self._members.held, None]

    def _among_close(
        self,
        tile: Tile,
        some: slice,
        given: Float[Tensor, "some held close"],
        row: Int[Tensor, " pair"],
        at: Int[Tensor, " pair"],
    ) -> tuple[Int[Tensor, " pair"], Bool[Tensor, " pair"]]:
        """The likeliest of the tokens that come close, and whether it is so whatever the rounding."""
        final, there, close = self.model.final_layer, at + some.start, tile.close[some]
        bag = at[:, None] * given.shape[1] + self._members.place[row]
        gained = embedding_bag(bag, given.flatten(0, 1), mode="sum", per_sample_weights=self._members.weight[row])
        ahead = tile.lead[there, : given.shape[2]] - gained
        if self.road != "direct" and bool(final.b_U.max() > final.b_U.min()):
            bias = final.b_U[close[:, :1]] - final.b_U[close[:, : given.shape[2]]]
            here = tile.resid[some], tile.scale[some], tile.delta[some]
            ahead = ahead + self._members.growth(*here, row, at)[:, None] * bias[at]
        least, which = ahead.min(1)
        second = ahead.scatter(1, which[:, None], torch.inf).amin(1) if ahead.shape[1] > 1 else least
        clear = second - least > self._rounding(tile.scale[there], tile.length[row, there])
        return close[at, which], clear

    def _pairs(self, tile: Tile, open_: Bool[Tensor, "set text"]) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs, as rows and places, some at a time."""
        row, at = open_.nonzero(as_tuple=True)
        width = max(tile.close.shape[1], self._members.width) * tile.resid.shape[1]
        n_pairs = memory.rows(width, cells=CELLS)
        yield from zip(row.split(n_pairs), at.split(n_pairs), strict=True) if len(row) else ()

    def _decide_close(
        self, tile: Tile, doubtful: Bool[Tensor, "set text"], ids: Int[Tensor, "set text"]
    ) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"]]:
        """Makes the writes of doubtful pairs, compares the tokens that come close, and enters in `ids` what that
        decides. The rows and places of what it leaves open are returned."""
        left = doubtful.clone()
        for row, at in self._pairs(tile, doubtful) if not self.model.not_exact else ():
            token, sure = self._decided(tile, row, at)
            ids[row[sure], at[sure]] = token[sure]
            left[row[sure], at[sure]] = False
        row, at = left.nonzero(as_tuple=True)
        return row, at

    def _decided(
        self, tile: Tile, row: Int[Tensor, " pair"], at: Int[Tensor, " pair"]
    ) -> tuple[Int[Tensor, " pair"], Bool[Tensor, " pair"]]:
        """The likeliest of the tokens that come close, and whether it is the likeliest of all."""
        final, write = self.model.final_layer, self._write(tile, row, at)
        resid, scale = self._by_road(tile, at, write)
        close = tile.close[at, : max(1, tile.close.shape[1] - 1)]
        logit = (self._head.columns[close] @ resid[:, :, None])[..., 0] / scale[:, None] + final.b_U[close]
        which, sure = closer.settled(self._head, logit, scale, tile.reach[row, at] < tile.lead[at, -1])
        return close.gather(1, which[:, None])[:, 0], sure

    def _write(self, tile: Tile, row: Int[Tensor, " pair"], at: Int[Tensor, " pair"]) -> Float[Tensor, "pair d_model"]:
        moved = self._members.moved(tile.delta, row, at)
        return (moved[..., None] * self.model.W_out[self._members.unit[row]]).sum(1)

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

    def _among_all(self, tile: Tile, row: Int[Tensor, " pair"], at: Int[Tensor, " pair"]) -> Int[Tensor, " pair"]:
        """The likeliest of the whole vocabulary; a tie changes nothing."""
        final, own = self.model.final_layer, tile.close[at, 0]
        if not self.model.not_exact and len(at) > len(self._members.held):
            moved = None if self.road == "scale" else self._members.moved(tile.delta, row, at)
            chosen = {"row": row, "at": at, "own": own}
            return by_members(final, self._members, tile.resid, self._scale(tile, row, at), moved, **chosen)
        found = own.clone()
        for some in torch.arange(len(at), device=at.device).split(memory.rows(final.d_vocab, cells=CELLS)):
            make = self._exact_write if self.model.not_exact else self._write
            resid, scale = self._by_road(tile, at[some], make(tile, row[some], at[some]))
            logit = final.logits(resid, scale=scale)
            most, which = logit.max(-1)
            found[some] = torch.where(logit.gather(1, own[some, None])[:, 0] < most, which, own[some])
        return found

    def _scale(self, tile: Tile, row: Int[Tensor, " pair"], at: Int[Tensor, " pair"]) -> Float[Tensor, " pair"]:
        """What divides the logits of each pair, by the road."""
        scale, n_pairs = tile.scale[at], memory.rows(self._members.width**2, cells=CELLS)
        if self.road == "direct":
            return scale
        parts = zip(row.split(n_pairs), at.split(n_pairs), strict=True)
        return scale + torch.cat([self._members.growth(tile.resid, tile.scale, tile.delta, *part) for part in parts])
