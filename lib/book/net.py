"""The outermost net: whatever goes wrong is one sentence, and all that is known of it lies in a file.

What a reader can mend (a request, a model, a full disk, a file in the place of a folder) is said in words. Anything
else is a fault of this book, and its traceback is what whoever mends it has to see."""

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from lib.book.request import REPOSITORY, BookError
from lib.source import SourceError

STOPPED = 130
"""The exit status of what was interrupted, as a shell has it."""
GOES_ON = "stopped; chapters that were made are kept, and the same command goes on from there"
FULL = {errno.ENOSPC, errno.EDQUOT}
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR}
TOO_LONG = {errno.ENAMETOOLONG}
SHOWN = 40
"""Signs of a name that is repeated where no name can be so long."""
LENGTH = 600
"""Signs of an error's own message that are repeated; all of it is in the file."""


def caught(work: Callable[[], None], *, quiet: bool = False, stopped: str = GOES_ON) -> int:
    """Does the work, and says in one sentence on the error stream where it failed; the exit status.

    `stopped` is what is said of an interruption; with `quiet` nothing is: whoever started this says it."""
    try:
        work()
    except KeyboardInterrupt:
        if not quiet:
            _say(stopped)
        return STOPPED
    except Exception as error:
        _say(told(error))
        return 1
    return 0


def told(error: Exception) -> str:
    """What is said of an error: its own sentence where it was raised for a reader, else what it is, and where more is
    known."""
    if isinstance(error, BookError | SourceError):
        return f"error: {error}"
    return f"error: {sentence(error)}{_kept(error)}"


def sentence(error: Exception) -> str:
    """An error that nobody raised for a reader, in words."""
    place = _place(getattr(error, "filename2", None) or getattr(error, "filename", None))
    number = error.errno if isinstance(error, OSError) else None
    if number in FULL:
        return f"there is no space left on the disk of {place or REPOSITORY}; free some, and run the same command again"
    if number in CLOSED and place:
        return f"{place} cannot be written to; allow it, or run a copy of the repository that is yours"
    if number in IN_THE_WAY and place:
        return f"{place} is needed as a folder, and a file has that name; move it away"
    if number in TOO_LONG:
        begins = str(getattr(error, "filename", ""))[:SHOWN]
        return f"{begins!r} … is too long for the name of a file or a folder; name one, and put text into it"
    if isinstance(error, MemoryError):
        return "there is too little memory; close other programs, or name a smaller model"
    said = " ".join(str(error).split())
    return f"this was not foreseen: {type(error).__name__}: {said[:LENGTH]}"


def _place(path: object) -> Path | None:
    """What an error is about: the file, or the nearest folder above it that is there, or is in truth a file."""
    if not isinstance(path, str | Path):
        return None
    return next((found for found in (Path(path), *Path(path).parents) if os.path.exists(found)), None)


def _kept(error: Exception) -> str:
    """Writes the traceback where it can be written; the end of a sentence that says where."""
    text = "".join(traceback.format_exception(error))
    for folder in (REPOSITORY / "runs" / "logs", Path(tempfile.gettempdir()) / "confidence-companion"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "error.txt").write_text(text, encoding="utf-8")
        except OSError:
            continue
        return f"; its traceback is {folder / 'error.txt'}"
    return ""


def _say(text: str) -> None:
    print(" ".join(text.split()), file=sys.stderr, flush=True)
