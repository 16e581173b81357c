"""A device that is not there: what would fail on a GPU because two tensors lie on different devices, fails here too.

Within `Elsewhere` the tensors that were put there say that they lie on another device, and so does everything computed
from them. An operation on one of them and one that stayed on the CPU is refused, as a GPU refuses it; what PyTorch
allows (an index from the CPU, a single number) is allowed."""

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

ELSEWHERE = torch.device("xpu", 0)
MOVES = {"to", "cpu", "copy_"}
INDEXES = {"__getitem__", "__setitem__"}
MAKERS = {
    "arange",
    "zeros",
    "ones",
    "full",
    "empty",
    "tensor",
    "eye",
    "randperm",
    "rand",
    "randn",
    "randint",
    "linspace",
}
MAKERS |= {"as_tensor", "scalar_tensor"}


def is_elsewhere(value):
    """Whether a tensor was put on the other device or computed from one that was."""
    return getattr(value, "_elsewhere", False)


def put(*values):
    """Puts tensors, and all that a module holds, on the other device."""
    for value in values:
        some = [*value.parameters(), *value.buffers()] if isinstance(value, torch.nn.Module) else [value]
        for tensor in some:
            tensor._elsewhere = True


def tensors(value):
    """All tensors in arguments or results, however deep."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, dict):
        yield from tensors([*value.values()])


class Elsewhere(TorchFunctionMode):
    """Keeps book of where tensors lie."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if func == Tensor.device.__get__:
            return ELSEWHERE if is_elsewhere(args[0]) else func(*args)
        if name in ("to", "cpu"):
            return self.moved(args, kwargs, to_cpu=name == "cpu")
        if name == "numpy" and is_elsewhere(args[0]):
            raise TypeError("a tensor on another device has no numpy array")
        there = "device" in kwargs and kwargs["device"] is not None and torch.device(kwargs["device"]) == ELSEWHERE
        if there and kwargs.get("generator") is not None:
            raise RuntimeError(f"{name} got a generator of another device")
        kwargs |= {"device": "cpu"} if there else {}
        given = [*tensors(args), *tensors(kwargs)]
        inherits = name not in MAKERS and any(map(is_elsewhere, given))
        checked = given[:1] if name in INDEXES and is_elsewhere(args[0]) else given
        if inherits and name not in MOVES and not all(is_elsewhere(some) or some.dim() == 0 for some in checked):
            raise RuntimeError(f"{name} got tensors on different devices")
        found = func(*args, **kwargs)
        if there or (inherits and "device" not in kwargs):
            put(*tensors(found))
        return found

    def moved(self, args, kwargs, *, to_cpu):
        """`to` and `cpu`, in all their forms."""
        tensor, *rest = args
        there, forms = is_elsewhere(tensor), {}
        for value in rest:
            if isinstance(value, Tensor):
                there, forms["dtype"] = is_elsewhere(value), value.dtype
            elif isinstance(value, torch.dtype):
                forms["dtype"] = value
            elif isinstance(value, str | torch.device):
                there = torch.device(value) == ELSEWHERE
        forms |= {key: value for key, value in kwargs.items() if key == "dtype"}
        if kwargs.get("device") is not None:
            there = torch.device(kwargs["device"]) == ELSEWHERE
        there = there and not to_cpu
        found = tensor.to(**forms) if forms else tensor
        found = found.view_as(found) if there != is_elsewhere(tensor) else found
        found._elsewhere = there
        return found
