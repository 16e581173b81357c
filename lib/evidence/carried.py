"""Do the neurons that act on entropy also carry it? (chapter 04; a test of this book)

A neuron *carries* entropy where its activation goes with the entropy of the prediction, up or down: absolute
correlation over tokens. It can *act* on entropy by writing into the null space: rho. A model need not use the same
neurons for both; the two rankings are held against each other, and against rho in random spaces."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import controls, drawing, measures, selection
from lib.controls import Against
from lib.evidence.ablation import Sequences, rho_and_random

CHUNK = 1024
"""Neurons whose products are held at once."""


@dataclass(frozen=True)
class Shared:
    """What two lists of as many neurons have in common."""

    count: int
    """Neurons in each list."""
    shared: int
    """Neurons in both."""
    expected: float
    """Shared by two random lists, on average."""
    chance: float
    """Probability that two random lists share as many, or more."""


@dataclass(frozen=True)
class Carried:
    """Sums over the tokens of each sequence, from which every neuron's correlation with the entropy follows."""

    sums: Float[Tensor, "sum sequence neuron"]
    """Of 1, the activation, the entropy, both squared, and their product; float64."""

    @property
    def n_sequences(self) -> int:
        """Sequences behind the sums."""
        return self.sums.shape[1]

    def correlation(self, draw: Sequences | None = None) -> Float[Tensor, " neuron"]:
        """Absolute correlation of activation and entropy over the tokens of some sequences (repetitions allowed), or
        of all; 0 for a neuron that never changes."""
        n, x, y, xx, yy, xy = (self.sums if draw is None else self.sums[:, draw]).sum(1)
        spread = (xx / n - (x / n) ** 2).clamp(min=0) * (yy / n - (y / n) ** 2).clamp(min=0)
        together = (xy / n - x / n * y / n).abs()
        return torch.where(spread > 0, together / spread.sqrt().where(spread > 0, 1), 0).clamp(max=1)

    def with_rho(
        self,
        w_out: Float[Tensor, "neuron d_model"],
        basis: Float[Tensor, "d_model dim"],
        *,
        n_random: int,
        generator: torch.Generator,
    ) -> Against:
        """Rank correlation over neurons of that correlation and rho, beside rho in random spaces of as many directions.

        Raises ValueError with fewer than `drawing.FEWEST` sequences."""
        own, random = rho_and_random(w_out, basis, n_random=n_random, generator=generator)
        drawn = [self.correlation(draw) for draw in drawing.draws(self.n_sequences, generator=generator)]
        return controls.beside(
            measures.rank_correlation,
            own,
            random,
            whole=self.correlation(),
            drawn=drawn,
            n=int(self.sums[0, :, 0].sum()),
            n_sequences=self.n_sequences,
        )

    def shared_with(self, rho: Float[Tensor, " neuron"], *, count: int) -> Shared:
        """How many of the `count` neurons of largest rho are among the `count` of largest correlation."""
        everyone = torch.ones(len(rho), dtype=torch.bool)
        acts, carries = (
            selection.lowest(-value, among=everyone, count=count) for value in (rho.double().cpu(), self.correlation())
        )
        return Shared(count, int((acts & carries).sum()), *selection.shared_by_chance(acts, carries))


def carried(
    activation: Float[Tensor, "token neuron"], entropy: Float[Tensor, " token"], sequence: Int[Tensor, " token"]
) -> Carried:
    """How every neuron's activation goes with the entropy (nats) of the prediction at the same token."""
    _, place = sequence.cpu().unique(return_inverse=True)
    y = entropy.double().cpu()
    y = y - y.mean()  # centred, so that squares of large numbers do not cancel
    parts = []
    for some in torch.arange(activation.shape[1]).split(CHUNK):
        x = activation[:, some.to(activation.device)].double().cpu()
        x = x - x.mean(0)
        flat = y[:, None].expand_as(x)
        columns = torch.stack([torch.ones_like(x), x, flat, x * x, flat * flat, x * flat])
        empty = columns.new_zeros(6, int(place.max()) + 1, len(some))
        parts.append(empty.index_add(1, place, columns))
    return Carried(torch.cat(parts, dim=-1))
