"""How far a book is: chapters made of all, and about how long the rest takes.

Chapters are unlike in length, so each counts as much as it took in an earlier run, where there was one. The time that
is left follows from the time that is gone, whatever the machine and however many run side by side."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lib import source
from lib.book.orders import Order, asked_file
from lib.book.request import MODELS

MADE = ": made"
"""How the line of a chapter ends that is made."""
POCKET = "pocket"
"""What the card of an embedded model says of its source."""


class Progress:
    """What is made and what is due; the clock runs from the beginning."""

    def __init__(self, due: Mapping[str, float], n: int, *, now: Callable[[], float] = time.monotonic) -> None:
        """`due` are the chapters still to be made, of `n` in all, and how long each is, in any unit."""
        self.due, self.n, self.now = dict(due), n, now
        self.whole, self.began = sum(due.values()), now()

    def told(self, line: str) -> str:
        """A line of a chapter, with the state of the book where it says that the chapter is made."""
        chapter = line.removesuffix(MADE)
        if chapter == line:
            return line
        self.due.pop(chapter, None)
        return f"{line}, {self.n - len(self.due)} of {self.n} chapters{self._left()}"

    def _left(self) -> str:
        left = sum(self.due.values())
        if not 0 < left < self.whole:
            return ""
        return f", about {spoken((self.now() - self.began) * left / (self.whole - left))} left"


def spoken(seconds: float) -> str:
    """A duration in words, no finer than a reader cares: seconds to a minute and a half, then minutes."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def due(order: Order, run: Path) -> dict[str, float]:
    """The chapters of an order that its folder `run` does not hold as asked for, each with its length by earlier runs,
    alike where there was none."""
    seconds = next(filter(None, map(_lengths, _earlier(order.model, run))), {})
    usual = sum(seconds.values()) / len(seconds) if seconds else 1.0
    return {name: seconds.get(name, usual) for name in order.asked if not _is_made(order, run, name)}


def _is_made(order: Order, run: Path, chapter: str) -> bool:
    asked, made = asked_file(run, chapter), run / "notebooks" / f"{chapter}.ipynb"
    if not asked.is_file() or not made.is_file() or made.stat().st_mtime < asked.stat().st_mtime:
        return False
    try:
        return bool(json.loads(asked.read_text(encoding="utf-8")) == order.asked[chapter])
    except ValueError:
        return False


def _earlier(model: str, run: Path) -> list[dict[str, Any]]:
    """Reports of earlier runs, those first that say most of this one: of this model, then of those that are embedded as
    it is or are not, which differ in what a chapter spends its time on; kept runs behind those of this machine."""
    embedded = model in source.pocket_names()
    own, others = [run, MODELS / run.name], sorted(run.parent.glob("*/")) + sorted(MODELS.glob("*/"))
    reports = [[*filter(None, map(_report, folders))] for folders in (own, others)]
    return reports[0] + sorted(reports[1], key=lambda report: (report.get("source") == POCKET) != embedded)


def _report(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _lengths(report: dict[str, Any]) -> dict[str, float]:
    try:
        return {name: float(card["seconds"]) for name, card in report["chapters"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
