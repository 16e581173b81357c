"""Runs chapters: one by papermill, all of them by Snakemake.

`execute` runs one chapter and says in one sentence where it failed; `make` checks a request and
hands it to Snakemake, which decides what is stale; `hold` lets one run at a time into a folder."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lib.book import figures
from lib.book import notebook as files
from lib.book.kernel import kernel_environment, manager
from lib.book.orders import order
from lib.book.request import (
    NOTEBOOKS,
    REPOSITORY,
    BookError,
    chapter_named,
    chapters_about,
    checked,
    parsed,
    with_partner,
)

THREADS = 1
"""Processor threads of a chapter of a book, whose chapters run side by side. Sums over another number of threads end
in other digits, so the run card says the number."""
_HELD: list[IO[str]] = []


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
    except BookError:
        shutil.rmtree(places.results, ignore_errors=True)
        raise
    notebook["metadata"]["asked"] = asked.get("fingerprint", "")
    places.results.mkdir(parents=True, exist_ok=True)
    places.output.parent.mkdir(parents=True, exist_ok=True)
    files.write(notebook, places.log)
    shutil.move(places.log, places.output)


def _papermill(chapter: str, log: Path, given: dict[str, Any], threads: int) -> None:
    import papermill

    environment = kernel_environment(threads)
    os.environ.clear()
    os.environ.update(environment)
    told = f"{chapter}: cell {{n_fmt}} of {{total_fmt}}, {{elapsed}}"
    try:
        papermill.execute_notebook(
            NOTEBOOKS / f"{chapter}.ipynb",
            log,
            parameters=given,
            kernel_name="python3",
            kernel_manager_class=manager(),
            cwd=str(NOTEBOOKS),
            progress_bar={"file": _Lines(), "disable": False, "mininterval": 2, "bar_format": told},
            autosave_cell_every=10,
        )
    except papermill.PapermillExecutionError as error:
        place = f"chapter {chapter}, cell {error.exec_count}"
        raise BookError(f"{place}: {error.ename}: {error.evalue}; the partial notebook is {log}") from None
    except RuntimeError as error:  # as nbclient raises when a kernel dies, which out of memory it does
        raise BookError(f"chapter {chapter}: {error}; there may be too little memory, see {log}") from None


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


def hold(runs: Path) -> None:
    """Keeps every other run out of the folder `runs` until this process ends, and clears what a dead one left locked.

    Raises BookError when another run is under way there."""
    runs.mkdir(exist_ok=True)
    lock = (runs / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BookError("another run is under way in this folder; wait for it to end") from None
    _HELD.append(lock)
    shutil.rmtree(runs.parent / ".snakemake" / "locks", ignore_errors=True)  # stale: we hold the lock


def make(
    targets: str,
    *,
    model: str,
    chapter: str,
    assignments: str,
    jobs: int,
    post_trained: str = "",
    save: bool = False,
) -> None:
    """The everyday targets: checks the request, then hands it to Snakemake, one run at a time.

    A chapter alone has all `jobs` threads; those of a book have one each and run side by side. What the book found is
    kept in the repository where it is to `save`.
    Raises BookError and SourceError for what cannot be met, BookError when Snakemake fails."""
    from lib.book import saving  # which no chapter needs

    if save:
        saving.refuse_embedded(model)
    alone, given = targets == "chapter", with_partner(parsed(assignments), post_trained)
    wanted = [chapter_named(chapter)] if alone else chapters_about(model, given)
    asked = order(model, given, wanted=wanted)
    goal = f"runs/{asked.slug}/notebooks/{wanted[0]}.ipynb" if alone else f"site/{asked.slug}/index.html"
    config = {"model": asked.model, "parameters": given, "chapters": wanted}
    with _config_file(config | {"threads": jobs if alone else THREADS}) as file:
        command = [sys.executable, "-m", "snakemake", goal, "--cores", str(jobs), "--configfile", str(file)]
        command += ["--rerun-incomplete", "--keep-going", "--scheduler", "greedy", "--quiet", "all"]
        command += ["--profile", "none", "--workflow-profile", "none"]  # a profile of the shell's changes nothing
        if subprocess.run(command, cwd=REPOSITORY, env=_environment()).returncode:
            raise BookError(f"{goal} was not made; what stopped it is said above")
    print(f"made {goal}")
    if save:
        print(f"kept {saving.keep(REPOSITORY / 'runs' / asked.slug).relative_to(REPOSITORY)}")


def _environment() -> dict[str, str]:
    """The caller's, with a cache folder of our own for Snakemake where that in the home folder cannot be written to;
    what the hub left there is still read."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        writable = os.access(cache, os.W_OK)
    except OSError:
        writable = False
    own = {"XDG_CACHE_HOME": str(REPOSITORY / ".snakemake" / "cache")}
    return dict(os.environ) if writable else {"HF_HOME": str(cache / "huggingface"), **os.environ, **own}


@contextmanager
def _config_file(config: dict[str, Any]) -> Iterator[Path]:
    """A file that keeps the types of values, which Snakemake's --config does not, and is this process's own."""
    file = REPOSITORY / "runs" / f".config-{os.getpid()}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(config), encoding="utf-8")
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
