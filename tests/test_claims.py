import json

import pytest

from lib import claims
from lib.book import chapters
from lib.resampling import Estimate


def judge(claim, value, low, high, model):
    return claims.load()[claim].judge(Estimate(float(value), float(low), float(high), 10, 2), model=model)


def test_every_claim_can_be_judged_in_a_chapter_or_says_why_not():
    numbers = {name.split("_")[0] for name in chapters()}
    for claim in claims.load().values():
        assert claim.chapter in numbers or claim.reason, claim.id
        assert claim.has_direction or claim.published or claim.reason, f"{claim.id} says nothing that could fail"


def test_a_direction_needs_the_whole_interval():
    assert judge("stolfo2024.C3", 1.5, 1.2, 1.8, "pocket")[0] == "direction only"
    assert judge("stolfo2024.C3", 1.1, 0.9, 1.3, "pocket")[0] == "differs"
    assert judge("stolfo2024.C3", 0.8, 0.7, 0.9, "pocket") == ("differs", "the interval lies below 1")


def test_a_claim_that_something_falls_is_judged_from_above():
    assert judge("stolfo2024.C7.entropy", -0.3, -0.5, -0.1, "pocket")[0] == "direction only"
    assert judge("stolfo2024.C7.entropy", -0.1, -0.3, 0.1, "pocket")[1] == "the interval includes or lies above 0"
    assert judge("stolfo2024.C7.entropy", 0.2, 0.1, 0.3, "pocket") == ("differs", "the interval lies above 0")


def test_a_claim_about_one_model_is_not_tested_by_another():
    verdict, reason = judge("stolfo2024.C6", 0.5, 0.4, 0.6, "gpt2")
    assert verdict == "not tested" and reason == "the claim is about meta-llama/Llama-2-7b-hf; this is gpt2"
    assert judge("stolfo2024.C6", 0.5, 0.4, 0.6, "meta-llama/Llama-2-7b-hf")[0] == "direction only"


def test_a_measurement_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="needs a finite measurement"):
        judge("stolfo2024.C5", float("nan"), 0.4, 0.6, "pocket")


def test_the_neurons_that_a_paper_names_are_found_under_both_names_of_a_model():
    assert claims.named_neurons("stolfo2024.C16.slope", model="openai-community/gpt2") == [2378]
    assert claims.named_neurons("stolfo2024.C16.slope", model="pocket") == []


def test_claims_that_no_chapter_tests_open_the_ledger_with_their_reason():
    ledger = claims.Ledger(chapter="12", model="pocket")
    assert {"stolfo2024.C24", "stolfo2024.X2"} <= {entry["claim"] for entry in ledger.entries}
    assert all(entry["verdict"] == "not tested" and entry["reason"] for entry in ledger.entries)
    assert not claims.Ledger(chapter="02", model="pocket").entries
    with pytest.raises(ValueError, match="said to be untestable"):
        ledger.record("stolfo2024.X2", Estimate(1.0, 1.0, 1.0, 1, 1))


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


def test_a_caution_about_a_measurement_stands_beside_its_verdict():
    ledger = claims.Ledger(chapter="02", model="pocket")
    ledger.record("stolfo2024.C3", Estimate(1.5, 1.2, 1.8, 10, 2), caution="counted in too little text")
    assert ledger.entries[-1]["verdict"] == "direction only"
    assert ledger.entries[-1]["reason"].endswith("; counted in too little text")


def test_the_table_shows_numbers_with_their_intervals_and_a_dash_for_what_was_not_tested():
    ledger = claims.Ledger(chapter="05", model="somebody/else")
    ledger.record("stolfo2024.C11", Estimate(-0.5, -0.61234, -0.4, 4000, 2))
    ledger.not_tested("stolfo2024.C12", "no neuron of this model meets the rule")
    table = ledger.table()
    assert table.loc["stolfo2024.C11", ["measured", "n"]].tolist() == ["-0.5 [-0.612, -0.4]", "4,000"]
    assert table.loc["stolfo2024.C12", ["measured", "n"]].tolist() == ["–", "–"]


def test_many_claims_are_entered_at_once_a_text_being_the_reason_for_no_measurement():
    ledger = claims.Ledger(chapter="05", model="pocket")
    found = {"C11": Estimate(-0.5, -0.6, -0.4, 10, 2), "C12": "no neuron meets the rule"}
    ledger.enter("stolfo2024", found, caution={"C11": "few tokens"})
    assert [entry["verdict"] for entry in ledger.entries] == ["direction only", "not tested"]
    assert ledger.entries[0]["reason"].endswith("; few tokens") and ledger.entries[1]["reason"] == found["C12"]


def test_an_interval_that_ends_on_the_bound_includes_it():
    verdict, reason = judge("stolfo2024.C15", 0.0, 0.0, 0.0, "pocket")
    assert verdict == "differs" and "includes" in reason
