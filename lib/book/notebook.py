"""Notebooks as files: read and written by nbformat, which knows the versions of the format and checks its schema.

What is read and written again is the same notebook: every text is one string in memory and a list of lines on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read(path: Path) -> Any:
    """The notebook in a file, as format 4. Raises as `nbformat.read` does."""
    import nbformat  # takes a third of a second, which a chapter that only speaks need not spend

    return nbformat.read(path, as_version=4)


def write(notebook: Mapping[str, Any], path: Path) -> None:
    """Writes a notebook into a file; the folder has to be there."""
    import nbformat

    nbformat.write(nbformat.from_dict(notebook), path)


def is_tagged(cell: Mapping[str, Any], tag: str) -> bool:
    """Whether a cell carries a tag."""
    return tag in cell["metadata"].get("tags", ())
