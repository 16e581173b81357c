"""What chapter 12 says: right for a rise, none, a fall, and where there is nothing to see."""

import pandas as pd
import pytest

from lib import emergence
from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences import emergence as says


def measured(low, high):
    return Estimate((low + high) / 2, low, high, 1000, 16)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)


def traced(tokens, layers, *, spread=0.05, **statistics):
    """A trace of statistics given as their values at the steps 0, 10, 20, …; the final weights equal the last."""
    rows = []
    for name, values in ({emergence.LAYERS: layers} | statistics).items():
        width = 0 if name == emergence.LAYERS else spread
        for place, value in enumerate([*values, values[-1]]):
            last = place == len(values)
            at = min(place, len(values) - 1)
            names = emergence.FINAL if last else f"step{10 * at}"
            statistic, _, control = name.replace("__", ", ").replace("_", " ").partition(", ")
            rows.append((names, tokens[at], statistic, value, value - width, value + width, 100, 10 * at, control))
    columns = ["checkpoint", "tokens_seen", "statistic", "value", "low", "high", "n", "step", "control"]
    return pd.DataFrame(rows, columns=columns).astype({"tokens_seen": "Int64"})


NOT_THERE = traced([0], [4])[:0]


def test_a_training_on_text_alone_is_no_growth():
    told = says.checkpoints(traced([0, 100, 200], [0, 4, 4]))
    assert told.startswith("This run measured 3 checkpoints, from step 0 to step 20.")
    assert "All of them are stages of one training on text" in told and "grows" not in told


@pytest.mark.parametrize("tokens", [[0, 100, 100, 150], [None] * 4])
def test_growth_is_told_with_the_layers_at_work(tokens):
    told = says.checkpoints(traced(tokens, [0, 4, 6, 6]))
    assert "After step 10 (4 layers at work) the model grows: 6 layers at work at step 20" in told
    assert "The last 2 checkpoints are stages of that growth" in told


def test_a_stage_without_text_in_one_shape_is_told_as_well():
    assert "After step 0 (4 layers at work) the model grows: 4 layers" in says.checkpoints(traced([5, 5], [4, 4]))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.1, 0.5, 0.9], "rises, from 0.1"),
        ([0.9, 0.5, 0.1], "falls, from 0.9"),
        ([0.5, 0.9, 0.52], "does not clearly"),
    ],
)
def test_a_course_is_read_off_its_first_and_last_interval(values, said):
    assert said in says.course(traced([0, 1, 2], [4] * 3, rho=values), "rho")


@pytest.mark.parametrize(
    ("control", "said"),
    [([0.1, 0.2], "higher in the end"), ([0.1, 0.5], "not clearly another"), ([0, 0.9], "is lower")],
)
def test_a_course_says_where_the_control_ends(control, said):
    told = says.course(traced([0, 1], [4] * 2, rho=[0.1, 0.5], rho__matched_on_norm=control), "rho")
    assert said in told and "matched neurons drawn here" in told


def test_an_interval_beside_its_number_is_not_shown():
    trace = traced([0, 1], [4] * 2, rho=[0.1, 0.5])
    trace.loc[trace.statistic == "rho", ["low", "high"]] += 0.1
    assert "from 0.1 to 0.5" in says.course(trace, "rho")


def table(**rows):
    columns = ["level", "first", "final", "status", "earliest", "step", "latest"]
    found = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return found.astype(dict.fromkeys(columns[4:], "Int64"))


def test_every_statistic_is_dated_there_from_the_start_or_missing():
    told = says.onsets(
        table(
            rho=(0.5, 0.1, 0.9, emergence.EMERGES, 8, 16, 32),
            loss=(5.0, 8.0, 1.0, emergence.EMERGES, 2048, 2048, 2048),
            share=(0.5, 0.0, 0.52, emergence.EMERGES, 64, 128, None),
            space=(1.0, 2.0, 2.4, emergence.FROM_THE_START, None, None, None),
            score=(0.7, 0.0, 0.2, emergence.NOT_REACHED, None, None, None),
        )
    )
    assert "rho at step 16 (8 to 32), share at step 128 (64 or later, if at all) and loss at step 2,048." in told
    assert "Beyond the level from the first checkpoint on, and so without a date: space (2, level 1)." in told
    assert "Not beyond its level at the end: score (0.2, level 0.7)." in told


def test_nothing_that_emerges_is_said():
    told = says.onsets(table(rho=(0.5, 0.1, 0.2, emergence.NOT_REACHED, None, None, None)))
    assert told.startswith("Nothing is seen to pass its level.") and "from the first checkpoint" not in told


