import pandas as pd
import pytest

from lib import plots
from lib.plots import real_model


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def test_both_spectra_are_drawn_with_marks_that_differ_in_shape_and_in_colour(ax):
    table = pd.DataFrame({"model": ["a", "a", "b"], "share": [50, 100, 100], "relative": [2.0, 1.0, 0.5]})
    assert real_model.singular_value_against_place(table, place="share", label="place (%)", ax=ax) is ax
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 1] and ax.get_yscale() == "log"
    assert len({line.get_marker() for line in ax.lines}) == len({line.get_color() for line in ax.lines}) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("place (%)", "singular value over the median")


def test_the_chosen_are_dots_and_the_others_a_line_beside_chance(ax):
    table = pd.DataFrame({"model": ["a"] * 4 + ["b"] * 3, "over_chance": [9.0, 1.0, 2.0, 3.0, 8.0, 4.0, 5.0]})
    table["chosen"] = [True, False, False, False, True, False, False]
    real_model.rho_beside_chance(table, bound=1.5, ax=ax)
    dots = [line for line in ax.lines if line.get_label().startswith("chosen")]
    assert [line.get_xdata().tolist() for line in dots] == [[9.0], [8.0]]
    bands = [band.get_segments()[0][:, 0].tolist() for band in ax.collections]
    assert bands == [pytest.approx([1.05, 2.95]), pytest.approx([4.025, 4.975])]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert {1, 1.5} <= {line.get_xdata()[0] for line in ax.lines}


def test_claims_have_a_row_each_with_the_intervals_of_both_models_and_the_bound(ax):
    rows = [("x", "a", 0.5, 0.6, 0.7, 0.0), ("x", "b", 0.1, -0.2, 0.3, 0.0)]  # an interval that misses its value
    rows += [("y", "a", 0.5, 0.4, 0.6, float("nan")), ("y", "b", *[float("nan")] * 4)]
    table = pd.DataFrame(rows, columns=["label", "model", "value", "low", "high", "bound"])
    real_model.claims_of_models(table, ax=ax)
    ends = [segment[:, 0].tolist() for lines in ax.collections for segment in lines.get_segments()]
    assert ends == [[0.6, 0.7], [0.4, 0.6], [-0.2, 0.3]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x", "y"]
    (bound,) = [line for line in ax.lines if line.get_label() == "bound of the claim"]
    assert (bound.get_xdata().tolist(), bound.get_ydata().tolist()) == ([0.0], [0])
