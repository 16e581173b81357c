"""Runs every executed chapter a second time with `pytest --nbval` and compares the outputs.

The copies lie in a temporary folder and write their results there."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lib import book


def copies(folder: Path) -> None:
    """Copies of the executed pocket chapters, their results redirected into `folder`."""
    for chapter in book.chapters():
        notebook = json.loads((book.REPOSITORY / f"runs/pocket/notebooks/{chapter}.ipynb").read_text())
        for cell in notebook["cells"]:
            if "injected-parameters" in cell["metadata"].get("tags", ()):
                cell["source"] = ["".join(cell["source"]), f"\nresults = {str(folder / chapter)!r}"]
        (folder / f"{chapter}.ipynb").write_text(json.dumps(notebook))


def environment() -> dict[str, str]:
    """What the chapters ran in the first time, whatever the shell says now."""
    return os.environ | book.kernel_environment()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        copies(Path(folder))
        nbval = [
            "--nbval",
            "--nbval-current-env",
            "--nbval-sanitize-with",
            str(book.REPOSITORY / "tests/nbval.cfg"),
            "--rootdir",
            folder,
            "-p",
            "no:cacheprovider",
        ]
        sys.exit(subprocess.run([sys.executable, "-m", "pytest", *nbval, folder], env=environment()).returncode)
