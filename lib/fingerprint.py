"""Who is who, by content: a fingerprint changes with what is inside a file, and with nothing else.

The same weights have the same fingerprint under any path, at any date and on any machine; one digit more in a
tokenizer is another model. All bytes count: a safetensors header tells shapes and not values, so weights that were
trained on would pass for the old ones if only the header were read. Within a process a file is read once, until size,
dates or place on the disk say that it may have been written to."""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DIGITS = 12
"""Hexadecimal digits of a fingerprint."""
YOUNG = 1_000_000_000
"""Nanoseconds after a write within which another write may leave the same date, so that nothing is remembered."""
_KNOWN: dict[tuple[str | int, ...], str] = {}


def of_file(path: Path) -> str:
    """The SHA-256 of a file's content, 64 hexadecimal digits. Raises OSError when it cannot be read."""
    state = path.stat()
    written = max(state.st_mtime_ns, state.st_ctime_ns)  # the second cannot be set back, as `cp -p` sets the first
    key = (str(path.absolute()), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    if key in _KNOWN:
        return _KNOWN[key]
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if time.time_ns() - written > YOUNG:
        _KNOWN[key] = digest
    return digest


def of_files(paths: Iterable[Path], *, root: Path) -> str:
    """The fingerprint of some files, their names below `root` included. Raises OSError as `of_file` does."""
    return of({path.relative_to(root).as_posix(): of_file(path) for path in paths})


def of(value: Any) -> str:
    """The fingerprint of a value that JSON can hold; the order of a dictionary's entries does not count."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]
