"""Renders a staged run into the site."""

import shutil
import subprocess
import sys
from pathlib import Path

from lib.book.request import REPOSITORY, BookError


def build(run: Path, *, site: Path) -> None:
    """Renders a staged run into `site`, which is replaced only by a complete book."""
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(run / "book"),
        "--config",
        str(run / "_config.yml"),
    ]
    command += ["--toc", str(REPOSITORY / "_toc.yml"), "--path-output", str(run), "--all", "-W", "-n", "--keep-going"]
    shutil.rmtree(run / "_build", ignore_errors=True)
    done = subprocess.run([*command, "-q"], capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
        raise BookError(f"Jupyter Book could not build {run / 'book'}; its messages are above")
    shutil.rmtree(site, ignore_errors=True)
    site.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run / "_build" / "html", site)
