"""The page that sets a kept run of a real model beside the book's own, from made-up tables and from none."""

import json
import re
import shutil

import pytest
import torch
from bs4 import BeautifulSoup

from lib import book, claims
from lib.book import beside, saving
from lib.real_model import measured, page, results
from lib.real_model.questions import QUESTIONS
from tests import kept
from tests.kept import DOWN, NONE, UP

pytestmark = pytest.mark.long
PAGE = (book.REPOSITORY / "book" / "real_model.md").read_text(encoding="utf-8")
SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z*])")


def staged(root, run, models):
    """What staging makes of the page in the book of a run."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "book").mkdir(parents=True)
    shutil.copy(book.REPOSITORY / "book" / "real_model.md", root / "book")
    beside.stage(run, root, json.loads((run / "run.json").read_text())["chapters"], models=models)
    return (root / "book" / "real_model.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A book's run, a kept run in which half of the claims came out otherwise, and the page about both."""
    root = tmp_path_factory.mktemp("real")
    here = kept.run(root / "runs" / "small")
    entries = kept.ledger()
    for at, entry in enumerate(entries):
        value = (UP, NONE, DOWN)[at % 3]
        if entry["claim"] != "stolfo2024.C3.dim":
            entries[at] = kept.entry(entry["claim"], value, but=value if "but_measured" in entry else None)
    entries[0] = kept.entry(entries[0]["claim"], reason="it needs more text")
    there = kept.run(root / "runs" / "real", "real", fingerprint="g", entries=entries, seed=1)
    saving.keep(there, models=root / "models")
    (root / "page.md").write_text(staged(root / "staged", here, root / "models"), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def text(place):
    return (place / "page.md").read_text(encoding="utf-8")


def pair(place):
    run = place / "runs" / "small"
    cards = json.loads((run / "run.json").read_text())["chapters"]
    return results.of_run(run / "results", cards), results.of_kept(place / "models" / "real")


def test_the_page_is_in_the_book_and_has_a_place_for_every_question():
    toc = (book.REPOSITORY / "_toc.yml").read_text(encoding="utf-8")
    assert f"book/{beside.PAGE}\n" in toc
    assert sorted(page.MARK.findall(PAGE)) == sorted([*QUESTIONS, "found", "ledger", "models", "tables"])


def test_every_claim_that_a_question_rests_on_is_a_claim_of_the_book_and_what_is_drawn_is_one_of_them():
    for question in QUESTIONS.values():
        known = {name: claims.load()[name] for name in question.claims}
        assert set(question.drawn) <= set(known) and all(claim.has_direction for claim in known.values())
        first = next(iter(known.values()), None)
        assert bool(question.second) <= bool(first and first.but)


def test_no_mark_is_left_and_every_question_has_its_figures_with_descriptions(place, text):
    assert "<!--" not in text
    shown = re.findall(r":::\{figure\} (figures/real-[\w-]+\.svg)\n:alt: (.+)\n", text)
    names = {name for name, _ in shown}
    assert {f"figures/real-{name}.svg" for name in QUESTIONS} < names and len(shown) == len(names)
    for name, alt in shown:
        assert len(alt) > 40 and not set("*`") & set(alt), name
        assert (place / "staged/book" / name).read_text().startswith("<?xml")


def test_every_outcome_occurs_and_every_finding_begins_with_its_own(text):
    found = re.findall(r":::\{container\} found\n(.+)\n:::", text)
    assert len(found) == len(QUESTIONS) + 1
    leads = {re.match(r"\*\*([\w ]+)\.\*\*", one)[1] for one in found[:-1]}
    assert leads == {"Carries over", "Does not carry over", "Cannot be told"}


def test_sentences_are_short(text):
    prose = [line for line in text.split("\n") if not line.startswith(("<", ":", "|", "- **", "The tables of"))]
    told = [one for block in "\n".join(prose).split("\n\n") for one in SENTENCE.split(block.replace("\n", " "))]
    assert len(told) > 60
    for sentence in told:
        assert len(sentence.split()) <= 35, sentence


def test_numbers_stand_as_in_both_ledgers(place, text):
    rows = BeautifulSoup(text[text.index("<table") :], "html.parser").select("tbody tr")
    here, there = pair(place)
    found = measured.in_both((here, there))
    assert len(rows) == len(found) > 30
    for row in rows:
        name = re.search(r"how ([\w.]+) was judged", row.text)[1]
        one = found[name]
        cells = row.find_all("td")
        if len(one.halves) == 1:
            assert cells[-1].text == f"{one.group}; {one.outcome}"
        else:
            first, second = (a if a == b else f"{a} here, {b} there" for a, b in one.halves)
            assert cells[-1].text == f"{one.outcome}: first half {first}, second half {second}"
        for entry, cell in zip((one.here, one.there), cells, strict=False):
            assert entry["verdict"] in cell.text
            assert entry["measured"] is None or f"n {entry['n']}" in cell.text
        assert row.th["scope"] == "row"
    assert all(table.caption.text for table in BeautifulSoup(text, "html.parser").find_all("table"))


def test_the_kept_tables_are_in_the_site_and_linked(place, text):
    tables = {path.name for path in (place / "staged/tables/real_model").iterdir()}
    assert set(re.findall(r"\(table:real_model/([\w.]+)\)", text)) == tables == {name for _, name in kept.tables()}


def test_the_counts_of_the_page_are_those_of_its_ledgers(place, text):
    groups = [one.group for one in measured.in_both(pair(place)).values()]
    assert f"Both ledgers speak of {len(groups)} claims" in text
    assert f"{groups.count('supported on both')} supported on both" in text
    assert f"{groups.count('contradicted on both')} contradicted on both" in text


def test_claims_from_published_numbers_alone_are_left_out(place):
    here, there = pair(place)
    name = "stolfo2024.C5"
    for run in (here, there):
        run.claims[name] = run.claims[name] | {"reason": f"so; {measured.audit.CAUTION}"}
    assert name not in measured.in_both((here, there))


def test_without_a_kept_run_the_page_says_how_to_make_one(place, tmp_path):
    text = staged(tmp_path / "staged", place / "runs" / "small", tmp_path / "none")
    assert "make book MODEL=smollm2-135m-instruct SAVE=1" in text
    assert text.startswith("# The same measurements on a real model") and "\n## " not in text and "<!--" not in text
    assert not (tmp_path / "staged/tables").exists() and not (tmp_path / "staged/book/figures").exists()


def test_the_book_about_the_kept_model_itself_does_not_set_it_beside_itself(place, tmp_path):
    text = staged(tmp_path / "staged", place / "runs" / "real", place / "models")
    assert "about the kept model itself, `real`" in text and "\n## " not in text and "<!--" not in text


def test_another_model_of_the_same_name_is_told_apart(place, tmp_path):
    run = kept.run(tmp_path / "real", "real", fingerprint="h")
    text = staged(tmp_path / "staged", run, place / "models")
    assert "`real` " in text and "`real, kept`" in text


def test_a_chapter_that_the_kept_run_does_not_have_leaves_its_question_open(place, tmp_path):
    there = kept.run(tmp_path / "runs" / "part", "part", fingerprint="p", chapters=("02", "03", "04"))
    saving.keep(there, models=tmp_path / "models")
    text = staged(tmp_path / "staged", place / "runs" / "small", tmp_path / "models")
    section = text.partition("## Do these neurons decide")[2].partition("\n## ")[0]
    assert (
        "**Cannot be told.** Both ledgers need a claim of this question, the same one, and there is none for `part`."
        in section
    )
    assert "the run of `part` has no `transitions.csv`" in section and "{figure}" not in section
    assert "real-spectrum.svg" in text and "`small`" not in text


def test_a_run_that_measured_nothing_leaves_every_question_open(place, tmp_path):
    run = kept.run(tmp_path / "few", "few", entries=[], chapters=("01",))
    text = staged(tmp_path / "staged", run, place / "models")
    assert text.count("**Cannot be told.** Both ledgers need a claim of this question") == len(QUESTIONS) - 1
    assert "{figure}" not in text and "Both ledgers speak of no claim" in text
    assert "**Carries over.** Nothing." in text and "surer on a repeat; copying held back." in text
    assert "agreement of the rules" in text.partition("**Cannot be told.**")[2].partition("\n")[0]


def test_ledgers_without_a_claim_in_common_leave_a_question_open(place, tmp_path):
    runs = {}
    for model, name in {"one": "stolfo2024.C2", "two": "stolfo2024.C5"}.items():
        entries = [kept.entry(name, but=DOWN if name.endswith("2") else None)]
        runs[model] = kept.run(tmp_path / "runs" / model, model, fingerprint=model, entries=entries)
    saving.keep(runs["two"], models=tmp_path / "models")
    run, entry = runs["one"], kept.entry("stolfo2024.C3.dim", (2.0, 2.0, 2.0))
    for folder in (run / "results" / book.chapter_named("02"), tmp_path / "models/two"):
        ledger = json.loads((folder / "claims.json").read_text())
        (folder / "claims.json").write_text(json.dumps([*ledger, entry]))
    section = staged(tmp_path / "staged", run, tmp_path / "models").partition("## Does the final norm")[2]
    assert "there is none for `one` and `two`." in section.partition("\n## ")[0]


def test_a_kept_run_that_cannot_be_read_is_one_sentence(place, tmp_path):
    shutil.copytree(place / "models", tmp_path / "models")
    (tmp_path / "models/real/run.json").write_text("{")
    with pytest.raises(book.BookError, match=r"the kept run real needs run.json and claims.json .* make it again"):
        staged(tmp_path / "staged", place / "runs" / "small", tmp_path / "models")


def masks(**chosen):
    return {
        name: torch.zeros(40, dtype=torch.bool).index_fill(0, torch.tensor(own), True) for name, own in chosen.items()
    }


ALIKE = {"stolfo": [*range(6)], "rho_top": [*range(6)]}
UNLIKE = {"stolfo": [*range(6)], "rho_top": [*range(6, 12)]}


@pytest.mark.parametrize(
    ("here", "there", "outcome"),
    [
        (ALIKE, ALIKE, "carries over"),
        (ALIKE, UNLIKE, "does not carry over"),
        (UNLIKE, ALIKE, "does not carry over"),
        (UNLIKE, UNLIKE, "cannot be told"),
        (ALIKE, ALIKE | {"rho_top": [4, 5, 20, 21, 22, 23]}, "cannot be told"),  # fewer, and not too few for chance
    ],
)
def test_an_agreement_of_rules_carries_over_or_does_not(monkeypatch, here, there, outcome):
    chosen = {"a": masks(**here), "b": masks(**there)}
    able = {name: torch.ones(40, dtype=torch.bool) for name in here}
    monkeypatch.setattr(measured, "rules", lambda run: chosen[run.name])
    monkeypatch.setattr(measured, "passing", lambda run: able)
    one, other = (results.Results({"model": name}, {}, {}) for name in chosen)
    found = measured.agreement((one, other))
    assert ([*found.outcomes], found.n) == ([outcome], 1)
    pairs = ["`stolfo` with `rho_top`"]
    assert found.both == pairs * (outcome == "carries over")
    assert found.apart == pairs * (outcome == "does not carry over")


def test_rules_choose_among_what_their_floors_let_pass_however_numbers_are_rounded(place):
    for run in pair(place):
        chosen, able = measured.rules(run), measured.passing(run)
        assert set(chosen) == set(able) and not any((chosen[name] & ~able[name]).any() for name in chosen)
        assert not able["du"].all() and able["rho_top"].all()


def test_a_difference_of_method_is_told_and_one_of_the_model_is_not(place, text, tmp_path):
    assert "The two runs differ" not in text and "another state of the library" not in text
    shutil.copytree(place / "models", tmp_path / "models")
    report = tmp_path / "models/real/run.json"
    changed = json.loads(report.read_text())
    changed["fingerprint"]["library"] = "z"
    changed["chapters"][book.chapter_named("05")]["parameters"] |= {"top": 0.7, "text": "other.txt"}
    report.write_text(json.dumps(changed))
    told = staged(tmp_path / "staged", place / "runs" / "small", tmp_path / "models")
    assert "The two runs differ in `top` (0.5 and 0.7) in chapter 05." in told and "`text`" not in told
    assert "The kept run was made with another state of the library (z) than this book (l)" in told


def test_chance_is_that_of_the_norm_of_the_model(place):
    here, there = pair(place)
    assert measured.chance(here) == pytest.approx((2 / 32) ** 0.5)
    there.report["coordinates"] = "gain folded into W_U, centred over d_model"
    assert measured.chance(there) == pytest.approx((1 / 31) ** 0.5)
