import json
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import book, claims
from lib.claims import ledger as ledger_module
from lib.resampling import Estimate
from lib.source import Source

GPT2 = "gpt2"
PUBLISHED = {GPT2: {"value": 0.8, "source": "paper", "lowest": 0.6, "highest": 0.95}}
BUT = {"statistic": "another statistic", "below": 0.0}
STRENGTH = {"reproduced": 3, "supported": 2, "in part": 1, "inconclusive": 0, "contradicted": 0, "not tested": 0}
UP, DOWN, ACROSS = (0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1)
SHEET = """\
paper: one
citation: A paper
claims:
  - id: C1
    chapter: "02"
    statement: Something is larger than something else.
    statistic: their ratio
    above: 1.0
"""


def measured(low, high, value=None):
    return Estimate((low + high) / 2 if value is None else float(value), float(low), float(high), 10, 8)


def claim(**test):
    texts = {"id": "one.C1", "paper": "one", "citation": "A paper", "chapter": "02", "statement": "It is so."}
    return claims.Claim(**texts, statistic="a statistic", **test)


def judge(which, low, high, *, value=None, model="pocket", but=None):
    return which.judge(measured(low, high, value), model=model, but=but and measured(*but))


def model(name="pocket", revision="0123456789ab"):
    return type("Loaded", (), {"name": name, "source": Source(name, "pocket", name, revision)})()


def open_ledger(chapter, name="pocket"):
    return claims.Ledger(chapter, model=model(name), parameters={"model": name, "seed": 0, "results": "/a/path"})


@pytest.fixture
def read(tmp_path):
    """Reads claims from files of given texts."""

    def read(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yml").write_text(text)
        return claims.read(tmp_path)

    return read


@pytest.fixture
def halves(monkeypatch):
    """A book of two claims in chapter 02: one of two halves, one of a single."""
    both, single = claim(above=0.0, but=BUT), claim(above=0.0).model_copy(update={"id": "one.C2"})
    monkeypatch.setattr(ledger_module, "load", lambda: {both.id: both, single.id: single})


# verdicts


def test_every_verdict_has_its_meaning_and_the_old_ones_are_gone():
    assert set(claims.VERDICTS) == set(get_args(claims.Verdict)) == set(STRENGTH)
    old = re.compile(r"[\"*](held|direction only|differs)\\?[\"*]")
    for folder in ("lib", "book", "notebooks"):
        for path in (book.REPOSITORY / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".ipynb", ".yml"}:
                assert not old.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.0001, 2, "supported"),
        (1, 2, "inconclusive"),  # the bound itself is not above the bound
        (0.9, 1.0001, "inconclusive"),
        (0.9, 1, "contradicted"),
        (1, 1, "contradicted"),
    ],
)
def test_a_direction_is_judged_by_the_whole_interval_and_the_mirrored_one_alike(low, high, verdict):
    assert judge(claim(above=1.0), low, high)[0] == verdict
    assert judge(claim(below=-1.0), -high, -low)[0] == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.1, 0.1, "supported"),
        (-0.1, 0.1001, "inconclusive"),
        (-5, 5, "inconclusive"),
        (0.1, 0.2, "inconclusive"),
        (0.1001, 0.2, "contradicted"),
        (-0.2, -0.1001, "contradicted"),
    ],
)
def test_an_equivalence_is_supported_only_by_an_interval_inside_it(low, high, verdict):
    assert judge(claim(within=(-0.1, 0.1)), low, high)[0] == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.6, 0.95, "reproduced"),
        (0.6, 0.9501, "inconclusive"),
        (0.5, 0.6, "inconclusive"),
        (0.5, 0.5999, "contradicted"),
        (0.9501, 1, "contradicted"),
    ],
)
def test_a_published_value_is_reproduced_by_an_interval_inside_its_range(low, high, verdict):
    assert judge(claim(published=PUBLISHED), low, high, model=GPT2)[0] == verdict


def test_what_was_held_or_differed_though_nothing_was_decided_is_inconclusive():
    size = claims.load()["stolfo2024.C2.size"]
    verdict, reason = judge(size, -3, 3, value=0.8, model=GPT2)
    assert verdict == "inconclusive"
    assert reason == "neither end of the interval, -3 nor 3, lies within 0.6 … 0.95, the range published for gpt2"
    verdict, reason = judge(size, 0.5, 0.7, value=0.59, model=GPT2)
    assert verdict == "inconclusive" and reason.startswith("the lower end of the interval, 0.5, does not lie within")
    verdict, reason = judge(claims.load()["stolfo2024.C3"], 0.9, 1.3)
    assert (verdict, reason) == ("inconclusive", "the lower end of the interval, 0.9, does not lie above 1")


