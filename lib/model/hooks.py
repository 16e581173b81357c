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
    with plainly():
        if logits:
            return model(input_ids=tokens, use_cache=False).logits
        model.base_model(input_ids=tokens, use_cache=False)
        return None


@contextmanager
def plainly() -> Iterator[None]:
    """Within the context a pass keeps no gradients and warns of nothing."""
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Kept:
    """What passed a hook last: a copy of all its positions, of a slice of them, or of some for each row."""

    fits_cache = True
    """It changes nothing, so nothing can depend on whether there is a cache (see `editing.fits_cache`)."""

    def __init__(self, at: slice | Int[Tensor, "batch place"] = slice(None)) -> None:
        self.at = at
        self.value: Any = None  # until the hook has fired; a tensor from then on

    def keep(self, value: Tensor, hook: Any) -> None:
        """Takes the copy, so that no later edit in place reaches it."""
        value = value.detach()
        if isinstance(self.at, slice):
            self.value = value[:, self.at].clone()
        else:
            row = torch.arange(len(value), device=value.device)[:, None]
            self.value = value[row, self.at.to(value.device)]


@contextmanager
def keeping(bridge: Any, keepers: dict[str, Kept]) -> Iterator[None]:
    """Within the context each keeper stands at the hook that it is listed under, behind the edits already there.

    Raises ModelError for a hook that the model does not have, or that did not fire."""
    missing = [hook for hook in keepers if hook not in bridge.hook_dict]
    if missing:
        raise ModelError(f"{bridge.cfg.architecture} has no hook {missing[0]}, which this measurement needs")
    with bridge.hooks(fwd_hooks=[(hook, keeper.keep) for hook, keeper in keepers.items()]):
        yield
    silent = [hook for hook, keeper in keepers.items() if keeper.value is None]
    if silent:
        raise ModelError(f"the hook {silent[0]} of {bridge.cfg.architecture} never fired")


@contextmanager
def recording(bridge: Any, hooks: dict[str, str], kept: dict[str, Tensor]) -> Iterator[None]:
    """Within the context, what passes the hooks is copied, and lies in `kept` by name when the context ends.

    Raises ModelError as `keeping` does."""
    keepers = {hook: Kept() for hook in hooks.values()}
    with keeping(bridge, keepers):
        yield
    kept |= {name: keepers[hook].value for name, hook in hooks.items()}
