"""What the residual stream holds where a statement ends, after every layer.

The last token of a statement is the first that has seen all of it. A model that has made up its mind may hold the
outcome there; or it may wait until it is asked, and hold it at the last token of the question."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lib import prompts
from lib.model import Model, Site

BATCH = 64


def ends(model: Model, texts: Sequence[str], *, batch_size: int = BATCH) -> Float[Tensor, "text layer d_model"]:
    """The residual stream after every layer at each text's last token, in float32 at least, in the memory of the CPU.

    Raises ValueError for an empty text, and for one that is longer than the model has positions."""
    after, parts = [Site(layer, "resid_post") for layer in range(model.n_layers)], []
    for group in prompts.encode(model.tokenizer, [*texts]):
        kept = model.record(group.tokens, after, positions=slice(-1, None), batch_size=batch_size)
        parts.append((group, torch.cat([wide(kept[site]) for site in after], dim=1)))
    return prompts.in_order(parts)


def wide(value: Tensor) -> Tensor:
    """A recorded value in float32 or better, on the CPU: long sums in half precision drown what is small."""
    return value.to("cpu", torch.promote_types(value.dtype, torch.float32))
