"""What chapter 09 says: right for a direction that is there, is not, or goes the wrong way, and for nothing to see."""

import pandas as pd
import pytest

from lib.resampling import Estimate
from lib.sentences import steering as obeys
from lib.sentences import truthfulness as says
from lib.truthfulness.training import FOUND, JUDGED, RECALLED


def measured(low, high):
    return Estimate((low + high) / 2, low, high, 320, 10)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)


def curves(*rows):
    columns = ["wording", "model", "layer", "measure", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(value=(table.low + table.high) / 2, n=320)


def accuracies(*ends, model="base"):
    return [("statement", model, layer, "accuracy", *some) for layer, some in enumerate(ends)]


def test_it_is_told_after_which_layers_truth_can_be_read():
    one = says.legible(curves(*accuracies((0.4, 0.6), (0.9, 1.0))), layer=1)
    assert "after layer 1, 95 % [90 %, 100 %] in the base model rightly" in one
    assert one.endswith("in one model or more, after layer 1 of 0 … 1 alone.")
    both = curves(*accuracies((0.6, 0.8), (0.9, 1.0)), *accuracies((0.4, 0.6), (0.4, 0.6), model="post"))
    assert says.legible(both, layer=0).endswith("after every layer.")
    some = says.legible(curves(*accuracies((0.4, 0.6), (0.6, 0.8), (0.7, 0.9))), layer=2)
    assert some.endswith("after layers 1 and 2 of 0 … 2.")
    none = says.legible(curves(*accuracies((0.4, 0.6), (0.3, 0.45))), layer=0)
    assert none.endswith("After no layer does the whole interval of any model lie above one half.")


def areas(**negation):
    rows = [("paraphrase", model, 1, "auroc", 0.8, 0.9) for model in negation]
    return curves(*rows, *(("negation", model, 1, "auroc", *ends) for model, ends in negation.items()))


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ({"base": (0.8, 0.9), "post": (0.7, 0.9)}, "carries over to negations, as a direction of truth must"),
        ({"base": (0.1, 0.2), "post": (0.1, 0.3)}, "ranks negations the wrong way round in every model"),
        ({"base": (0.1, 0.2), "post": (0.7, 0.9)}, "cannot be told"),
        ({"base": (0.4, 0.6)}, "cannot be told"),
    ],
)
def test_negations_tell_what_a_direction_is_about(ends, said):
    told = says.wordings(areas(**ends), layer=1)
    assert said in told and "On a second template its area under the curve is 0.85 [0.8, 0.9] in the base model" in told


def test_a_direction_that_is_carried_stands_beside_the_one_found_there():
    ways = {("base", "post", "none"): (measured(0.7, 0.9), NONE), ("base", "post", "topic"): (measured(0.7, 0.9), NONE)}
    told = says.carried(ways)
    assert (
        "sorts in the post-trained model 80 % with the streams as they are (0 [−10, 10] points against its own)" in told
    )
    assert told.endswith(
        "Nowhere does the interval say that a direction is worth less where it is carried than the one found there."
    )
    worse = says.carried(ways | {("post", "base", "none"): (measured(0.5, 0.6), DOWN)})
    assert worse.endswith(
        "It is worth less than the one found there from post into base, with the streams as they are."
    )


@pytest.mark.parametrize(
    ("beyond", "said"), [(UP, "more than labels"), (DOWN, "less than labels"), (NONE, "no more than labels")]
)
def test_a_cosine_stands_beside_labels_by_lot(beyond, said):
    told = says.alike({("base", "post"): (measured(0.9, 1.0), beyond)}, layer=5)
    assert f"For the base model and the post-trained model it is 0.95 [0.9, 1], {said}" in told
    none = says.alike({("base", "post"): ("two halves do not agree", beyond)}, layer=5)
    assert none.endswith("no cosine is corrected: two halves do not agree.")


def test_verdicts_are_told_with_the_lines_in_front():
    found = {"base": measured(0.9, 1.0)}
    assert obeys.judged(found, found, n_lines=0).startswith(
        "Asked without judged lines in front, the base model is right"
    )
    assert obeys.judged(found, found, n_lines=4).startswith(
        "Asked behind 4 judged lines, the base model is right on 95 %"
    )


