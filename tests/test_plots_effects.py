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


@pytest.fixture
def neurons():
    table = pd.DataFrame({"layer": 2, "unit": range(5), "rho": [0.1, 0.2, 0.3, 0.8, 0.9]})
    table["prediction_change"] = [0.01, 0.02, 0.03, 0.0, 0.002]
    table["abs_entropy_change"] = [0.1, 0.2, 0.3, 0.4, 0.5]
    table["norm_mediated"] = [-3.0, -0.2, 0.1, 0.7, 0.8]
    table["norm_mediated_low"], table["norm_mediated_high"] = table.norm_mediated - 0.1, table.norm_mediated + 0.1
    table["chosen"], table["settled"] = [False, False, False, True, True], [False, False, True, True, True]
    return table


def test_entropy_change_is_drawn_against_predictions_in_percent_with_the_chosen_ringed(ax, neurons):
    assert plots.entropy_change_against_prediction_change(neurons, ax=ax) is ax
    dots, rings = ax.collections
    assert dots.get_offsets()[:, 0].tolist() == pytest.approx([1, 2, 3, 0, 0.2])
    assert dots.get_array().min() == 0 and dots.get_array().max() == pytest.approx(0.8)  # shares are cut at 0
    assert len(rings.get_offsets()) == 2 and [text.get_text() for text in ax.texts] == ["2.3", "2.4"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predictions changed (%)", "absolute entropy change (nats)")


def test_total_and_direct_stand_side_by_side_for_every_group(ax):
    table = pd.DataFrame({"group": ["2.3"] * 4 + ["on norm"] * 4, "loss_change": [0.1, 0.2, 0.3, 0.4] * 2})
    table["effect"] = ["total", "direct"] * 4
    plots.loss_change_boxes(table, ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2.3", "on norm"]
    assert ax.get_yscale() == "log" and ax.get_ylabel() == "absolute loss change (nats)"
    assert sum(patch.__class__.__name__ == "PathPatch" for patch in ax.patches) == 4


def test_shares_are_drawn_with_intervals_and_those_out_of_the_frame_are_counted(ax, neurons):
    plots.norm_mediated_against_rho(neurons, chance=0.15, ax=ax)
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["interval too wide to tell, 1 below the frame (1)", "other neurons (1)", "chosen (2)"]
    assert [len(line.get_xdata()) for line in ax.lines[:3]] == [1, 1, 2]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rho (dotted: chance)", "norm-mediated share")


def test_loss_change_is_a_line_for_each_neuron_with_a_zero_line(ax):
    bins = pd.DataFrame({"neuron": ["2.3"] * 2 + ["2.0"] * 2, "loss": [0.1, 3.0] * 2, "change": [-0.1, 0.2, 0.0, 0.0]})
    bins["low"], bins["high"] = bins.change - 0.05, bins.change + 0.05
    plots.loss_change_against_loss(bins, ax=ax)
    assert ax.get_legend_handles_labels()[1] == ["2.3", "2.0"]
    assert any(list(line.get_ydata()) == [0, 0] and len(line.get_xdata()) == 2 for line in ax.lines)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("loss, clean (nats)", "loss change (nats)")
