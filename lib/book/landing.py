"""The first page of a book, which shows what its chapters found.

Two kinds of mark in its Markdown are replaced by what a run left behind: `<!-- found: 04_… 2 -->` by the second
finding of that chapter's summary, `<!-- figure: 04_… fig-name -->` by the figure of that name, with its caption and
its description. On a page that no run has filled in, such as the file in the repository, they are not seen."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.book.saying import FOUND as FINDING
from lib.book.saying import SUMMARY
from lib.book.shown import PLAIN, said

FOUND = re.compile(r"<!-- found: (\w+) (\d+) -->")
FIGURE = re.compile(r"<!-- figure: (\w+) ([\w-]+) -->")
KINDS = {"image/svg+xml": "svg", "image/png": "png"}


def filled(text: str, notebooks: Mapping[str, dict[str, Any]], *, folder: Path) -> str:
    """The page's Markdown with what executed `notebooks`, by name, found; figures are written into `folder` beside it.

    Marks of chapters that were not run stay. Raises KeyError for a finding or a figure that a chapter does not have."""

    def found(mark: re.Match[str]) -> str:
        return finding(notebooks[mark[1]], int(mark[2])) if mark[1] in notebooks else mark[0]

    def figure(mark: re.Match[str]) -> str:
        return _figure(notebooks[mark[1]], mark[1], mark[2], folder) if mark[1] in notebooks else mark[0]

    return FIGURE.sub(figure, FOUND.sub(found, text))


def finding(notebook: dict[str, Any], number: int) -> str:
    """One finding of a chapter's summary, counted from 1. Raises KeyError when there is no such finding."""
    for cell in notebook["cells"]:
        if said(cell).startswith(f"**{SUMMARY}**"):
            findings = [line.removeprefix("- ") for line in said(cell).splitlines() if line.startswith("- ")]
            if 0 < number <= len(findings):
                return findings[number - 1]
    raise KeyError(f"the summary has no finding number {number}")


def _figure(notebook: dict[str, Any], chapter: str, name: str, folder: Path) -> str:
    for cell in notebook["cells"]:
        shown = cell["metadata"].get("mystnb", {})
        if shown.get("figure", {}).get("name") == name:
            suffix, image = _image(cell)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.{suffix}").write_bytes(image)
            alt = f"{shown['image']['alt']} {PLAIN.sub('', said(cell).removeprefix(FINDING)).strip()}"
            caption = f"{shown['figure']['caption']} (From [](../notebooks/{chapter}.ipynb).)"
            return f":::{{figure}} {folder.name}/{name}.{suffix}\n:alt: {alt}\n\n{caption}\n:::"
    raise KeyError(f"{chapter} has no figure {name}")


def _image(cell: dict[str, Any]) -> tuple[str, bytes]:
    for output in cell.get("outputs", ()):
        for kind, suffix in KINDS.items():
            if kind in output.get("data", {}):
                data = "".join(output["data"][kind])
                return suffix, data.encode() if suffix == "svg" else base64.b64decode(data)
    raise KeyError("the figure's cell put out no image")
