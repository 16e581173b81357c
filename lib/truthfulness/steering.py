r"""Does a verdict follow the direction? True statements are shifted toward false, false ones toward true.

The shift is the difference of the means itself, times a strength. It is added after some layers at one of two places:
at the *statement*'s last two tokens (Du et al. 2025, section 4), or where the *verdict* is given. PD is the mean of
P(TRUE) - P(FALSE), PD* the same of the shifted runs, and the indirect effect says how much of what was possible
happened:

.. math:: \mathrm{IE}_{T \to F} = \frac{PD^*_T - PD_T}{-1 - PD_T}, \qquad
    \mathrm{IE}_{F \to T} = \frac{PD^*_F - PD_F}{1 - PD_F}

1 is a full turn to certainty of the opposite. Marks and Tegmark (2024) divide by PD of the other kind of statement
instead: 1 is then a verdict like theirs, and a model that hardly tells the two apart is not asked to be certain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import directions, resampling
from lib.model import Edit, Site, add
from lib.prompts import Prompts
from lib.resampling import Estimate
from lib.truthfulness.probes import found_without
from lib.truthfulness.statements import Statements
from lib.truthfulness.verdicts import Asked

Place = Literal["statement", "verdict"]
N_TOKENS = 2
"""Tokens at a statement's end that are shifted: the full stop and what stands before it."""
LABELS = {"TRUE": 0, "FALSE": 2}
"""Of what is kept for each cluster (PD and PD* of true, then of false statements) where a label's begin."""


@dataclass(frozen=True)
class Shifted:
    """A shift of the residual stream, a vector for each statement."""

    value: Float[Tensor, "statement d_model"]
    layers: tuple[int, ...]
    place: Place

    def edits(self, group: Prompts, asked: Asked) -> list[Edit]:
        """One for each layer, at the places of these prompts."""
        at = torch.full((len(group.texts), 1), group.tokens.shape[1] - 1)
        if self.place == "statement":
            spans = [asked.spans[index] for index in group.index.tolist()]
            ends = group.positions(spans)
            at = torch.tensor([[found[0] if len(found) < N_TOKENS else found[-N_TOKENS], found[-1]] for found in ends])
        return [add(Site(layer, "resid_post"), self.value[group.index], positions=at) for layer in self.layers]


def window(layer: int, *, n_layers: int) -> tuple[int, ...]:
    """The layers that are shifted: the direction's own and those before it, `n_layers` in all.

    Raises ValueError for none."""
    if n_layers < 1:
        raise ValueError(f"a shift needs 1 layer or more, got n_layers={n_layers}")
    return tuple(range(max(0, layer - n_layers + 1), layer + 1))


def toward_the_other(
    resid: Float[Tensor, "text layer d_model"], about: Statements, *, layer: int
) -> Float[Tensor, "text d_model"]:
    """For each statement the shift to the other kind: minus the difference of means for a true one, plus it for a false
    one, found on the other topics. Raises ValueError as `found_without` does."""
    topics = about.topic.unique().tolist()
    at = resid[:, [layer]]
    found = {one: found_without(at, about, left_out=one).difference[0] for one in topics}
    sign = torch.where(about.true, -1.0, 1.0).to(resid)
    return sign[:, None] * torch.stack([found[one] for one in about.topic.tolist()])


def at_random(
    value: Float[Tensor, "statement d_model"], about: Statements, *, generator: torch.Generator
) -> Float[Tensor, "statement d_model"]:
    """Shifts of the same length in random directions, one for each fact: its two statements go opposite ways."""
    first = [int((about.fact == one).nonzero()[0]) for one in about.fact.unique()]
    drawn = directions.random_like(value[first], generator=generator)
    place = about.fact.unique(return_inverse=True)[1]
    return torch.where(about.true, -1.0, 1.0).to(value)[:, None] * drawn[place]


