"""A book without some of its chapters: what stands in their place, and where links to them lead.

A model without a post-trained partner has no chapters about a pair. One short page says how to name a partner; the
table of contents lists it once instead of them, and prose that speaks of such a chapter leads there."""

import re
from collections.abc import Mapping
from typing import Any

from lib.book import notebook
from lib.book.request import NOTEBOOKS

PAGE = "book/no_partner"
"""The page that stands for the chapters that are left out, from the root of the book."""
LINK = re.compile(r"\[([^\]]*)\]\(\.\./notebooks/(\w+)\.ipynb\)")
FOUND = re.compile(r"- <!-- found: (\w+) \d+ -->\n?")


def listed(toc: Mapping[str, Any]) -> list[str]:
    """The chapters in a table of contents, as `_toc.yml` gives it, by name."""
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    return [file.removeprefix("notebooks/") for file in files if file.startswith("notebooks/")]


def contents(toc: Mapping[str, Any], left: list[str]) -> dict[str, Any]:
    """The table of contents with the page in the place of the first chapter that is left out, without the others."""
    away, parts, placed = {f"notebooks/{name}" for name in left}, [], False
    for part in toc["parts"]:
        kept = []
        for entry in part["chapters"]:
            if entry["file"] not in away:
                kept.append(entry)
            elif not placed:
                kept.append({"file": PAGE})
                placed = True
        parts += [dict(part) | {"chapters": kept}] if kept else []
    return dict(toc) | {"parts": parts}


def prose(text: str, left: list[str]) -> str:
    """A page's Markdown in which links to chapters that are left out lead to the page, under the chapters' own titles,
    and in which nothing that one of them found is listed."""

    def link(found: re.Match[str]) -> str:
        if found[2] not in left:
            return found[0]
        return f"[{found[1] or title(found[2])}]({PAGE.removeprefix('book/')}.md)"

    def finding(found: re.Match[str]) -> str:
        return "" if found[1] in left else found[0]

    return LINK.sub(link, FOUND.sub(finding, text))


def title(chapter: str) -> str:
    """A chapter's number and title, as the book shows them."""
    cells = notebook.read(NOTEBOOKS / f"{chapter}.ipynb").cells
    first = next(cell.source for cell in cells if cell.cell_type == "markdown")
    return f"{chapter.split('_')[0]} · {first.partition(chr(10))[0].removeprefix('# ')}"
