"""Harmful and harmless requests in pairs that differ in the harm alone.

The two of a pair are asked in one frame, have as many words and end in the same mark, and share a word: the thing
("rob a bank", "insure a bank") or the action ("build a bomb", "build a wagon"), so that no word alone tells harm from
help. What separates their means is then neither length nor punctuation, as it can be where the harmful come from one
data set and the harmless from another. The harms are mild, and nobody could learn one from them.

Each errand stands in one split: directions are found on `train`, chosen on `validation` and measured on `test`. The
errands of `test` are not among those that the embedded models were post-trained on."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("requests.csv")
SPLITS = ("train", "validation", "test")
MARKS = ".?!"


@dataclass(frozen=True)
class Requests:
    """Requests in pairs; the two of a pair stand at one place."""

    harmful: tuple[str, ...]
    harmless: tuple[str, ...]

    @property
    def n_pairs(self) -> int:
        """Pairs."""
        return len(self.harmful)

    @property
    def texts(self) -> list[str]:
        """All of them: the harmful, then the harmless in the same order."""
        return [*self.harmful, *self.harmless]


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    """Split, harmful and harmless request of every pair."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return tuple(
            (row["split"], row["frame"].format(row["harmful"]), row["frame"].format(row["harmless"]))
            for row in csv.DictReader(lines)
        )


def split(name: str, *, n_pairs: int = 0) -> Requests:
    """The first `n_pairs` pairs of a split (0: all of them).

    Raises ValueError for an unknown split, and for more pairs than there are or fewer than none."""
    if name not in SPLITS:
        raise ValueError(f"requests are split into {', '.join(SPLITS)}, got {name!r}")
    rows = [row[1:] for row in _rows() if row[0] == name]
    if not 0 <= n_pairs <= len(rows):
        raise ValueError(f"{name} has {len(rows)} pairs of requests, got n_pairs={n_pairs}")
    harmful, harmless = zip(*rows[: n_pairs or len(rows)], strict=True)
    return Requests(harmful, harmless)


def unmatched(requests: Requests) -> Requests:
    """The same requests as two data sets might have them: the harmful without their last mark, the harmless with."""
    return Requests(tuple(text.rstrip(MARKS) for text in requests.harmful), requests.harmless)


def marked(requests: Requests) -> Requests:
    """Harmless requests against themselves: without their last mark in the place of the harmful, and with it. What
    separates these means is the mark."""
    return Requests(tuple(text.rstrip(MARKS) for text in requests.harmless), requests.harmless)
