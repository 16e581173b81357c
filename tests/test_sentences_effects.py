"""What chapter 04 says: right for a clear effect, for none, for the opposite one, and where nothing was measured."""

import pandas as pd
import pytest

from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences import beside
from lib.sentences import effects as says


def measured(low, high):
    return Estimate((low + high) / 2, low, high, 1000, 16)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)


def against(difference, *, chosen=0.6, controls=(0.1, 0.2)):
    return Against(measured(chosen - 0.05, chosen + 0.05), measured(*controls), difference)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (0.0123, "0.012"), (-0.00456, "−0.0046"), (0.02, "0.02"), (0.00036, "0.00036"), (1e-6, "0")],
)
def test_small_numbers_keep_two_digits(value, text):
    assert beside.small(value) == text


@pytest.mark.parametrize(
    ("line", "said"), [(UP, "change more predictions"), (NONE, "do not go together"), (DOWN, "change fewer")]
)
def test_entropy_and_predictions_go_together_or_not(line, said):
    assert said in says.quiet(line, against(UP))


@pytest.mark.parametrize(
    ("difference", "said"),
    [(UP, "so the norm carries more of it"), (NONE, "cannot be told"), (DOWN, "so the norm carries less of it")],
)
def test_what_moves_entropy_alone_is_held_against_its_like(difference, said):
    told = says.quiet(NONE, against(difference))
    assert said in told and "0.6 [0.55, 0.65], against 0.15 [0.1, 0.2]" in told
    assert "was not measured: too few sequences." in says.quiet(UP, "too few sequences")


@pytest.mark.parametrize(
    ("difference", "controls", "first", "second"),
    [
        (UP, (0.1, 0.2), "carries more of the effect of the chosen neurons", "share stays below 0.25"),
        (
            UP,
            (0.1, 0.4),
            "carries more of the effect of the chosen neurons",
            "whether the others' share stays below 0.25 cannot be told",
        ),
        (
            UP,
            (0.3, 0.5),
            "carries more of the effect of the chosen neurons",
            "the road is not that of the chosen neurons alone",
        ),
        (
            NONE,
            (0.1, 0.2),
            "whether it carries more of the effect of the chosen neurons cannot be told",
            "share stays below 0.25",
        ),
        (DOWN, (0.1, 0.2), "carries less of the effect of the chosen neurons", "share stays below 0.25"),
    ],
)
def test_both_halves_of_the_claim_about_roads_are_answered_by_the_weaker_comparison(
    difference, controls, first, second
):
    share = {"norm": against(difference, controls=controls), "effect": against(measured(0.5, 0.7))}
    told = says.roads(share, bound=0.25)
    assert first in told and second in told and "Against neurons matched on norm the difference is" in told
    assert "0.6 [0.55, 0.65] of the summed effect of the chosen neurons" in told


@pytest.mark.parametrize(
    ("difference", "said"),
    [(UP, "goes with a larger share"), (NONE, "cannot be told"), (DOWN, "goes with a smaller share")],
)
def test_rho_foretells_the_share_or_not(difference, said):
    found = {"all": against(difference), "settled": against(UP, chosen=0.8)}
    assert said in says.foretold(found) and "settled ones alone it is 0.8" in says.foretold(found)
    assert "Too few neurons have a settled share" in says.foretold({"all": against(difference)})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (against(UP), "reach higher than others do"),
        (against(NONE), "cannot be told"),
        (against(DOWN), "do not reach as high"),
        ("one half chooses", "was not measured: one half chooses."),
    ],
)
def test_the_largest_share_is_held_against_that_of_others(found, said):
    assert said in says.largest(found)


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (UP, "the more closely its activation follows it."),
        (NONE, "cannot be told"),
        (DOWN, "the less closely its activation follows it."),
    ],
)
def test_what_acts_also_carries_or_not(difference, said):
    told = says.carried(against(difference), count=6, shared=0, expected=0.281, chance=1.0)
    assert said in told and told.endswith("share no neuron; random lists share 0.281 on average.")
    some = says.carried(against(difference), count=6, shared=3, expected=0.281, chance=0.0011)
    assert some.endswith(
        "share 3 neurons; random lists share 0.281 on average, and as many with a probability of 0.0011."
    )


def test_shares_that_depend_on_the_way_of_ablating_are_told_from_those_that_do_not():
    alike = {"mean": measured(0.5, 0.7), "zero": measured(0.55, 0.75)}
    told = says.ways(alike, measured(0.9, 1.1))
    assert "no way of ablating stands apart" in told and "as far as can be told, they act independently" in told
    assert "between 0.6 [0.5, 0.7] (mean) and 0.65 [0.55, 0.75] (zero)" in told
    apart = says.ways(alike | {"median": measured(0.1, 0.2)}, measured(1.2, 1.4))
    assert "it depends on the way of ablating" in apart and "they help each other" in apart
    assert "one stands in for another" in says.ways(alike, measured(0.5, 0.8))


@pytest.mark.parametrize(
    ("difference", "said"),
    [(UP, "nearer to a pure temperature than others do"), (NONE, "cannot be told"), (DOWN, "others come nearer")],
)
def test_the_nearer_control_decides_whether_the_chosen_are_the_purer_temperature(difference, said):
    found = {"norm": against(measured(0.5, 0.9)), "effect": against(difference)}
    told = says.temperature(found, median=1.0162)
    assert (
        said in told
        and "Against sets matched on effect the difference" in told
        and "A single temperature, 1.02 in the median, explains 0.6" in told
    )


@pytest.mark.parametrize(
    ("entropy", "loss", "said"),
    [
        (DOWN, UP, ("the model is surer without it than without them", "they cost more without it")),
        (UP, DOWN, ("the model is less sure without it than without them", "they cost less without it")),
        (NONE, NONE, ("whether it differs from them cannot be told", "whether it differs from them cannot be told")),
    ],
)
def test_one_neurons_changes_are_told_beside_those_of_others(entropy, loss, said):
    told = says.lone("3.7", against(entropy), against(loss))
    assert told.startswith("Without neuron 3.7 the entropy changes by") and all(one in told for one in said)


def test_what_too_few_sequences_hold_is_said_and_not_compared():
    told = says.lone("3.7", against(DOWN), "fewer than eight sequences")
    assert told.endswith("The loss at wrong predictions was not compared: fewer than eight sequences.")


def bins(*change):
    table = pd.DataFrame({"loss": range(len(change)), "change": change})
    return table.assign(low=table.change - 0.01, high=table.change + 0.01)


@pytest.mark.parametrize(
    ("slope", "said"),
    [(UP, "as that of a hedging neuron does"), (NONE, "cannot be told"), (DOWN, "speaks against hedging")],
)
def test_a_hedging_neuron_is_told_by_its_slope_and_its_line_is_read(slope, said):
    told = says.hedges("3.7", against(slope), against(DOWN), bins(-0.03, 0.0, 0.05, 0.06))
    assert said in told and "is lowest, at −0.03 nats" in told and "ends at 0.06 in the dearest bin" in told
    assert "Of 4 bins 1 lie below zero with their intervals and 2 above." in told
    assert "right predictions cost less without it than without them" in told
    unmeasured = says.hedges("3.7", "too few", "too few", bins(0.0, 0.0))
    assert "Of 2 bins 0 lie below zero with their intervals and 0 above." in unmeasured
    assert unmeasured.endswith("Its slope was not compared: too few.")
