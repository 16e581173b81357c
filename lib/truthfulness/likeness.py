r"""Do two models hold truth along the same direction? A cosine, beside what it could be at most and at least.

Two estimates of one and the same direction have a cosine below 1, since each is made from few statements. So the cosine
of two models' directions, each found on *another* half of the facts, is divided by how well the halves agree within
the models:

.. math:: \frac{\cos(d_1^A, d_2^B)}{\sqrt{\cos(d_1^A, d_1^B) \, \cos(d_2^A, d_2^B)}}

And two models that share a history agree along *any* direction of the same texts. So the cosine on the same texts
stands beside that of labels told by lot, the same lots in both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import drawing, resampling
from lib.directions import cosine
from lib.resampling import Estimate
from lib.truthfulness.statements import Statements


def differences(resid: Float[Tensor, "text layer d_model"], about: Statements) -> Float[Tensor, "fact layer d_model"]:
    """Of every fact its true statement less its false one; their mean over facts is the difference of means."""
    order = about.fact.argsort(stable=True)
    sign = torch.where(about.true, 1.0, -1.0).to(resid)[order]
    signed = resid[order] * sign[:, None, None]
    return signed.unflatten(0, (-1, 2)).sum(1)


@dataclass(frozen=True)
class Cosines:
    """Cosines of two models' directions after every layer, for each half of the facts or each lot of labels."""

    same: Float[Tensor, " layer"]
    """All facts, in both models."""
    across: Float[Tensor, "draw layer"]
    """One half of the facts in the one model, the other half in the other."""
    ceiling: Float[Tensor, "draw layer"]
    """Geometric mean of the cosines between the halves within each model; 0 where one of those is negative."""
    same_half: Float[Tensor, "draw layer"]
    """One half of the facts, the same in both models."""
    by_lot: Float[Tensor, "draw layer"]
    """All facts, with labels told by lot, the same in both models."""
    n: int
    """Statements."""

    def corrected(self, layer: int) -> Estimate | str:
        """The cosine across halves over the ceiling, with the interval of halves of the facts; why there is none where
        halves within a model do not agree."""
        across, ceiling = self.across[:, layer], self.ceiling[:, layer]
        if not ceiling.quantile(0.025) > 0:
            return "two halves of the facts do not give one direction, so there is none to compare"
        value = (across.mean() / ceiling.mean()).item()
        return resampling.percentile(value, across / ceiling, n=self.n)

    def beyond_lot(self, layer: int) -> Estimate:
        """The cosine on the same texts less that of labels told by lot, with the interval of halves and lots."""
        by_lot = self.by_lot[:, layer]
        value = (self.same[layer] - by_lot.mean()).item()
        return resampling.percentile(value, self.same_half[:, layer] - by_lot, n=self.n)


def compare(
    one: Float[Tensor, "fact layer d_model"],
    other: Float[Tensor, "fact layer d_model"],
    *,
    n_draws: int,
    generator: torch.Generator,
) -> Cosines:
    """The cosines of two models' directions; each of `one` and `other` holds the facts' `differences`.

    Raises ValueError for fewer than 2 facts."""
    halves = drawing.halves(len(one), n_halves=n_draws, generator=generator)
    lots = torch.randint(2, halves.shape, generator=generator) * 2.0 - 1
    parts = [_of_layer(one[:, at], other[:, at], halves, lots) for at in range(one.shape[1])]
    stacked = {name: torch.stack([part[name] for part in parts], dim=-1) for name in parts[0]}
    return Cosines(**stacked, n=2 * len(one))


def compare_all(
    differences: Mapping[str, Float[Tensor, "_ _ _"]], *, n_draws: int, draw: Callable[[str], torch.Generator]
) -> dict[tuple[str, str], Cosines]:
    """`compare` for every two of some models, from each model's `differences` of the same facts."""
    return {
        (one, other): compare(
            differences[one], differences[other], n_draws=n_draws, generator=draw(f"cosine of {one} and {other}")
        )
        for one, other in combinations(differences, 2)
    }


def _of_layer(
    one: Float[Tensor, "fact d_model"],
    other: Float[Tensor, "fact d_model"],
    halves: Bool[Tensor, "draw fact"],
    lots: Float[Tensor, "draw fact"],
) -> dict[str, Float[Tensor, "*draw"]]:
    """Sums stand for means throughout: a cosine does not know lengths."""
    half = halves.to(one)
    (a1, b1), (a2, b2) = ((half @ x, (1 - half) @ x) for x in (one, other))
    within = cosine(a1, b1).clamp(min=0) * cosine(a2, b2).clamp(min=0)
    return {
        "same": cosine(one.sum(0), other.sum(0)),
        "across": (cosine(a1, b2) + cosine(b1, a2)) / 2,
        "ceiling": within.sqrt(),
        "same_half": cosine(a1, a2),
        "by_lot": cosine(lots.to(one) @ one, lots.to(one) @ other),
    }


def table(found: Mapping[str, Cosines]) -> Any:
    """For each comparison and layer the cosine on the same texts, across halves, its ceiling, and the range that holds
    95 % of those by lot: a pandas table."""
    import pandas

    parts = []
    for name, cosines in found.items():
        low, high = cosines.by_lot.quantile(torch.tensor([0.025, 0.975]).to(cosines.by_lot), dim=0)
        columns = {"same": cosines.same, "across": cosines.across.mean(0), "ceiling": cosines.ceiling.mean(0)}
        columns |= {"by_lot": cosines.by_lot.mean(0), "by_lot_low": low, "by_lot_high": high}
        lists = {column: value.tolist() for column, value in columns.items()}
        parts.append(pandas.DataFrame({"models": name, "layer": range(len(low))} | lists))
    return pandas.concat(parts, ignore_index=True)
