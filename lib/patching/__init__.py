r"""Activation patching: a place of one run put into another, and how much of the answer comes along.

Two prompts of a pair differ in one thing and so in their answers. Run the target with a site of the source put in at
some position, and see how far the difference between the logits of the two answers moves from the target's m to the
source's:

.. math:: \mathrm{recovery} = \frac{m_\mathrm{patched} - m_\mathrm{target}}{m_\mathrm{source} - m_\mathrm{target}}

1 where the place carries all that makes the difference, 0 where it carries nothing (Du et al. 2025, section 3, patch
true statements into false ones, the residual stream after each layer, one position at a time). What is put in may have
been recorded in another model: then it shows whether the one can read what the other writes.

A grid of sites and positions is thousands of runs, each of which repeats almost all of the run before it. `patch` runs
only what a patch can reach (`grid`); `patch_by_passes` runs everything, for every site there is, and is what the short
road is tested against."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.model import Model, Site, replace
from lib.patching.grid import STREAMS, filled
from lib.patching.pairs import Pairs, Patched
from lib.patching.reading import logit_difference

__all__ = ["STREAMS", "Pairs", "Patched", "logit_difference", "patch", "patch_by_passes"]


def patch(
    model: Model,
    pairs: Pairs,
    sites: Sequence[Site],
    *,
    positions: Int[Tensor, "pair place"],
    recorded: dict[Site, Float[Tensor, "pair place width"]] | None = None,
    batch_size: int = 64,
) -> Patched:
    """Puts every site of the source into the target's run, one site and one place at a time.

    `recorded` are the sources' values where they come from elsewhere, from another model for example; without it they
    are this model's own. Then a place before which the prompts of a pair do not differ is not run: it changes nothing.
    `batch_size` prompts, or patches of them, run together. Raises as `Model.record` does."""
    given: dict[str, Any] = {"positions": positions, "recorded": recorded, "batch_size": batch_size}
    if any(site.where not in STREAMS for site in sites):
        return patch_by_passes(model, pairs, sites, **given)
    found, values, told = _begin(model, pairs, sites, **given)
    for some in torch.arange(len(pairs.target)).split(batch_size):
        ours = [values[site][some] for site in sites]
        known = {"at": positions[some], "told": told[some], "still": found.difference[some]}
        found.difference[some] = filled(model, pairs.some(some), sites, ours, **known, rows=batch_size)
    return found


def patch_by_passes(
    model: Model,
    pairs: Pairs,
    sites: Sequence[Site],
    *,
    positions: Int[Tensor, "pair place"],
    recorded: dict[Site, Float[Tensor, "pair place width"]] | None = None,
    batch_size: int = 64,
) -> Patched:
    """The same by a full forward pass for every site and place, whatever the site."""
    given: dict[str, Any] = {"positions": positions, "recorded": recorded, "batch_size": batch_size}
    found, values, told = _begin(model, pairs, sites, **given)
    ask: dict[str, Any] = {"right": pairs.right, "wrong": pairs.wrong, "batch_size": batch_size}
    for place in told.any(0).nonzero()[:, 0].tolist():
        some = slice(place, place + 1)
        for row, site in enumerate(sites):
            edit = replace(site, values[site][:, some], positions=positions[:, some])
            found.difference[:, row, place] = logit_difference(model, pairs.target, edits=[edit], **ask)
    return found


def _begin(
    model: Model,
    pairs: Pairs,
    sites: Sequence[Site],
    *,
    positions: Int[Tensor, "pair place"],
    recorded: dict[Site, Float[Tensor, "pair place width"]] | None,
    batch_size: int,
) -> tuple[Patched, dict[Site, Float[Tensor, "pair place width"]], Bool[Tensor, "pair place"]]:
    """Both runs, every patch still as the target's; the values to put in; and where they can make a difference."""
    ask: dict[str, Any] = {"right": pairs.right, "wrong": pairs.wrong, "batch_size": batch_size}
    source, target = (logit_difference(model, tokens, **ask) for tokens in (pairs.source, pairs.target))
    found = target[:, None, None].repeat(1, len(sites), positions.shape[1])
    values = recorded or model.record(pairs.source, sites, positions=positions, batch_size=batch_size)
    differ = (pairs.source != pairs.target).cumsum(1).gather(1, positions.to(pairs.source.device)) > 0
    return Patched(source, target, found), values, differ if recorded is None else torch.ones_like(differ)
