"""Lays out a run as Jupyter Book wants it: prose and executed chapters mirrored, one configuration."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from lib.book.request import REPOSITORY


def stage(run: Path, *, names: list[str]) -> None:
    """Lays out a run for Jupyter Book: prose and executed chapters mirrored, `_config.yml`, `run.json`."""
    staged = run / "book"
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(REPOSITORY / "book", staged / "book")
    (staged / "notebooks").mkdir()
    cards = {}
    for name in names:
        notebook = json.loads((run / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        cards[name] = json.loads((run / "results" / name / "card.json").read_text(encoding="utf-8"))
        cards[name]["seconds"] = round(notebook["metadata"]["papermill"]["duration"], 1)
        (staged / "notebooks" / f"{name}.ipynb").write_text(json.dumps(_tagged(notebook)), encoding="utf-8")
    first = cards[names[0]]
    shared = {key: first[key] for key in ("model", "source", "revision", "architecture", "device", "versions", "code")}
    report = shared | {"date": first["date"], "chapters": cards}
    (run / "run.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (run / "_config.yml").write_text(yaml.safe_dump(_config(report), allow_unicode=True), encoding="utf-8")


def _tagged(notebook: dict[str, Any]) -> dict[str, Any]:
    """The executed notebook without its default parameters, when others were injected."""
    tags = {tag for cell in notebook["cells"] for tag in cell["metadata"].get("tags", ())}
    for cell in notebook["cells"]:
        own = cell["metadata"].get("tags", [])
        if "parameters" in own and "injected-parameters" in tags:
            cell["metadata"]["tags"] = [*own, "remove-cell"]
        elif "injected-parameters" in own:
            cell["metadata"]["tags"] = [*own, "hide-input"]
    return notebook


def _config(report: dict[str, Any]) -> dict[str, Any]:
    """The root `_config.yml` for one run: its model in the title, its run card at the foot of every page."""
    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8"))
    config["title"] = f"{config['title']} · {report['model']}"
    card = " · ".join(
        f"{label} {report[key]}" for label, key in (("model", "model"), ("revision", "revision"), ("code", "code"))
    )
    card += f" · torch {report['versions']['torch']} · {report['date']}"
    config["html"] = config.get("html", {}) | {"extra_footer": f'<p class="run-card">Run card: {card}</p>'}
    return config
