"""What chapter 06 says: right for an effect, none, the opposite one, and where there is nothing to see."""

import pandas as pd
import pytest

from lib.controls import Against
from lib.induction import WHOLE, Change
from lib.resampling import Estimate
from lib.sentences import induction as says


def measured(low, high):
    return Estimate((low + high) / 2, low, high, 1000, 16)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)


def beside(difference, chosen=UP):
    return Against(chosen, measured(0.0, 0.1), difference)


def heads(*scores, n_layers=2):
    place = [(index % n_layers, index // n_layers) for index in range(len(scores))]
    table = pd.DataFrame(place, columns=["layer", "head"])
    return table.assign(induction_score=scores, shuffled=0.02)


def test_heads_above_the_threshold_are_counted_and_named():
    told = says.heads(heads(0.1, 0.9, 0.2, 0.8), measured(0.85, 0.95), threshold=0.7)
    assert told.startswith("2 of 4 heads score above 0.7: L1H0 (0.9) and L1H1 (0.8). With the order gone")
    assert told.endswith("on the other, above the threshold with its whole interval.")
    many = says.heads(heads(*[0.9] * 12), measured(0.6, 0.8), threshold=0.7)
    assert "the first ten" in many and "holds the threshold" in many


def test_without_such_heads_the_highest_stand_in():
    told = says.heads(heads(0.1, 0.3), measured(0.2, 0.4), threshold=0.7)
    assert told.startswith("None of 2 heads scores above 0.7; the highest is L1H0 (0.3).")
    assert "is not tested" in told and "below the threshold" in told and "one layer" not in told
    assert "to be expected of one layer" in says.heads(heads(0.1, 0.3, n_layers=1), DOWN, threshold=0.7)


@pytest.mark.parametrize(
    ("entropy", "loss", "beyond", "said"),
    [
        (DOWN, DOWN, DOWN, ["becomes surer", "pays less", "There it is surer than on the same tokens"]),
        (NONE, UP, DOWN, ["is not seen to become surer", "pays more", "There it is surer than on the same tokens"]),
        (UP, NONE, NONE, ["becomes less sure", "about as much", "cannot be told"]),
        (UP, UP, UP, ["becomes less sure", "pays more", "There it is less sure than on the same tokens"]),
    ],
)
def test_a_change_is_told_by_itself_and_beyond_its_control(entropy, loss, beyond, said):
    each = {"entropy": entropy, "loss": loss}
    found = {("text", name): Change(own, beyond, beyond) for name, own in each.items()}
    told = says.change(found, "text")
    assert all(part in told for part in said) and told.startswith("From first pass to repeat of text the model")


@pytest.mark.parametrize(
    ("chosen", "difference", "said"),
    [
        (UP, UP, ["control: the same way", "is more than single"]),
        (NONE, NONE, ["in no direction", "not distinguishably more"]),
        (DOWN, DOWN, ["control: the other way", "is less than single"]),
    ],
)
def test_a_reaction_has_a_direction_and_controls(chosen, difference, said):
    told = says.reaction(beside(difference, chosen), {"random tokens": -6.2, "text": 0.21}, neuron="3.28")
    assert all(part in told for part in said) and "−6.2 on random tokens and 0.21 on text" in told


def test_a_band_is_told_for_both_passes_of_each_text():
    told = says.band({"random tokens": (0.12, 1.0), "text": (0.0, 0.2)}, neuron="3.28")
    assert told.endswith("lies outside the grey band at 12 % and 100 % on random tokens and at 0 % and 20 % on text.")


def test_natural_repeats_are_counted_and_too_few_left_out():
    assert says.natural(32, n_gram=6, fewest=8) == "This text has 32 documents with a natural repeat of 6 tokens."
    assert "no document with" in says.natural(0, n_gram=6, fewest=8)
    assert "left out below" in says.natural(1, n_gram=6, fewest=8)


@pytest.mark.parametrize(("difference", "said"), [(UP, "react more"), (NONE, "cannot be told"), (DOWN, "react less")])
def test_a_standing_is_judged_beside_matched_sets(difference, said):
    assert said in says.standing(beside(difference, measured(0.7, 0.9)), text="text")


def reactions(**columns):
    kind = ["other", "entropy", "entropy", "other"]
    return pd.DataFrame({"layer": 3, "unit": range(4), "kind": kind} | columns)


def test_ranks_count_who_reacts_more_and_who_changes_sign():
    table = reactions(one=[0.1, 0.5, -0.4, 0.2], two=[3.0, -1.0, -2.0, 2.5])
    told = says.ranks(table, {"text": "one", "natural repeats": "two"})
    assert "On text the entropy neurons rank 1 and 2 of 4 by size, and no other neuron reacts more strongly" in told
    assert "On natural repeats the entropy neurons rank 3 and 4 of 4 by size, and 2 neurons react more" in told
    assert told.endswith("1 of 2 entropy neurons (50 %) change sign between the two: neuron 3.1.")
    assert "sign" not in says.ranks(table, {"text": "one"})
    single = says.ranks(table.assign(one=[0.9, 0.5, 0.4, 0.2]), {"text": "one"})
    assert "1 neuron reacts more strongly than all of them" in single


def ratios(**rows):
    column = "entropy_ratio_at_repeat"
    return pd.DataFrame.from_dict(rows, orient="index", columns=[f"{column}_low", column, f"{column}_high"])


def test_clipping_is_told_for_each_set_beside_its_controls():
    table = ratios(star=(0.8, 0.85, 0.89), all=(1.2, 1.3, 1.4), still=(0.8, 1.0, 1.2), others=(0.99, 1.0, 1.0))
    told = says.clipped(table, {name: ["others"] for name in ("star", "all", "still")})
    assert "Clipping star takes from the entropy" in told and "held it up: −15 % [−20 %, −11 %], against" in told
    assert "Clipping all adds to the entropy" in told and "held it down: 30 % [20 %, 40 %]" in told
    assert "against 0 % for others" in told
    assert "Clipping still is not seen to change" in told


def line(name, *values):
    return pd.DataFrame({"series": name, "position": range(5, 5 + len(values)), "ratio_of_means": values})


@pytest.mark.parametrize(("difference", "said"), [(UP, ": more than"), (NONE, "not distinguishably"), (DOWN, ": less")])
def test_a_curve_is_counted_by_positions_and_judged_by_its_lowest(difference, said):
    table = pd.concat([line("star", 0.9, 0.99, 1.1), line("all", 0.5, 0.5, 0.5)])
    band = pd.concat([line("1", 0.95, 0.9, 1.0), line("2", 1.0, 1.0, 1.0)])
    told = says.curve(table, band, beside(difference), name="star")
    assert "lies below 1 at 2 of 3 positions (67 %) and below the grey band at 1." in told and said in told


def falls(fall, low, high):
    columns = {"fall": [0.5, fall], "low": [0.4, low], "high": [0.6, high], "n": 10, "n_sequences": 8}
    return pd.DataFrame(columns | {"all_at_once": [0.5, fall + 0.01]}, index=[WHOLE, "L1H0"])


@pytest.mark.parametrize(
    ("fall", "difference", "said"),
    [
        ((0.4, 0.3, 0.5), UP, ["at rest it falls back", "more than with other heads"]),
        ((0.0, -0.1, 0.1), NONE, ["it is not seen to move", "not distinguishably more"]),
        ((-0.4, -0.5, -0.3), DOWN, ["moves further from the first pass", "less than with other"]),
    ],
)
def test_resting_heads_are_judged_by_the_fall_and_beside_other_heads(fall, difference, said):
    told = says.rest(falls(*fall), (beside(difference), measured(0.1, 0.2)), heads="L1H0", neuron="3.28")
    assert all(part in told for part in said) and "by 0.5 [0.4, 0.6]" in told


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        (measured(-0.1, 0.2), "Those leave the neuron alone."),
        (measured(-0.1, 0.9), "Whether those leave the neuron alone cannot be told."),
        (measured(0.5, 1.5), "Those move it too, back by 1 times its reaction."),
        (measured(-3.0, -2.0), "Those move it too, away by 2.5 times its reaction."),
    ],
)
def test_other_heads_that_move_the_neuron_are_not_passed_over(moved, said):
    assert says.rest(falls(0.4, 0.3, 0.5), (beside(UP), moved), heads="L1H0", neuron="3.28").endswith(said)


