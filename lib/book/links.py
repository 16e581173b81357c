"""Names become links: a function to its source, "chapter 03" to the chapter.

Authors write plain text and plain code. What a chapter's imports call a module (`door` for `model`) is what
its cells and its sentences are read with."""

import ast
import os
import re
from typing import Any

from bs4 import BeautifulSoup, NavigableString, Tag

from lib.book import library

MENTION = re.compile(r"[Cc]hapters? \d\d(?:(?:, | and |, and | or | to )\d\d)*")
QUIET = ["a", "code", "pre", "script", "style", "h1", "h2", "h3", "nav", "title", "svg", "summary"]


def aliases(notebook: dict[str, Any]) -> dict[str, str]:
    """What a chapter calls the modules of the library: `{"effects": "effects", "door": "model"}`."""
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    trees = [ast.parse(cell) for cell in code if cell.lstrip().startswith(("import ", "from "))]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.asname or name.name: name.name for node in nodes if node.module == "lib" for name in node.names}


def link(page: BeautifulSoup, *, at: str, aliases: dict[str, str], chapters: dict[str, str]) -> None:
    """Makes links of a page's names; `at` is where the page is, from the site's root.

    `chapters` maps numbers to pages: `{"03": "notebooks/03_entropy_neurons.html"}`."""
    article = page.find("article")
    if not isinstance(article, Tag):
        return
    _link_chapters(page, article, {number: target for number, target in chapters.items() if target != at}, at)
    for block in article.select("div.cell_input pre"):
        _link_calls(page, block, aliases, at)
    for code in article.find_all("code"):
        target = _address(code.get_text().removesuffix("()"), aliases)
        if target and not code.find_parent(QUIET):
            code.wrap(page.new_tag("a", attrs={"class": "source", "href": _from(at, target)}))


def _address(name: str, aliases: dict[str, str]) -> str | None:
    """The place of `effects`, `effects.measure`, `lib.effects` or `lib/effects`, by this page's names for modules."""
    if name.startswith(("lib.", "lib/")):
        return library.addresses().get(name.removesuffix(".py")[4:].replace("/", "."))
    module, dot, rest = name.partition(".")
    return library.addresses().get(f"{aliases[module]}{dot}{rest}") if module in aliases else None


def _link_calls(page: BeautifulSoup, block: Tag, aliases: dict[str, str], at: str) -> None:
    """Links `name` in the highlighted `module.name` of a cell."""
    for module in block.find_all("span", class_="n", string=list(aliases)):
        dot = module.next_sibling
        name = dot.next_sibling if isinstance(dot, Tag) and dot.get_text() == "." else None
        target = _address(f"{module.get_text()}.{name.get_text()}", aliases) if isinstance(name, Tag) else None
        if target and isinstance(name, Tag) and not _is_attribute(module):
            name.wrap(page.new_tag("a", attrs={"class": "source", "href": _from(at, target)}))


def _is_attribute(name: Tag) -> bool:
    """Whether a highlighted name follows a dot, as `model` does in `run.model`."""
    before = name.previous_sibling
    return isinstance(before, Tag) and before.get_text() == "."


def _link_chapters(page: BeautifulSoup, article: Tag, chapters: dict[str, str], at: str) -> None:
    for text in [found for found in article.find_all(string=MENTION) if not found.find_parent(QUIET)]:
        parts: list[NavigableString | Tag] = []
        for piece in re.split(rf"({MENTION.pattern})", str(text)):
            numbered = re.split(r"(\d\d)", piece) if MENTION.fullmatch(piece) else [piece]
            parts += [_chapter(page, part, chapters, at) for part in numbered if part]
        text.replace_with(*parts)


def _chapter(page: BeautifulSoup, part: str, chapters: dict[str, str], at: str) -> NavigableString | Tag:
    if part not in chapters:
        return NavigableString(part)
    return page.new_tag("a", attrs={"class": "reference internal", "href": _from(at, chapters[part])}, string=part)


def _from(at: str, target: str) -> str:
    return os.path.relpath(target, start=os.path.dirname(at) or ".")
