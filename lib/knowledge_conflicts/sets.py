"""Which neurons are ablated, and which others they are held against: random sets of as many, of five kinds.

The paper's hundred random sets are drawn from the whole layer, where most neurons hardly act; any neuron that does act
stands out against them. Sets matched on the length of the output weight, or on how far the ablation moves the residual
stream, ask whether these neurons do more than others that act as much. Sets that reach far into a random space ask
whether the null space is anything but a space."""

from collections.abc import Callable
from math import comb

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import controls, null_space, selection
from lib.controls import Matched

PAPER, FREE, NORM, EFFECT, ROTATED = (
    "as in the paper",
    "without the chosen",
    "matched on norm",
    "matched on effect",
    "of a rotated null space",
)
KINDS = (PAPER, FREE, NORM, EFFECT, ROTATED)
"""Control sets, by name."""
MATCHED = (NORM, EFFECT)
N_PAPER = 100
"""Random sets of the paper."""
PAPER_SEED = 123
"""Of the authors' code, for NumPy's legacy generator."""


def named(units: str, *, d_mlp: int) -> Bool[Tensor, " neuron"]:
    """The neurons of a list such as "3, 17". Raises ValueError for what is no list of units, and for a unit that the
    layer does not have."""
    parts = [part.strip() for part in units.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise ValueError(f'units must be numbers of neurons parted by commas, such as "3, 17", got {units!r}')
    return selection.mask_of([int(part) for part in parts], d_mlp=d_mlp)


def as_in_the_paper(chosen: Bool[Tensor, " neuron"], *, n_sets: int) -> Bool[Tensor, "set neuron"]:
    """The random sets of the authors' code: of the whole layer, the same in every run, none twice and none the chosen
    one; a set may share neurons with it, and some of theirs do.

    Raises ValueError when the layer has not as many different sets."""
    import numpy as np

    d_mlp, n = len(chosen), int(chosen.sum())
    random, drawn = np.random.RandomState(PAPER_SEED), [tuple(chosen.nonzero()[:, 0].tolist())]
    taken = {*drawn}
    _refuse_too_many(d_mlp, n, n_sets + 1)
    while len(taken) <= n_sets:
        one = tuple(sorted(random.choice(d_mlp, n, replace=False).tolist()))
        if one not in taken:
            taken.add(one)
            drawn.append(one)
    return torch.stack([selection.mask_of(one, d_mlp=d_mlp) for one in drawn[1:]]) if n_sets else chosen[None][:0]


def _refuse_too_many(d_mlp: int, n: int, n_sets: int) -> None:
    if comb(d_mlp, n) < n_sets:
        raise ValueError(f"a layer of {d_mlp} neurons has {comb(d_mlp, n)} sets of {n}, but {n_sets} are asked for")


def without(chosen: Bool[Tensor, " neuron"], *, n_sets: int, generator: torch.Generator) -> Bool[Tensor, "set neuron"]:
    """Random sets of as many of the other neurons. Raises ValueError when fewer are left than were chosen."""
    return _likely(torch.rand(n_sets, len(chosen), generator=generator), chosen)


def rotated(
    w_out: Float[Tensor, "neuron d_model"],
    chosen: Bool[Tensor, " neuron"],
    *,
    dim: int,
    n_sets: int,
    generator: torch.Generator,
) -> Bool[Tensor, "set neuron"]:
    """The neurons that reach furthest, by rho, into random spaces of `dim` directions, one space for each set; none of
    them chosen. Raises ValueError when fewer are left than were chosen."""
    w, reach = w_out.double().cpu(), []
    for _ in range(n_sets):
        noise = torch.randn(w.shape[1], dim, generator=generator, dtype=torch.float64)
        reach.append(null_space.rho(w, torch.linalg.qr(noise).Q))
    return _likely(torch.stack(reach) if reach else w.new_zeros(0, len(w)), chosen)


def _likely(score: Float[Tensor, "set neuron"], chosen: Bool[Tensor, " neuron"]) -> Bool[Tensor, "set neuron"]:
    """In each set the neurons of largest score that are not chosen, as many as are."""
    n_chosen, n_free = int(chosen.sum()), int((~chosen).sum())
    if n_free < n_chosen:
        raise ValueError(f"{n_chosen} neurons need as many others beside them, but {n_free} are left")
    top = score.masked_fill(chosen.cpu(), -torch.inf).topk(n_chosen, dim=1).indices
    return torch.zeros(score.shape, dtype=torch.bool).scatter_(1, top, True)


def beside(
    chosen: Bool[Tensor, " neuron"],
    w_out: Float[Tensor, "neuron d_model"],
    moved: Float[Tensor, " neuron"],
    *,
    dim: int,
    n_sets: int,
    draw: Callable[[str], torch.Generator],
) -> dict[str, Matched]:
    """Control sets of every kind, `n_sets` of each (of the paper's a hundred), and how well their effect matches.

    `moved` is how far the ablation moves an activation on average; times the length of the output weight it is the
    effect. Raises ValueError when too few neurons are left to draw from."""
    norm = w_out.norm(dim=1).cpu()
    effect, chosen = norm * moved.to(norm).cpu(), chosen.cpu()
    given, n_different = {"n_sets": n_sets}, comb(len(chosen), int(chosen.sum())) - 1
    paper = as_in_the_paper(chosen, n_sets=min(N_PAPER, n_different))
    found = {
        PAPER: _as_drawn(paper, chosen, effect),
        FREE: _as_drawn(without(chosen, **given, generator=draw(FREE)), chosen, effect),
        NORM: controls.matched(chosen, norm, **given, generator=draw(NORM)),
        EFFECT: controls.matched(chosen, effect, **given, generator=draw(EFFECT)),
    }
    rotation = rotated(w_out, chosen, dim=dim, **given, generator=draw(ROTATED))
    return found | {ROTATED: _as_drawn(rotation, chosen, effect)}


def _as_drawn(
    sets: Bool[Tensor, "set neuron"], chosen: Bool[Tensor, " neuron"], effect: Float[Tensor, " neuron"]
) -> Matched:
    """Sets that were matched on nothing: the ratio is that of the median effects, the candidates are all others."""
    usual = effect.expand(len(sets), -1)[sets].median()
    return Matched(sets, (usual / effect[chosen].median()).item(), int((~chosen).sum()))


def members(
    chosen: Bool[Tensor, " neuron"], matched: dict[str, Matched]
) -> tuple[Bool[Tensor, "set neuron"], dict[str, slice]]:
    """The chosen neurons and all control sets in one, and which rows are those of each kind of control."""
    rows, start = {}, 1
    for name, some in matched.items():
        rows[name] = slice(start, start + len(some.neuron))
        start += len(some.neuron)
    return torch.cat([chosen.cpu()[None], *(some.neuron for some in matched.values())]), rows


def with_chosen(
    sets: Bool[Tensor, "set neuron"], rows: slice, *, at_most: int | None = None
) -> Bool[Tensor, "some neuron"]:
    """Of all sets the chosen one, which is the first, and those control sets that stand in some rows, the first
    `at_most` of them (None: all)."""
    return torch.cat([sets[:1], sets[rows][:at_most]])
