"""How far a book is: chapters of all, and about how long the rest takes."""

import dataclasses
import json

import pytest

from lib.book import progress
from lib.book.orders import Order
from lib.book.progress import Progress, due, spoken


def test_the_rest_takes_as_long_as_what_is_made_says():
    clock = iter([100.0, 130.0, 160.0])
    book = Progress({"01_a": 10.0, "02_b": 20.0, "03_c": 30.0}, 5, now=lambda: next(clock))
    assert book.told("01_a: cell 3 of 8, 00:02") == "01_a: cell 3 of 8, 00:02"
    assert book.told("01_a: made") == "01_a: made, 3 of 5 chapters, about 2 min left"  # 30 s for 10 of 60
    assert book.told("03_c: made") == "03_c: made, 4 of 5 chapters, about 30 s left"
    assert book.told("02_b: made") == "02_b: made, 5 of 5 chapters"


def test_a_chapter_that_was_not_thought_to_be_due_counts_once():
    book = Progress({}, 1)
    assert book.told("01_a: made") == "01_a: made, 1 of 1 chapters"


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (89.0, "89 s"), (90.0, "2 min"), (3600.0, "60 min")])
def test_a_duration_is_told_no_finer_than_anybody_cares(seconds, words):
    assert spoken(seconds) == words


@pytest.fixture
def order():
    return Order("m", "m", {name: {"fingerprint": name} for name in ("01_a", "02_b", "03_c")}, {}, 0)


def test_what_is_made_as_asked_is_not_due(order, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "MODELS", tmp_path / "none is kept")
    assert due(order, tmp_path / "m") == {"01_a": 1, "02_b": 1, "03_c": 1}
    order.write(tmp_path / "m")
    made = tmp_path / "m/notebooks"
    made.mkdir()
    for name in ("01_a", "02_b"):
        (made / f"{name}.ipynb").write_text("{}")
    assert set(due(order, tmp_path / "m")) == {"03_c"}
    progress.asked_file(tmp_path / "m", "02_b").write_text('{"fingerprint": "another"}')
    (made / "02_b.ipynb").touch()
    assert set(due(order, tmp_path / "m")) == {"02_b", "03_c"}


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Leaves the report of a run; kept runs lie in a folder of their own."""
    monkeypatch.setattr(progress, "MODELS", tmp_path / "kept")

    def leave(slug, origin="directory", **seconds):
        (tmp_path / slug).mkdir(parents=True)
        cards = {name: {"seconds": took} for name, took in seconds.items()}
        (tmp_path / slug / "run.json").write_text(json.dumps({"source": origin, "chapters": cards}))

    return leave


def test_chapters_are_as_long_as_in_an_earlier_run_of_this_model_or_else_of_any(order, tmp_path, report):
    report("runs/a", **{"01_a": 4, "02_b": 8})
    run = tmp_path / "runs/m"
    assert due(order, run) == {"01_a": 4, "02_b": 8, "03_c": 6}
    report("runs/m", **{"01_a": 1, "02_b": 2, "03_c": 3})
    assert due(order, run) == {"01_a": 1, "02_b": 2, "03_c": 3}
    for odd in ("{", "[]", '{"chapters": []}', '{"chapters": {"01_a": {}}}'):
        (run / "run.json").write_text(odd)
        assert due(order, run)["01_a"] == 4, odd


def test_a_real_model_is_told_by_a_run_of_a_real_one_and_an_embedded_one_by_an_embedded_one(order, tmp_path, report):
    run = tmp_path / "runs/m"
    report("runs/pocket", "pocket", **{"01_a": 30, "02_b": 20, "03_c": 25})
    assert due(order, run)["01_a"] == 30
    report("kept/real", "gguf", **{"01_a": 300, "02_b": 900, "03_c": 9})
    assert due(order, run) == {"01_a": 300, "02_b": 900, "03_c": 9}
    report("runs/other", "hub", **{"01_a": 3, "02_b": 9, "03_c": 1})
    assert due(order, run)["02_b"] == 9, "one of this machine before a kept one"
    report("kept/m", "gguf", **{"01_a": 2, "02_b": 2, "03_c": 2})
    assert due(order, run)["02_b"] == 2, "a kept one of this model before any other's"
    embedded = dataclasses.replace(order, model="pocket-chat")
    assert due(embedded, tmp_path / "runs/pocket-chat")["01_a"] == 30
