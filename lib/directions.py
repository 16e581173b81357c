r"""A direction of the residual stream that tells two kinds of text apart: the difference of their means.

.. math:: d = \bar{x}_+ - \bar{x}_-, \qquad
    x \text{ counts as positive where } \left(x - \tfrac{1}{2} (\bar{x}_+ + \bar{x}_-)\right) \cdot d > 0

It needs no training and no setting, and it is the direction along which a shift takes one mean to the other
(Marks and Tegmark 2024; Arditi et al. 2024). Whether it is about the two kinds, or about the texts that it was found
on, shows only on texts of another sort: `left_out` finds it without each group in turn and sorts that group.

How much a shift along it means depends on how long the residual stream is where it is added (`strength`), and what it
does on what any shift of that length would do (`random_like`)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Direction:
    """A difference of means, and the cut halfway between the two; of one place in the model, or of several at once."""

    difference: Float[Tensor, "*place d_model"]
    """From the mean of the negative to that of the positive; its length is how far apart they are."""
    midpoint: Float[Tensor, "*place d_model"]
    """Halfway between the means."""

    @property
    def unit(self) -> Float[Tensor, "*place d_model"]:
        """The direction with unit norm. Raises ValueError where the two means are one and the same."""
        length = self.difference.norm(dim=-1, keepdim=True)
        if not (length > 0).all():
            raise ValueError("the means of the two kinds are the same, so nothing points from one to the other")
        return self.difference / length

    def projection(self, resid: Float[Tensor, "*text_place d_model"]) -> Float[Tensor, "*text_place"]:
        """How far along the direction each text lies, in units of the residual stream; 0 at the cut."""
        return ((resid - self.midpoint) * self.unit).sum(-1)

    def sorts(self, resid: Float[Tensor, "*text_place d_model"]) -> Bool[Tensor, "*text_place"]:
        """Which texts lie on the positive side of the cut."""
        return ((resid - self.midpoint) * self.difference).sum(-1) > 0


def difference_of_means(resid: Float[Tensor, "text *place d_model"], positive: Bool[Tensor, " text"]) -> Direction:
    """The direction from the texts that are not positive to those that are, at every place.

    Raises ValueError when one of the two kinds is missing."""
    positive = positive.to(resid.device)
    if not 0 < int(positive.sum()) < len(positive):
        raise ValueError(f"two kinds of text are needed, got {int(positive.sum())} positive ones of {len(positive)}")
    above, below = resid[positive].mean(0), resid[~positive].mean(0)
    return Direction(difference=above - below, midpoint=(above + below) / 2)


def left_out(
    resid: Float[Tensor, "text d_model"], positive: Bool[Tensor, " text"], group: Int[Tensor, " text"]
) -> Bool[Tensor, " text"]:
    """Which texts the direction found on all other groups sorts rightly.

    Raises ValueError as `difference_of_means` does, and for fewer than two groups."""
    if len(group.unique()) < 2:
        raise ValueError("to leave a group out and find a direction on the others takes two groups or more, got one")
    positive, group = positive.to(resid.device), group.to(resid.device)
    right = torch.zeros_like(positive)
    for one in group.unique():
        here = group == one
        found = difference_of_means(resid[~here], positive[~here])
        right[here] = found.sorts(resid[here]) == positive[here]
    return right


def cosine(one: Float[Tensor, "*some d_model"], other: Float[Tensor, "*some d_model"]) -> Float[Tensor, "*some"]:
    """Cosine of the angle between vectors, in [-1, 1]; NaN where one of them has no length."""
    return (one * other).sum(-1) / (one.norm(dim=-1) * other.norm(dim=-1))


def strength(shift: Float[Tensor, "*some d_model"], resid: Float[Tensor, "text d_model"]) -> Float[Tensor, "*some"]:
    """The length of a shift in units of the residual stream's mean norm at the place where it is added."""
    return shift.norm(dim=-1) / resid.norm(dim=-1).mean()


def random_like(shift: Float[Tensor, "some d_model"], *, generator: torch.Generator) -> Float[Tensor, "some d_model"]:
    """For each shift one of the same length in a random direction, every direction being as likely."""
    drawn = torch.randn(shift.shape, generator=generator, dtype=torch.float64).to(shift)
    return drawn * (shift.norm(dim=-1) / drawn.norm(dim=-1))[:, None]
