"""Of a model in a folder a run leaves its own name and fingerprint, and nothing of where it lies."""

import json

import pytest

from lib import book
from lib.book import notebook, shown
from lib.book.stage import _config, _report
from tests import matrix, mini

pytestmark = pytest.mark.long

CHAPTER, TELLING = "02_null_space", "of-somebody-who-has-a-name"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of one chapter about a model below a telling folder: results, and the executed notebook."""
    root = tmp_path_factory.mktemp("run")
    folder = mini.family(root / TELLING)
    namespace = matrix.run(CHAPTER, folder, root / "run/results" / CHAPTER, text=str(folder / "own.txt"))
    cells = notebook.read(book.NOTEBOOKS / f"{CHAPTER}.ipynb").cells
    for number, cell in enumerate(cell for cell in cells if cell.cell_type == "code"):
        card = {"text/html": str(namespace["parameters"]), "text/plain": str(folder)}
        output = {"output_type": "execute_result", "data": card, "metadata": {}, "execution_count": number}
        cell["outputs"], cell["execution_count"] = [output], number
    given = namespace["parameters"]
    papermill = {"parameters": given, "duration": 1.0, "input_path": str(folder)}
    return root / "run", {
        "cells": cells,
        "metadata": {"papermill": papermill},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def test_tables_ledger_and_card_do_not_say_where_a_model_lies(run):
    folder, executed = run
    assert TELLING in json.dumps(executed)  # which the page is made from
    left = [path for path in (folder / "results").rglob("*") if path.is_file()]
    assert {"card.json", "claims.json"} < {path.name for path in left}
    assert not [path.name for path in left if TELLING in path.read_text(encoding="utf-8")]


def test_a_staged_page_and_its_download_do_not_say_where_a_model_lies(run):
    folder, executed = run
    page = shown.shown(executed, chapter=CHAPTER, results=folder / "results" / CHAPTER)
    text = json.dumps(page)
    assert text.count(TELLING) == 0 and 'model: str = \\"mini\\"' in text and "own.txt" in text


def test_title_and_report_name_a_model_by_its_folder_and_fingerprint(run):
    card = json.loads((run[0] / "results" / CHAPTER / "card.json").read_text())
    report = _report({CHAPTER: card})
    title = _config(report)["title"]
    assert title.endswith(f"· mini@{card['fingerprint']['model']}") and TELLING not in json.dumps(report) + title
