"""A forward pass of the wrapped model, and what stands at its hooks while it passes.

TransformerLens puts the list of its hooks, with all their other names, together anew whenever it is asked for one. That
takes a few tenths of a millisecond, several times in each pass, which a small model feels; so it is asked once here."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

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


Hook = Callable[..., Tensor | None]
"""Called with what passes and `hook`, the place; what it returns flows on instead, unless that is None."""

_points: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def points(bridge: Any) -> dict[str, Any]:
    """The places (`HookPoint`) of a wrapped model under all their names."""
    if bridge not in _points:
        _points[bridge] = bridge.hook_dict
    return _points[bridge]


def standing(bridge: Any) -> list[Hook]:
    """What reads or changes what passes now: whatever was hooked in, by whom it may be, except for good."""
    places = {id(point): point for point in points(bridge).values()}.values()
    return [handle.user_hook for point in places for handle in point.fwd_hooks if not handle.is_permanent]


@contextmanager
def attaching(bridge: Any, hooks: Iterable[tuple[str, Hook]]) -> Iterator[None]:
    """Within the context each function stands at the place of its name, behind those that stand there already.

    Raises ModelError for a place that the model does not have."""
    hooks = [*hooks]
    missing = [name for name, _ in hooks if name not in points(bridge)]
    if missing:
        raise ModelError(f"{bridge.cfg.architecture} has no hook {missing[0]}, which this measurement needs")
    with ExitStack() as inside:
        for name, hook in hooks:
            inside.callback(_detach, points(bridge)[name], points(bridge)[name].add_hook(hook))
        yield


def _detach(point: Any, handle: Any) -> None:
    handle.hook.remove()
    point.fwd_hooks[:] = [other for other in point.fwd_hooks if other is not handle]


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
    with attaching(bridge, [(hook, keeper.keep) for hook, keeper in keepers.items()]):
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
