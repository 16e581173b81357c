r"""Do two models have one direction? The cosine, and how high it could be at all.

A direction is a mean over a few texts, and another few texts would give another one. So a cosine below 1 says nothing
until it stands beside the cosine of a model with itself on other texts. And two models that read the *same* texts share
their accidents, which lifts the cosine. Splitting the texts in halves meets both: one model's direction from one half
against the other's from the other half. Here it is done for all splits at once, by leaving out every product of a text
with itself. With differences x_i in one model and y_i in the other over n pairs of texts,

.. math:: \langle x, y \rangle = \frac{1}{n (n - 1)} \sum_{i \ne j} x_i \cdot y_j, \qquad
    c = \frac{\langle x, y \rangle}{|\bar x| |\bar y|}, \qquad
    \text{ceiling} = \frac{\sqrt{\langle x, x \rangle \langle y, y \rangle}}{|\bar x| |\bar y|}

and c over its ceiling is 1 for one and the same direction, however few the texts (Spearman 1904). Intervals are
jackknifed over pairs (Efron 1982, chapter 3)."""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lib import drawing, resampling
from lib.resampling import Estimate

NORMAL = 1.96


@dataclass(frozen=True)
class Cosines:
    """Cosines of two models' directions at every depth, and the same with each pair of texts left out."""

    across: Float[Tensor, " depth"]
    """c: of one model's direction and the other's, from texts that they do not share."""
    ceiling: Float[Tensor, " depth"]
    """What c would be if both had one direction."""
    share: Float[Tensor, " depth"]
    """c over its ceiling; NaN where one of the models has no direction."""
    share_without: Float[Tensor, "pair depth"]
    """The share with each pair left out."""
    reliability: Float[Tensor, "2 depth"]
    """Of each model's direction: 1 where other texts would give the same, 0 where there is none."""
    exists: Bool[Tensor, " depth"]
    """Whether both models' directions differ from nothing, their squared length with its whole interval above 0."""

    @property
    def n_pairs(self) -> int:
        """Pairs of texts."""
        return len(self.share_without)

    def error(self, depth: int) -> float:
        """Jackknife standard error of the share at one depth."""
        return _error(self.share_without[:, depth])

    def share_at(self, depth: int) -> Estimate | str:
        """The share at one depth with its interval, or why there is none."""
        if not self.exists[depth] or not self.share[depth].isfinite():
            return "one of the two directions is no more than an accident of the texts"
        return _estimate(self.share[depth].item(), self.error(depth), n=self.n_pairs)

    def table(self) -> Any:
        """A row for each depth: depth, across with its interval (low, high; NaN without a direction), ceiling."""
        import pandas

        rows = []
        for depth, (across, ceiling) in enumerate(zip(self.across.tolist(), self.ceiling.tolist(), strict=True)):
            share = self.share_at(depth)
            low, high = (float("nan"),) * 2 if isinstance(share, str) else (share.low * ceiling, share.high * ceiling)
            rows.append({"depth": depth, "across": across, "low": low, "high": high, "ceiling": ceiling})
        return pandas.DataFrame(rows)


def _error(without: Float[Tensor, " pair"]) -> float:
    n = len(without)
    return ((n - 1) / n * (without - without.mean()).square().sum()).sqrt().item()


def _estimate(value: float, error: float, *, n: int) -> Estimate:
    far = NORMAL * resampling.widening(n) * error
    return Estimate(value, value - far, value + far, n, n)


def _products(
    x: Float[Tensor, "pair depth d_model"], y: Float[Tensor, "pair depth d_model"]
) -> tuple[Float[Tensor, " depth"], Float[Tensor, "pair depth"]]:
    """The mean product of a text in one model with another text in the other, and the same with each pair left out."""
    n, sum_x, sum_y = len(x), x.sum(0), y.sum(0)
    own = (x * y).sum(-1)
    whole = (sum_x * sum_y).sum(-1) - own.sum(0)
    without = whole - (x * sum_y).sum(-1) - (sum_x * y).sum(-1) + 2 * own
    return whole / (n * (n - 1)), without / ((n - 1) * (n - 2))


