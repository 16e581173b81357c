"""What chapter 11 says: right for a difference, none, the opposite one, and where nothing can be told."""

import pandas as pd
import pytest

from lib.confidence.account import Account, Shift
from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences import confidence as says


def measured(low, high):
    return Estimate((low + high) / 2, low, high, 1000, 16)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)


def shift(chosen, *differences):
    against = {f"kind {i}": Against(chosen, measured(0.0, 0.1), one) for i, one in enumerate(differences)}
    return Shift(chosen, chosen, against)


def shares(*rows):
    columns = ["rule", "k", "one", "other", "shared", "jaccard", "by_chance", "probability"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    ("shared", "p", "said"),
    [
        (9, 3e-6, "share 9 neurons, more than chance: random sets would share 3.1, and as many with a probability of"),
        (3, 0.6, "share 3 neurons, no more than chance would have it"),
        (0, 1.0, "share no neuron, no more than chance would have it"),
    ],
)
def test_shared_neurons_are_held_against_chance(shared, p, said):
    told = says.same(shares(("du", 10, "base", "post", shared, 0.5, 3.1, p)), rule="du", k=10)
    assert said in told and told.startswith("Of the neurons that `du` chooses, 10 at most, base and post")
    assert ("less than 0.001" in told) == (p < 0.001)


def test_rules_are_told_from_least_to_most_and_no_choice_is_said():
    table = shares(
        ("du", 10, "base", "post", 9, 0.8, 3.0, 1e-6),
        ("tighidet", 6, "base", "post", 1, 0.1, 1.0, 0.6),
        ("stolfo", 6, "base", "post", 0, float("nan"), 0.0, 1.0),
    )
    told = says.rules(table)
    assert "Over 2 choices" in told and "from 0.1 (`tighidet`, 6) to 0.8 (`du`, 10); 1 of them" in told
    assert says.rules(table.tail(1)) == "No rule chooses a neuron in either model, so there is nothing to share."


def test_order_and_ratio_are_told_or_why_there_is_none():
    order = dict.fromkeys(("norm", "logit_variance", "rho"), measured(0.8, 0.9))
    assert "changes by 16 % [12 %, 20 %]" in says.kept(order, measured(0.12, 0.2))
    assert "no ratio can be compared, since they share none" in says.kept(order, "they share none")


@pytest.mark.parametrize(
    ("entropy", "loss", "said"),
    [
        (DOWN, UP, ["is surer than the base", "its loss is higher"]),
        (UP, DOWN, ["is less sure than the base", "its loss is lower"]),
        (NONE, NONE, ["as sure as each other", "its loss is about the same"]),
    ],
)
def test_who_is_surer_is_told_with_its_price(entropy, loss, said):
    told = says.surer({("text", "entropy"): entropy, ("text", "loss"): loss})
    assert all(part in told for part in said) and told.startswith("On text ")


@pytest.mark.parametrize(
    ("post", "said"), [(UP, "worse after"), (measured(-0.3, -0.2), "better after"), (NONE, "not told apart")]
)
def test_calibration_errors_are_apart_or_not(post, said):
    rows = [
        {"text": "t", "model": name, "calibration_error": one.value, "calibration_error_low": one.low}
        | {"calibration_error_high": one.high, "n": 10, "n_sequences": 8}
        for name, one in {"base": NONE, "post": post}.items()
    ]
    assert said in says.earned(pd.DataFrame(rows))


def test_ablations_are_told_beside_every_kind_of_set():
    told = says.ablated({"base": shift(UP, UP, UP), "post": shift(UP, UP, NONE), "sft": shift(DOWN, DOWN, DOWN)})
    assert "in base (more than any kind" in told and "in post (not told from matched" in told
    assert "in sft (less than any kind" in told


def accounted(share, moved=UP, difference=DOWN):
    return Account(difference, moved, moved, shift(UP, NONE), share, share)


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (measured(0.6, 0.9), "account for most of it"),
        (measured(-0.2, 0.2), "account for less than half of it"),
        (measured(0.3, 0.8), "cannot be told"),
        (measured(-0.6, -0.2), "they work against it: when they change places, −40 % [−60 %, −20 %] of it moves along"),
    ],
)
def test_a_share_is_told_by_its_whole_interval(share, said):
    one = accounted(share, shift(UP, NONE))
    told = says.accounted(one, text="answers")
    assert said in told and told.startswith("On answers the difference is −0.3")
    assert " %] of the difference on answers." in says.cause({"answers": one})


def test_no_difference_has_no_share():
    one = accounted("no difference", shift(UP, NONE), difference=NONE)
    assert "there is no difference to account for" in says.accounted(one, text="text")
    assert "nothing on text (where there is no difference)" in says.cause({"text": one})
