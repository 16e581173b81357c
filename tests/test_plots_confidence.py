import pandas as pd
from matplotlib.colors import to_hex

from lib import plots


def confidence():
    rows = [(text, model) for text in ("running text", "answers, own") for model in ("base", "sft", "post")]
    table = pd.DataFrame(rows, columns=["text", "model"])
    return table.assign(entropy=1.0, entropy_low=0.9, entropy_high=1.2)


def test_every_model_is_a_dot_with_its_interval_at_every_text(ax):
    assert plots.confidence_of_models(confidence(), quantity="entropy", label="entropy (nats)", ax=ax) is ax
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 2, 2] and len(ax.collections) == 3
    assert ax.get_ylabel() == "entropy (nats)" and ax.get_ylim()[0] == 0
    assert [label.get_text() for label in ax.get_xticklabels()] == ["running text", "answers,\nown"]
    filled = {line.get_label(): to_hex(line.get_markerfacecolor()) for line in ax.lines}
    assert filled["base"] == "#000000" and filled["post"] == "#ffffff"
    plots.confidence_of_models(confidence().query("model != 'sft'"), quantity="entropy", label="x", ax=ax)


def test_overlaps_are_lines_by_rule_with_chance_in_grey(ax):
    table = pd.DataFrame({"rule": ["du", "du", "stolfo", "stolfo"], "k": [6, 10, 6, 10]})
    table = table.assign(jaccard=[0.5, 0.8, float("nan"), 1.0], jaccard_by_chance=0.1)
    hidden = table.assign(rule="du, longer half")
    plots.overlap_against_k(pd.concat([table, hidden]), ax=ax)
    names = ax.get_legend_handles_labels()[1]
    assert names == ["du", "stolfo", "random sets"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["6", "10"]
    assert to_hex(ax.lines[0].get_color()) == plots.ENTROPY.lower() and to_hex(ax.lines[1].get_color()) == plots.OTHER


def test_reliability_of_two_models_is_solid_and_dashed_beside_the_diagonal(ax):
    bins = pd.DataFrame(
        {"confidence": [0.2, 0.8] * 2, "accuracy": [0.3, 0.7] * 2, "model": ["base"] * 2 + ["post"] * 2}
    )
    plots.reliability_of_models(bins.assign(low=0.1, high=0.9), title="text", ax=ax)
    styles = {line.get_label(): line.get_linestyle() for line in ax.lines}
    assert styles["base"] == "-" and styles["post"] == "--" and ax.get_title() == "text"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("top-1 confidence", "accuracy")


def test_shifts_are_rows_with_the_chosen_in_colour_and_marks_where_all_would_be(ax):
    rows = pd.DataFrame({"what": ["swapped", "matched"], "kind": ["chosen", "other"], "value": [0.1, 0.0]})
    plots.shift_of_sets(rows.assign(low=-0.1, high=0.2), title="text", marks={"all": 0.4}, ax=ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["swapped", "matched"]
    assert to_hex(ax.lines[0].get_color()) == plots.ENTROPY.lower() and to_hex(ax.lines[1].get_color()) == plots.OTHER
    assert ax.lines[0].get_ydata()[0] > ax.lines[1].get_ydata()[0]  # the first row on top
    assert ax.get_xlabel() == "entropy change (nats)" and ax.get_legend_handles_labels()[1] == ["all"]
    plots.shift_of_sets(rows.assign(low=-0.1, high=0.2), title="text", marks={}, ax=ax)
