"""Whether the library that a chapter imports is the one beside the chapter.

An environment remembers the folder that it was made for. Copied or moved together with a repository it still imports
the library of the old place, and every number would be that of other code."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

MARKS = ("Snakefile", "lib/book/home.py")


def foreign(library: Path) -> Path | None:
    """The repository in which this process is at work, when `library` (a repository's folder) is another; else None.

    It is at work where it was started; where that is in no repository, in the one whose `.venv` it runs in."""
    here = next(_repositories([Path.cwd(), *Path.cwd().parents, Path(sys.prefix).parent]), None)
    return here if here and not here.samefile(library) else None


def _repositories(folders: Iterable[Path]) -> Iterator[Path]:
    return (folder for folder in folders if all((folder / mark).is_file() for mark in MARKS))