def test_a_reason_rounds_an_end_of_the_interval_but_never_into_the_region():
    number = claim(published=PUBLISHED)
    assert "upper end of the interval, 0.951, does not" in judge(number, 0.7, 0.95123, model=GPT2)[1]
    assert "upper end of the interval, 0.95001, does not" in judge(number, 0.7, 0.95001, model=GPT2)[1]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.65, 0.9, "reproduced"),
        (0.5, 0.9, "inconclusive"),  # the direction holds, the number is not decided
        (-0.1, 0.1, "contradicted"),  # the number is missed, whatever becomes of the direction
        (-0.2, -0.1, "contradicted"),
        (0.1, 0.2, "contradicted"),
    ],
)
def test_on_the_papers_model_a_direction_and_a_number_are_both_needed(low, high, verdict):
    assert judge(claim(above=0.0, published=PUBLISHED), low, high, model=GPT2)[0] == verdict


def test_a_reason_says_that_the_direction_holds_where_the_number_is_undecided():
    reason = judge(claim(above=0.0, published=PUBLISHED), 0.5, 0.9, model=GPT2)[1]
    assert reason == (
        "the whole interval lies above 0; the lower end of the interval, 0.5, does not lie within 0.6 … 0.95, "
        "the range published for gpt2"
    )


def test_another_model_tests_the_direction_alone_and_a_number_alone_not_at_all():
    found = judge(claim(above=0.0, published=PUBLISHED), 0.1, 0.2)
    assert found == ("supported", "the whole interval lies above 0 (a value is published for gpt2, none for pocket)")
    found = judge(claim(published=PUBLISHED), 0.7, 0.8)
    assert found == ("not tested", "the number is claimed for gpt2; this is pocket")


def test_a_claim_about_one_model_is_not_tested_by_another():
    found = judge(claim(above=0.0, only=("gpt2", "opt")), 0.1, 0.2)
    assert found == ("not tested", "the claim is about gpt2, opt; this is pocket")
    assert judge(claim(above=0.0, only=("gpt2",)), 0.1, 0.2, model="openai-community/gpt2")[0] == "supported"


@pytest.mark.parametrize(("value", "verdict"), [(4, "contradicted"), (5, "reproduced"), (6, "reproduced")])
def test_an_exact_count_is_judged_by_itself(value, verdict):
    six = {GPT2: {"value": 6.0, "source": "authors' code", "lowest": 5.0, "highest": 6.0}}
    assert judge(claim(exact=True, published=six), 0, 9, value=value, model=GPT2)[0] == verdict
    with pytest.raises(ValueError, match=r"one\.C1 is an exact count and needs a whole number, got 5\.5"):
        judge(claim(exact=True, published=six), 5, 6, value=5.5, model=GPT2)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (UP, DOWN, "supported"),
        (UP, ACROSS, "in part"),
        (UP, UP, "in part"),
        (ACROSS, DOWN, "in part"),
        (DOWN, DOWN, "in part"),
        (ACROSS, ACROSS, "inconclusive"),
        (ACROSS, UP, "contradicted"),
        (DOWN, ACROSS, "contradicted"),
        (DOWN, UP, "contradicted"),
    ],
)
def test_a_claim_of_two_halves_needs_both(first, second, verdict):
    assert judge(claim(above=0.0, but=BUT), *first, but=second)[0] == verdict


def test_a_reason_says_which_half_is_supported_and_what_the_other_is():
    reason = judge(claim(above=0.0, but=BUT), *UP, but=UP)[1]
    first, second = "the whole interval lies above 0", "no part of the interval lies below 0"
    assert reason == f"first half supported: {first}; second half contradicted: {second}"


def test_two_halves_can_reproduce_a_published_value_and_its_half_alone_does_so_in_part():
    both = claim(above=0.0, but=BUT, published=PUBLISHED)
    assert judge(both, 0.7, 0.8, but=DOWN, model=GPT2)[0] == "reproduced"
    assert judge(both, 0.7, 0.8, but=ACROSS, model=GPT2)[0] == "in part"


