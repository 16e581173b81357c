"""Where the checkpoints of a training are, at which step each was written, and how much text it had seen."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.model import Model, load
from lib.source import Source


@dataclass(frozen=True)
class Checkpoint:
    """A model at some step of its training."""

    name: str
    model: str
    """What loads it: a directory, or a hub id."""
    revision: str
    """On the hub; empty elsewhere."""
    step: int
    tokens_seen: int | None
    """Tokens of training text until then; None where nobody says."""


def checkpoints(source: Source, named: str, *, tokens_per_step: int) -> list[Checkpoint]:
    """The training checkpoints of a model, in the order of their steps; empty where none are to be had.

    `named` lists revisions of a hub repository, or folders beside a local model, parted by commas. When it is empty a
    local model's are the folders `<its name>-step-<step>` beside it. Tokens come from a checkpoint's `training.json`
    ({"step": …, "tokens_seen": …}), else from `tokens_per_step` when that is not 0.
    Raises ValueError for a name without a step at its end, or a folder that is not there."""
    names = [name.strip() for name in named.split(",") if name.strip()]
    if source.kind == "hub":
        found = [Checkpoint(name, source.location, name, step_of(name), None) for name in names]
    else:
        found = _beside(Path(source.location), names)
    known = [_with_tokens(checkpoint, tokens_per_step) for checkpoint in found]
    return sorted(known, key=lambda checkpoint: checkpoint.step)


def loader(*, dtype: str, device: str) -> Callable[[Checkpoint], Model]:
    """What loads a checkpoint."""
    return lambda point: load(point.model, revision=point.revision, dtype=dtype, device=device)


def step_of(name: str) -> int:
    """The step that a checkpoint's name ends in. Raises ValueError when it ends in no number."""
    digits = re.search(r"\d+$", name)
    if not digits:
        raise ValueError(f"a checkpoint's name has to end in its step, as in step1000; got {name!r}")
    return int(digits[0])


def _beside(model: Path, names: list[str]) -> list[Checkpoint]:
    folders = [model.parent / name for name in names]
    folders = folders or [path for path in model.parent.glob(f"{model.name}-step-*") if path.name[-1].isdigit()]
    missing = [folder.name for folder in folders if not folder.is_dir()]
    if missing:
        raise ValueError(f"there is no checkpoint {missing[0]} beside {model}; checkpoints names folders there")
    return [Checkpoint(folder.name, str(folder), "", step_of(folder.name), None) for folder in folders]


def _with_tokens(checkpoint: Checkpoint, tokens_per_step: int) -> Checkpoint:
    file = Path(checkpoint.model) / "training.json"
    step, tokens = checkpoint.step, checkpoint.step * tokens_per_step if tokens_per_step else None
    if not checkpoint.revision and file.is_file():
        training = json.loads(file.read_text())
        step, tokens = int(training["step"]), int(training["tokens_seen"])
    return Checkpoint(checkpoint.name, checkpoint.model, checkpoint.revision, step, tokens)
