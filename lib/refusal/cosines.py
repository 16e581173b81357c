r"""Do two models have one direction? The cosine, and how high it could be at all.

A direction is a mean over a few texts, and another few texts would give another one. So a cosine below 1 says nothing
until it stands beside the cosine of a model with itself: of the directions from two halves of the texts that share
none. And two models that read the *same* texts share their accidents, which lifts the cosine. Both are met by halves:

.. math:: c_{12} = \cos(d_1^A, d_2^B), \qquad c_{11} = \cos(d_1^A, d_1^B), \qquad
    \text{share of the ceiling} = c_{12} / \sqrt{c_{11} c_{22}}

over many random halves A of the pairs, B being the rest; the share is 1 for one and the same direction, however few
the texts (Spearman 1904). The interval is that of the halves, which scatter about the whole as it does about the truth
(McCarthy 1969)."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lib import drawing, resampling
from lib.resampling import Estimate

N_HALVES = 200
FAINT = 0.2
"""Where halves of the texts agree less than this in one of the models, there is no direction to compare."""


@dataclass(frozen=True)
class Cosines:
    """Cosines of two models' directions at some depths, a row for each random half of the texts."""

    across: Float[Tensor, "half depth"]
    """Of one model's direction and the other's, from texts that they do not share."""
    one: Float[Tensor, "half depth"]
    """Of the first model's directions from both halves: its ceiling."""
    other: Float[Tensor, "half depth"]
    """The second model's ceiling."""
    n_pairs: int

    @property
    def ceiling(self) -> Float[Tensor, "half depth"]:
        """What `across` would be if both models had one direction; 0 where one of them has none."""
        return (self.one.clamp(min=0) * self.other.clamp(min=0)).sqrt()

    @property
    def faintest(self) -> Float[Tensor, " depth"]:
        """The lower of the two ceilings, mean over halves."""
        return torch.minimum(self.one.mean(0), self.other.mean(0))

    def table(self) -> Any:
        """A row for each depth: depth, across with its interval (low, high), and the mean ceiling."""
        import pandas

        found = [self.at(depth) for depth in range(self.across.shape[1])]
        columns = {"across": [e.value for e in found], "low": [e.low for e in found], "high": [e.high for e in found]}
        return pandas.DataFrame({"depth": range(len(found))} | columns | {"ceiling": self.ceiling.mean(0).numpy()})

    def share(self, depth: int) -> Float[Tensor, " half"]:
        """`across` over `ceiling` at one depth."""
        return self.across[:, depth] / self.ceiling[:, depth].clamp(min=FAINT / 4)

    def at(self, depth: int) -> Estimate:
        """`across` at one depth."""
        return _estimate(self.across[:, depth], self.n_pairs)

    def share_at(self, depth: int) -> Estimate | str:
        """`share`, or why there is none."""
        if self.faintest[depth] < FAINT:
            return "halves of the texts do not agree on a direction in one of the models"
        return _estimate(self.share(depth), self.n_pairs)


def _estimate(draws: Float[Tensor, " half"], n: int) -> Estimate:
    return resampling.percentile(draws.mean().item(), draws, n=n)


def between(
    differences: dict[str, Float[Tensor, "pair depth d_model"]],
    *,
    generator: torch.Generator,
    n_halves: int = N_HALVES,
) -> dict[tuple[str, str], Cosines]:
    """Compares mean differences over the same pairs of texts, two by two, by name and all on the same halves.

    Raises ValueError with fewer than `drawing.FEWEST` pairs in a half."""
    n_pairs = len(next(iter(differences.values())))
    drawing.enough(n_pairs // 2, what="pairs of texts in each half")
    half = drawing.halves(n_pairs, n_halves=n_halves, generator=generator)
    means = {name: _means(value, half) for name, value in differences.items()}
    return {pair: _compared(*(means[name] for name in pair), n_pairs=n_pairs) for pair in combinations(differences, 2)}


Means = tuple[Float[Tensor, "half depth d_model"], Float[Tensor, "half depth d_model"]]


def _means(value: Float[Tensor, "pair depth d_model"], half: Bool[Tensor, "half pair"]) -> Means:
    """The mean over each half, up to its length, and over the rest."""
    one, rest = ((mask.to(value) @ value.flatten(1)).view(-1, *value.shape[1:]) for mask in (half, ~half))
    return one, rest


def _compared(one: Means, other: Means, *, n_pairs: int) -> Cosines:
    crossed = [F.cosine_similarity(one[place], other[1 - place], dim=-1) for place in (0, 1)]
    return Cosines(
        across=torch.stack(crossed).mean(0),
        one=F.cosine_similarity(*one, dim=-1),
        other=F.cosine_similarity(*other, dim=-1),
        n_pairs=n_pairs,
    )


def rows(found: dict[str, dict[tuple[str, str], Cosines]], *, depth: int) -> Any:
    """Every comparison at one depth: read (the name of the way in which both were read), models, cosine with low and
    high, ceiling, and the share of it that is reached with its interval (NaN where there is no ceiling)."""
    import pandas

    table = []
    for way, pairs in found.items():
        for pair, one in pairs.items():
            at, share = one.at(depth), one.share_at(depth)
            told = [float("nan")] * 3 if isinstance(share, str) else [share.value, share.low, share.high]
            columns = {"read": way, "models": " and ".join(pair), "cosine": at.value, "low": at.low, "high": at.high}
            columns |= {"ceiling": one.ceiling[:, depth].mean().item()}
            table.append(columns | dict(zip(("share", "share_low", "share_high"), told, strict=True)))
    return pandas.DataFrame(table)


def whole(one: Float[Tensor, "pair d_model"], other: Float[Tensor, "pair d_model"]) -> Estimate:
    """The cosine of two mean differences, all pairs in both, as papers give it, with its jackknife interval over pairs
    (Efron 1982, chapter 3). Few pairs pull it toward 0, and the interval is that of the cosine with as many.

    Raises ValueError with fewer than `drawing.FEWEST` pairs."""
    n = len(one)
    drawing.enough(n, what="pairs of texts")
    without = [(value.sum(0) - value) / (n - 1) for value in (one.double(), other.double())]
    left = F.cosine_similarity(*without, dim=-1)
    value = F.cosine_similarity(one.double().mean(0), other.double().mean(0), dim=-1).item()
    error = ((n - 1) / n * (left - left.mean()).square().sum()).sqrt().item()
    far = 1.96 * resampling.widening(n) * error
    return Estimate(value, max(value - far, -1.0), min(value + far, 1.0), n, n)


def common_depth(one: Cosines, other: Cosines) -> int:
    """The depth at which both kinds of direction are read best: where the faintest of all four ceilings is highest."""
    return int(torch.minimum(one.faintest, other.faintest).argmax())


def difference(one: Cosines, other: Cosines, depth: int) -> Estimate | str:
    """By how much one kind of direction is more alike between the models than another, as shares of their ceilings;
    or why that cannot be said. The texts of the two kinds are drawn independently."""
    for cosines in (one, other):
        if isinstance(found := cosines.share_at(depth), str):
            return found
    draws = one.share(depth) - other.share(depth)
    return resampling.percentile(draws.mean().item(), draws, n=one.n_pairs + other.n_pairs)
