"""What an edit is: something else flows on from a place of the model, at some positions of each prompt.

An edit is a site, positions, a value for them, and how the value changes what was there: it replaces it (`replace`),
is added to it (`add`), or is the direction that is taken out of it (`project_out`). Edits are handed to a run
(`model.run(tokens, …, edits=[…])`), which gives each batch the rows that are its own.

Positions count from the start of the sequence, the first token being 0; a slice may count from the end."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.model.sites import Site

EVERYWHERE = slice(None)
Units = Int[Tensor, " unit"] | Bool[Tensor, "#prompt width"] | None
"""Entries of a site that are edited: the same for all prompts, or marked for each; all of them where it is None."""
Change = Callable[[Float[Tensor, "some width"], Float[Tensor, "some width"]], Float[Tensor, "some width"]]


@dataclass(frozen=True, eq=False)
class Edit:
    """What happens at one site; made by `replace`, `add` and `project_out`."""

    site: Site
    change: Change
    """From what flows in at some positions, and the values given for them, to what flows on."""
    value: Float[Tensor, "#prompt #place width"]
    """One for all prompts or places where there is only one of them."""
    positions: slice | Int[Tensor, "#prompt #place"]
    """Counted from the first token, or for a slice also from the end; the places of `value` in their order."""
    units: Units
    """For named ones `value` is as wide as they are many, for marked ones as wide as the site."""

    @property
    def fits_cache(self) -> bool:
        """Whether the positions stay where they are as the sequence grows."""
        return isinstance(self.positions, Tensor) or from_the_start(self.positions)

    def rows(self, index: slice | Int[Tensor, " row"]) -> "Edit":
        """The same edit for some of its prompts."""
        value = self.value if len(self.value) == 1 else self.value[index]
        positions, units = self.positions, self.units
        if isinstance(positions, Tensor) and len(positions) > 1:
            positions = positions[index]
        if units is not None and units.ndim == 2 and len(units) > 1:
            units = units[index]
        return Edit(self.site, self.change, value, positions, units)

    def check(self, n_prompts: int, n_positions: int) -> None:
        """Raises ValueError unless the edit is one of this many prompts, and its positions are among theirs."""
        at = [self.positions] if isinstance(self.positions, Tensor) else []
        marked = [self.units] if self.units is not None and self.units.ndim == 2 else []
        for given in (self.value, *at, *marked):
            if len(given) not in (1, n_prompts):
                raise ValueError(f"the edit at {self.site} is for {len(given)} prompts, but {n_prompts} are run")
        if at and at[0].numel() and not 0 <= int(at[0].min()) <= int(at[0].max()) < n_positions:
            raise ValueError(
                f"positions of the edit at {self.site} must lie in 0 … {n_positions - 1}, "
                f"got {int(at[0].min())} … {int(at[0].max())}"
            )


def replace(
    site: Site,
    value: Float[Tensor, "*prompt_place width"],
    *,
    positions: slice | Int[Tensor, "prompt place"] = EVERYWHERE,
    units: Units = None,
) -> Edit:
    """Puts `value` in the place of what was there: one for all, one for each prompt, or one for each prompt and place.

    Raises ValueError for values that do not belong to the positions or units."""
    return _edit(site, lambda old, new: new, value, positions, units)


def add(
    site: Site,
    value: Float[Tensor, "*prompt_place width"],
    *,
    positions: slice | Int[Tensor, "prompt place"] = EVERYWHERE,
    units: Units = None,
) -> Edit:
    """Adds `value`; shapes and errors as with `replace`."""
    return _edit(site, torch.add, value, positions, units)


def project_out(
    site: Site,
    direction: Float[Tensor, "*prompt_place width"],
    *,
    positions: slice | Int[Tensor, "prompt place"] = EVERYWHERE,
) -> Edit:
    """Takes out the component along `direction`, whatever its length: x - (x · u) u with u of unit norm. One direction
    for all, one for each prompt, or one for each prompt and place.

    Raises ValueError for a direction without length, and as `replace` does."""
    length = direction.double().norm(dim=-1, keepdim=True)
    if not ((length > 0) & length.isfinite()).all():
        wrong = length[~((length > 0) & length.isfinite())][0]
        raise ValueError(f"a direction to project out needs a length that is positive and finite, got {wrong:g}")
    units = (direction.double() / length).to(direction.dtype)
    return _edit(site, lambda old, unit: old - (old * unit).sum(-1, keepdim=True) * unit, units, positions, None)


def _edit(site: Site, change: Change, value: Tensor, positions: slice | Tensor, units: Units) -> Edit:
    value = value[(None,) * (3 - value.ndim)] if value.ndim != 2 else value[:, None]
    n_places = value.shape[1]
    if n_places > 1 and isinstance(positions, Tensor) and positions.shape[1] != n_places:
        raise ValueError(f"the edit at {site} has values for {n_places} places, but {positions.shape[1]} positions")
    if units is not None and value.shape[2] not in (1, units.shape[-1]):
        raise ValueError(f"the edit at {site} names {units.shape[-1]} units, but gives values for {value.shape[2]}")
    return Edit(site, change, value, positions, units)


def from_the_start(positions: slice) -> bool:
    """Whether a slice counts from the start of the sequence alone."""
    return all(end is None or end >= 0 for end in (positions.start, positions.stop, positions.step))
