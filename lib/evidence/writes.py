"""What a write into the residual stream does to predictions, by the road that it takes (chapter 02)."""

import torch
from jaxtyping import Float
from torch import Tensor

from lib import measures, memory
from lib.final_layer import FinalLayer

ROADS = ("norm frozen", "norm free", "not temperature")
"""What `divergences` tells apart, in order."""


def divergences(
    layer: FinalLayer, resid: Float[Tensor, "token d_model"], written: Float[Tensor, "token d_model"]
) -> dict[str, Float[Tensor, " token"]]:
    """KL divergences in nats, at every token, of predictions with a write (`written` is the stream with it).

    From the clean prediction with the *norm frozen* at the clean scale, and with the *norm free*. And what is *not
    temperature*: from the clean stream read at the scale that the write makes, with the norm free."""

    def some(clean: Tensor, new: Tensor) -> Float[Tensor, "road some"]:
        scale, new_scale = layer.scale(clean), layer.scale(new)
        p, free = layer.logits(clean), layer.logits(new)
        pairs = (p, layer.logits(new, scale=scale)), (p, free), (layer.logits(clean, scale=new_scale), free)
        return torch.stack([measures.kl_divergence(*pair) for pair in pairs])

    found = memory.by_rows(some, resid, written, width=layer.d_vocab)
    return dict(zip(ROADS, found, strict=True))
