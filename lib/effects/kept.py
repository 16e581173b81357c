"""Effects that one chapter measured, found again by the next one of the same run.

Several chapters ask about all neurons on the same text, which is the longest that any of them has to wait for. What is
measured within a run of the book (`runs/<model>/results/<chapter>`) is therefore kept in `runs/<model>/effects`, by all
that it is made of: weights, text, values put in, library, environment. Elsewhere, and where nothing can be written,
everything is measured anew."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib import cache, fingerprint, identity
from lib.effects.result import Effects, FrequencyEffects, Report
from lib.model import Model

RESULTS = "results"
"""The folder of a run that holds a folder for each chapter."""
KINDS = {kind.__name__: kind for kind in (Effects, FrequencyEffects)}


def folder(results: str) -> Path | None:
    """Where a chapter that writes into `results` keeps its effects; None outside a run."""
    parent = Path(results).parent
    return parent.with_name("effects") if results and parent.name == RESULTS else None


def key(model: Model, given: dict[str, Any]) -> str:
    """All that effects are made of; the library's fingerprint comes first, so that other versions are told apart."""
    tensors = {name: of_tensor(value) for name, value in given.items() if isinstance(value, Tensor)}
    plain = {name: value for name, value in given.items() if not isinstance(value, Tensor)}
    made_of = identity.made_of({}, loaded=model.source)
    weights, device = of_tensor(model.W_out), str(model.W_out.device)
    asked = {"W_out": weights, "device": device, "threads": torch.get_num_threads(), **made_of, **tensors, **plain}
    return f"{made_of['library']}-{fingerprint.of(asked)}"


def of_tensor(value: Tensor) -> str:
    """The fingerprint of a tensor's numbers, their type and their shape."""
    numbers = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return fingerprint.of([hashlib.sha256(numbers).hexdigest(), str(value.dtype), list(value.shape)])


def once(results: str, model: Model, given: dict[str, Any], measure: Callable[[], Effects]) -> Effects:
    """What `measure` finds, or found in an earlier chapter of this run; a chapter that needs it at the same time waits.

    `given` names all that it depends on beside the model."""
    place = folder(results)
    if place is None or not cache.is_writable(place):
        return measure()
    path = place / f"{key(model, given)}.pt"
    with cache.alone(path):
        found = _read(path)
        if found is None:
            found = measure()
            _write(path, found)
    return found


def _read(path: Path) -> Effects | None:
    """None where there are none, or none that can be read."""
    try:
        saved = torch.load(path, weights_only=True)
        return KINDS[saved["kind"]](**saved["values"], n=saved["n"], report=Report(**saved["report"]))
    except Exception:  # torch tells a damaged file by whatever met it first
        return None


def _write(path: Path, found: Effects) -> None:
    """Keeps effects, and lets go what another version of the library left; a full disk is no reason to fail."""
    kind = type(found)
    values = {field.name: getattr(found, field.name) for field in fields(kind) if field.name in kind.quantities()}
    saved = {"kind": kind.__name__, "values": values, "n": found.n, "report": vars(found.report)}
    part = path.with_suffix(f".{os.getpid()}")
    try:
        torch.save(saved, part)
        part.replace(path)
        for other in path.parent.glob("*.pt"):
            if other.name.partition("-")[0] != path.name.partition("-")[0]:
                other.unlink(missing_ok=True)
    except (OSError, RuntimeError):
        part.unlink(missing_ok=True)
