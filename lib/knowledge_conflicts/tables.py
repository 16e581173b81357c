"""What was counted as tables for figures and files: the first set is the one that is asked about, the others are its
controls, shown as the mean and the middle 95 % of the sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lib import drawing, resampling
from lib.drawing import named
from lib.knowledge_conflicts import scores
from lib.knowledge_conflicts.labels import LABELS
from lib.knowledge_conflicts.mechanism import MECHANISMS
from lib.knowledge_conflicts.tallies import Tallies

MIDDLE = (0.025, 0.975)
CHOSEN = "chosen"
"""What the first set is called in a table of transitions."""


def transitions(tallied: Tallies, controls: Mapping[str, slice]) -> Any:
    """Prompts by clean and ablated label (set, clean, ablated, count, n_sets): of the first set, called `CHOSEN`, and
    added up over the control sets of each kind."""
    import pandas

    rows = []
    for name, some in {CHOSEN: slice(0, 1), **controls}.items():
        members = range(len(tallied.ablated))[some]
        counts = torch.stack([tallied.by_fact(row).sum(0) for row in members]).sum(0).long()
        cells = [(one, other) for one in range(len(LABELS)) for other in range(len(LABELS))]
        rows += [(name, LABELS[i], LABELS[j], int(counts[i, j]), len(members)) for i, j in cells]
    return pandas.DataFrame(rows, columns=["set", "clean", "ablated", "count", "n_sets"])


def conversions(tallied: Tallies, controls: slice, *, own: str, others: str) -> Any:
    """Conversion ratios by label (set, label, value, low, high, hits, n), NaN where there is nothing to convert; the
    first set's interval is the exact one at as many cases as prompts about so few facts are worth."""
    import pandas

    rows, nothing = [], (float("nan"),) * 3
    for place, label in enumerate(LABELS):
        could = tallied.clean != place
        hit = (tallied.ablated[0] == place)[could].tolist()
        one = scores.clustered(hit, tallied.fact[could].tolist()) if hit else None
        rows.append((own, label, *((one.value, one.low, one.high) if one else nothing), sum(hit), len(hit)))
        each = (tallied.ablated[controls] == place)[:, could].double().mean(1) if hit else None
        rows.append((others, label, *(nothing if each is None else _spread(each)), None, len(hit)))
    return pandas.DataFrame(rows, columns=["set", "label", "value", "low", "high", "hits", "n"])


def scored(tallied: Tallies, rows: Mapping[str, slice]) -> Any:
    """The global transition score of every control set (set, score)."""
    import pandas

    parts = [pandas.DataFrame({"set": kind, "score": tallied.scores(some)}) for kind, some in rows.items()]
    return pandas.concat(parts, ignore_index=True)


def mechanisms(by: Sequence[Sequence[str]], fact: Sequence[int], *, own: str, others: str) -> Any:
    """The share of the prompts whose answer changed, by what sufficed (mechanism, set, value, low, high); `by` is that
    of each set and prompt, the first set's interval as in `conversions`."""
    import pandas

    rows = []
    for mechanism in MECHANISMS:
        one = scores.clustered([how == mechanism for how in by[0]], fact)
        rows.append((mechanism, own, one.value, one.low, one.high))
        each = torch.tensor([sum(how == mechanism for how in row) / len(row) for row in by[1:]], dtype=torch.float64)
        rows.append((mechanism, others, *_spread(each)))
    return pandas.DataFrame(rows, columns=["mechanism", "set", "value", "low", "high"])


def shift_by_label(tallied: Tallies, shift: Float[Tensor, "set prompt"], *, own: str, others: str, seed: int) -> Any:
    """Mean change of the log-odds by clean label, and over all prompts (label, n, set, value, low, high); the first
    set's interval is over facts, and NaN for a label of fewer than `drawing.FEWEST` of them."""
    import pandas

    rows, masks = [], {"all": torch.ones_like(tallied.clean, dtype=torch.bool)}
    masks |= {label: tallied.clean == place for place, label in enumerate(LABELS)}
    for label, some in masks.items():
        if some.any():
            generator = named(seed, f"log-odds of {label}")
            rows.append((label, int(some.sum()), own, *_mean(shift[0, some], tallied.fact[some], generator)))
            rows.append((label, int(some.sum()), others, *_spread(shift[1:, some].mean(1))))
    return pandas.DataFrame(rows, columns=["label", "n", "set", "value", "low", "high"])


def _mean(value: Float[Tensor, " prompt"], fact: Tensor, generator: torch.Generator) -> tuple[float, float, float]:
    if len(fact.unique()) < drawing.FEWEST:
        return value.mean().item(), float("nan"), float("nan")
    found = resampling.mean(value, fact, generator=generator)
    return found.value, found.low, found.high


def _spread(each: Float[Tensor, " set"]) -> tuple[float, float, float]:
    low, high = each.quantile(torch.tensor(MIDDLE, dtype=each.dtype)).tolist()
    return each.mean().item(), low, high
