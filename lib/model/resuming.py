"""The rest of a pass: what becomes of prompts when another stream enters a block at some of their positions.

Attention looks back only, and a block reads only what the blocks before it wrote. So a change of the stream in front of
a block, at some position, leaves all earlier positions and all earlier blocks as they were. `start` runs the prompts
once and keeps what is needed of that: keys and values of every position, and the streams from some position on.
`behind` then goes on from any later position and any block, with the cache in front of it; the blocks before are not
run. Nothing is approximated."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import checkpoint
from lib.model.hooks import Kept, keeping, plainly

Pieces = tuple[Float[Tensor, "row head position d_head"], Float[Tensor, "row head position d_head"]]
"""Keys and values of a layer."""


@dataclass(frozen=True, eq=False)
class Started:
    """A plain pass over prompts of one length, from which the rest can be run again and again."""

    bridge: Any
    tokens: Int[Tensor, "prompt position"]
    first: int
    """The first position from which it can go on."""
    streams: dict[int, Float[Tensor, "prompt place d_model"]]
    """By block, what enters it from `first` on."""
    pieces: list[Pieces]
    """By layer, keys and values of all positions."""

    def behind(self, row: Int[Tensor, " row"], position: int, *, until: int | None = None) -> "Rest":
        """The rest of the pass from a position on, for some of the prompts, each as often as it is named; `until` ends
        it in front of a later position, and None at the end of the prompts."""
        row = row.to(self.tokens.device)
        end = self.tokens.shape[1] if until is None else until
        pieces = [(key[row], value[row]) for key, value in self.pieces]
        return Rest(self, row, slice(position, end), checkpoint.prefix_cache(pieces, position))

    def first_value(self, layer: int) -> Float[Tensor, "prompt head d_head"]:
        """The value vectors of the first token; grouped heads have one together."""
        return self.pieces[layer][1][:, :, 0]


@dataclass(frozen=True, eq=False)
class Rest:
    """What is still to run of a pass; made by `Started.behind`."""

    started: Started
    row: Int[Tensor, " row"]
    positions: slice
    cache: Any

    def stream(self, block: int) -> Float[Tensor, "row place d_model"]:
        """A copy of what entered the block at these positions."""
        first = self.started.first
        return self.started.streams[block][self.row, self.positions.start - first : self.positions.stop - first]

    def run(self, block: int, stream: Float[Tensor, "row place d_model"]) -> Float[Tensor, "row d_model"]:
        """What enters the final norm at the last position when this stream enters the block."""
        bridge, tokens = self.started.bridge, self.started.tokens[self.row, self.positions]
        given = {"past_key_values": self.cache, "use_cache": True}
        with entering(bridge, block, stream), leaving(bridge) as left, plainly():
            bridge.original_model.base_model(input_ids=tokens, **given)
        return left[-1]


def start(bridge: Any, tokens: Int[Tensor, "prompt position"], *, first: int, blocks: Collection[int]) -> Started:
    """Runs prompts of one length and keeps what the rest needs from position `first` on, in front of these blocks."""
    tokens = tokens.to(bridge.original_model.device)
    keepers = {block: Kept(slice(first, None)) for block in blocks}
    cache = checkpoint.empty_cache()
    with keeping(bridge, {f"blocks.{block}.hook_resid_pre": kept for block, kept in keepers.items()}), plainly():
        bridge.original_model.base_model(input_ids=tokens, past_key_values=cache, use_cache=True)
    pieces = [(layer.keys, layer.values) for layer in cache.layers]
    return Started(bridge, tokens, first, {block: kept.value for block, kept in keepers.items()}, pieces)


@contextmanager
def entering(bridge: Any, block: int, stream: Float[Tensor, "row place d_model"]) -> Iterator[None]:
    """Within the context a pass runs from this block on, and the stream is what enters it."""

    def enter(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        return ((stream, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": stream})

    skipped = [*bridge.blocks][:block]
    handle = bridge.blocks[block].register_forward_pre_hook(enter, with_kwargs=True)
    for one in skipped:
        object.__setattr__(one, "forward", _passed_on)  # a block of the bridge hands attributes on to what it wraps
    try:
        yield
    finally:
        handle.remove()
        for one in skipped:
            object.__delattr__(one, "forward")


@contextmanager
def leaving(bridge: Any) -> Iterator[list[Float[Tensor, "row d_model"]]]:
    """Within the context, what leaves the last block at the last position is added to the list."""
    left: list[Tensor] = []

    def keep(module: torch.nn.Module, given: Any, out: Any) -> None:
        left.append((out[0] if isinstance(out, tuple) else out)[:, -1].clone())

    handle = [*bridge.blocks][-1].register_forward_hook(keep)
    try:
        yield left
    finally:
        handle.remove()


def _passed_on(*args: Any, **kwargs: Any) -> Tensor:
    return args[0] if args else kwargs["hidden_states"]
