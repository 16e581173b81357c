"""Where this book keeps what takes long to make: in the reader's cache folder, or in the repository's own.

A home that cannot be written to is no reason to fail; only where nothing can be written is there no place at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWN = Path(__file__).parents[1] / ".snakemake" / "cache"
"""The repository's cache folder, for a reader whose home takes no file."""


def readers() -> Path:
    """The reader's cache folder, whether or not it can be written to."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def is_writable(folder: Path) -> bool:
    """Whether files can be written into a folder, which is made where it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def folder() -> Path:
    """The reader's cache folder where it can be written to, else the repository's own.

    Raises OSError where neither can be."""
    found = next(filter(is_writable, (readers(), OWN)), None)
    if found is None:
        raise OSError(f"neither {readers()} nor {OWN} can be written to")
    return found


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within the context no other process makes the same file or folder; one that dies holds nobody up.

    Raises OSError where no lock can be put beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
