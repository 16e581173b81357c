"""Counts a chapter's figures before anyone publishes it.

A plot backend that cannot draw into a page leaves a cell without its picture and without an error."""

from typing import Any

SHOWS = "plt.show()"


def missing(notebook: dict[str, Any]) -> list[int]:
    """The numbers (as in `In [5]`) of the cells of an executed notebook that show a figure by their code and none on
    the page. A figure under a condition may be left out, by a cell that then shows nothing but what was found."""
    return [
        cell["execution_count"]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and _is_due(cell) and not any(map(_is_picture, cell["outputs"]))
    ]


def _is_due(cell: dict[str, Any]) -> bool:
    lines = "".join(cell["source"]).splitlines()
    if SHOWS in lines:
        return True
    shown = [output for output in cell["outputs"] if "text/markdown" not in output.get("data", {})]
    return bool(shown) and any(line.strip() == SHOWS for line in lines)


def _is_picture(output: dict[str, Any]) -> bool:
    return any(kind.startswith("image/") for kind in output.get("data", {}))
