"""What a run may be asked for: chapters by number, parameters by name, models by where they lie.

A wrong request is refused here, before a kernel starts, with one sentence that says what would do."""

import ast
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from lib import source

REPOSITORY = Path(__file__).parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
KERNEL_NAMES = {"In", "Out", "exit", "quit", "open", "get_ipython"}


class BookError(ValueError):
    """A request that cannot be met; its message is one sentence for the reader."""


def chapters() -> list[str]:
    """The chapters of the book, by file name without suffix, in order."""
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def chapter_named(number: str) -> str:
    """The chapter with a number such as `02`, or with its whole name. Raises BookError when there is none."""
    found = [name for name in chapters() if name == number or name.split("_")[0] == number.zfill(2)]
    if not found:
        raise BookError(f"there is no chapter {number!r}; the chapters are {', '.join(chapters())}")
    return found[0]


def defaults(chapter: str) -> dict[str, Any]:
    """A chapter's parameters and their defaults, read from its cell tagged `parameters`."""
    cells = json.loads((NOTEBOOKS / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    tagged = next(cell for cell in cells if "parameters" in cell["metadata"].get("tags", ()))
    tree = ast.parse("".join(tagged["source"]))
    return {node.target.id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.AnnAssign)}


def checked(chapter: str, given: dict[str, Any]) -> dict[str, Any]:
    """All of a chapter's parameters, the given ones in place of defaults.

    Raises BookError for a name that the chapter does not have, or a value of another type."""
    known = defaults(chapter)
    for name, value in given.items():
        if name not in known:
            raise BookError(f"chapter {chapter} has no parameter {name!r}; its parameters are {', '.join(known)}")
        if type(value) is not type(known[name]) and not (isinstance(value, int) and isinstance(known[name], float)):
            kind = type(known[name]).__name__
            raise BookError(f"parameter {name} of chapter {chapter} is of type {kind}, got {value!r}")
    return known | given


def parameters(namespace: dict[str, Any], *, chapter: str) -> dict[str, Any]:
    """A chapter's parameters as this kernel has them; to be called in the cell after the parameters.

    `namespace` is `globals()`. Raises BookError when a name was injected that is not the chapter's, since
    papermill would run the default instead. Run again later in a session, it no longer looks for strays."""
    known = defaults(chapter)
    given = {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and name not in KERNEL_NAMES and not isinstance(value, ModuleType)
    }
    if namespace.get("_parameters_checked"):
        given = {name: given[name] for name in known}
    namespace["_parameters_checked"] = True
    return checked(chapter, given)


def parsed(assignments: str) -> dict[str, Any]:
    """`'n_sequences=8 text=my.txt'` as a dictionary; numbers become numbers, files absolute paths."""
    given: dict[str, Any] = {}
    for assignment in assignments.split():
        name, equals, value = assignment.partition("=")
        if not equals or not name.isidentifier():
            raise BookError(f"PARAMETERS takes name=value pairs parted by spaces, got {assignment!r}")
        try:
            given[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            given[name] = value
    if isinstance(given.get("text"), str) and Path(given["text"]).is_file():
        given["text"] = str(Path(given["text"]).resolve())
    return given


def absolute(model: str) -> str:
    """The model's name, a directory made absolute: a relative one can mean something else elsewhere."""
    is_directory = model not in source.pocket_names() and Path(model).expanduser().is_dir()
    return str(Path(model).expanduser().resolve()) if is_directory else model
