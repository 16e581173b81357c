"""Runs the code of a chapter in this process, without figures: the page's own cells, on any model, in seconds."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import matplotlib

from lib import drawing
from lib.book import notebook

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def run(chapter: str, *, replace: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
    """The names that a chapter leaves behind when its cells are run from top to bottom, nothing being drawn.

    `given` replaces defaults of its parameters, and `replace` maps a text of a cell to another (to put neurons drawn at
    random in the place of chosen ones, say). Raises what a cell raises, and ValueError for a text that no cell has."""
    matplotlib.use("Agg", force=True)
    import matplotlib.pyplot as plt

    (path,) = NOTEBOOKS.glob(f"{chapter}_*.ipynb")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    left = set(replace or {})
    for number, (source, holds_parameters) in enumerate(code(path)):
        for text, other in (replace or {}).items():
            left -= {text} if text in source else set()
            source = source.replace(text, other)
        exec(compile(source, f"{path.name}[{number}]", "exec"), namespace)
        if holds_parameters:
            namespace |= given
        if "plots" in namespace:
            namespace["plots"] = MagicMock()
        plt.close("all")
    if left:
        raise ValueError(f"no cell of {path.name} holds {', '.join(sorted(left))}")
    return namespace


@functools.cache
def code(path: Path) -> tuple[tuple[str, bool], ...]:
    """The source of every cell of code, and whether that cell is the one of the parameters."""
    cells = [cell for cell in notebook.read(path).cells if cell.cell_type == "code"]
    return tuple((cell.source, notebook.is_tagged(cell, "parameters")) for cell in cells)


@contextmanager
def few_resamples(n: int = 100) -> Iterator[None]:
    """Within it sequences are resampled `n` times at most: for what does not ask how far an interval is right."""
    draws = drawing.draws

    def fewer(*args: Any, n_resamples: int = n, **given: Any) -> Any:
        return draws(*args, n_resamples=min(n, n_resamples), **given)

    with patch.object(drawing, "draws", fewer):
        yield