def test_a_half_that_is_missing_and_one_that_the_claim_does_not_have_are_refused():
    with pytest.raises(ValueError, match="has two halves, got a measurement of one; add: another statistic"):
        judge(claim(above=0.0, but=BUT), *UP)
    with pytest.raises(ValueError, match="has no second half, got a measurement of one; leave it out"):
        judge(claim(above=0.0), *UP, but=UP)


@pytest.mark.parametrize("bad", [(float("nan"), 1, 0.5), (0, float("inf"), 0.5), (0, 1, float("nan"))])
def test_a_measurement_that_is_not_finite_is_refused_in_either_half(bad):
    with pytest.raises(ValueError, match="needs a finite measurement"):
        judge(claim(above=0.0), *bad[:2], value=bad[2])
    with pytest.raises(ValueError, match="needs a finite measurement"):
        judge(claim(above=0.0, but=BUT), *UP, but=bad)


def test_an_interval_upside_down_is_refused_and_one_that_misses_its_value_is_stretched():
    with pytest.raises(ValueError, match="lower end is not above its upper end"):
        judge(claim(above=1.0), 2, 1)
    assert judge(claim(above=1.0), 1.04, 1.31, value=0.95)[0] == "inconclusive"


intervals = st.tuples(st.floats(-3, 3), st.floats(-3, 3)).map(sorted)
margins = st.tuples(st.floats(0, 3), st.floats(0, 3))
tests = st.sampled_from(
    [
        {"above": 0.5},
        {"below": -0.5},
        {"within": (-1.0, 1.0)},
        {"published": PUBLISHED},
        {"above": 0.0, "published": PUBLISHED},
        {"within": (0.5, 1.0), "published": PUBLISHED},
    ]
)


@given(tests, intervals, margins)
def test_widening_an_interval_changes_no_verdict_except_into_inconclusive(test, interval, margin):
    (low, high), (left, right) = interval, margin
    narrow = judge(claim(**test), low, high, model=GPT2)[0]
    wide = judge(claim(**test), low - left, high + right, value=(low + high) / 2, model=GPT2)[0]
    assert wide in (narrow, "inconclusive")


@given(tests.filter(lambda test: set(test) != {"published"}), intervals, intervals, margins, st.booleans())
def test_widening_either_half_never_makes_a_verdict_stronger(test, first, second, margin, widen_first):
    def widened(interval, widen):
        return (interval[0] - margin[0], interval[1] + margin[1]) if widen else interval

    both = claim(**test, but=BUT)
    narrow = judge(both, *first, but=second, model=GPT2)[0]
    wide = judge(both, *widened(first, widen_first), but=widened(second, not widen_first), model=GPT2)[0]
    assert STRENGTH[wide] <= STRENGTH[narrow]


@pytest.mark.long
@given(st.floats(-2, 2), st.floats(0.01, 1), st.lists(st.floats(-5, 5), min_size=1))
def test_an_interval_moved_across_the_bound_is_supported_then_inconclusive_then_contradicted(bound, half, shifts):
    order = ["supported", "inconclusive", "contradicted"]
    centres = sorted([*shifts, bound + 2 * half, bound, bound - 2 * half], reverse=True)
    seen = [judge(claim(above=bound), at - half, at + half)[0] for at in centres]
    assert seen == sorted(seen, key=order.index) and set(seen) == set(order)
    assert seen == [judge(claim(below=-bound), -at - half, -at + half)[0] for at in centres]


# the files


def test_the_books_claims_are_read_and_each_has_a_chapter_or_says_why_not():
    assert {name[:2] for name in book.chapters()} <= set(claims.CHAPTERS)
    written = {name[:2] for name in book.chapters()}
    for one in claims.load().values():
        assert one.chapter in written or one.reason, one.id


