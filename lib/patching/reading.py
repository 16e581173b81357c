"""What a patch is judged by: between two answers, the logit of the one less that of the other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.model import Edit, Model, Site


def logit_difference(
    model: Model,
    tokens: Int[Tensor, "prompt position"],
    right: Int[Tensor, " prompt"],
    wrong: Int[Tensor, " prompt"],
    *,
    edits: Sequence[Edit] = (),
    batch_size: int = 64,
) -> Float[Tensor, " prompt"]:
    """The logit of one token less that of another after each prompt: log P(right) / P(wrong), in nats."""
    stream = Site(model.n_layers - 1, "resid_post")
    last: dict[str, Any] = {"positions": slice(-1, None), "edits": edits, "batch_size": batch_size}
    return of_stream(model, model.record(tokens, [stream], **last)[stream][:, 0], right, wrong)


def of_stream(
    model: Model,
    resid: Float[Tensor, "prompt d_model"],
    right: Int[Tensor, " prompt"],
    wrong: Int[Tensor, " prompt"],
) -> Float[Tensor, " prompt"]:
    """The same from what enters the final norm at the last position; no other token's logit is computed."""
    final = model.final_layer
    asked, column = torch.stack([right, wrong], 1).to(resid.device).unique(return_inverse=True)
    few = replace(final, W_U=final.W_U[:, asked], b_U=final.b_U[asked])
    logit = few.logits(resid.to(final.W_U.dtype)).gather(1, column)
    return logit[:, 0] - logit[:, 1]