def clusters(
    clean: Float[Tensor, " statement"],
    shifted: Float[Tensor, " statement"],
    about: Statements,
    by: Int[Tensor, " statement"],
) -> Float[Tensor, "cluster 4"]:
    """PD and PD* of the true and then of the false statements of every cluster `by`: a fact, or a topic."""
    rows = []
    for one in by.unique():
        kinds = [(by == one) & (about.true == kind) for kind in (True, False)]
        rows.append(torch.stack([value[kind].mean() for kind in kinds for value in (clean, shifted)]))
    return torch.stack(rows).double()


def indirect(mean: Float[Tensor, "*draw 4"], *, like_the_other: bool = False) -> Float[Tensor, "*draw 2"]:
    """The indirect effect on true and on false statements, from the means of PD and PD* of both.

    `like_the_other` divides by PD of the other kind, as Marks and Tegmark do."""
    true, true_shifted, false, false_shifted = mean.unbind(-1)
    aims = (false, true) if like_the_other else (torch.full_like(true, -1), torch.full_like(false, 1))
    found = [(true_shifted - true) / (aims[0] - true), (false_shifted - false) / (aims[1] - false)]
    return torch.stack(found, dim=-1)


@dataclass(frozen=True)
class Effect:
    """The indirect effect of one kind of shift in one model."""

    true: Estimate
    """On true statements: T to F."""
    false: Estimate
    both: Estimate
    """The mean of the two."""
    like_the_other: Estimate | str
    """The mean with PD of the other kind in the denominator; why there is none where a model does not tell them
    apart."""


def effect(found: Float[Tensor, "cluster 4"], *, n: int, generator: torch.Generator) -> Effect:
    """The effect with its intervals over clusters; `n` statements are behind it.

    Raises ValueError as `resampling.of_means` does."""

    def of(statistic) -> Estimate:
        return resampling.of_means(statistic, found, n=n, generator=generator)

    apart = of(lambda mean: mean[:, 0] - mean[:, 2])
    like: Estimate | str
    like = "the model does not tell true from false statements, so that there is no verdict to move toward"
    if apart.low > 0:
        like = of(lambda mean: indirect(mean, like_the_other=True).mean(-1))
    true, false = (of(lambda mean, at=at: indirect(mean)[:, at]) for at in (0, 1))
    return Effect(true, false, both=of(lambda mean: indirect(mean).mean(-1)), like_the_other=like)


def less(
    found: Sequence[Float[Tensor, "cluster 4"]], *, n: int, generator: torch.Generator, label: int | None = None
) -> Estimate:
    """The indirect effect of the first less that of the second, in the same clusters, with its interval; of both labels
    or of one (0 true, 1 false)."""
    both = torch.cat([*found], dim=1)

    def statistic(mean: Tensor) -> Tensor:
        one, other = (indirect(part) for part in mean.split(4, dim=1))
        return (one - other).mean(-1) if label is None else (one - other)[:, label]

    return resampling.of_means(statistic, both, n=n, generator=generator)


def asymmetry(found: Float[Tensor, "cluster 4"], *, n: int, generator: torch.Generator) -> Estimate:
    """The indirect effect on true statements less that on false ones, with its interval."""
    return resampling.of_means(lambda m: indirect(m)[:, 0] - indirect(m)[:, 1], found, n=n, generator=generator)


def table(
    effects: Mapping[tuple[str, str, str, str], Effect], *, strength: Mapping[tuple[str, str, str, str], float]
) -> Any:
    """A row for each effect, by direction, model, place and topic, and by label; a pandas table.

    `strength` is the length of each shift in units of the residual stream's norm."""
    import pandas

    rows = []
    for (source, model, place, topic), found in effects.items():
        like = found.like_the_other if isinstance(found.like_the_other, Estimate) else None
        for label, one in (("TRUE", found.true), ("FALSE", found.false), ("both", found.both)):
            other = like.value if like is not None and label == "both" else float("nan")
            rows.append((source, model, label, one.value, one.low, one.high, other, place, topic))
    effect = [f"indirect_effect{end}" for end in ("", "_low", "_high")]
    columns = ["direction_from", "model", "from_label", *effect, "effect_like_the_other", "place", "topic"]
    frame = pandas.DataFrame(rows, columns=columns)
    return frame.assign(strength=[strength[key] for key in effects for _ in range(3)])