FAULTS = [
    ("above: 1.0", "abov: 1.0", 8, "claim C1: unknown key 'abov'; the keys here are statistic, above, below"),
    ("citation:", "citatio:", 2, "unknown key 'citatio'; the keys here are paper, citation, claims"),
    ("above: 1.0", "above: 1.0\n    but: {statistic: x, above: 1, only: [a]}", 9, "claim C1: unknown key 'only'"),
    ("above: 1.0", "published: {m: {valu: 1}}", 8, "unknown key 'valu'; the keys here are value, source"),
    ("above: 1.0", "above: 1.0\n    <<: {below: 2}", 9, "claim C1: unknown key '<<'"),
    ("above: 1.0", 'above: "1"', 8, "claim C1: above should be a valid number, got '1'"),
    ("above: 1.0", "above: true", 8, "claim C1: above should be a valid number, got True"),
    ("above: 1.0", "above: .inf", 8, "claim C1: above should be a finite number, got inf"),
    ("above: 1.0", "above: 1.0\n    only: gpt2", 9, "claim C1: only should be a valid list, got 'gpt2'"),
    ("above: 1.0", "above: 1.0\n    exact: 1", 9, "claim C1: exact should be a valid boolean, got 1"),
    ("    statement: Something", "    statement: 1 #", 6, "claim C1: statement should be a valid string, got 1"),
    ("    statement: Something", "    note: Something", 6, "claim C1: unknown key 'note'"),
    ("    statistic: their ratio\n", "", 4, "claim C1: statistic is missing"),
    ("id: C1", "id: first", 4, "claim first: id should look like C3 or C3.dim, got 'first'"),
    ("above: 1.0", "above: 1.0\n    above: 2.0", 9, "the key 'above' is given already in line 8"),
    ('"02"', '"14"', 5, "claim C1: chapter should be '01', '02', .* or '13', got '14'"),
    ('"02"', "2", 5, "claim C1: chapter should be '01', .*, got 2"),
    ("above: 1.0", "published: {m: {value: 1, lowest: 0, highest: 2}}", 8, "published.m.source is missing"),
    (
        "above: 1.0",
        "published:\n      m: {value: 1, source: a blog, lowest: 0, highest: 2}",
        9,
        "published.m.source should be 'paper', .*, got 'a blog'",
    ),
    (
        "above: 1.0",
        "published:\n      m: {value: 3, source: paper, lowest: 0, highest: 2}",
        9,
        "claim C1: the range 0 … 2 does not hold its own value 3",
    ),
    (
        "above: 1.0",
        "above: 1\n    published: {m: {value: 0.5, source: paper, lowest: 0, highest: 2}}",
        4,
        "the value published for m, 0.5, is not above 1",
    ),
    ("    above: 1.0\n", "", 4, "claim C1: it cannot fail; give it above, below, within or published, or a reason"),
    (
        "above: 1.0",
        'above: 1\n    neurons: {m: ["11.2", "L3"]}',
        9,
        "should look like 11.584, layer and unit, got 'L3'",
    ),
    ("above: 1.0", "above: 1\n    neurons: {m: [11.2]}", 9, "neurons.m.0 should be a valid string, got 11.2"),
    ("above: 1.0", "above: 1\n    below: 2", 4, "a test has one of above, below and within, got above and below"),
    ("above: 1.0", "within: [2, 1]", 4, r"within needs \[low, high\] with low below high, got \[2.0, 1.0\]"),
    ("above: 1.0", "within: [1, 1]", 4, r"within needs \[low, high\] with low below high, got \[1.0, 1.0\]"),
    ("above: 1.0", "within: [1]", 8, "claim C1: within.1 is missing"),
    ("above: 1.0", "above: 1\n    but: {statistic: x}", 9, "claim C1: but needs above, below or within"),
    ("above: 1.0", "reason: why\n    but: {statistic: x, above: 1}", 4, "the first needs above, below or within"),
    ("above: 1.0", "above: [1", 9, "this is not YAML"),
    ("Something is", "2024-13-45 #", 6, "'2024-13-45' is no value that is known here; put it in quotes"),
    ("above: 1.0", "neurons: &a {m: *a}", 1, "an alias stands inside what it is an alias of"),
]


@pytest.mark.parametrize(("good", "bad", "line", "message"), FAULTS, ids=[bad.split("\n")[-1] for _, bad, *_ in FAULTS])
def test_a_fault_in_a_claims_file_is_one_sentence_with_file_and_line(read, good, bad, line, message):
    assert list(read(paper=SHEET)) == ["one.C1"] and good in SHEET
    with pytest.raises(claims.ClaimsError, match=rf"^paper\.yml, line {line}: .*{message}") as refused:
        read(paper=SHEET.replace(good, bad, 1))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_empty_or_not_text_is_refused(read, tmp_path):
    with pytest.raises(claims.ClaimsError, match=r"^empty\.yml, line 1: the file should be a valid dictionary"):
        read(empty="")
    (tmp_path / "empty.yml").write_bytes(b"paper: \xff")
    with pytest.raises(claims.ClaimsError, match=r"^empty\.yml, line 1: this is not YAML"):
        claims.read(tmp_path)


