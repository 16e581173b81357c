"""The likeliest of the tokens that come close at a text, from the streams of sets, and whether that settles it.

A comparison settles nothing where two tokens are closer than rounding, or where a set reaches a token that was not
compared: then the whole vocabulary decides."""

from math import sqrt

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.knowledge_conflicts.head import ROUNDINGS, Head, Near


def among(
    head: Head,
    near: Near,
    resid: Float[Tensor, "set d_model"],
    scale: Float[Tensor, " set"],
    reach: Float[Tensor, " set"],
) -> tuple[Int[Tensor, " set"], Bool[Tensor, " set"]]:
    """The likeliest of all tokens but the last that are near one text, and whether it is the likeliest of all.

    `resid` and `scale` are those with each set ablated; `reach` is what it can give any token, in units of s times a
    logit."""
    token, lead = near.token[0], near.lead[0]
    compared = token[: max(1, len(token) - 1)]
    logit = resid @ head.columns[compared].mT / scale[:, None] + head.final.b_U[compared]
    which, sure = settled(head, logit, scale, reach < lead[-1])
    return compared[which], sure


def settled(
    head: Head, logit: Float[Tensor, "pair close"], scale: Float[Tensor, " pair"], out_of_reach: Bool[Tensor, " pair"]
) -> tuple[Int[Tensor, " pair"], Bool[Tensor, " pair"]]:
    """Which of the compared tokens is the likeliest, and whether it is so whatever the rounding and with all others
    out of reach."""
    best = logit.topk(min(2, logit.shape[1]))
    ahead = scale * (best.values[:, 0] - best.values[:, -1])
    rounding = ROUNDINGS * torch.finfo(ahead.dtype).eps * scale * sqrt(head.final.d_model) * head.longest
    return best.indices[:, 0], (ahead > rounding) & out_of_reach
