"""Runs chapters: one by papermill, all of them by Snakemake.

`execute` runs one chapter and says in one sentence where it failed; `make` checks a request and
hands it to Snakemake, which decides what is stale."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from lib import source
from lib.book.request import NOTEBOOKS, REPOSITORY, BookError, absolute, chapter_named, chapters, checked, parsed

THREADS = 1
"""Processor threads of a chapter: sums over another number of them end in other digits."""


def kernel_environment() -> dict[str, str]:
    """Settings that a chapter's text outputs depend on, the same whoever runs it and from whatever shell."""
    threads = {f"{library}_NUM_THREADS": str(THREADS) for library in ("OMP", "MKL", "OPENBLAS")}
    return threads | {"TQDM_DISABLE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONHASHSEED": "0"}


def execute(chapter: str, *, log: Path, output: Path, results: Path, given: dict[str, Any]) -> None:
    """Runs one chapter by papermill into `log`, a line of progress at a time, and on success into `output`.

    Raises BookError naming chapter, cell and error when it fails; the partial notebook stays at `log`."""
    import papermill

    checked(chapter, given)
    shutil.rmtree(results, ignore_errors=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    os.environ |= kernel_environment()
    bar = {
        "file": _Lines(),
        "disable": False,
        "mininterval": 2,
        "bar_format": f"{chapter}: cell {{n_fmt}} of {{total_fmt}}, {{elapsed}}",
    }
    try:
        papermill.execute_notebook(
            NOTEBOOKS / f"{chapter}.ipynb",
            log,
            parameters=given | {"results": str(results)},
            kernel_name="python3",
            cwd=str(NOTEBOOKS),
            progress_bar=bar,
            autosave_cell_every=10,
        )
    except papermill.PapermillExecutionError as error:
        shutil.rmtree(results, ignore_errors=True)
        place = f"chapter {chapter}, cell {error.exec_count}"
        raise BookError(f"{place}: {error.ename}: {error.evalue}; the partial notebook is {log}") from None
    results.mkdir(parents=True, exist_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(log, output)


class _Lines:
    """A stream that shows a progress bar as lines, fit for logs and for several chapters at once."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None:
        sys.stderr.flush()


def make(targets: str, *, model: str, chapter: str, assignments: str, jobs: int) -> None:
    """The everyday targets: checks the request, then hands it to Snakemake, one run at a time."""
    wanted = [chapter_named(chapter)] if chapter else chapters()
    given = parsed(assignments)
    for name in wanted:
        checked(name, given)
    model = absolute(model)
    source.resolve(model, revision=str(given.get("revision", "")))
    slug, runs = source.slug(model), REPOSITORY / "runs"
    goal = f"site/{slug}/index.html" if targets == "book" else f"runs/{slug}/notebooks/{wanted[0]}.ipynb"
    runs.mkdir(exist_ok=True)
    with (runs / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BookError("another run is under way in this folder; wait for it to end") from None
        shutil.rmtree(REPOSITORY / ".snakemake" / "locks", ignore_errors=True)  # stale: we hold the lock
        request = runs / ".request.json"  # a file keeps the types of values, which --config does not
        request.write_text(json.dumps({"model": model, "parameters": given}))
        command = [sys.executable, "-m", "snakemake", goal, "--cores", str(jobs), "--rerun-incomplete"]
        command += ["--keep-going", "--scheduler", "greedy", "--quiet", "all", "--configfile", str(request)]
        if subprocess.run(command, cwd=REPOSITORY, pass_fds=[lock.fileno()]).returncode:
            raise BookError(f"{goal} was not made; what stopped it is said above")
    print(f"made {goal}")
