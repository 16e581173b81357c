"""An executed chapter as a reader gets it, on the page and for download.

One cell of parameters holds what this run used, the default beside it where they differ, and no folder to
write to; the title carries the chapter's number, and what the run found stands below it; a figure's description says
what its page says of it; the last section lists the tables that the run left."""

import ast
import csv
import html
import json
import re
from pathlib import Path
from typing import Any

from lib.book.paths import without_paths
from lib.book.saying import FOUND, SUMMARY

Cell = dict[str, Any]
PLAIN = re.compile(r"[*`$]")
"""Marks of Markdown that a description does without."""


def shown(notebook: dict[str, Any], *, chapter: str, results: Path) -> dict[str, Any]:
    """The executed notebook of a chapter such as `02_null_space`, told over for readers.

    `results` is the folder that its run wrote to. Raises KeyError for a notebook that papermill did not run."""
    given = notebook["metadata"]["papermill"]["parameters"]
    cells = [part for cell in _with_parameters(notebook["cells"], given) for part in _told(_captioned(cell))]
    _number(cells, chapter.split("_")[0])
    _summarise(cells)
    for cell in cells:
        cell["metadata"].pop("papermill", None)
    told = without_paths(cells, given=given) + _tables(chapter, results)
    metadata = {name: entry for name, entry in notebook["metadata"].items() if name != "papermill"}
    return notebook | {"metadata": metadata, "cells": told}


def _with_parameters(cells: list[Cell], given: dict[str, Any]) -> list[Cell]:
    """The cells with the run's parameters in the place of the defaults, and no cell of injected ones."""
    kept = [cell for cell in cells if "injected-parameters" not in cell["metadata"].get("tags", ())]
    for cell in kept:
        if "parameters" in cell["metadata"].get("tags", ()):
            cell["source"] = _assigned("".join(cell["source"]), given | {"results": ""})
    return kept


def _assigned(defaults: str, given: dict[str, Any]) -> str:
    """Lines such as `seed: int = 0  # of every draw` with the given values, `; default: 0` where it differs."""
    lines = []
    for node, line in zip(ast.parse(defaults).body, defaults.splitlines(), strict=True):
        assert isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value, line
        default, comment = ast.literal_eval(node.value), line[node.end_col_offset :]
        value = given.get(node.target.id, default)
        if value != default:
            line = f"{node.target.id}: {ast.unparse(node.annotation)} = {_literal(value)}{comment}"
            line += f"; default: {_literal(default)}"
        lines.append(line)
    return "\n".join(lines)


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _number(cells: list[Cell], number: str) -> None:
    """Puts a chapter's number before its title, so that every reference to the title shows it."""
    first = next(cell for cell in cells if cell["cell_type"] == "markdown")
    title, newline, rest = "".join(first["source"]).partition("\n")
    if title.startswith("# ") and not title.startswith(f"# {number} "):
        first["source"] = f"# {number} · {title.removeprefix('# ')}{newline}{rest}"


def _captioned(cell: Cell) -> Cell:
    """A cell whose metadata have a caption for its table (`mystnb: table: caption`) with that caption in the table."""
    caption = cell["metadata"].get("mystnb", {}).get("table", {}).get("caption", "")
    for output in cell.get("outputs", ()) if caption else ():
        if "text/html" in output.get("data", {}):
            opening, table, rest = "".join(output["data"]["text/html"]).partition("<table")
            attributes, end, rest = rest.partition(">")
            caption_element = f"<caption>{html.escape(caption)}</caption>" if table else ""
            output["data"]["text/html"] = opening + table + attributes + end + caption_element + rest
    return cell


def said(cell: Cell) -> str:
    """The last Markdown that a cell puts out, empty for none."""
    outputs = [output.get("data", {}) for output in cell.get("outputs", ())]
    texts = ["".join(data["text/markdown"]) for data in outputs if "text/markdown" in data]
    return texts[-1] if texts else ""


def _told(cell: Cell) -> list[Cell]:
    """A cell, and below it what it says was found, as a paragraph of the page; a figure's description ends in it."""
    text = said(cell)
    if not text.startswith(FOUND):
        return [cell]
    image = cell["metadata"].get("mystnb", {}).get("image")
    if image:
        image["alt"] = f"{image['alt']} {PLAIN.sub('', text.removeprefix(FOUND)).strip()}"
    cell["outputs"] = [output for output in cell["outputs"] if "text/markdown" not in output.get("data", {})]
    found = f"```{{container}} found\n{text}\n```"
    return [cell, {"cell_type": "markdown", "id": f"{cell['id']}-found", "metadata": {}, "source": found}]


def _summarise(cells: list[Cell]) -> None:
    """Moves what a chapter's summary says below its title."""
    for cell in cells:
        text = said(cell)
        if text.startswith(f"**{SUMMARY}**"):
            heading, _, findings = text.partition("\n")
            box = f":::{{admonition}} {heading.strip('*')}\n:class: found\n{findings.strip()}\n:::"
            cells.remove(cell)
            cells.insert(1, {"cell_type": "markdown", "id": "found", "metadata": {}, "source": box})
            return


def _tables(chapter: str, results: Path) -> list[Cell]:
    """A last section that links to the tables of the chapter; none where the run left no table."""
    listed = [
        f"- [{path.name}](table:{chapter}/{path.name}): {columns(path)}" for path in sorted(results.glob("*.csv"))
    ]
    if not listed:
        return []
    text = "## Tables of this chapter\n\n" + "\n".join(listed)
    return [{"cell_type": "markdown", "id": "tables", "metadata": {}, "source": text}]


def columns(table: Path) -> str:
    """How many rows a CSV has and which columns, those of an interval (`x_low`, `x_high`) told with their `x`."""
    with table.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    bounded = {name.removesuffix("_low") for name in header if name.endswith("_low") and f"{name[:-4]}_high" in header}
    ends = {f"{name}_{end}" for name in bounded for end in ("low", "high")}
    told = [f"`{name}`{' with its interval' if name in bounded else ''}" for name in header if name not in ends]
    told += [f"`{name}_low`, `{name}_high`" for name in sorted(bounded) if name not in header]
    return f"{len(rows):,} row{'' if len(rows) == 1 else 's'} of {', '.join(told)}"