def test_whether_both_ways_of_resting_agree_is_said():
    apart = falls(0.4, 0.3, 0.5)
    assert "differs from resting at one by 0.01 at most, with L1H0 at rest" in says.at_once(apart)
    assert "agree to three decimals" in says.at_once(apart.assign(all_at_once=apart.fall))


def test_where_heads_have_nothing_to_drive_the_reason_is_given():
    told = says.rest(falls(0.0, -0.1, 0.1), "no head is left to match", heads="L1H0", neuron="3.28")
    assert told.endswith("no more is said, since no head is left to match.")


@pytest.mark.parametrize(
    ("difference", "said"), [(UP, "the opposite"), (NONE, "not distinguishable"), (DOWN, "which is the paper's shape")]
)
@pytest.mark.parametrize("stands_in", [True, False])
def test_a_slope_is_judged_beside_others_and_a_stand_in_is_named(difference, said, stands_in):
    bins = pd.DataFrame({"loss": [0.1, 5.0], "loss_change": [0.01, -0.02]})
    told = says.slope(beside(difference), bins, neuron="3.2", stands_in=stands_in)
    assert said in told and "0.01 nats in the bin where it is lowest and by −0.02" in told
    assert told.startswith("No token-frequency neuron was found; neuron 3.2 stands in.") == stands_in
