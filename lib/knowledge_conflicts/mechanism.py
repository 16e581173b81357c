r"""By which road did an answer change: through the final norm's scale, by the direct write, or only by both?

A write into the null space lengthens the residual stream and so acts as a temperature: every logit is divided by more.
That reorders nothing, unless the logits have a part that is not divided. They have one where the final norm or the head
has a bias: with LayerNorm usually, with RMSNorm hardly ever. So in a model without a bias no temperature, however
large, changes a greedy answer; what changes it is written directly. Where there is a bias it has to be measured: what
the model writes when only the scale is the ablated one, and what it writes when only the scale is the clean one."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from lib import checkpoint
from lib import model as door
from lib.final_layer import FinalLayer
from lib.model import Model

SCALE, DIRECT, EITHER, TOGETHER = "scale alone", "direct alone", "either alone", "both together"
MECHANISMS = (SCALE, DIRECT, EITHER, TOGETHER)
"""What suffices to change an answer. `either alone`: each by itself does; `both together`: neither does by itself."""


def of_changes(clean: Sequence[str], both: Sequence[str], scale: Sequence[str], direct: Sequence[str]) -> list[str]:
    """For each prompt what sufficed to change its label, empty where the ablation does not change it.

    The labels of the clean model, of the ablated one, and with one road open only. Raises ValueError for lists of
    unequal length."""
    if not len(clean) == len(both) == len(scale) == len(direct):
        raise ValueError(
            f"every prompt has a label on each road, got {len(clean)}, {len(both)}, {len(scale)} and {len(direct)}"
        )
    suffices = {(True, False): SCALE, (False, True): DIRECT, (True, True): EITHER, (False, False): TOGETHER}
    return [
        "" if was == now else suffices[by_scale != was, written != was]
        for was, now, by_scale, written in zip(clean, both, scale, direct, strict=True)
    ]


def has_bias(final: FinalLayer) -> bool:
    """Whether some logits are lifted over others whatever the scale, so that a temperature can reorder them."""
    return bool(final.b_U.max() > final.b_U.min())


def without_bias(model: Model, *, generator: torch.Generator) -> Model:
    """A small random Llama with the tokenizer of a model: RMSNorm in front of its head, and no bias anywhere.

    Its answers mean nothing; what cannot happen to it cannot happen to any model of its kind."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    special = {"vocab_size": len(model.tokenizer.backend), "bos_token_id": 0, "eos_token_id": 0}
    loaded = checkpoint.untrained("llama", **sizes, **special, max_position_embeddings=model.n_positions)
    with torch.no_grad():
        for name, weight in loaded.named_parameters():
            if "norm" not in name:
                weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    source = replace(model.source, name="a random Llama", location="drawn at random")
    return door.wrap(loaded.eval().requires_grad_(False), model.tokenizer.backend, source)
