"""What chapter 08 says: right where facts stay and cross over, where they do not, and where nothing can be told."""

from dataclasses import replace

import pandas as pd
import pytest

from lib import patching
from lib.knowledge import Alike, Asked, Crossing, Recall, Relay
from lib.resampling import Estimate
from lib.sentences import knowledge as says
from tests.test_knowledge import COLUMNS, grid, stairs


def measured(low, high):
    return Estimate((low + high) / 2, float(low), float(high), 100, 100)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)
SAME, FEW, HALVES = measured(0.0, 0.02), measured(0.1, 0.2), measured(0.1, 0.3)


def alike(beyond=UP, below=SAME, knowledge=FEW, halves=HALVES):
    other = measured(0.8, 0.9)
    return Alike(
        correlation=measured(0.95, 0.99), rank_correlation=other, cartoon=other, beyond_cartoon=beyond,
        ceiling=measured(0.97, 0.99), below_ceiling=below, largest=knowledge, of_knowledge=knowledge,
        at_last=measured(0.0, 0.1), of_halves=halves,
    )  # fmt: skip


def test_what_is_known_is_counted_over_all_topics_and_what_is_not_is_named():
    right = grid(stairs())
    assert says.known([right]) == (
        "base judges 24 of 24 pairs (100 %) rightly on both sides, and more of every topic than two coins would."
    )
    always = replace(right, data="comparison", patched=replace(right.patched, target=right.patched.source))
    told = says.known([right, always])
    assert told.startswith("base judges 24 of 48 pairs (50 %)") and told.endswith("two coins: comparison (0 %).")


def test_gaps_stand_side_by_side():
    table = pd.DataFrame({"model": ["base", "post"], "true": [4.0, 1.0], "false": [-6.0, -1.0]})
    assert "lies 10 nats above a false one's in base and 2 in post." in says.gaps(table, "base", "post")


def test_what_is_left_out_is_listed():
    assert says.excluded(["city", "animal"], "for want of pairs") == "Left out, for want of pairs: city and animal."
    assert says.excluded([], "for want of pairs") == "All topics are kept."


def test_peaks_name_layer_and_site():
    told = says.peaks(grid(stairs((1, 2), (3, 4), (7, 8)), noise=0))
    assert told == (
        "In base, on city, the recovery is largest with 0.9 at the subject's token after layer 1, 0.9 at the object's "
        "token after layer 3 and 0.9 at the last token after layer 7."
    )


@pytest.mark.parametrize(
    ("steps", "told"),
    [((UP, UP), "in this order, as in a relay"), ((UP, NONE), "cannot be told"), ((DOWN, UP), "not in this order")],
)
def test_a_relay_is_one_in_its_order_alone(steps, told):
    depth = {"subject": measured(1, 2), "object": measured(3, 4), "last": measured(5, 6)}
    found = says.relay(Relay(depth, *steps, at_object=measured(0.7, 0.9)), model="post")
    assert told in found and found.startswith("In post the mean layer of the recovery is 1.5 at the subject, 3.5 at")
    assert found.endswith("more than half of what parts the two statements.")
    weak, middling = (Relay(depth, *steps, at_object=at) for at in (measured(0.1, 0.2), measured(0.4, 0.6)))
    assert "less than half" in says.relay(weak, model="post") and "about half" in says.relay(middling, model="post")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (alike(), "more than three blocks of the one map would reach"),
        (alike(beyond=NONE), "not distinguishably more than three blocks"),
        (alike(beyond=DOWN), "less than three blocks"),
        (alike(), "they are as alike as two halves"),
        (alike(below=UP), "they are less alike than two halves"),
        (alike(below=NONE), "whether as alike as two halves of one model's pairs cannot be told"),
    ],
)
def test_likeness_stands_beside_cartoon_and_ceiling(found, told):
    assert told in says.alike(found, "base", "post")


@pytest.mark.parametrize(
    ("knowledge", "told"),
    [(measured(0.1, 0.2), "no more than"), (measured(0.5, 0.6), "more than"), (measured(0.0, 0.05), "less than")],
)
def test_cells_differ_beside_halves(knowledge, told):
    found = says.differences(alike(knowledge=knowledge), "base", "post")
    assert f"that is {told} two halves of the pairs differ within one model (0.2 [0.1, 0.3])" in found


def crossing(difference):
    return Crossing(measured(0.8, 1.0), measured(0.8, 1.0), difference, n_cells=12)


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        (measured(-0.05, 0.05), "about as much as the streams of post itself"),
        (UP, "more than the streams of post itself"),
        (DOWN, "less than the streams of post itself"),
        (measured(-0.3, 0.3), "not distinguishably less or more than"),
    ],
)
def test_what_crosses_is_less_more_or_about_as_much(difference, told):
    found = says.crossing(crossing(difference), writer="base", reader="post")
    assert told in found and found.startswith("At 12 cells that carry a fact within post, streams of base recover 0.9")


def test_a_way_that_is_not_known_says_why():
    told = says.both_ways(crossing(UP), "no topic is known to both models")
    assert told.endswith("Whether base reads post is not tested, since no topic is known to both models.")
    assert told.startswith("At 12 cells")


def recall(own, n=5):
    import torch

    ids = torch.zeros(n, 3, dtype=torch.long)
    pairs = patching.Pairs(ids, ids, ids[:, 0], ids[:, 0] + 1)
    return Recall(Asked("city", "object", COLUMNS[:3], pairs), own, measured(0.6, 0.8))


def test_recall_counts_pairs_of_two_choices_and_says_where_right_objects_stand_in():
    told = says.recalled({"base": recall(True), "post": recall(False)})
    assert "0.7 [0.6, 0.8] of the prompts and post" in told.replace("base at ", "")
    assert "Pairs with two different choices: 5 (base). In post the choices hardly ever differ" in told
    assert "choices hardly" not in says.recalled({"base": recall(True)})
    assert "Pairs with" not in says.recalled({"base": recall(False)})


def test_lines_in_front_are_compared():
    table = pd.DataFrame({"base": [0.1, 0.9], "mean": [0.1, 0.9]}, index=[4, 0])
    told = says.lines(table, 0)
    assert told.endswith("10 % with 4 lines in front and 90 % with no line in front. Taken: no line.")
