"""A forward pass of the wrapped model, and what it leaves at its hooks."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from lib.checkpoint import ModelError


def forward(bridge: Any, tokens: Int[Tensor, "batch position"], *, logits: bool) -> Tensor | None:
    """One forward pass of the wrapped model; without `logits` it ends before the unembedding."""
    model = bridge.original_model
    tokens = tokens.to(model.device)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if logits:
            return model(input_ids=tokens, use_cache=False).logits
        model.base_model(input_ids=tokens, use_cache=False)
        return None


@contextmanager
def recording(bridge: Any, hooks: dict[str, str], kept: dict[str, Tensor]) -> Iterator[None]:
    """Within the context, what passes the hooks is copied into `kept`; each of them must fire.

    Raises ModelError for a hook that the model does not have, or that did not fire."""

    def keeper(name: str) -> Any:
        def keep(value: Tensor, hook: Any) -> None:
            kept[name] = value.detach().clone()

        return keep

    missing = [hook for hook in hooks.values() if hook not in bridge.hook_dict]
    if missing:
        raise ModelError(f"{bridge.cfg.architecture} has no hook {missing[0]}, which this measurement needs")
    with bridge.hooks(fwd_hooks=[(hook, keeper(name)) for name, hook in hooks.items()]):
        yield
    silent = [hook for name, hook in hooks.items() if name not in kept]
    if silent:
        raise ModelError(f"the hook {silent[0]} of {bridge.cfg.architecture} never fired")
