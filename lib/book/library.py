"""Where everything in the library is defined, so that a page can link a name to its source.

Read off the files without importing them: `addresses` knows `effects.measure` by the name that a chapter
calls it, though the package only passes it on from one of its modules."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lib.book.request import REPOSITORY

LISTING = "source-page"
"""The class of the one block on a page that shows a module's source."""


@cache
def modules() -> dict[str, Path]:
    """The files of the library, by module name: `lib.effects`, `lib.effects.measuring`."""
    paths = sorted((REPOSITORY / "lib").rglob("*.py"))
    return {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path for path in paths
    }


@cache
def definitions(module: str) -> dict[str, int]:
    """The line that each function, class, method (`Class.method`) and constant of a module begins at."""
    return dict(_defined(ast.parse(modules()[module].read_text(encoding="utf-8")), prefix=""))


def _defined(tree: ast.Module | ast.ClassDef, *, prefix: str) -> Iterator[tuple[str, int]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name, min([node.lineno, *(found.lineno for found in node.decorator_list)])
        if isinstance(node, ast.ClassDef):
            yield from _defined(node, prefix=f"{prefix}{node.name}.")
        named = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from ((prefix + target.id, node.lineno) for target in named if isinstance(target, ast.Name))


def page(module: str) -> str:
    """The page of the site that shows a module's source, from the site's root and without suffix."""
    return f"source/{module}"


def parted(page: str) -> tuple[str, str, str]:
    """What precedes the code on such a page, up to the tag that it stands in; the code; what follows it."""
    before, opening, rest = page.partition("<pre>")
    code, closing, after = rest.partition("</pre>")
    return before + opening, code, closing + after


def address(module: str, name: str) -> str | None:
    """Where the site shows what a module calls `name`, defined there or passed on; None for what is not ours."""
    if name in definitions(module):
        return f"{page(module)}.html#{name}"
    at, given = _passed_on(module).get(name, ("", ""))
    if at not in modules():
        return None
    inner = f"{at}.{given}"
    return f"{page(inner)}.html" if inner in modules() else address(at, given)


@cache
def addresses() -> dict[str, str]:
    """Where the site shows every public name of the library, as a chapter writes it: `effects.measure`, `effects`."""
    found = {}
    for module in (name.removeprefix("lib.") for name in modules() if name.count(".") == 1):
        found[module] = f"{page(f'lib.{module}')}.html"
        names = {*definitions(f"lib.{module}"), *_passed_on(f"lib.{module}")}
        known = {name: address(f"lib.{module}", name) for name in names if not name.startswith("_")}
        found |= {f"{module}.{name}": place for name, place in known.items() if place}
    for module in (name for name in modules() if name.count(".") > 1):
        inner = module.removeprefix("lib.")
        found[inner] = f"{page(module)}.html"
        found |= {f"{inner}.{name}": f"{page(module)}.html#{name}" for name in definitions(module) if name[0] != "_"}
    return found


@cache
def _passed_on(module: str) -> dict[str, tuple[str, str]]:
    """What a module imports, by the name that it has here: from where, and what it is called there."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found = [(alias.asname or alias.name, (node.module or "", alias.name)) for node in imports for alias in node.names]
    return dict(reversed(found))  # the first that says it, where several do
