"""Runs one chapter by papermill, and says in one sentence where it failed.

Whatever ends it, a cell, a kernel that is killed, a full disk or a reader's Ctrl-C: nothing is left that could be taken
for a chapter that was made."""

import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.book import figures
from lib.book import notebook as files
from lib.book.kernel import kernel_environment, manager
from lib.book.progress import MADE
from lib.book.request import NOTEBOOKS, BookError, checked

THREADS = 1
"""Processor threads of a chapter of a book, whose chapters run side by side. Sums over another number of threads end
in other digits, so the run card says the number."""
LESS = "lower n_sequences or sequence_length, name a smaller model, or make one chapter at a time (JOBS=1)"
"""What helps where memory runs out."""


@dataclass(frozen=True)
class Places:
    """Where a chapter's run leaves what."""

    log: Path
    """The notebook while it runs, and after it failed."""
    output: Path
    """The notebook once it succeeded."""
    results: Path
    """The folder of its tables, claims and card."""


def execute(chapter: str, asked: dict[str, Any], *, places: Places, threads: int = THREADS) -> None:
    """Runs one chapter by papermill, a line of progress at a time.

    `asked` is an order's file: `parameters`, and `made_of` and `fingerprint` where it has them. Raises BookError naming
    chapter, cell and error when it fails, when a figure is missing, and when the chapter read something else than was
    asked for; the partial notebook stays at `places.log`, and there are no results."""
    checked(chapter, asked["parameters"])
    shutil.rmtree(places.results, ignore_errors=True)
    places.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        _papermill(chapter, places.log, asked["parameters"] | {"results": str(places.results)}, threads)
        notebook = files.read(places.log)
        _refuse_bare(notebook, chapter=chapter, log=places.log)
        _refuse_other(asked.get("made_of", {}), places.results, chapter=chapter)
        notebook["metadata"]["asked"] = asked.get("fingerprint", "")
        places.results.mkdir(parents=True, exist_ok=True)
        places.output.parent.mkdir(parents=True, exist_ok=True)
        files.write(notebook, places.log)
    except BaseException:  # a reader's Ctrl-C too
        shutil.rmtree(places.results, ignore_errors=True)
        raise
    shutil.move(places.log, places.output)
    said(places.log).unlink(missing_ok=True)
    print(f"{chapter}{MADE}", file=sys.stderr, flush=True)


def said(log: Path) -> Path:
    """Where what a kernel said beside its cells is kept while it runs, and after it failed."""
    return log.with_suffix(".txt")


def _papermill(chapter: str, log: Path, given: dict[str, Any], threads: int) -> None:
    import papermill

    environment = kernel_environment(threads)
    os.environ.clear()
    os.environ.update(environment)
    kernels = manager(said(log))
    told = f"{chapter}: cell {{n_fmt}} of {{total_fmt}}, {{elapsed}}"
    try:
        papermill.execute_notebook(
            NOTEBOOKS / f"{chapter}.ipynb",
            log,
            parameters=given,
            kernel_name="python3",
            kernel_manager_class=kernels,
            cwd=str(NOTEBOOKS),
            progress_bar={"file": _Lines(), "disable": False, "mininterval": 10, "bar_format": told},
            autosave_cell_every=10,
        )
    except papermill.PapermillExecutionError as error:
        what = f"chapter {chapter}, cell {error.exec_count}: {' '.join(f'{error.ename}: {error.evalue}'.split())}"
        raise BookError(f"{what}{_more_room(what)}; the partial notebook is {log}") from None
    except RuntimeError as error:  # as nbclient raises when a kernel dies, which out of memory it does
        raise BookError(f"chapter {chapter}: {_ended(error, kernels.status)}; the partial notebook is {log}") from None


def _more_room(what: str) -> str:
    """What helps where a cell could not have the memory that it asked for."""
    asked = ("MemoryError", "OutOfMemoryError", "allocate memory", "not enough memory")
    return f"; there is too little memory: {LESS}" if any(sign in what for sign in asked) else ""


def _ended(error: RuntimeError, status: int | None) -> str:
    """Why a kernel is no more, by its exit status; a negative one is the signal that ended it."""
    if status == -signal.SIGKILL:
        return f"its kernel was killed, as happens where memory runs out: {LESS}"
    if status is not None and status < 0:
        return f"its kernel was ended by {signal.Signals(-status).name}"
    return f"{error}; there may be too little memory" if status is None else f"its kernel ended with status {status}"


def _refuse_bare(notebook: dict[str, Any], *, chapter: str, log: Path) -> None:
    missing = figures.missing(notebook)
    if missing:
        cells = ", ".join(map(str, missing))
        raise BookError(f"chapter {chapter} shows no figure where its code draws one, cell {cells}; see {log}")


def _refuse_other(made_of: dict[str, str], results: Path, *, chapter: str) -> None:
    """Whether the card says that the chapter read what it was asked to read, the notebook itself aside."""
    if not made_of:
        return
    read = json.loads((results / "card.json").read_text(encoding="utf-8"))["fingerprint"]
    part = next((name for name in read if read[name] != made_of[name]), None)
    if part:
        was = f"{made_of[part]} when it was asked for and {read[part]} when it ran"
        raise BookError(
            f"the {part} of chapter {chapter} was {was}; leave it alone while a run is under way, and rerun"
        )


class _Lines:
    """A stream that shows a progress bar as lines, fit for logs and for several chapters at once."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None:
        sys.stderr.flush()