@pytest.mark.parametrize(
    ("relations", "said"),
    [
        (("before", "before", "open"), "In 2 of 3 pairs one comes first: a before b and c; 1 stays open."),
        (("after", "open", "open"), "In 1 of 3 pairs one comes first: b before a; 2 stay open."),
        (("before", "before", "before"), "In 3 of 3 pairs one comes first: a before b and c; b before c."),
        (("open", "open", "open"), "In none of 3 pairs one comes first"),
    ],
)
def test_the_order_names_what_comes_first_and_counts_what_is_open(relations, said):
    turned = {"before": "after", "after": "before", "open": "open"}
    found = pd.DataFrame("–", index=list("abc"), columns=list("abc"))
    for (one, other), relation in zip((("a", "b"), ("a", "c"), ("b", "c")), relations, strict=True):
        found.loc[one, other], found.loc[other, one] = relation, turned[relation]
    assert said in says.order(found)


@pytest.mark.parametrize(
    ("back", "grown", "said"),
    [
        ([], [], "No checkpoint is one of growth"),
        ([], [20, 30], "stays there while it grows"),
        ([("loss", 20, 8.98)], [20, 30], "throws loss (8.98 at step 20) back behind the level, from where it returns"),
        ([("loss", 20, 8.98), ("rho", 30, 0.2)], [20, 30], "and rho (0.2 at step 30) back behind the level; rho to"),
    ],
)
def test_what_growth_throws_back_is_said(back, grown, said):
    assert said in says.growing(back, grown)


def test_one_date_makes_no_order():
    assert "no order to speak of" in says.order(pd.DataFrame("–", index=["a"], columns=["a"]))
    assert "no order to speak of" in says.order(pd.DataFrame())


@pytest.mark.parametrize(
    ("difference", "said"),
    [(0.0, "give the numbers of"), (0.001, "one model but for precision"), (0.5, "differ from the last")],
)
def test_the_drift_is_measured_by_the_width_of_the_interval(difference, said):
    found = pd.DataFrame(
        {"difference": [difference, 0.0], "width of the interval": [0.1, 0.0], "control": ""}, index=["rho", "layers"]
    )
    told = says.drift(found)
    assert said in told and ("in rho:" in told) == (difference > 0.1)
    told = says.drift(found.assign(control="matched on norm"))
    assert said in told and ("in rho (matched on norm):" in told) == (difference > 0.1)


@pytest.mark.parametrize(
    ("chosen", "difference", "said"),
    [
        (UP, UP, ["rises by 0.3 [0.2, 0.4]", "goes beyond theirs"]),
        (UP, NONE, ["rises by", "cannot be told"]),
        (DOWN, DOWN, ["falls by 0.3 [0.2, 0.4]", "stays behind"]),
        (NONE, NONE, ["not seen to change"]),
    ],
)
def test_a_rise_and_its_comparison_are_told_apart(chosen, difference, said):
    told = says.rise(Against(chosen, measured(0.0, 0.1), difference), "their share")
    assert all(part in told for part in said)
    assert emergence.halves(Against(chosen, NONE, difference)) == (difference, chosen)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (measured(1.3, 1.4), ["the end is quieter", "further than the rest"]),
        (measured(1.05, 1.15), ["the end is quieter", "about as the rest"]),
        (measured(0.9, 1.05), ["cannot be told", "less than the rest"]),
        (measured(0.7, 0.8), ["the end is louder", "less than the rest"]),
    ],
)
def test_the_twins_are_told_apart_at_the_end_and_beside_the_rest(ratio, said):
    pair = pd.DataFrame({"index": range(40), "plain": 1.1, "dropout": 1.0})
    told = says.twins(ratio, pair)
    assert all(part in told for part in said) and "median ratio is 1.1" in told


@pytest.mark.parametrize(
    ("plain", "dropout", "said"),
    [
        (1.0, 1.0, "neither has a cliff."),
        (0.4, 1.0, "only the model without dropout has a cliff."),
        (1.0, 0.4, "only the model with dropout has a cliff."),
        (0.1, 0.1, "both have a cliff."),
    ],
)
def test_a_cliff_at_the_end_is_told_of_each_twin(plain, dropout, said):
    pair = pd.DataFrame({"plain": [1.0] * 38 + [plain, 0.0], "dropout": [1.0] * 38 + [dropout, 0.0]})
    assert says.twins(UP, pair).endswith(said)


def test_where_there_is_nothing_every_sentence_says_so():
    empty = emergence.onsets(NOT_THERE)
    told = [says.checkpoints(NOT_THERE), says.course(NOT_THERE, "rho"), says.onsets(empty)]
    assert told == [says.NOTHING] * 3 == [*told[:2], says.drift(emergence.drift(NOT_THERE))]
    assert says.rise("no checkpoints", "rho") == "Whether rho rises was not tested: no checkpoints."
    assert says.twins("no twins", None) == "The claim about dropout was not tested: no twins."
    assert emergence.growth(NOT_THERE) == []
