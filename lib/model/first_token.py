"""Attention heads that look at the first token only, in a way that means the same with a key-value cache as without.

A pass with a cache carries the new positions only, the earlier ones lie in the cache. What sits inside such a pass
sees neither where in the sequence it is nor the first token. So an edit here watches its attention block: the cache
that goes in says how many positions came before, and the first token's value vector is remembered for each cache."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lib.checkpoint import ModelError
from lib.model.editing import n_cached, refuse_cache, the_cache
from lib.model.edits import from_the_start
from lib.model.hooks import attaching


class FirstTokenOnly:
    """Some heads of one layer attend to the first token only, at the queried positions of the sequence."""

    def __init__(self, layer: int, head: Int[Tensor, " head"], queries: slice) -> None:
        self.layer, self.head, self.queries = layer, head, queries
        self.start = 0
        self.cache: Any = None
        self.value: Tensor | None = None
        self.remembered: WeakKeyDictionary[Any, Tensor] = WeakKeyDictionary()

    @property
    def fits_cache(self) -> bool:
        """Whether the queried positions stay where they are as the sequence grows."""
        return from_the_start(self.queries)

    def begin(self, attention: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Before a pass: how many positions its cache, if there is one, holds already."""
        self.cache, self.value = the_cache(args, kwargs), None
        self.start = n_cached(self.cache, self.layer)
        if self.start and not self.fits_cache:
            refuse_cache()

    def keep(self, value: Tensor, hook: Any) -> None:
        """The first token's value vector, where the pass holds the first token."""
        if self.start:
            return
        self.value = value[:, :1].detach()
        if self.cache is not None:
            self.remembered[self.cache] = self.value

    def replace(self, z: Tensor, hook: Any) -> Tensor:
        """The heads' outputs with the first token's value vector in their place."""
        value = self.value if self.start == 0 else self.remembered.get(self.cache)
        if value is None:
            raise ModelError(f"the first token's values of layer {self.layer} never passed their hook inside the edit")
        chosen = range(self.start + z.shape[1])[self.queries]
        at = torch.tensor([query - self.start for query in chosen if query >= self.start], dtype=torch.long)
        z = z.clone()
        z[:, at[:, None], self.head] = value[:, :, self.head * value.shape[2] // z.shape[2]]  # grouped heads share one
        return z


@contextmanager
def first_token_only(bridge: Any, heads: Bool[Tensor, "layer head"], queries: slice) -> Iterator[None]:
    """Within the context the heads of the mask attend to the first token only, at the queried positions.

    Raises ModelError where the first token never came by, and where positions counted from the end meet a cache."""
    masks = [(layer, mask.nonzero()[:, 0]) for layer, mask in enumerate(heads.cpu()) if mask.any()]
    edits = [FirstTokenOnly(layer, head, queries) for layer, head in masks]
    with ExitStack() as inside:
        for edit in edits:
            attention = bridge.blocks[edit.layer].attn
            inside.callback(attention.register_forward_pre_hook(edit.begin, with_kwargs=True).remove)
        blocks = [(f"blocks.{edit.layer}.attn", edit) for edit in edits]
        hooks: list[tuple[str, Any]] = [(f"{block}.hook_v", edit.keep) for block, edit in blocks]
        hooks += [(f"{block}.hook_z", edit.replace) for block, edit in blocks]
        inside.enter_context(attaching(bridge, hooks))
        yield