def test_an_id_given_twice_is_refused_within_a_file_and_across_files(read):
    again = SHEET.split("claims:\n")[1]
    with pytest.raises(claims.ClaimsError, match=r"^a\.yml, line 9: .* one\.C1 is given already in a\.yml, line 4$"):
        read(a=SHEET + again)
    with pytest.raises(claims.ClaimsError, match=r"^b\.yml, line 4: .* one\.C1 is given already in a\.yml, line 4$"):
        read(a=SHEET, b=SHEET)
    assert set(read(a=SHEET, b=SHEET.replace("one", "two"))) == {"one.C1", "two.C1"}


def test_the_neurons_that_a_paper_names_are_found_under_both_names_of_a_model():
    assert claims.named_neurons("stolfo2024.C16.slope", model="openai-community/gpt2") == [2378]
    assert claims.named_neurons("stolfo2024.C16.slope", model="pocket") == []


# the ledger


@pytest.mark.parametrize("chapter", book.chapters())
def test_a_chapter_opens_its_own_ledger(chapter):
    assert f'claims.Ledger(\\"{chapter[:2]}\\", ' in (book.NOTEBOOKS / f"{chapter}.ipynb").read_text(encoding="utf-8")


def test_claims_that_no_chapter_tests_open_the_ledger_with_their_reason():
    ledger = open_ledger("12")
    assert {"stolfo2024.C24", "stolfo2024.X2"} <= {entry["claim"] for entry in ledger.entries}
    assert all(entry["verdict"] == "not tested" and entry["reason"] for entry in ledger.entries)
    assert not open_ledger("02").entries
    with pytest.raises(ValueError, match="said to be untestable"):
        ledger.record("stolfo2024.X2", measured(1, 1))


def test_entries_say_what_was_measured_on_which_model_and_how(tmp_path, monkeypatch):
    ledger = open_ledger("02")
    ledger.record("stolfo2024.C3", measured(1.2, 1.8))
    ledger.not_tested("stolfo2024.C3.dim", "needs gpt2")
    ledger.save(str(tmp_path / "r"))
    saved = json.loads((tmp_path / "r" / "claims.json").read_text())
    assert [entry["verdict"] for entry in saved] == ["supported", "not tested"]
    assert list(saved[0]) == list(claims.COLUMNS)
    assert [saved[0][name] for name in ("chapter", "model", "revision")] == ["02", "pocket", "0123456789ab"]
    assert saved[0]["parameters"] == {"model": "pocket", "seed": 0}  # a folder's name is nobody's business
    monkeypatch.chdir(tmp_path)
    ledger.save("")
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_pair_of_models_has_both_names_and_both_revisions_and_is_judged_as_a_pair():
    pair = (model("openai-community/gpt2", "a"), model("tuned", "b"))
    ledger = claims.Ledger(chapter="02", model=pair, parameters={})
    ledger.not_tested("stolfo2024.C3", "why")
    assert ledger.entries[0]["model"] == ["openai-community/gpt2", "tuned"]
    assert ledger.entries[0]["revision"] == ["a", "b"]
    assert ledger.model == claims.known_as("gpt2", "tuned") == "gpt2 + tuned"
    of_the_pair = claim(above=0.0, only=("gpt2 + tuned",))
    assert judge(of_the_pair, *UP, model=ledger.model)[0] == "supported"
    assert judge(of_the_pair, *UP, model="gpt2")[0] == "not tested"


def test_a_ledger_that_passes_over_a_claim_or_takes_one_twice_is_not_saved(tmp_path):
    ledger = open_ledger("02")
    ledger.record("stolfo2024.C3", measured(1.2, 1.8))
    for results in ("", str(tmp_path)):
        with pytest.raises(ValueError, match=r"enter each of its claims once, got stolfo2024\.C3\.dim not at all$"):
            ledger.save(results)
    ledger.record("stolfo2024.C3", measured(1.2, 1.8))
    with pytest.raises(ValueError, match=r"stolfo2024\.C3\.dim not at all and stolfo2024\.C3 more than once$"):
        ledger.save("")
    assert not list(tmp_path.iterdir())