@pytest.mark.parametrize(
    ("beyond", "said"),
    [(UP, "more than random"), (DOWN, "less than random"), (NONE, "not distinguishably more than random")],
)
def test_a_shift_stands_beside_random_ones_and_a_carried_one_beside_the_own(beyond, said):
    told = obeys.steered(
        {"base": (UP, beyond)}, {("post", "base"): (DOWN, NONE)}, place="statement", strength={"base": 0.73}
    )
    assert told.startswith(
        "Added at the statement: In the base model its own direction, 0.73 of the residual stream's norm"
    )
    assert said in told
    assert "That of the post-trained model does less in the base model than the one found there" in told
    assert "and at equal length nothing distinguishably other (0 [−0.1, 0.1])" in told


def test_what_no_later_token_reads_is_said():
    assert "the last one: no later token reads" in obeys.unread(layer=5, n_layers=6)
    assert (
        obeys.unread(layer=4, n_layers=6) == "The direction is found after layer 4, so that 1 later layer can read it."
    )


def swept(true, false):
    rows = [("verdict", "base", "own direction", 1.0, 0.5, label, pd) for label, pd in ((True, 0.5), (False, -0.5))]
    rows += [("verdict", "base", "own direction", 2.0, 1.0, label, pd) for label, pd in ((True, true), (False, false))]
    rows += [("verdict", "base", "random", 2.0, 1.0, True, -1.0), ("verdict", "base", "random", 2.0, 1.0, False, 1.0)]
    return pd.DataFrame(rows, columns=["place", "model", "direction", "multiple", "strength", "label", "pd"])


def test_a_sweep_tells_from_which_length_on_verdicts_turn():
    turned = obeys.sweep(swept(-0.5, 0.5))
    assert "fall below false ones from 2 times the natural length on (1 of the residual stream's norm)." in turned
    assert "stay above false ones at every length tried (up to 1 of the residual" in obeys.sweep(swept(0.1, -0.1))


@pytest.mark.parametrize(
    ("own", "said"), [(UP, "about as much as"), (measured(1.0, 2.0), "more than"), (DOWN, "less than")]
)
def test_a_cost_stands_beside_that_of_random_directions(own, said):
    told = obeys.cost({"base": {"direction": own, "random": UP}})
    assert f"nats, {said} random directions of its length (0.3 [0.2, 0.4])" in told


def trace(*rows):
    found = [
        (name, step, statistic, value, value - 0.05, value + 0.05)
        for name, step, *values in rows
        for statistic, value in zip((RECALLED, FOUND, JUDGED), values, strict=True)
    ]
    return pd.DataFrame(found, columns=["checkpoint", "step", "statistic", "value", "low", "high"])


def test_what_comes_first_in_training_is_told_by_checkpoints():
    end = ("final", 4000, 0.9, 0.9, 0.9)
    rows = [("a", 1000, 0.2, 0.5, 0.5), ("b", 2000, 0.9, 0.5, 0.5), ("c", 3000, 0.1, 0.9, 0.6)]
    found = trace(*rows, ("d", 4000, 0.9, 0.9, 0.6), end)
    told = says.appears(found, level=0.75, grown=[])
    assert told.startswith("Facts recalled pass 75 % from step 2,000 on, but not at 3,000, statements sorted by")
    assert "the direction pass 75 % from step 3,000 on and verdicts right pass 75 % at no checkpoint." in told
    assert "At b, the last checkpoint at which the direction does not tell true from false, 90 % [85 %, 95 %]" in told
    assert told.endswith("of the facts are recalled.")
    grown = says.appears(found, level=0.75, grown=[3000, 4000])
    assert grown.endswith("The direction comes where the model grows, so that the order may be that of its lessons.")
    assert says.appears(found, level=0.75, grown=[4000]) == told
    early = says.appears(trace(("a", 1000, 0.2, 0.9, 0.9), end), level=0.75, grown=[])
    assert "sorted by the direction pass 75 % from step 1,000 on, the first checkpoint" in early
    assert early.endswith("No checkpoint is without the direction, so nothing came before it.")
    assert says.appears(trace(), level=0.75, grown=[]).startswith("No checkpoints lie beside this model")


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.6, 0.8), "does not take true verdicts"),
        ((0.4, 0.6), "as chance would have it"),
        ((0.1, 0.3), "the wrong way round"),
    ],
)
def test_a_model_of_verdicts_by_lot_is_the_control(ends, said):
    assert said in says.lots(measured(*ends))
    assert says.lots(None).startswith("No model whose verdicts were told by lot is at hand")
