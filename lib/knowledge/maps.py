r"""Maps of recovery, by layer and column, and how alike two of them are.

A map is made of mean logit differences M. The paper does not compare those but M cut into twenty bins between its own
least and largest value, of which the lower ten become 0 and the upper ten 0.1, 0.2, …, 1 (`normalised`). That hides
whatever lies below the middle, and moves by tenths. Its three numbers are Pearson's correlation of two such maps, the
largest difference of two cells, and the largest among the columns of subject and object. A correlation close to 1 says
little: a cartoon of three blocks (`cartoon`) correlates .96 with the paper's own map. So each number stands beside what
the cartoon of the one model reaches with the map of the other, and what two halves of one model's pairs reach
(`comparing`)."""

import torch
from jaxtyping import Float
from torch import Tensor

from lib.knowledge.measuring import is_of, sites

EDGE = 1e-5
N_BINS = 20


def normalised(of: Float[Tensor, "*map layer column"]) -> Float[Tensor, "*map layer column"]:
    """The paper's normalisation of each map: 0 below the middle of its range, tenths up to 1 above."""
    flat = of.double().flatten(-2)
    low, high = flat.amin(-1, keepdim=True) - EDGE, flat.amax(-1, keepdim=True) + EDGE
    step = torch.arange(N_BINS + 1, dtype=torch.float64) / N_BINS
    edges = low + (high - low) * step
    number = torch.searchsorted(edges, flat.contiguous(), right=True)  # 1 … 20
    half = N_BINS // 2
    return ((number - half).clamp(min=0).double() / half).view(of.shape)


def cartoon(of: Float[Tensor, "*map layer column"], columns: tuple[str, ...]) -> Float[Tensor, "*map layer column"]:
    """What is left of a normalised map when only three blocks are kept of it, each of height 1: at the last token of
    subject, object and prompt, from the first to the last layer where the map is in its upper half."""
    drawn = torch.zeros_like(of, dtype=torch.float64)
    for at in sites(columns).values():
        high = (of[..., at] >= 0.5).double()
        drawn[..., at] = high.cummax(-1).values * high.flip(-1).cummax(-1).values.flip(-1)
    return drawn


def correlation(
    one: Float[Tensor, "*map layer column"], other: Float[Tensor, "*#map layer column"]
) -> Float[Tensor, "*map"]:
    """Pearson's correlation of two maps over their cells; NaN where one of them is level."""
    first, second = (
        flat - flat.mean(-1, keepdim=True) for flat in (each.double().flatten(-2) for each in (one, other))
    )
    return (first * second).sum(-1) / (first.norm(dim=-1) * second.norm(dim=-1))


def ranks(of: Float[Tensor, "*map layer column"]) -> Float[Tensor, "*map layer column"]:
    """The ranks of a map's cells; cells of one value, as those that no patch can change, share their mean rank."""
    flat = of.double().flatten(-2)
    less = (flat[..., None, :] < flat[..., :, None]).sum(-1)
    equal = (flat[..., None, :] == flat[..., :, None]).sum(-1)
    return (less + (equal + 1) / 2).view(of.shape)


def largest_difference(
    one: Float[Tensor, "*map layer column"],
    other: Float[Tensor, "*map layer column"],
    columns: tuple[str, ...] | None = None,
) -> Float[Tensor, "*map"]:
    """max |D| of two normalised maps; with `columns` over those of subject and object alone (max |D|_K)."""
    apart = (10 * (one - other).abs()).round() / 10  # tenths, and nothing beside them
    if columns is not None:
        apart = apart[..., [at for at, name in enumerate(columns) if is_of(name, "so")]]
    return apart.flatten(-2).amax(-1)
