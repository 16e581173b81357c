"""What chapter 07 says: right for an effect, none, the opposite one, and where there is nothing to see."""

import pandas as pd
import pytest

from lib import paired
from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences import knowledge_conflicts as says

LABELS = ("CK", "PK", "ND")


def measured(low, high):
    return Estimate((low + high) / 2, low, high, 1000, 16)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)


def beside(difference, chosen=UP):
    return Against(chosen, measured(0.0, 0.1), difference)


def test_answers_are_counted_and_what_cannot_be_claimed_is_said():
    counts = {"CK": 6, "PK": 30, "ND": 0}
    told = says.answers(counts, n_facts=12, disagree=1)
    assert told.startswith(
        "To 36 prompts about 12 facts the model takes 6 of 36 answers (17 %) from the context (CK), "
    )
    assert "0 of 36 answers (0 %) from neither (ND); most from what it knows." in told
    assert told.endswith("1 answer would have another label.")
    told = says.answers(counts, n_facts=12, disagree=0, unknown="the model knows none of the facts")
    assert told.endswith("No claim is tested on them, since the model knows none of the facts.")


def moves(pairs):
    clean, ablated = zip(*pairs, strict=True)
    found = paired.transitions(clean, ablated, labels=LABELS)
    return says.moves(found, paired.sign_test(paired.toward("CK", clean, ablated), range(len(pairs))))


def test_changes_are_told_with_their_direction_or_without_one():
    still = [("CK", "CK")] * 5
    assert moves(still) == "Not one of 5 answers changes its label."
    toward = moves([("PK", "CK")] * 12 + [("CK", "ND")] + still)
    assert toward.startswith(
        "13 of 18 answers (72 %) change: 12 from PK to CK and 1 from CK to ND. 12 go into CK and 1"
    )
    assert "12 move toward CK on balance and 1 away" in toward and toward.endswith("more toward it than away from it.")
    assert moves([("CK", "PK")] * 12).endswith("more away from it than toward it.")
    assert moves([("CK", "PK"), ("PK", "CK")]).endswith("so no direction can be told.")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Estimate(99.0, 97.0, 100.0, 9, 9), "By the whole interval it lies above 95 among sets matched on effect."),
        (Estimate(96.0, 80.0, 100.0, 9, 9), "it lies not decidedly on either side of 95 among sets matched on effect."),
        (Estimate(50.0, 30.0, 80.0, 9, 9), "By the whole interval it lies below 95 among sets matched on effect."),
    ],
)
def test_the_place_among_sets_is_judged_by_its_whole_interval(found, told):
    said = says.place({"matched on effect": found}, {"matched on effect": (3, 1000)}, own=0.02, noise=0.001)
    assert said.endswith(told) and "3 of 1,000 reach it" in said and "more than the 0.1 % that batch" in said
    said = says.place({"matched on effect": found}, {"matched on effect": (3, 1000)}, own=0.001, noise=0.001)
    assert "no more than the 0.1 % that batch" in said


def test_a_share_is_told_beside_that_of_controls_and_a_reason_where_there_is_none():
    what = {"what": "the conversion ratio of the context", "others": "sets matched on effect"}
    assert "more than theirs (difference 30 [20, 40] points)" in says.beside(beside(UP), **what)
    assert "not distinguishably another than theirs" in says.beside(beside(NONE), **what)
    assert ": less than theirs" in says.beside(beside(DOWN), **what)
    told = says.beside("every prompt is labelled CK", **what)
    assert told == "Of the conversion ratio of the context nothing can be said: every prompt is labelled CK."


@pytest.mark.parametrize(
    ("chosen", "difference", "told"),
    [
        (UP, UP, ("so the neurons held copying back", "further toward the context than under sets")),
        (NONE, NONE, ("in no direction that could be told", "not distinguishably otherwise than under sets")),
        (DOWN, DOWN, ("so the neurons helped copying", "less far toward the context than under sets")),
    ],
)
def test_a_shift_of_the_log_odds_is_told_with_its_direction(chosen, difference, told):
    said = says.odds(beside(difference, chosen), {"through the scale alone": 0.0123}, clean=-1.5)
    assert (
        all(part in said for part in told)
        and "0.012 through the scale alone" in said
        and "\N{MINUS SIGN}1.5 nats" in said
    )


def test_roads_are_counted_and_a_model_without_a_bias_is_told_apart():
    counts = {"scale alone": 0, "direct alone": 7, "either alone": 2, "both together": 1}
    told = says.roads(counts, n=100, has_bias=True)
    assert "have a bias" in told and "Of 10 changed answers" in told and told.endswith("The scale suffices for 2.")
    told = says.roads(counts | {"either alone": 0}, n=100, has_bias=False)
    assert "no temperature can reorder them" in told and told.endswith("The scale suffices for none.")
    assert says.roads({"scale alone": 3}, n=9, has_bias=True).endswith("The scale suffices for all.")
    assert says.roads(dict.fromkeys(counts, 0), n=100, has_bias=True).endswith("there is no road to tell.")


def test_a_scale_that_changed_a_text_without_a_bias_is_called_a_fault():
    told = says.without_bias({"both": 30, "scale": 0, "direct": 31}, n=800)
    assert told.startswith("Of 800 texts") and "30 as it is and 31 with the scale frozen, and not one" in told
    assert "but 2 through the scale alone, which is a fault" in says.without_bias(
        {"both": 3, "scale": 2, "direct": 3}, n=8
    )


@pytest.mark.parametrize(
    ("taken", "enlarged", "told"),
    [
        (UP, DOWN, "do opposite things, as a regulator's would"),
        (UP, UP, "what acts is the disturbance and not its direction"),
        (UP, NONE, "cannot be told"),
        (NONE, NONE, "cannot be told"),
    ],
)
def test_more_and_less_of_the_neurons_are_compared_by_their_direction(taken, enlarged, told):
    rows = [
        {"dose": dose, "set": "own", "score": 0.02, "net_flow": one.value, "net_flow_low": one.low,
         "net_flow_high": one.high}
        for dose, one in ((0.0, taken), (1.0, NONE), (3.0, enlarged))
    ]  # fmt: skip
    assert told in says.dose(pd.DataFrame(rows), own="own")


def test_values_are_told_by_the_least_and_the_largest():
    table = pd.DataFrame({"score": [0.02, 0.001], "percentile": [99.0, 40.0]}, index=["mean", "zero"])
    told = says.values(table)
    assert "between 0.1 % (zero) and 2.0 % (mean)" in told and told.endswith("runs from 40 to 99.")
