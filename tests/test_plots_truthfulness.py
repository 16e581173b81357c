"""The figures of chapter 09 draw every row, name their axes, and keep one meaning for a colour and a line."""

import pandas as pd
from matplotlib.colors import to_hex

from lib import plots
from lib.plots.truthfulness import LINES, WORDINGS


def labels(ax):
    return ax.get_legend_handles_labels()[1]


def test_curves_have_a_colour_for_each_wording_and_a_line_for_each_model(ax):
    rows = [
        (wording, model, layer, "auroc", 0.5, 0.4, 0.6) for wording in WORDINGS for model in LINES for layer in range(4)
    ]
    curves = pd.DataFrame(rows, columns=["wording", "model", "layer", "measure", "value", "low", "high"])
    given = {"measure": "auroc", "wordings": ["statement", "negation"], "ylabel": "area under the curve"}
    assert plots.truth_against_layer(curves, **given, ax=ax) is ax
    assert len(labels(ax)) == 6 and all(len(line.get_xdata()) == 4 for line in ax.lines[:6])
    assert {line.get_linestyle() for line in ax.lines[:3]} == {*LINES.values()}
    assert {to_hex(line.get_color()) for line in ax.lines[:6]} == {"#000000", WORDINGS["negation"].lower()}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "area under the curve")


def test_one_wording_is_named_by_its_models_alone_and_many_layers_are_not_all_marked(ax):
    rows = [("statement", "base", layer, "accuracy", 0.5, 0.4, 0.6) for layer in range(40)]
    curves = pd.DataFrame(rows, columns=["wording", "model", "layer", "measure", "value", "low", "high"])
    plots.truth_against_layer(curves, measure="accuracy", wordings=["statement"], ylabel="accuracy", ax=ax)
    assert labels(ax) == ["base"] and len(ax.get_xticks()) <= 16


def test_every_pair_has_a_dot_for_each_origin(ax):
    rows = [
        (one, other, topic, by, 0.8, 0.7, 0.9)
        for one in ("base", "post")
        for other in ("base", "post")
        for topic in ("city", "all")
        for by in ("none", "others", "topic")
    ]
    columns = ["direction_from", "read_in", "topic", "centring", "accuracy", "accuracy_low", "accuracy_high"]
    plots.probe_transfer(pd.DataFrame(rows, columns=columns), ax=ax)
    assert sum(len(line.get_xdata()) for line in ax.lines[:3]) == 12
    pairs = ["base → base", "post → base", "base → post", "post → post"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == pairs


def test_cosines_are_drawn_for_the_models_named_with_labels_by_lot_in_grey(ax):
    rows = [(name, layer, 0.9, 0.8, 0.95, -0.2, 0.3) for name in ("base and post", "other") for layer in range(3)]
    columns = ["models", "layer", "same", "across", "ceiling", "by_lot_low", "by_lot_high"]
    plots.cosine_against_layer(pd.DataFrame(rows, columns=columns), models="base and post", ax=ax)
    assert [len(line.get_xdata()) for line in ax.lines[:3]] == [3, 3, 3]
    assert to_hex(ax.collections[0].get_facecolor()[0]).upper() == plots.OTHER and ax.get_ylabel() == "cosine"


def test_effects_stand_by_model_with_random_directions_in_grey(ax):
    rows = [
        (source, "base", label, 0.5, 0.4, 0.6, place, topic)
        for source in ("base", "post", "random")
        for label in ("TRUE", "FALSE", "both")
        for place in ("statement", "verdict")
        for topic in ("all", "city")
    ]
    ends = ["indirect_effect", "indirect_effect_low", "indirect_effect_high"]
    table = pd.DataFrame(rows, columns=["direction_from", "model", "from_label", *ends, "place", "topic"])
    plots.effect_by_direction(table, place="verdict", ax=ax)
    assert sum(len(line.get_xdata()) for line in ax.lines[:4]) == 6
    assert {to_hex(line.get_color()).upper() for line in ax.lines[:4]} == {"#000000", plots.OTHER}
    assert ax.get_xlabel() == "indirect effect, added at the verdict"


def test_verdicts_are_drawn_against_strength_true_filled_and_false_open(ax):
    rows = [
        ("verdict", model, direction, strength, label, 0.5, 0.4, 0.6)
        for model in ("base", "post")
        for direction in ("own direction", "random")
        for strength in (0.5, 1.0)
        for label in (True, False)
    ]
    table = pd.DataFrame(rows, columns=["place", "model", "direction", "strength", "label", "pd", "low", "high"])
    plots.verdict_against_strength(table, place="verdict", ax=ax)
    assert [len(line.get_xdata()) for line in ax.lines[:8]] == [2] * 8
    assert sorted(labels(ax)) == ["base, own direction", "base, random", "post, own direction", "post, random"]
    assert sum(line.get_markerfacecolor() == "white" for line in ax.lines[:8]) == 4


def test_training_has_a_curve_for_each_share_and_none_for_the_final_weights(ax):
    rows = [
        (name, step, share, 0.5, 0.4, 0.6)
        for name, step in (("a", 0), ("b", 10), ("c", 20), ("final", 20))
        for share in ("one", "two", "layers that write")
    ]
    trace = pd.DataFrame(rows, columns=["checkpoint", "step", "statistic", "value", "low", "high"])
    styles = {"one": "-", "two": ":"}
    plots.truth_against_training(trace, styles=styles, control=0.47, grown=[20], ax=ax)
    assert [len(line.get_xdata()) for line in ax.lines[:2]] == [3, 3]
    assert labels(ax) == ["one", "two", "sorted, verdicts by lot", "grown"]
    plots.truth_against_training(trace, styles=styles, control=None, grown=[], ax=(other := ax.figure.add_subplot()))
    assert labels(other) == ["one", "two"]
