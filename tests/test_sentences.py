"""What a run found, in words: right for a clear effect, for none, and for the opposite one."""

import pandas as pd
import pytest

from lib import book
from lib.resampling import Estimate
from lib.sentences import final_layer, wording


def measured(low, high, value=None):
    return Estimate((low + high) / 2 if value is None else value, low, high, 1000, 16)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0001, "0"), (0.1234, "0.123"), (0.5, "0.5"), (-0.5, "−0.5"), (1.0, "1"), (9.876, "9.88"),
        (12.345, "12.3"), (123.4, "123"), (12345.6, "12,346"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits_and_a_true_minus(value, text):
    assert wording.number(value) == text


def test_counts_and_lists_read_like_english():
    assert [wording.counted(n, "neuron") for n in (0, 1, 6, 1200)] == [
        "no neuron",
        "1 neuron",
        "6 neurons",
        "1,200 neurons",
    ]
    assert [wording.listed(things) for things in ([3], [3, 4], "abc")] == ["3", "3 and 4", "a, b and c"]
    with pytest.raises(ValueError, match="at least one thing"):
        wording.listed([])
    assert wording.of(12, 48, "neuron") == "12 of 48 neurons (25 %)" and wording.of(0, 0, "neuron") == "0 of no neuron"
    assert [wording.share(x) for x in (0.0, 0.031, 0.42, 1.0, -0.25)] == ["0 %", "3.1 %", "42 %", "100 %", "−25 %"]
    assert wording.neurons([], layer=3) == "no neuron" and wording.neurons([7], layer=3) == "neuron 3.7"
    assert (
        wording.neurons([7, 9], layer=3) == "neurons 3.7 and 3.9"
        and wording.neurons(range(12), layer=3) == "12 neurons"
    )


@pytest.mark.parametrize(("found", "said"), [(UP, "more"), (NONE, "neither"), (DOWN, "less")])
def test_a_side_is_decided_by_the_whole_interval(found, said):
    assert wording.side(found, above="more", below="less", neither="neither") == said
    outside = Estimate(0.3, -0.3, -0.2, 10, 8)  # an interval that misses its value decides nothing
    assert wording.side(outside, above="more", below="less", neither="neither") == "neither"


def test_say_shows_a_finding_as_markdown_and_refuses_to_say_nothing():
    assert book.say("One.", "Two.")._repr_markdown_() == "**Found.** One. Two."
    assert book.summary("One.", "Two.")._repr_markdown_() == f"**{book.SUMMARY}**\n\n- One.\n- Two."
    for empty in ((), ("One.", " ")):
        with pytest.raises(ValueError, match="nothing to say"):
            book.say(*empty)


def bins(**columns):
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("rank", "said"), [(UP, "cost more: the"), (NONE, "cannot be told"), (DOWN, "predictions cost less")]
)
def test_the_climb_of_loss_is_told_by_its_rank_correlation(rank, said):
    table = bins(entropy=[0.1, 2.0], loss=[0.1, 2.5], low=[0.05, 2.2], high=[0.2, 3.0])
    told = final_layer.climb(rank, table)
    assert said in told and "1 of 2 bins meet the line" in told and "0.1 nats in the surest bin to 2.5" in told


@pytest.mark.parametrize(("difference", "said"), [(UP, "surer than"), (NONE, "about right"), (DOWN, "less sure than")])
def test_the_price_says_whether_confidence_is_earned(difference, said):
    assert said in final_layer.price(measured(1.0, 2.0), measured(0.5, 1.5), difference)


@pytest.mark.parametrize(
    ("entropy", "said"),
    [
        ([1.0, 2.0, 3.0], "less sure, at every step"),
        ([1.0, 0.9, 3.0], "less sure, though not at every step"),
        ([3.0, 2.0, 1.0], "surer"),
        ([2.0, 2.1, 2.0], "hardly moves"),
    ],
)
def test_the_temperature_is_read_off_the_whole_sweep(entropy, said):
    table = bins(
        factor=[0.5, 1.0, 2.0], entropy=entropy, low=[x - 0.1 for x in entropy], high=[x + 0.1 for x in entropy]
    )
    assert said in final_layer.temperature(table)
    assert "all 100 tokens" in final_layer.rising(1.0, 100) and "97 % of 100" in final_layer.rising(0.97, 100)


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        ([0.4, 0.9], "All 2 bins touch"),
        ([0.6, 0.9], "1 lies above the line, where a model is timid; the intervals of the others touch"),
        ([0.2, 0.7], "Of 2 bins 2 lie below it, where a model is overconfident."),
        (
            [0.6, 0.7],
            "1 lies above the line, where a model is timid and 1 lies below it, where a model is overconfident.",
        ),
    ],
)
def test_calibration_is_answered_and_every_bin_counted(accuracy, said):
    table = bins(
        confidence=[0.4, 0.9], accuracy=accuracy, low=[x - 0.1 for x in accuracy], high=[x + 0.1 for x in accuracy]
    )
    assert said in final_layer.calibration(measured(0.0, 0.02), 0.03, table)
    assert "not ruled out" in final_layer.calibration(measured(0.0, 0.02), 0.03, table)
    assert "speaks against" in final_layer.calibration(measured(0.01, 0.02), 0.03, table)


def test_bins_in_which_every_prediction_is_right_are_counted_apart():
    table = bins(confidence=[0.5, 0.99, 0.999], accuracy=[0.5, 1.0, 1.0], low=[0.4, 1.0, 1.0], high=[0.6, 1.0, 1.0])
    told = final_layer.calibration(measured(0.0, 0.02), 0.03, table)
    assert told.startswith("The plain error is 0.03; without its noise the calibration error is 0.01 [0, 0.02]")
    assert told.endswith(
        "The bin touches the line within its interval. In 2 more every prediction is right, at "
        "confidences from 0.99 on."
    )


def test_two_predictions_are_told_apart_by_what_they_spread_over():
    sure, flat = bins(rank=[1, 2], probability=[0.99, 0.01]), bins(rank=range(1, 5), probability=[0.25] * 4)
    assert final_layer.predictions(sure, flat).endswith("needs 4 tokens of 4 to gather nine tenths of the probability.")
