"""Makes a book or a chapter of it: checks the request, and hands it to Snakemake, which decides what is stale.

What a reader sees is a line for whatever is under way, how much of the book is made, and one sentence for what failed.
Whatever else Snakemake says is kept in case that it fails without one. One run at a time is let into a folder."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from lib import cache
from lib.book.orders import Order, order
from lib.book.progress import Progress, due, spoken
from lib.book.request import REPOSITORY, BookError, chapter_named, chapters_about, parsed, with_partner
from lib.book.run import THREADS

OURS = re.compile(r"error: |\d\d_\w+: |site: ")
"""How a line begins that is for the reader."""
PATIENCE = 20
"""Seconds in which what was stopped may put away what it had begun."""
_HELD: list[IO[str]] = []


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
    targets: str, *, model: str, chapter: str, assignments: str, jobs: int, post_trained: str = "", save: bool = False
) -> None:
    """The everyday targets: checks the request, then hands it to Snakemake, one run at a time.

    A chapter alone has all `jobs` threads; those of a book have one each and run side by side. What the book found is
    kept in the repository where it is to `save`.
    Raises BookError and SourceError for what cannot be met, BookError when Snakemake fails, OSError where nothing can
    be written."""
    from lib.book import saving  # which no chapter needs

    if save:
        saving.refuse_embedded(model)
    began, alone, given = time.monotonic(), targets == "chapter", with_partner(parsed(assignments), post_trained)
    wanted = [chapter_named(chapter)] if alone else chapters_about(model, given)
    asked = order(model, given, wanted=wanted)
    _refuse_absent(str(given.get("device", "cpu")))
    goal = f"runs/{asked.slug}/notebooks/{wanted[0]}.ipynb" if alone else f"site/{asked.slug}/index.html"
    for folder in ("runs",) if alone else ("runs", "site"):
        _writable(REPOSITORY / folder)
    _by_snakemake(goal, asked, {"model": asked.model, "parameters": given, "chapters": wanted}, jobs, alone=alone)
    print(f"made {goal}{'' if alone else f' in {spoken(time.monotonic() - began)}; open it in a browser'}")
    if save:
        print(f"kept {saving.keep(REPOSITORY / 'runs' / asked.slug).relative_to(REPOSITORY)}")


def _refuse_absent(device: str) -> None:
    """Raises BookError for a device that this machine, where all jobs run, does not have."""
    if device != "cpu":
        from lib.model.loading import check_device  # which takes seconds, and most runs need none of it

        try:
            check_device(device)
        except ValueError as error:
            raise BookError(str(error)) from None


def _by_snakemake(goal: str, asked: Order, config: dict[str, Any], jobs: int, *, alone: bool) -> None:
    """Makes a goal by the graph; raises BookError when it fails."""
    with _config_file(config | {"threads": jobs if alone else THREADS}) as file:
        command = [sys.executable, "-m", "snakemake", goal, "--cores", str(jobs), "--configfile", str(file)]
        command += ["--rerun-incomplete", "--keep-going", "--scheduler", "greedy", "--quiet", "all"]
        command += ["--profile", "none", "--workflow-profile", "none"]  # a profile of the shell's changes nothing
        with nullcontext() if alone else _standing(REPOSITORY / goal):
            _watched(command, asked, goal)


@contextmanager
def _standing(goal: Path) -> Iterator[None]:
    """Puts what was there back, as old as it is, where nothing new is made: Snakemake removes it before it begins."""
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "runs", prefix=".") as folder:
        kept = Path(shutil.copy2(goal, folder)) if goal.is_file() else None
        try:
            yield
        except BaseException:
            if kept and goal.parent.is_dir() and not goal.exists():
                shutil.copy2(kept, goal)
            raise


def _writable(folder: Path) -> None:
    """Raises OSError unless files can be written into a folder, which is made where it is not there."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(bytes(1 << 16))


def _watched(command: list[str], asked: Order, goal: str) -> None:
    """Runs Snakemake in a group of processes of its own, so that it is told once, and by us, to stop.

    Raises BookError when it fails."""
    run = REPOSITORY / "runs" / asked.slug
    progress, others, said = Progress(due(asked, run), len(asked.asked)), [], False
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=_environment(), start_new_session=True, errors="replace", **streams
    ) as process:
        assert process.stdout
        try:
            for line in map(str.rstrip, process.stdout):
                if OURS.match(line):
                    said |= line.startswith("error: ")
                    print(progress.told(line), file=sys.stderr, flush=True)
                else:
                    others.append(line)
        except BaseException:
            _stop(process)
            raise
    if process.returncode:
        raise BookError(f"{goal} was not made; {'what stopped it is said above' if said else _kept(run, others)}")


def _kept(run: Path, lines: list[str]) -> str:
    """Keeps what Snakemake said; says where."""
    log = run / "logs" / "make.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"what the run said is in {log}"


def _stop(process: subprocess.Popen[str]) -> None:
    """Ends Snakemake with its jobs, politely first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.communicate(timeout=PATIENCE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
        except ProcessLookupError:
            pass
        return


def _environment() -> dict[str, str]:
    """The caller's, with a cache folder of our own for Snakemake where that in the home folder cannot be written to;
    what the hub left there is still read."""
    if cache.is_writable(cache.readers()):
        return dict(os.environ)
    own = {"XDG_CACHE_HOME": str(cache.OWN)}
    return {"HF_HOME": str(cache.readers() / "huggingface"), **os.environ, **own}


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