def test_claims_and_chapters_that_do_not_belong_to_a_ledger_are_refused():
    for refused in (
        lambda ledger, name: ledger.record(name, measured(1, 1)),
        lambda ledger, name: ledger.not_tested(name, "x"),
    ):
        with pytest.raises(ValueError, match=r"stolfo2024\.C3 belongs to chapter 02, not to 01"):
            refused(open_ledger("01"), "stolfo2024.C3")
        with pytest.raises(
            ValueError, match=r"there is no claim 'companion\.B9'; those of chapter 01 are companion\.B2"
        ):
            refused(open_ledger("01"), "companion.B9")
    with pytest.raises(ValueError, match=r"a ledger needs a chapter of the book, 01, .*, 13, got '14'"):
        open_ledger("14")
    with pytest.raises(ValueError, match="needs a measurement, or a reason why there is none"):
        open_ledger("02").not_tested("stolfo2024.C3", "")


def test_a_caution_about_a_measurement_stands_beside_its_verdict():
    ledger = open_ledger("02")
    ledger.record("stolfo2024.C3", measured(1.2, 1.8), caution="counted in too little text")
    assert ledger.entries[-1]["verdict"] == "supported"
    assert ledger.entries[-1]["reason"].endswith("; counted in too little text")
    with pytest.raises(ValueError, match=r"a caution needs a claim that is entered with it, got C3\.dm of stolfo2024"):
        ledger.enter("stolfo2024", {"C3.dim": "needs gpt2"}, caution={"C3.dm": "few tokens"})


def test_the_table_shows_numbers_with_their_intervals_and_a_dash_for_what_was_not_tested():
    ledger = open_ledger("05", "somebody/else")
    ledger.record("stolfo2024.C11", Estimate(-0.5, -0.61234, -0.4, 4000, 8))
    ledger.not_tested("stolfo2024.C12", "no neuron of this model meets the rule")
    table = ledger.table()
    assert table.loc["stolfo2024.C11", ["measured", "n"]].tolist() == ["-0.5 [-0.612, -0.4]", "4,000"]
    assert table.loc["stolfo2024.C12", ["measured", "n"]].tolist() == ["–", "–"]
    assert list(table) == ["statement", "statistic", "published", "measured", "n", "verdict", "reason"]


def test_many_claims_are_entered_at_once_a_text_being_the_reason_for_no_measurement():
    ledger = open_ledger("05")
    found = {"C11": measured(-0.6, -0.4), "C12": "no neuron meets the rule"}
    ledger.enter("stolfo2024", found, caution={"C11": "few tokens"})
    assert [entry["verdict"] for entry in ledger.entries] == ["supported", "not tested"]
    assert ledger.entries[0]["reason"].endswith("; few tokens") and ledger.entries[1]["reason"] == found["C12"]


def test_both_halves_are_entered_as_a_pair_and_shown_in_one_row(halves, tmp_path):
    ledger = open_ledger("02")
    ledger.enter("one", {"C1": (measured(*UP), measured(*ACROSS)), "C2": measured(*UP)}, caution={"C1": "few tokens"})
    two, single = ledger.entries
    assert two["verdict"] == "in part" and two["reason"].endswith("; few tokens")
    assert [two[name] for name in claims.BUT_COLUMNS] == ["another statistic", 0, -0.1, 0.1, 10]
    assert not set(claims.BUT_COLUMNS) & set(single)
    row = ledger.table().loc["one.C1", ["statistic", "measured", "n"]].tolist()
    assert row == ["a statistic; but another statistic", "0.15 [0.1, 0.2]; but 0 [-0.1, 0.1]", "10; but 10"]
    ledger.save(str(tmp_path))
    assert json.loads((tmp_path / "claims.json").read_text())[0]["but_statistic"] == "another statistic"


def test_a_claim_of_two_halves_that_is_not_tested_keeps_the_names_of_both(halves):
    ledger = open_ledger("02")
    ledger.enter("one", {"C1": "why"})
    assert ledger.entries[0]["but_statistic"] == "another statistic" and ledger.entries[0]["but_measured"] is None
    assert ledger.table().loc["one.C1", "measured"] == "–"
    with pytest.raises(ValueError, match="has two halves, got a measurement of one"):
        ledger.record("one.C1", measured(*UP))
    with pytest.raises(ValueError, match="has no second half"):
        ledger.enter("one", {"C2": (measured(*UP), measured(*UP))})
