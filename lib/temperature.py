r"""How much of a change of a distribution is a mere change of temperature?

Among the distributions softmax(z / T) of the clean logits z one is nearest to the ablated distribution p': the
one whose mean logit is the same. With b = 1 / T, KL(p' || softmax(bz)) has the slope

.. math:: \frac{\mathrm{d}}{\mathrm{d}b} \mathrm{KL} = \mathbb{E}_{\mathrm{softmax}(bz)}[z] - \mathbb{E}_{p'}[z],

which grows with b (its own slope is a variance), so that Newton's method inside a bracket finds its only zero."""

import torch
from jaxtyping import Float
from torch import Tensor

COLDEST, HOTTEST = 1e-2, 1e2
N_STEPS = 60


def best(clean: Float[Tensor, "token d_vocab"], ablated: Float[Tensor, "token d_vocab"]) -> Float[Tensor, " token"]:
    """The temperature in 0.01 … 100 at which the clean logits come nearest to the ablated distribution."""
    wanted = (ablated.softmax(-1) * clean).sum(-1)
    low, high = torch.full_like(wanted, 1 / HOTTEST), torch.full_like(wanted, 1 / COLDEST)
    inverse = torch.ones_like(wanted)
    for _ in range(N_STEPS):
        p = (inverse[:, None] * clean).softmax(-1)
        mean = (p * clean).sum(-1)
        variance = (p * (clean - mean[:, None]).square()).sum(-1)
        low, high = torch.where(mean < wanted, inverse, low), torch.where(mean < wanted, high, inverse)
        step = inverse + (wanted - mean) / variance
        inside = (step >= low) & (step <= high)
        moved = torch.where(inside, step, (low * high).sqrt())
        settled = (moved - inverse).abs() <= 4 * torch.finfo(wanted.dtype).eps * inverse
        inverse = moved
        if settled.all():
            break
    return 1 / inverse
