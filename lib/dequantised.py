"""The plain weights of a GGUF file, written once and found again by content.

What a GGUF file holds is unpacked into a folder such as every other local model has: float32 weights, tokenizer,
configuration. The folder lies in the cache under the fingerprint of the file and of what reads it. It is
made beside its place and moved there whole: of several chapters that need it at once one makes it, and a run that was
broken off leaves nothing that could be taken for a model."""

import errno
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from lib import cache, fingerprint, gguf_file
from lib.source import Source, SourceError

READERS = ("gguf", "transformers", "tokenizers")
"""The packages that make numbers of the bits: another version may make others."""
LAYOUT = 1
"""Of the folders, to be counted up when another is made of the same file."""
BYTES = 4
"""Of a weight in float32."""
BESIDE = 1 << 26
"""Bytes for tokenizer and configuration, at the most."""


def place(source: Source) -> Path:
    """Where the unpacked model lies, or will. Raises SourceError where no folder can be written to."""
    made_of = {"file": source.revision, "layout": LAYOUT, **{name: version(name) for name in READERS}}
    try:
        return cache.folder() / "confidence-companion" / f"gguf-{fingerprint.of(made_of)}"
    except OSError as error:
        raise SourceError(
            f"{source.name} is unpacked into a cache folder, but {error}; set XDG_CACHE_HOME to a folder that can"
        ) from None


def folder(source: Source, *, write: Callable[[Path, Path], None]) -> Path:
    """The folder with a GGUF file's plain weights, made by `write` (file, folder to fill) where it is not there yet.

    Raises SourceError where there is no room for it, or no folder to write to, and what `write` raises."""
    found = place(source)
    if found.is_dir():
        return found
    try:
        with cache.alone(found):
            if not found.is_dir():
                _make(found, source, write)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise _no_room(found, source, str(error.strerror)) from None
    return found


def _make(found: Path, source: Source, write: Callable[[Path, Path], None]) -> None:
    needed = BYTES * gguf_file.head(Path(source.location)).n_parameters + BESIDE
    if shutil.disk_usage(found.parent).free < needed:
        raise OSError(errno.ENOSPC, f"{needed / 1e9:.1f} GB are needed")
    part = found.with_suffix(".part")  # ours alone while the lock is held; a process that died may have left it
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        write(Path(source.location), part)
        part.rename(found)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _no_room(found: Path, source: Source, why: str) -> SourceError:
    return SourceError(
        f"the weights of {source.name} cannot be unpacked into {found.parent} ({why}); make room there, or set "
        "XDG_CACHE_HOME to another folder"
    )
