"""What a run may be asked for: chapters by number, parameters by name, models by where they lie.

A wrong request is refused here, before a kernel starts, with one sentence that says what would do."""

import ast
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from lib import identity, source
from lib.book import bounds, home, notebook
from lib.documents import EMBEDDED, PYTHON

REPOSITORY = Path(__file__).parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
MODELS = REPOSITORY / "book" / "models"
"""Where runs of real models are kept."""
SETTINGS = ("model", "parameters", "chapters", "threads")
"""What the graph can be configured with."""
KERNEL_NAMES = {"In", "Out", "exit", "quit", "open", "get_ipython"}


class BookError(ValueError):
    """A request that cannot be met; its message is one sentence for the reader."""


def chapters() -> list[str]:
    """The chapters of the book, by file name without suffix, in order."""
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def is_of_a_pair(chapter: str) -> bool:
    """Whether a chapter is about a model before and after post-training, which its parameters say."""
    return identity.PAIRED in defaults(chapter)


def chapters_about(model: str, given: Mapping[str, Any]) -> list[str]:
    """The chapters of a book about a model, those of a pair only where its partner is known or named in `given`."""
    paired = source.has_partner(model, str(given.get(identity.PAIRED, "")))
    return [chapter for chapter in chapters() if paired or not is_of_a_pair(chapter)]


def chapter_named(number: str) -> str:
    """The chapter with a number such as `02`, or with its whole name. Raises BookError when there is none."""
    found = [name for name in chapters() if name == number or name.split("_")[0] == number.zfill(2)]
    if not found:
        raise BookError(f"there is no chapter {number!r}; the chapters are {', '.join(chapters())}")
    return found[0]


def chapters_named(names: Any) -> list[str]:
    """The chapters that a graph's setting names, as `chapter_named` knows each; none where it names none.

    Raises BookError for a name that no chapter has."""
    return [chapter_named(str(name)) for name in ([names] if isinstance(names, str | int) else names or [])]


def refuse_settings(config: Mapping[str, Any]) -> None:
    """Raises BookError for a setting of the graph that it would pass over."""
    strays = sorted({*config} - {*SETTINGS})
    if strays:
        raise BookError(
            f"the graph has no setting {strays[0]!r}; its settings are {', '.join(SETTINGS)}, and a parameter of the "
            "chapters is given by make, as in: make book PARAMETERS='seed=1'"
        )


def defaults(chapter: str) -> dict[str, Any]:
    """A chapter's parameters and their defaults, read from its cell tagged `parameters`."""
    cells = notebook.read(NOTEBOOKS / f"{chapter}.ipynb").cells
    tagged = next(cell for cell in cells if notebook.is_tagged(cell, "parameters"))
    tree = ast.parse(tagged.source)
    nodes = [node for node in tree.body if isinstance(node, ast.AnnAssign)]
    return {ast.unparse(node.target): ast.literal_eval(node.value) for node in nodes if node.value}


def checked(chapter: str, given: dict[str, Any]) -> dict[str, Any]:
    """All of a chapter's parameters, the given ones in place of defaults.

    Raises BookError for a name that the chapter does not have, a value of another type, or a number out of bounds."""
    known = defaults(chapter)
    for name, value in given.items():
        if name not in known:
            raise BookError(f"chapter {chapter} has no parameter {name!r}; its parameters are {', '.join(known)}")
        if type(value) is not type(known[name]) and not (isinstance(value, int) and isinstance(known[name], float)):
            kind = type(known[name]).__name__
            hint = f"; papermill keeps a value as text with -r {name} {value}" if kind == "str" else ""
            raise BookError(f"parameter {name} of chapter {chapter} is of type {kind}, got {value!r}{hint}")
        fault = bounds.fault(name, value, default=known[name], chapter=chapter)
        if fault:
            raise BookError(f"parameter {name} of chapter {chapter} {fault}")
    return known | given