def compare(one: Float[Tensor, "pair depth d_model"], other: Float[Tensor, "pair depth d_model"]) -> Cosines:
    """Compares the mean differences of two models over the same pairs of texts.

    Raises ValueError with fewer than `drawing.FEWEST` pairs."""
    drawing.enough(len(one), what="pairs of texts")
    x, y = one.double(), other.double()
    (xy, xy_), (xx, xx_), (yy, yy_) = _products(x, y), _products(x, x), _products(y, y)
    length = x.mean(0).norm(dim=-1) * y.mean(0).norm(dim=-1)
    lengths = torch.stack([x.mean(0), y.mean(0)]).square().sum(-1)
    squares, far = torch.stack([xx, yy]), NORMAL * resampling.widening(len(x))
    errors = torch.tensor([[_error(without[:, depth]) for depth in range(x.shape[1])] for without in (xx_, yy_)])
    return Cosines(
        across=xy / length,
        ceiling=(xx.clamp(min=0) * yy.clamp(min=0)).sqrt() / length,
        share=xy / (xx * yy).where((xx > 0) & (yy > 0), torch.nan).sqrt(),
        share_without=xy_ / (xx_ * yy_).where((xx_ > 0) & (yy_ > 0), torch.nan).sqrt(),
        reliability=squares.clamp(min=0) / lengths,
        exists=(squares - far * errors > 0).all(0),
    )


def between(differences: dict[str, Float[Tensor, "pair depth d_model"]]) -> dict[tuple[str, str], Cosines]:
    """Compares mean differences over the same pairs of texts, two by two, by name. Raises ValueError as `compare`."""
    return {pair: compare(*(differences[name] for name in pair)) for pair in combinations(differences, 2)}


def rows(found: dict[str, dict[tuple[str, str], Cosines]], *, depth: int) -> Any:
    """Every comparison at one depth: read (the name of the way in which both were read), models, cosine, ceiling, and
    the share of it that is reached with its interval (NaN where there is no direction)."""
    import pandas

    table = []
    for way, pairs in found.items():
        for pair, one in pairs.items():
            share = one.share_at(depth)
            told = [float("nan")] * 3 if isinstance(share, str) else [share.value, share.low, share.high]
            columns = {"read": way, "models": " and ".join(pair), "cosine": one.across[depth].item()}
            columns |= {"ceiling": one.ceiling[depth].item()}
            table.append(columns | dict(zip(("share", "share_low", "share_high"), told, strict=True)))
    return pandas.DataFrame(table)


def whole(one: Float[Tensor, "pair d_model"], other: Float[Tensor, "pair d_model"]) -> Estimate:
    """The cosine of two mean differences, all pairs in both, as papers give it, with its jackknife interval. Few pairs
    pull it toward 0, accidents that both models share lift it, and the interval is that of the cosine as it stands.

    Raises ValueError with fewer than `drawing.FEWEST` pairs."""
    n = len(one)
    drawing.enough(n, what="pairs of texts")
    first, second = ((value.sum(0) - value) / (n - 1) for value in (one.double(), other.double()))
    value = F.cosine_similarity(one.double().mean(0), other.double().mean(0), dim=-1).item()
    found = _estimate(value, _error(F.cosine_similarity(first, second, dim=-1)), n=n)
    return replace(found, low=max(found.low, -1.0), high=min(found.high, 1.0))


def common_depth(one: Cosines, other: Cosines) -> int:
    """The depth at which both kinds of direction are read best: where the least reliable of all four is most so."""
    return int(torch.cat([one.reliability, other.reliability]).amin(0).argmax())


def difference(one: Cosines, other: Cosines, depth: int, *, same_texts: bool) -> Estimate | str:
    """By how much one pair of directions is more alike than another, as shares of their ceilings; or why that cannot be
    said. Whether both were found on the same texts says how their errors belong together."""
    for cosines in (one, other):
        if isinstance(found := cosines.share_at(depth), str):
            return found
    value = (one.share[depth] - other.share[depth]).item()
    if same_texts:
        error = _error(one.share_without[:, depth] - other.share_without[:, depth])
    else:
        error = (one.error(depth) ** 2 + other.error(depth) ** 2) ** 0.5
    return _estimate(value, error, n=min(one.n_pairs, other.n_pairs))
