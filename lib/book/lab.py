"""Opens chapters in JupyterLab, in the kernel that the book runs them in.

A reader works on a copy in `runs/lab`, so that the chapters stay as they were written and the run card says whose code
it was. A copy that is there already is left as it is. No kernel is offered but this environment's own."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lib.book.kernel import kernel_environment
from lib.book.request import NOTEBOOKS, REPOSITORY, BookError, chapter_named, chapters

BROWSER = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "XDG_DATA_DIRS", "DBUS_SESSION_BUS_ADDRESS", "BROWSER")
"""What a browser needs to be told to open."""


def lab(chapter: str, *, start: Callable[[str, list[str], Mapping[str, str]], Any] = os.execve) -> None:
    """Opens one chapter, or the folder of all where none is named, in the place of this process.

    Raises BookError for a chapter that is not there, and where JupyterLab is not installed."""
    names = [chapter_named(chapter)] if chapter else chapters()
    if importlib.util.find_spec("jupyterlab") is None:
        raise BookError("JupyterLab is not installed in this environment; make lab does that")
    places = [copied(name) for name in names]
    command = [sys.executable, "-m", "jupyterlab", str(places[0] if chapter else places[0].parent)]
    command += ["--log-level=WARN", "--KernelSpecManager.allowed_kernelspecs=python3"]
    shown = {name: os.environ[name] for name in BROWSER if name in os.environ}
    os.chdir(REPOSITORY)
    start(sys.executable, command, kernel_environment() | shown)


def copied(chapter: str) -> Path:
    """A reader's own copy of a chapter."""
    copy = REPOSITORY / "runs" / "lab" / f"{chapter}.ipynb"
    copy.parent.mkdir(parents=True, exist_ok=True)
    return copy if copy.exists() else Path(shutil.copyfile(NOTEBOOKS / f"{chapter}.ipynb", copy))
