"""Names become links: a function to its source, a table to its file, "chapter 03" to the chapter.

Authors write plain text and plain code. What a chapter's imports call a module (`door` for `model`) is what
its cells and its sentences are read with."""

import ast
import os
import re
from dataclasses import dataclass
from typing import Any

from bs4 import BeautifulSoup, NavigableString, Tag

from lib.book import library

MENTION = re.compile(r"[Cc]hapters? \d\d(?:(?:, | and |, and | or | to )\d\d)*")
QUIET = ["a", "code", "pre", "script", "style", "h1", "h2", "h3", "nav", "title", "svg", "summary"]


def aliases(notebook: dict[str, Any]) -> dict[str, str]:
    """What a chapter calls the modules of the library: `{"effects": "effects", "says": "sentences.effects"}`."""
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    trees = [ast.parse(cell) for cell in code if cell.lstrip().startswith(("import ", "from "))]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [(node.module or "", name) for node in nodes for name in node.names]
    found = {name.asname or name.name: f"{at}.{name.name}" for at, name in ours if at == "lib" or at.startswith("lib.")}
    return {name: full.removeprefix("lib.") for name, full in found.items()}


@dataclass(frozen=True)
class Names:
    """What the names on a page stand for."""

    at: str
    """Where the page is, from the site's root."""
    aliases: dict[str, str]
    """As `aliases` gives them."""
    tables: dict[str, str]
    """The tables of a chapter, by file name."""
    chapters: dict[str, str]
    """The page of each chapter, by number: `{"03": "notebooks/03_entropy_neurons.html"}`."""

    def link(self, target: str, kind: str, **attributes: str) -> Tag:
        """An empty link to a place of the site."""
        href = os.path.relpath(target, start=os.path.dirname(self.at) or ".")
        return BeautifulSoup().new_tag("a", attrs={"class": kind, "href": href} | attributes)


def link(page: BeautifulSoup, names: Names) -> None:
    """Makes links of the names in a page's article."""
    article = page.find("article")
    if not isinstance(article, Tag):
        return
    _link_chapters(article, names)
    for block in article.select("div.cell_input pre"):
        _link_calls(block, names)
    for code in article.find_all("code"):
        name = code.get_text()
        target = names.tables.get(name) or _address(name.removesuffix("()"), names.aliases)
        if target and not code.find_parent(QUIET):
            code.wrap(names.link(target, "source"))


def _address(name: str, aliases: dict[str, str]) -> str | None:
    """The place of `effects`, `effects.measure`, `lib.effects` or `lib/effects`, by this page's names for modules."""
    if name.startswith(("lib.", "lib/")):
        return library.addresses().get(name.removesuffix(".py")[4:].replace("/", "."))
    module, dot, rest = name.partition(".")
    known = {module: module} | aliases if dot else aliases  # alone, `text` or `model` may be a parameter
    return library.addresses().get(f"{known[module]}{dot}{rest}") if module in known else None


def _link_calls(block: Tag, names: Names) -> None:
    """Links `name` in the highlighted `module.name` of a cell."""
    for module in block.find_all("span", class_="n", string=list(names.aliases)):
        dot = module.next_sibling
        name = dot.next_sibling if isinstance(dot, Tag) and dot.get_text() == "." else None
        if isinstance(name, Tag) and not _is_attribute(module):
            target = _address(f"{module.get_text()}.{name.get_text()}", names.aliases)
            if target:
                name.wrap(names.link(target, "source"))


def _is_attribute(name: Tag) -> bool:
    """Whether a highlighted name follows a dot, as `model` does in `run.model`."""
    before = name.previous_sibling
    return isinstance(before, Tag) and before.get_text() == "."


def _link_chapters(article: Tag, names: Names) -> None:
    for text in [found for found in article.find_all(string=MENTION) if not found.find_parent(QUIET)]:
        parts: list[NavigableString | Tag] = []
        for piece in re.split(f"({MENTION.pattern})", str(text)):
            numbers = re.findall(r"\d\d", piece) if MENTION.fullmatch(piece) else []
            told = [piece] if len(numbers) < 2 else re.split(r"(\d\d)", piece)
            parts += [_chapter(part, numbers, names) for part in told if part]
        text.replace_with(*parts)


def _chapter(part: str, numbers: list[str], names: Names) -> NavigableString | Tag:
    """A mention of one chapter as a link, or one number of several; text where there is none or the page is its own."""
    number = next((number for number in numbers if part.endswith(number)), "")
    target = names.chapters.get(number, names.at)
    if target == names.at:
        return NavigableString(part)
    spoken = {"aria-label": f"chapter {number}"} if part == number else {}
    found = names.link(target, "reference internal", **spoken)
    found.string = part
    return found
