"""A kept run: small, whole or not there at all, and without a path of this machine."""

import json
import re

import pandas
import pytest

from lib import book
from lib.book import engine, paths, saving
from lib.real_model import results
from tests import kept


@pytest.fixture
def run(tmp_path):
    return kept.run(tmp_path / "runs" / "m", model=tmp_path / "models" / "mine", fingerprint="abc")


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_run_is_kept_with_its_tables_its_ledger_and_what_it_was_made_of(run, tmp_path):
    place = saving.keep(run, models=tmp_path / "kept")
    assert place == tmp_path / "kept" / "m"
    tables = {name for _, name in kept.tables()}
    assert set(files(place)) == tables | {"claims.json", "run.json"}
    found = results.of_kept(place)
    assert found.name == "mine" and found.report["fingerprint"]["library"] == "l"
    assert found.report["seconds"] == 15.0 and found.report["text"].startswith("Python's language reference")
    assert found.number("03", "rho_floor") == 0.4 and found.report["weights"] == "plain"
    assert found.claims == {entry["claim"]: entry for entry in kept.ledger()}


def test_a_kept_run_names_no_folder_of_this_machine_nor_of_any(run, tmp_path):
    claims = run / "results" / book.chapter_named("03") / "claims.json"
    entries = json.loads(claims.read_text())
    entries[0]["parameters"] = {"model": str(tmp_path / "models" / "mine"), "results": str(claims.parent)}
    claims.write_text(json.dumps(entries))
    (claims.parent / "neurons.csv").write_text(f"checkpoint\n{tmp_path}/models/mine/step1\n")
    for name, content in files(saving.keep(run, models=tmp_path / "kept")).items():
        text = content.decode()
        assert not [place for place in paths.places() if place in text], name
        assert not re.search(r"(?<![\w.:/-])/\w+/", text), name
    assert '"model": "mine"' in (tmp_path / "kept/m/claims.json").read_text()


def test_numbers_keep_four_digits_and_whole_ones_all_of_theirs():
    table = 'unit,value,name,chosen\n123456,0.123456789,"a, b",True\n-7,-1.23456e-09,3.7x,\n0,100000.0,nan,False\n'
    assert saving.rounded(table) == (
        'unit,value,name,chosen\n123456,0.1235,"a, b",True\n-7,-1.235e-09,3.7x,\n0,1e+05,nan,False\n'
    )


def test_tables_that_no_page_reads_are_left_out_and_two_of_one_name_are_refused(run, tmp_path):
    results = run / "results"
    for name in saving.DROPPED:
        (results / book.chapter_named("04") / name).write_text("a\n1\n")
    assert not set(files(saving.keep(run, models=tmp_path / "kept"))) & set(saving.DROPPED)
    (results / book.chapter_named("07") / "effects.csv").write_text("a\n1\n")
    with pytest.raises(book.BookError, match=r"one table of each name, got a second effects.csv from 07_"):
        saving.keep(run, models=tmp_path / "kept")


def test_the_tables_of_the_chapters_have_a_name_each_so_that_every_run_can_be_kept():
    kept_by = re.compile(r'provenance\.keep\([^"]*"([\w.]+)"')
    names = [
        name
        for chapter in book.chapters()
        for name in kept_by.findall((book.NOTEBOOKS / f"{chapter}.ipynb").read_text().replace('\\"', '"'))
    ]
    assert len(names) == len(set(names)) > 12 and set(saving.DROPPED) < set(names)


@pytest.mark.long
def test_a_run_that_is_too_large_is_refused_in_one_sentence_and_nothing_changes(run, tmp_path):
    place = saving.keep(run, models=tmp_path / "kept")
    before = files(place)
    wide = pandas.DataFrame({"value": range(10**5, 10**5 + saving.MOST // 6)})
    wide.to_csv(run / "results" / book.chapter_named("04") / "effects.csv", index=False)
    with pytest.raises(book.BookError, match=r"may have 2,000,000 bytes, and that of m has [\d,]+, .* in effects.csv"):
        saving.keep(run, models=tmp_path / "kept")
    assert files(place) == before and [*(tmp_path / "kept").iterdir()] == [place]


@pytest.mark.parametrize("failing", ["write_text", "rename"])
def test_what_was_kept_stays_when_it_cannot_be_replaced(run, tmp_path, monkeypatch, failing):
    place = saving.keep(run, models=tmp_path / "kept")
    before, real = files(place), getattr(saving.Path, failing)

    def fails(self, *given, **named):
        into_place = failing == "rename" and given[0] == place and not self.name.endswith("-old")
        if self.name == "run.json" or into_place:
            raise OSError("no room")
        return real(self, *given, **named)

    monkeypatch.setattr(saving.Path, failing, fails)
    with pytest.raises(OSError, match="no room"):
        saving.keep(run, models=tmp_path / "kept")
    assert files(place) == before and [*(tmp_path / "kept").iterdir()] == [place]


def test_a_run_that_is_kept_again_is_replaced_whole(run, tmp_path):
    place = saving.keep(run, models=tmp_path / "kept")
    (place / "old.csv").write_text("a\n")
    assert "old.csv" not in files(saving.keep(run, models=tmp_path / "kept"))


@pytest.mark.parametrize("model", ["pocket", "pocket-chat"])
def test_an_embedded_model_is_refused_before_anything_runs(model, monkeypatch):
    monkeypatch.setattr(engine, "_watched", lambda *given: pytest.fail("it ran"))
    with pytest.raises(book.BookError, match=f"not embedded, got MODEL={model}, .*MODEL=smollm2-135m-instruct SAVE=1"):
        book.make("book", model=model, chapter="", assignments="", jobs=1, save=True)


def test_a_book_is_kept_after_it_was_made_and_not_when_it_was_not(gpt2_folder, monkeypatch, capsys):
    kept_runs = []

    def keep(run):
        kept_runs.append(run.name)
        return book.REPOSITORY / "book" / "models" / run.name

    monkeypatch.setattr(saving, "keep", keep)
    given = {"model": str(gpt2_folder), "chapter": "", "assignments": "", "jobs": 1, "save": True}
    monkeypatch.setattr(engine, "_watched", lambda *given: None)
    book.make("book", **given)
    assert "kept book/models/" in capsys.readouterr().out

    def failing(*given):
        raise book.BookError("the book was not made")

    monkeypatch.setattr(engine, "_watched", failing)
    with pytest.raises(book.BookError, match="was not made"):
        book.make("book", **given)
    assert len(kept_runs) == 1 and kept_runs[0].startswith(gpt2_folder.name)
