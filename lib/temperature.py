r"""How much of a change of a distribution is a mere change of temperature?

Among the distributions softmax(z / T) of the clean logits z one is nearest to the ablated distribution p': the
one whose mean logit is the same. With b = 1 / T, KL(p' || softmax(bz)) has the slope

.. math:: \frac{\mathrm{d}}{\mathrm{d}b} \mathrm{KL} = \mathbb{E}_{\mathrm{softmax}(bz)}[z] - \mathbb{E}_{p'}[z],

which grows with b (its own slope is a variance), so that Newton's method inside a bracket finds its only zero. Logits
are counted down from the largest: a mean of distances loses nothing to rounding where a prediction is nearly certain,
and its logarithm is nearly straight in b there. Each step takes the first two moments of the rows that are not yet
settled, a handful of times in all."""

import torch
from jaxtyping import Float
from torch import Tensor

COLDEST, HOTTEST = 1e-2, 1e2
N_STEPS = 60


def best(clean: Float[Tensor, "token d_vocab"], ablated: Float[Tensor, "token d_vocab"]) -> Float[Tensor, " token"]:
    """The temperature in 0.01 … 100 at which the clean logits come nearest to the ablated distribution.

    1 for a token whose logits are all the same."""
    below = clean - clean.amax(-1, keepdim=True)
    wanted = -(ablated.softmax(-1) * below).sum(-1)
    low, high = torch.full_like(wanted, 1 / HOTTEST), torch.full_like(wanted, 1 / COLDEST)
    inverse, left = torch.ones_like(wanted), torch.arange(len(wanted), device=wanted.device)
    for _ in range(N_STEPS):
        inside = below if len(left) == len(below) else below[left]
        b, want = inverse[left], wanted[left]
        mean, variance = moments(inside, b)
        low[left], high[left] = torch.where(mean > want, b, low[left]), torch.where(mean > want, high[left], b)
        step = b + torch.where(mean == want, 0, (mean / want).log() * mean / variance)
        bracketed = (step >= low[left]) & (step <= high[left])
        inverse[left] = torch.where(bracketed, step, (low[left] * high[left]).sqrt()).where(mean != want, b)
        left = left[(inverse[left] - b).abs() > torch.finfo(b.dtype).eps ** 0.5 * b]
        if not len(left):
            break
    return 1 / inverse


def moments(
    below: Float[Tensor, "token d_vocab"], inverse: Float[Tensor, " token"]
) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"]]:
    """Mean and variance of the distance of a logit from the largest, under softmax of the logits times `inverse`.

    `below` holds logits less the largest of their row."""
    p = (below * inverse[:, None]).exp_()
    total = p.sum(-1)
    weighted = p.mul_(below)
    mean = -weighted.sum(-1) / total
    return mean, weighted.mul_(below).sum(-1) / total - mean.square()
