"""What the page on a real model says is right whichever way two ledgers came out."""

import re

import pytest

from lib import claims
from lib.claims.carrying import carried
from lib.sentences import real_model as says
from tests.kept import DOWN, NONE, UP, entry

ONE, TWO = "stolfo2024.C5", "stolfo2024.C18.entropy"
NAMES = {"here": "`a`", "there": "`b`"}


def told(claim, here, there):
    return says.claim(carried(claims.load()[claim], here, there), what="the share", **NAMES)


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (
            UP,
            UP,
            "**Carries over.** The share is 0.5 [0.4, 0.6] on `a` and 0.5 [0.4, 0.6] on `b`. Both runs support the",
        ),
        (
            DOWN,
            DOWN,
            "**Carries over.** The share is −0.5 [−0.6, −0.4] on `a` and −0.5 [−0.6, −0.4] on `b`. Both runs con",
        ),
        (
            UP,
            DOWN,
            "**Does not carry over.** The share is 0.5 [0.4, 0.6] on `a` and −0.5 [−0.6, −0.4] on `b`. The claim",
        ),
        (
            NONE,
            NONE,
            "**Cannot be told.** The share is 0 [−0.1, 0.1] on `a` and 0 [−0.1, 0.1] on `b`. The claim is inc",
        ),
    ],
)
def test_a_claim_is_told_with_both_numbers_and_why(here, there, said):
    assert told(ONE, entry(ONE, here), entry(ONE, there)).startswith(said)


def test_the_verdicts_are_named_with_their_models():
    assert told(ONE, entry(ONE, UP), entry(ONE, DOWN)).endswith(
        "The claim is supported on `a` and contradicted on `b`."
    )
    assert told(ONE, entry(ONE, NONE), entry(ONE, UP)).endswith(
        "The claim is inconclusive on `a` and supported on `b`."
    )
    assert told(ONE, entry(ONE, NONE), entry(ONE, NONE)).endswith("The claim is inconclusive on both.")


def test_a_claim_that_was_not_measured_says_on_which_model():
    none = entry(ONE, reason="no")
    assert told(ONE, entry(ONE), none) == "**Cannot be told.** The share was not measured on `b`."
    assert told(ONE, none, none) == "**Cannot be told.** The share was not measured on `a` and `b`."


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        ((DOWN, DOWN), (DOWN, DOWN), "Both runs support the claim."),
        ((UP, UP), (UP, UP), "Both runs contradict the claim."),
        ((DOWN, UP), (DOWN, UP), "Both runs support one half of the claim and contradict the other."),
        ((DOWN, NONE), (DOWN, NONE), "The claim's first half is supported on both, its second inconclusive on both."),
        (
            (DOWN, DOWN),
            (DOWN, UP),
            "The claim's first half is supported on both, its second supported on `a` and contradicted on `b`.",
        ),
    ],
)
def test_a_claim_in_two_halves_says_what_became_of_each(here, there, said):
    assert told(TWO, *(entry(TWO, one, but=other) for one, other in (here, there))).endswith(said)


def test_the_second_half_is_told_where_both_measured_it():
    pair = [entry(TWO, DOWN, but=half) for half in (NONE, UP)]
    found = carried(claims.load()[TWO], *pair)
    assert says.second_half(found, what="x", **NAMES) == (
        "The claim's second half, x, is 0 [−0.1, 0.1] on `a` and 0.5 [0.4, 0.6] on `b`, and claimed below 0."
    )
    assert says.second_half(found, what="", **NAMES).startswith("Its second half is 0 [")
    none = carried(claims.load()[TWO], pair[0], entry(TWO, reason="no"))
    assert says.second_half(none, what="x", **NAMES) == ""
    assert says.second_half(carried(claims.load()[ONE], entry(ONE), entry(ONE)), what="x", **NAMES) == ""


def test_counts_of_outcomes_agree_with_their_verbs():
    over, not_over, open_ = says.LEADS
    assert says.counts([over, not_over, open_, open_], n_failed=0) == (
        "Of 4 claims 1 carries over and 1 does not; of 2 it cannot be told."
    )
    assert says.counts([over, over], n_failed=1) == (
        "Of 2 claims 2 carry over, 1 of them as a failure, and 0 do not; of 0 it cannot be told."
    )


