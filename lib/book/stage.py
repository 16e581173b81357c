"""Lays out a run as Jupyter Book wants it: prose and executed chapters mirrored, tables, one configuration."""

import html
import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from lib.book import landing, left_out
from lib.book import notebook as files
from lib.book.orders import refuse_mixture, refuse_other
from lib.book.paths import without_paths
from lib.book.request import MODELS, REPOSITORY
from lib.book.shown import shown


def stage(run: Path, *, names: list[str]) -> None:
    """Lays out the chapters `names` of a run in `run/book`, and writes `run/_config.yml`, `run/_toc.yml` and
    `run/run.json`; one page stands for the chapters that are left out.

    Raises BookError unless every chapter is what was asked for, and all are about one model."""
    from lib.book import beside  # reads a kept run, which no chapter needs

    staged = run / "book"
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(REPOSITORY / "book", staged / "book", ignore=shutil.ignore_patterns(MODELS.name))
    (staged / "notebooks").mkdir()
    executed = {name: files.read(run / "notebooks" / f"{name}.ipynb") for name in names}
    _fill_first_page(staged / "book", executed)
    cards = {}
    for name, notebook in executed.items():
        given = notebook["metadata"]["papermill"]["parameters"]
        seconds = round(notebook["metadata"]["papermill"]["duration"], 1)
        results = run / "results" / name
        card = _read(results / "card.json")
        refuse_other(run, name, notebook)
        cards[name] = without_paths(card, given=given) | {"seconds": seconds}
        _tables(results, staged / "tables" / name, given=given)
        page = shown(notebook, chapter=name, results=results)
        files.write(page, staged / "notebooks" / f"{name}.ipynb")
    refuse_mixture(cards)
    beside.stage(run, staged, cards)
    _leave_out(run, names)
    report = _report(cards)
    (run / "run.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (run / "_config.yml").write_text(yaml.safe_dump(_config(report), allow_unicode=True), encoding="utf-8")


def _fill_first_page(prose: Path, executed: dict[str, Any]) -> None:
    """Puts into the first page what the executed chapters found."""
    first = prose / "intro.md"
    filled = landing.filled(first.read_text(encoding="utf-8"), executed, folder=prose / "figures")
    first.write_text(filled, encoding="utf-8")


def _leave_out(run: Path, names: list[str]) -> None:
    """Writes the run's table of contents, and turns links to what it does not list."""
    toc = yaml.safe_load((REPOSITORY / "_toc.yml").read_text(encoding="utf-8"))
    left = [name for name in left_out.listed(toc) if name not in names]
    (run / "_toc.yml").write_text(yaml.safe_dump(left_out.contents(toc, left), sort_keys=False), encoding="utf-8")
    for page in sorted((run / "book" / "book").glob("*.md")):
        page.write_text(left_out.prose(page.read_text(encoding="utf-8"), left), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _tables(results: Path, tables: Path, *, given: dict[str, Any]) -> None:
    """Copies a chapter's CSV files to where its page links to them."""
    for table in sorted(results.glob("*.csv")):
        tables.mkdir(parents=True, exist_ok=True)
        text = without_paths(table.read_text(encoding="utf-8"), given=given)
        (tables / table.name).write_text(text, encoding="utf-8")


def _report(cards: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What was run: what the first chapter's card shares with the others, the partner, and every chapter's card."""
    first = next(iter(cards.values()))
    shared = {key: first[key] for key in ("model", "source", "revision", "architecture", "device", "versions", "code")}
    begins = f"{first['model']} + "
    pairs = [card["model"].removeprefix(begins) for card in cards.values() if card["model"].startswith(begins)]
    return shared | {"post_trained": next(iter(pairs), ""), "date": first["date"], "chapters": cards}


def _config(report: dict[str, Any]) -> dict[str, Any]:
    """The root `_config.yml` for one run: model or pair in its title, room for run cards at the foot of every page."""
    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8"))
    models = " + ".join(filter(None, (report["model"], report["post_trained"])))
    config["title"] = html.escape(f"{config['title']} · {models}", quote=False)
    config["html"] = config.get("html", {}) | {"extra_footer": '<p class="run-card"></p>'}
    return config
