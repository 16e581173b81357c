"""Where a model tells harm, and where it refuses: two places, read apart.

At the instruction's last token a model has read the request; behind the template's tokens its answer begins. A model
may tell harmful requests from harmless ones at the first place and do nothing about it at the second (Zhao et al. 2025,
arXiv 2507.11878). A direction found on some requests sorts others, at every depth of either place."""

from typing import Any

from lib import directions, resampling
from lib.refusal.asking import INSTRUCTION, LAST, Reading

PLACES = {"instruction": INSTRUCTION, "answer": LAST}
"""The two places by name: the instruction's last token, and where the answer begins."""


def sorting(train: Reading, test: Reading) -> Any:
    """The share of test requests on the right side of the cut halfway between the means of the training requests:
    place, depth, share with its exact interval, n. Half of the requests are harmful, so chance is a half.

    Raises ValueError as `directions.difference_of_means` does."""
    import pandas

    rows = []
    for name, place in PLACES.items():
        for depth in range(train.resid.shape[1]):
            found = directions.difference_of_means(train.resid[:, depth, place], train.harmful)
            right = found.sorts(test.resid[:, depth, place]) == test.harmful
            share = resampling.share(int(right.sum()), len(right))
            ends = {"share": share.value, "share_low": share.low, "share_high": share.high, "n": len(right)}
            rows.append({"place": name, "depth": depth} | ends)
    return pandas.DataFrame(rows)


def first_told(table: Any, place: str) -> int | None:
    """The first depth from which on harm is told at a place: better than by chance with the whole interval, there and
    at every later depth. None where it is not told at the last."""
    rows = table[table.place == place].sort_values("depth", ascending=False)
    told = None
    for depth, low in zip(rows.depth, rows.share_low, strict=True):
        if low <= 0.5:
            break
        told = int(depth)
    return told
