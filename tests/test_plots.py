import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lib import plots


@pytest.fixture
def ax():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_loss_against_entropy_shows_every_token_and_names_its_units(ax):
    tokens = pd.DataFrame({"entropy": [0.1, 1.0, 2.0], "loss": [0.0, 1.5, 1.0]})
    bins = pd.DataFrame({"entropy": [1.0], "loss": [0.8], "low": [0.5], "high": [1.2]})
    assert plots.loss_against_entropy(tokens, bins, ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("entropy (nats)", "loss (nats)")
    assert len(ax.collections[0].get_offsets()) == len(tokens)


def test_the_exact_zero_is_left_out_of_the_spectrum(ax):
    table = pd.DataFrame({"index": range(4), "singular_value": [3.0, 2.0, 1.0, 0.0]})
    table["random_low"], table["random_high"] = 1.0, 2.0
    plots.singular_value_against_index(table, dim=2, ax=ax)
    dots = next(line for line in ax.lines if line.get_label() == "this model")
    assert len(dots.get_xdata()) == 3 and ax.get_yscale() == "log" and ax.get_ylabel() == "singular value"


def test_the_reliability_diagram_has_a_dot_per_bin_and_the_diagonal(ax):
    bins = pd.DataFrame({"confidence": [0.2, 0.9], "accuracy": [0.3, 0.8], "low": [0.2, 0.7], "high": [0.4, 0.9]})
    plots.accuracy_against_confidence(bins, ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("top-1 confidence", "accuracy")
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 2]


def test_entropy_against_scale_and_direct_change_draw_every_row(ax):
    table = pd.DataFrame({"factor": [0.5, 1.0, 2.0], "entropy": [1.0, 2.0, 3.0], "low": 0.5, "high": 3.5})
    plots.entropy_against_scale(table, ax=ax)
    assert len(ax.lines[0].get_xdata()) == 3 and ax.get_ylabel() == "entropy (nats)"
    growth = pd.DataFrame({"dim": [1, 2], "change": [0.1, 0.2], "random": 0.5})
    plots.direct_change_against_dim(growth, chosen=1, ax=ax)
    assert ax.get_xlabel() == "dim of the effective null space"


def test_error_bars_are_never_negative():
    assert plots.yerror_clipped([pd.Series([-0.1, 0.2])])[0].tolist() == [0.0, 0.2]


def test_every_neuron_is_a_dot_and_the_chosen_are_named_by_layer_and_unit(ax):
    neurons = pd.DataFrame({"layer": 2, "unit": range(4), "norm": [1.0, 2, 3, 4], "logit_variance": [1e-3] * 4})
    neurons["stolfo"] = [False, False, True, True]
    plots.logit_variance_against_norm(neurons, chosen="stolfo", ax=ax)
    assert [len(dots.get_offsets()) for dots in ax.collections] == [4, 2]
    assert [label.get_text() for label in ax.texts] == ["2.2", "2.3"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("norm", "LogitVar", "log")


def test_the_share_of_every_direction_is_shown_with_its_controls(ax):
    table = pd.DataFrame({"index": range(5), "chosen": [0.1] * 5, "control_low": [0.0] * 5, "control_high": [0.3] * 5})
    plots.share_against_index(table, dim=2, ax=ax)
    assert len(ax.lines[0].get_xdata()) == 5 and "null space, dim 2" in ax.get_legend_handles_labels()[1]


def test_the_diagonal_of_the_overlap_tells_the_sizes(ax):
    overlap = pd.DataFrame({"a": {"a": 1.0, "b": 0.25}, "b": {"a": 0.25, "b": 1.0}})
    plots.overlap_of_rules(overlap, sizes={"a": 6, "b": 10}, ax=ax)
    assert [label.get_text() for label in ax.texts] == ["[6]", "0.25", "0.25", "[10]"]


def test_rho_is_drawn_beside_controls_and_chance(ax):
    table = pd.DataFrame({"dim": [2, 3], "chosen": [0.5, 0.6], "control": [0.2, 0.3], "chance": [0.1, 0.2]})
    plots.rho_against_dim(table, dim=3, ax=ax)
    assert [list(line.get_ydata()) for line in ax.lines[:3]] == [[0.5, 0.6], [0.2, 0.3], [0.1, 0.2]]
