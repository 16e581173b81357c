"""Products of bfloat16 matrices on a processor that has no instructions for them.

There torch adds up one number after another, ten times as slowly as in float32. The same sums are made in float32 and
rounded to bfloat16 at their end, which is what a product in bfloat16 is; only the order of its terms is another.
A weight is widened once for as long as it lives and is not changed: it takes longer than a product with a few rows.
Who holds a large model in bfloat16 has no room for it in float32, so no more than `ROOM` is kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

PRODUCTS = frozenset(
    {
        *(torch.nn.functional.linear, torch.addmm, torch.bmm, torch.baddbmm, torch.matmul),
        *(Tensor.matmul, Tensor.__matmul__, Tensor.bmm, Tensor.addmm),
    }
)
"""What is made in float32."""
ROOM = 2**30
"""Bytes of the weights that are kept in float32; what is beyond them is widened for each product."""
_WEIGHTS: Any = WeakTensorKeyDictionary()
"""Weights in float32 and the version that they were widened from; each goes when its weight does."""


class _Widened(TorchFunctionMode):
    """Within it, products of bfloat16 are made in float32 and rounded."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in PRODUCTS or not any(_is_narrow(one) for one in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        wide = func(*map(_wide, args), **{name: _wide(one) for name, one in kwargs.items()})
        return wide.to(torch.bfloat16)


def products(model: Any) -> AbstractContextManager[Any]:
    """The context in which passes of a model make their products as fast as this processor can."""
    is_slow = model.dtype == torch.bfloat16 and model.device.type == "cpu" and not _is_supported()
    return _Widened() if is_slow else nullcontext()


def _is_supported() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _is_narrow(one: Any) -> bool:
    return isinstance(one, Tensor) and one.dtype == torch.bfloat16


def _wide(one: Any) -> Any:
    if not _is_narrow(one):
        return one
    if not isinstance(one, torch.nn.Parameter) or one.is_inference():  # whose changes nobody counts
        return one.float()
    version, wide = _WEIGHTS.get(one, (-1, one))
    if version == one._version:
        return wide
    _WEIGHTS.pop(one, None)
    wide = one.detach().float()
    if wide.nbytes + sum(kept.nbytes for _, kept in _WEIGHTS.values()) <= ROOM:
        _WEIGHTS[one] = one._version, wide
    return wide
