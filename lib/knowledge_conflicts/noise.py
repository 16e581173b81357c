"""Answers that change although no neuron does: another size of batches, or another precision of the weights.

Only an answer that was nearly another one can change. How much the largest logits move is measured on the prompts whose
likeliest tokens were closest; a prompt whose likeliest token was ahead by many times as much, at every step until its
label was settled, is not asked again."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from lib.knowledge_conflicts.writing import Writer
from lib.model import Model, Path

Ids = tuple[int, ...]

FIRST = 64
"""Prompts that the change of the logits is measured on."""
SAFELY = 20
"""How many times the largest change a lead has to be; twice is enough where no logit changes by more."""


def again(writer: Writer, model: Model, *, batch_size: int) -> tuple[Int[Tensor, " asked"], list[Ids]]:
    """The prompts of a writer whose labels may be others, and what another model, or the same in other batches, writes
    after them, to the end or until it has written all that settled the label."""
    n_open = [writer.n_open((at, ())) for at in range(len(writer.prompts))]
    lead = torch.tensor([_lead(path, n) for path, n in zip(writer.clean_paths(), n_open, strict=True)])
    order = lead.argsort(stable=True)
    paths = _walked(writer, model, order[:FIRST].tolist(), batch_size)
    clean = [writer.clean_paths()[at] for at in order[:FIRST].tolist()]
    moved = max(_moved(*both) for both in zip(clean, paths, strict=True))
    rest = order[FIRST:][lead[order[FIRST:]] <= SAFELY * moved]
    paths += _walked(writer, model, rest.tolist(), batch_size) if len(rest) else []
    return order[: len(paths)], [tuple(path.ids[0, : path.n_steps[0]].tolist()) for path in paths]


def _walked(writer: Writer, model: Model, prompts: Sequence[int], batch_size: int) -> list[Path]:
    """The paths of some prompts; one that leaves the writer's before the label is settled is walked to its end."""
    n_open = [writer.n_open((at, ())) for at in prompts]
    paths = _paths(writer, model, prompts, n_open, batch_size)
    clean = [writer.clean_paths()[at] for at in prompts]
    left = [
        row
        for row, (one, other, n) in enumerate(zip(paths, clean, n_open, strict=True))
        if one.ids[0].tolist() != other.ids[0, :n].tolist()
    ]
    some = [prompts[row] for row in left]
    whole = _paths(writer, model, some, [writer.n_tokens[at] for at in some], batch_size)
    replaced = dict(zip(left, whole, strict=True))
    return [replaced.get(row, path) for row, path in enumerate(paths)]


def _paths(writer: Writer, model: Model, prompts: Sequence[int], at_most: Sequence[int], batch_size: int) -> list[Path]:
    given: dict[str, Any] = {"stops": writer.stops, "batch_size": batch_size}
    asked = [writer.prompts[at] for at in prompts]
    return Writer(model, asked, n_tokens=max(at_most, default=1), at_most=at_most, **given).clean_paths()


def _lead(path: Path, n_steps: int) -> float:
    """How far the likeliest token is ahead of the next, where that is least."""
    top = path.top_logit[0, :n_steps].double()
    return (top[:, 0] - top[:, 1]).min().item()


def _moved(one: Path, other: Path) -> float:
    """The largest change of the two largest logits, as far as the same was written before them."""
    n = min(int(one.n_steps[0]), int(other.n_steps[0]))
    same = (one.ids[0, :n].cpu() == other.ids[0, :n].cpu()).cumprod(0)
    upto = min(n, int(same.sum()) + 1)
    top = (path.top_logit[0, :upto].double().cpu() for path in (one, other))
    return torch.sub(*top).abs().max().item()
