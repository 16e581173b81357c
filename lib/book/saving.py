"""Keeps what a run found in the repository: tables, ledger and report of a real model, for the page that sets it
beside the model of a book.

What is kept is small and names no machine: numbers with four digits, tables that no page reads left out, paths told
over. It appears whole or not at all, since it is written beside its place and then renamed."""

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from lib import source
from lib.book.paths import without_paths
from lib.book.request import MODELS, BookError
from lib.real_model.results import CLAIMS, RUN, report

MOST = 2_000_000
"""Bytes of a kept run, all its files together."""
DROPPED = ("carried.csv", "flips.csv", "patching.csv", "steering.csv", "marks.csv", "judges.csv")
"""Tables with a row for each neuron, prompt or position that no page reads from a kept run."""
FRACTION = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")


def refuse_embedded(model: str) -> None:
    """Raises BookError for an embedded model, whose results every book makes anew."""
    if model in source.pocket_names():
        raise BookError(
            f"SAVE=1 keeps the results of a model that is not embedded, got MODEL={model}, which every book measures "
            "anew; name another, as in: make book MODEL=smollm2-135m-instruct SAVE=1"
        )


def keep(run: Path, *, models: Path = MODELS) -> Path:
    """Keeps a run that was made into a book (it has `run.json`) as `models/<name of its folder>`, which is returned;
    what was kept there before is replaced.

    Raises BookError when two of its tables have one name, and when it is larger than `MOST`."""
    files = _files(run)
    size = sum(len(text.encode()) for text in files.values())
    if size > MOST:
        largest = max(files, key=lambda name: len(files[name]))
        raise BookError(
            f"a kept run may have {MOST:,} bytes, and that of {run.name} has {size:,}, the most of them in {largest}; "
            "name that table in lib/book/saving.py among those that are left out"
        )
    place, beside = models / run.name, models / f".{run.name}-{os.getpid()}"
    try:
        beside.mkdir(parents=True)
        for name, text in files.items():
            (beside / name).write_text(text, encoding="utf-8")
        _replace(place, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return place


def _replace(place: Path, new: Path) -> None:
    """Puts a folder in the place of another: a rename cannot go onto a folder that holds something."""
    old = new.with_name(f"{new.name}-old")
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _files(run: Path) -> dict[str, str]:
    """The text of every file of the kept run, by name."""
    cards = json.loads((run / RUN).read_text(encoding="utf-8"))["chapters"]
    entries: list[Any] = []
    files: dict[str, str] = {}
    for chapter in cards:
        results = run / "results" / chapter
        given = json.loads((results / "card.json").read_text(encoding="utf-8"))["parameters"]
        cards[chapter] = without_paths(cards[chapter], given=given)
        if (results / CLAIMS).is_file():
            entries += without_paths(json.loads((results / CLAIMS).read_text(encoding="utf-8")), given=given)
        for table in sorted(results.glob("*.csv")):
            if table.name in files:
                raise BookError(f"a kept run has one table of each name, got a second {table.name} from {chapter}")
            if table.name not in DROPPED:
                files[table.name] = rounded(without_paths(table.read_text(encoding="utf-8"), given=given))
    return files | {CLAIMS: _as_json(entries), RUN: _as_json(report(cards))}


def rounded(table: str) -> str:
    """A CSV text with four significant digits in each number that is not whole; whole ones stay as they are."""
    told = io.StringIO()
    rows = csv.writer(told, lineterminator="\n")
    for row in csv.reader(io.StringIO(table)):
        rows.writerow([_short(field) for field in row])
    return told.getvalue()


def _short(field: str) -> str:
    found = FRACTION.fullmatch(field)
    return f"{float(field):.4g}" if found and any(found.groups()) else field


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
