"""Runs every executed chapter a second time with `pytest --nbval` and compares the outputs.

The copies lie in a temporary folder and write their results there. A chapter has as many threads as the first time,
since sums over another number of them end in other digits."""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from lib import book
from lib.book import notebook


def copies(folder: Path) -> dict[int, list[Path]]:
    """Copies of the executed pocket chapters by their number of threads, their results redirected into `folder`."""
    run, found = book.REPOSITORY / "runs/pocket", defaultdict(list)
    for chapter in book.chapters():
        executed = notebook.read(run / f"notebooks/{chapter}.ipynb")
        for cell in executed.cells:
            if notebook.is_tagged(cell, "injected-parameters"):
                cell.source += f"\nresults = {str(folder / chapter)!r}"
        copy = folder / f"{chapter}.ipynb"
        notebook.write(executed, copy)
        card = json.loads((run / f"results/{chapter}/card.json").read_text(encoding="utf-8"))
        found[card["threads"]].append(copy)
    return found


def environment(threads: int) -> dict[str, str]:
    """What the chapters ran in the first time, whatever the shell says now."""
    return book.kernel_environment(threads)


def rerun(folder: Path) -> int:
    """Runs the copies in `folder`; the exit status of the last pytest that failed, or 0."""
    sanitized = ["--nbval-sanitize-with", str(book.REPOSITORY / "tests/nbval.cfg"), "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", *sanitized, "-p", "no:cacheprovider"]
    command += ["-n", "auto", "--dist", "loadscope"]  # a chapter to a worker
    status = 0
    for threads, notebooks in copies(folder).items():
        done = subprocess.run([*command, *map(str, notebooks)], env=environment(threads))
        status = done.returncode or status
    return status


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(rerun(Path(folder)))