def test_numbers_of_both_models_are_told():
    assert says.dims({"`a`": (4, 128), "`b`": (6, 576)}) == (
        "The directions below the drop are 4 of 128 on `a` (3.1 %) and 6 of 576 on `b` (1.0 %)."
    )
    assert says.above_chance({"`a`": ((6, 6), (121, 122), 6.42), "`b`": ((1, 6), (740, 1530), 0.8)}) == (
        "More rho than chance have 6 of 6 chosen neurons and 121 of 122 others on `a` and 1 of 6 chosen neurons and "
        "740 of 1,530 others on `b`. "
        "The mean of all chosen neurons is 6.42 times chance on `a` and 0.8 times chance on `b`."
    )
    assert says.flipped({"`a`": ((16, 600), (6, 200)), "`b`": ((0, 90), (9, 90))}) == (
        "Ablation changes whose answer is given to 16 of 600 prompts on `a` (2.7 %) and 0 of 90 prompts on `b` (0 %). "
        "Of prompts with other neurons of like effect ablated it is 3.0 % on `a` and 10 % on `b`."
    )


@pytest.mark.parametrize(
    ("both", "apart", "said"),
    [
        (["x"], [], "**Carries over.** On both models x share more neurons than chance. Of 7"),
        ([], ["y", "z"], "**Does not carry over.** On one alone, and too different for chance: y and z. Of 7"),
        (["x"], ["y"], "share more neurons than chance. **Does not carry over.** On one alone, and too different"),
        (
            [],
            [],
            "**Cannot be told.** No pair of rules does on both models, and none is too different for chance. Of 7",
        ),
    ],
)
def test_agreement_of_rules_is_told_with_its_pairs(both, apart, said):
    found = says.overlap({"`a`": 2, "`b`": 0}, both=both, apart=apart, n=7)
    assert said in found and found.startswith("**")
    assert found.endswith(
        "7 pairs of rules that sort by different numbers 2 on `a` and 0 on `b` share more neurons than chance."
    )


def test_what_is_missing_is_named():
    assert says.missing({"a": ["`x.csv`", "`y.csv`"], "b": []}) == (
        "There is no figure here: the run of `a` has no `x.csv` and `y.csv`."
    )
    assert says.no_ledger(["a", "b"]) == (
        "**Cannot be told.** Both ledgers need a claim of this question, the same one, and there is none for `a` and "
        "`b`."
    )


def test_ledgers_are_counted_by_what_both_say():
    groups = ["supported on both", "supported on one", "contradicted on both", "open", "open", "not tested"]
    first, second, third = says.ledgers(groups, {"`a`": 1, "`b`": 0})
    assert first.startswith("Both ledgers speak of 6 claims; 1 of these could not be tested")
    assert second == (
        "The 5 others: 1 supported on both, 1 on `a` alone, 0 on `b` alone, 1 contradicted on both, and 2 left open by "
        "one model or both, in one half at least."
    )
    assert third == "Two ledgers that have nothing to do with each other would support 0.4 of them both."


def test_findings_name_the_first_of_every_question_and_all_that_does_not_carry_over():
    outcomes = {"drop": "carries over", "rho": "carries over", "heads": "does not carry over"}
    assert says.findings(outcomes, first=["drop"]) == [
        "**Carries over.** Drop; rho.",
        "**Does not carry over.** Heads.",
        "**Cannot be told.** Nothing.",
    ]
    assert says.findings({"rho": "cannot be told", "x": "cannot be told"}, first=["x"])[2] == (
        "**Cannot be told.** X; and 1 more."
    )


def test_other_code_is_told_only_where_it_is_other():
    assert says.other_code("x", "x") == "" and "another state of the library (y) than this book (x)" in says.other_code(
        "x", "y"
    )


def test_other_parameters_are_told_with_both_values_and_their_chapters():
    assert says.other_parameters({}) == ""
    assert says.other_parameters({"`seed` (0 and 1)": ["02"], "`dim` (0 and 8)": ["03", "04"]}) == (
        "The two runs differ in `seed` (0 and 1) in chapter 02. The two runs differ in `dim` (0 and 8) in chapters 03 "
        "and 04."
    )


def test_every_sentence_is_short():
    long = [entry(TWO, (-0.1234, -0.2345, -0.0123), but=second) for second in (NONE, UP)]
    found = carried(claims.load()[TWO], *long)
    names = {"here": "`pocket`", "there": "`smollm2-135m-instruct`"}
    what = "the change of entropy on a repeat, beyond a shuffled one (nats)"
    for sentence in re.split(r"(?<=\.) ", says.claim(found, what=what, **names)):
        assert len(sentence.split()) <= 35, sentence
