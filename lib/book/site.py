"""Renders a staged run into the site.

Jupyter Book makes the pages; then each is taken through the same few steps, by a real parser: what its
machine cannot read is mended, names become links, icons are drawn in place, scripts that nobody asked for
are left out, and its own run card stands at its foot."""

import html
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from lib.book import notebook
from lib.book.kernel import kernel_environment
from lib.book.request import BookError

JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
"""Its program, run by this Python and not by the one whose path a script was installed with."""
NOT_SHIPPED = ("**/*.map", "_static/scripts/fontawesome.js*", "_static/sphinx-thebe.*", "_static/locales", ".buildinfo")


def build(run: Path, *, site: Path) -> None:
    """Renders a staged run into `site`, which is replaced only by a complete book.

    Raises BookError when Jupyter Book warns or fails, its messages in the run's folder `logs`."""
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(run / "book")]
    command += ["--config", str(run / "_config.yml"), "--toc", str(run / "_toc.yml"), "--path-output", str(run)]
    shutil.rmtree(run / "_build", ignore_errors=True)
    done = subprocess.run(
        [*command, "--all", "-W", "-n", "--keep-going", "-q"],
        capture_output=True,
        text=True,
        env=kernel_environment(),
    )
    if done.returncode:
        log = run / "logs" / "site.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{done.stdout}\n{done.stderr}", encoding="utf-8")
        raise BookError(f"Jupyter Book could not build {run / 'book'}; what it said is in {log}")
    finish(run / "_build" / "html", run)
    _replace(site, run / "_build" / "html")


def _replace(site: Path, built: Path) -> None:
    """Puts a built book in the place of another, which stays whole until the new one is."""
    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=site.parent, prefix=".") as folder:
        new = shutil.copytree(built, Path(folder) / "new")
        if site.exists():
            site.rename(Path(folder) / "old")
        new.rename(site)


def finish(built: Path, run: Path) -> None:
    """Takes every page that Jupyter Book built through the steps above, and adds the run's tables."""
    from lib.book import pages  # a parser, which no chapter needs

    report = json.loads((run / "run.json").read_text(encoding="utf-8"))
    names = sorted(report["chapters"])
    notebooks = {name: notebook.read(run / "book/notebooks" / f"{name}.ipynb") for name in names}
    if (run / "book" / "tables").exists():
        shutil.copytree(run / "book" / "tables", built / "tables")
    title = html.unescape(yaml.safe_load((run / "_config.yml").read_text(encoding="utf-8"))["title"])
    book = pages.Book(title, built, report, notebooks)
    for path in sorted(built.rglob("*.html")):
        if "_static" not in path.parts:
            path.write_text(pages.finished(path.read_text(encoding="utf-8"), path, book), encoding="utf-8")
    pages.write_texts(built)
    for pattern in NOT_SHIPPED:
        for path in built.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
