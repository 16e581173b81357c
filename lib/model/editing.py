"""Edits on their way through the model, with a key-value cache and without one.

A pass with a cache carries the new positions only, and the cache says how many came before; so an edit whose positions
count from the start means the same with a cache as without. One thing no cache can give: positions counted from the
end. They move on with every token, and what the cache keeps of an edited position would have to become clean again.
Such edits are told apart (`fits_cache`), and generation then runs the whole sequence anew for every token."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.checkpoint import ModelError
from lib.model import sites
from lib.model.edits import Edit
from lib.model.hooks import Kept, attaching, standing


class UnderWay:
    """An edit on its way through passes of the model, which knows how many positions came in earlier ones."""

    def __init__(self, edit: Edit, before: Kept | None) -> None:
        self.edit, self.before = edit, before
        self.start: int | None = None

    @property
    def fits_cache(self) -> bool:
        """See `Edit.fits_cache`."""
        return self.edit.fits_cache

    def begin(self, block: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Before a pass of its block: how many positions the cache, if there is one, holds already."""
        self.start = n_cached(the_cache(args, kwargs), self.edit.site.layer)
        if self.start and not self.fits_cache:
            refuse_cache()

    def through(self, passing: Tensor, hook: Any) -> Tensor:
        """What flows on. A sum of two (see `Site.parts`) is edited as a whole, and its second part takes the change."""
        if self.start is None:
            raise ModelError(f"the edit at {self.edit.site} met a pass that did not begin at its block")
        if self.before is None:
            return self.edited(passing)
        whole = self.before.value + passing
        edited = self.edited(whole)
        return torch.where(edited == whole, passing, edited - self.before.value)

    def edited(self, passing: Tensor) -> Tensor:
        """The passing value with the edit done at those of its positions that are meant."""
        row, at, place = (index.to(passing.device) for index in self._here(*passing.shape[:2]))
        if not len(row):
            return passing
        flat = passing.flatten(2).clone()
        flat[row, at] = self._with_units_changed(flat[row, at], row, place)
        return flat.view_as(passing)

    def _with_units_changed(
        self, old: Float[Tensor, "some width"], row: Int[Tensor, " some"], place: Int[Tensor, " some"]
    ) -> Float[Tensor, "some width"]:
        units = self.edit.units if self.edit.units is None else self.edit.units.to(old.device)
        if units is None or units.ndim == 2:
            new = self._changed(old, row, place).to(old.dtype)
            return new if units is None else torch.where(units[row if len(units) > 1 else row * 0], new, old)
        new = old.clone()
        new[:, units] = self._changed(old[:, units], row, place).to(old.dtype)
        return new

    def _changed(
        self, old: Float[Tensor, "some width"], row: Int[Tensor, " some"], place: Int[Tensor, " some"]
    ) -> Float[Tensor, "some width"]:
        n_prompts, n_places, width = self.edit.value.shape
        if width not in (1, old.shape[1]):
            raise ValueError(f"{self.edit.site} is {old.shape[1]} wide, but the edit has values for {width}")
        if n_places > 1 and int(place.max()) >= n_places:
            raise ValueError(f"the edit at {self.edit.site} has values for {n_places} places, but its positions go on")
        value = self.edit.value.to(old.device)
        value = value[row if n_prompts > 1 else row * 0, place if n_places > 1 else place * 0]
        wide = torch.promote_types(torch.promote_types(old.dtype, value.dtype), torch.float32)
        return self.edit.change(old.to(wide), value.to(wide).expand_as(old))

    def _here(self, n_rows: int, n_new: int) -> tuple[Tensor, Tensor, Tensor]:
        """Row, position within this pass and place of everything that the edit means in it."""
        start, positions = self.start or 0, self.edit.positions
        end = start + n_new
        if isinstance(positions, Tensor):
            positions = positions.expand(n_rows, -1)
            row, place = ((positions >= start) & (positions < end)).nonzero(as_tuple=True)
            return row, positions[row, place] - start, place
        here = [(at - start, place) for place, at in enumerate(range(end)[positions]) if at >= start]
        at, place = torch.tensor(here, dtype=torch.long).view(-1, 2).unbind(1)
        row = torch.arange(n_rows).repeat_interleave(len(here))
        return row, at.repeat(n_rows), place.repeat(n_rows)


@contextmanager
def under_way(bridge: Any, edits: Sequence[Edit]) -> Iterator[None]:
    """Within the context the edits are done, in their order where they meet at one site.

    Raises as `sites.check` does, ModelError where positions counted from the end meet a cache, ValueError for values
    that are not as wide as their site."""
    sites.check(bridge, [edit.site for edit in edits])
    hooks, befores = [], []
    with ExitStack() as inside:
        for edit in edits:
            *first, last = edit.site.parts
            before = Kept()
            going = UnderWay(edit, before if first else None)
            hooks.append((last, going.through))
            befores += [(part, before.keep) for part in first]  # behind the edits of that part, which it is to see
            block = bridge.blocks[edit.site.layer]
            inside.callback(block.register_forward_pre_hook(going.begin, with_kwargs=True).remove)
        inside.enter_context(attaching(bridge, [*hooks, *befores]))
        yield


def fits_cache(bridge: Any) -> bool:
    """Whether every edit under way gives with a cache what it gives without; of an unknown one nobody knows."""
    return all(getattr(getattr(hook, "__self__", None), "fits_cache", False) for hook in standing(bridge))


def are_under_way(bridge: Any) -> bool:
    """Whether there is an edit under way, or anything else that reads or changes what passes."""
    return bool(standing(bridge))


def the_cache(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The key-value cache among the arguments of a pass, or None."""
    return next((given for given in (*args, *kwargs.values()) if hasattr(given, "get_seq_length")), None)


def n_cached(cache: Any, layer: int) -> int:
    """Positions that a cache holds already; none without a cache."""
    return 0 if cache is None else int(cache.get_seq_length(layer))


def refuse_cache() -> NoReturn:
    """Raises the ModelError for positions that a cache cannot follow."""
    raise ModelError("positions counted from the end move with every token; run without a cache")
