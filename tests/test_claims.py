import json

import pytest

from lib import claims
from lib.book import chapters
from lib.resampling import Estimate


def judge(claim, value, low, high, model):
    return claims.load()[claim].judge(Estimate(float(value), float(low), float(high), 10, 2), model=model)


def test_every_claim_names_a_chapter_and_can_be_judged():
    numbers = {name.split("_")[0] for name in chapters()}
    for claim in claims.load().values():
        assert claim.chapter in numbers, claim.id
        assert claim.above is not None or claim.published, f"{claim.id} says nothing that could fail"


def test_a_direction_needs_the_whole_interval():
    assert judge("stolfo2024.C3", 1.5, 1.2, 1.8, "pocket")[0] == "direction only"
    assert judge("stolfo2024.C3", 1.1, 0.9, 1.3, "pocket")[0] == "differs"
    assert judge("stolfo2024.C3", 0.8, 0.7, 0.9, "pocket") == ("differs", "the interval lies below 1")


def test_a_published_number_is_held_only_by_the_papers_model():
    assert judge("stolfo2024.C3.dim", 12, 12, 12, "gpt2")[0] == "held"
    assert judge("stolfo2024.C3.dim", 40, 40, 40, "gpt2")[0] == "differs"
    assert judge("stolfo2024.C3.dim", 12, 12, 12, "pocket")[0] == "not tested"


def test_the_ledger_writes_its_entries_and_nothing_without_a_folder(tmp_path, monkeypatch):
    ledger = claims.Ledger(chapter="02", model="pocket")
    ledger.record("stolfo2024.C3", Estimate(1.5, 1.2, 1.8, 10, 2))
    ledger.not_tested("stolfo2024.C3.dim", "needs gpt2")
    ledger.save(str(tmp_path / "r"))
    saved = json.loads((tmp_path / "r" / "claims.json").read_text())
    assert [entry["verdict"] for entry in saved] == ["direction only", "not tested"]
    assert list(saved[0]) == list(claims.COLUMNS)
    monkeypatch.chdir(tmp_path)
    ledger.save("")
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_claim_of_another_chapter_is_refused():
    with pytest.raises(ValueError, match="belongs to chapter 02, not to 01"):
        claims.Ledger(chapter="01", model="pocket").record("stolfo2024.C3", Estimate(1.0, 1.0, 1.0, 1, 1))