def typed(chapter: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a chapter declares them: `"8"` is a number where its default is one, and stays a text elsewhere.

    A text that is no value of that type is left as it is, for `checked` to refuse."""
    known = defaults(chapter)
    return {
        name: _as(type(known[name]), value) if name in known and isinstance(value, str) else value
        for name, value in given.items()
    }


def _as(kind: type, value: str) -> Any:
    if kind is bool:
        return {"true": True, "false": False}.get(value.lower(), value)
    try:
        return kind(value)
    except ValueError:
        return value


def parameters(namespace: dict[str, Any], *, chapter: str) -> dict[str, Any]:
    """A chapter's parameters as this kernel has them; to be called in the cell after the parameters.

    `namespace` is `globals()`. Raises BookError when the library is not the one of the repository at work, and when a
    name was injected that is not the chapter's, since papermill would run the default instead. Run again later in a
    session, it no longer looks for strays."""
    here = home.foreign(REPOSITORY)
    if here:
        raise BookError(
            f"this is the repository {here}, but its environment runs the library of {REPOSITORY}: run make in {here}"
        )
    identity.library()  # as it is now, when it is imported, and not as it may be edited while the chapter runs
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


def parsed(assignments: str) -> dict[str, str]:
    """`'n_sequences=8 text="my file.txt"'` as a dictionary of texts; quotes hold a value together as in a shell.

    Raises BookError for anything but name=value, for a name given twice, and for a quote left open."""
    try:
        words = shlex.split(assignments)
    except ValueError:
        raise BookError(f"PARAMETERS has a quote that is not closed, got {assignments}") from None
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise BookError(f"PARAMETERS takes name=value pairs parted by spaces, got {word!r}")
        if name in given:
            raise BookError(f"PARAMETERS gives {name} twice, as {given[name]!r} and {value!r}; give it once")
        given[name] = value
    return given


def with_partner(given: dict[str, str], post_trained: str) -> dict[str, str]:
    """Parameters with the partner that was named beside them, where one was.

    Raises BookError when they name one already."""
    if not post_trained:
        return given
    if identity.PAIRED in given:
        both = f"POST_TRAINED={post_trained} and {identity.PAIRED}={given[identity.PAIRED]}"
        raise BookError(f"the post-trained partner is given twice, as {both}; give it once")
    return given | {identity.PAIRED: absolute(post_trained)}


def chosen(given: Mapping[str, Any], *, wanted: list[str]) -> dict[str, dict[str, Any]]:
    """For each wanted chapter the given parameters that it has, typed and with files and folders made absolute.

    Raises BookError for a name that none of the chapters has, for one that is given elsewhere, and as `checked`."""
    if "model" in given:
        raise BookError(f"the model is named by MODEL=…, not among the parameters, got model={given['model']}")
    if "results" in given:
        raise BookError(f"tables go to runs/<model>/results, and results={given['results']} cannot send them elsewhere")
    known = {chapter: defaults(chapter) for chapter in wanted}
    everywhere = dict.fromkeys(name for names in known.values() for name in names)
    for name in given:
        if name not in everywhere:
            whose = f"chapter {wanted[0]}" if len(wanted) == 1 else "the book"
            raise BookError(f"{whose} has no parameter {name!r}; its parameters are {', '.join(everywhere)}")
    own = {chapter: {name: given[name] for name in given if name in known[chapter]} for chapter in wanted}
    return {chapter: _placed(_checked_only(chapter, some)) for chapter, some in own.items()}


def _checked_only(chapter: str, given: Mapping[str, Any]) -> dict[str, Any]:
    found = typed(chapter, given)
    checked(chapter, found)
    for name, value in found.items():
        if fault := bounds.unknown(name, value):
            raise BookError(f"parameter {name} of chapter {chapter} {fault}")
    return found


def _placed(given: dict[str, Any]) -> dict[str, Any]:
    """The same with absolute paths: a relative one means something else where the kernel starts."""
    names = {name: absolute(value) for name, value in given.items() if name in identity.OTHERS and value}
    text = given.get("text", EMBEDDED)
    if text not in ("", EMBEDDED, PYTHON) and Path(text).expanduser().exists():
        names["text"] = str(Path(text).expanduser().resolve())
    return given | names


def absolute(model: str) -> str:
    """The model's name, a directory or file made absolute: a relative one can mean something else elsewhere.

    Raises SourceError for a folder whose bare name a model on the hub may have as well."""
    source.refuse_ambiguous(model)
    return str(Path(model).expanduser().resolve()) if source.is_path(model) else model
