import numpy
import pandas as pd
import pytest

from lib import plots
from lib.plots import parts


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


def test_total_and_direct_stand_side_by_side_for_every_group_with_their_means(ax):
    table = pd.DataFrame({"group": ["2.3"] * 2 + ["matched on norm"] * 2, "effect": ["total", "direct"] * 2})
    table = table.assign(low=0.001, first=0.1, median=0.2, third=0.3, high=0.4, mean=0.25, mean_low=0.2, mean_high=0.3)
    plots.loss_change_boxes(table, ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2.3", "matched\non norm"]
    assert ax.get_yscale() == "log" and ax.get_ylabel() == "absolute loss change (nats)"
    assert sum(patch.__class__.__name__ == "PathPatch" for patch in ax.patches) == 4
    assert ax.get_ylim()[0] == pytest.approx(0.1 / 3)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["total", "direct", "mean"]
    means = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in means] == [pytest.approx([-0.2, 0.8]), pytest.approx([0.2, 1.2])]


def test_shares_are_drawn_with_intervals_and_those_out_of_the_frame_are_counted(ax, neurons):
    plots.norm_mediated_against_rho(neurons, chance=0.15, ax=ax)
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["interval too wide to tell, 1 below the frame (1)", "other neurons (1)", "chosen (2)"]
    assert [len(line.get_xdata()) for line in ax.lines[:3]] == [1, 1, 2]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rho (dotted: chance)", "norm-mediated share")


def test_what_carries_entropy_is_drawn_against_rho_with_the_chosen_named(ax, neurons):
    plots.correlation_against_rho(neurons.assign(correlation=[0.0, 0.1, 0.2, 0.3, 0.9]), chance=0.15, ax=ax)
    assert [len(dots.get_offsets()) for dots in ax.collections] == [3, 2]
    assert ax.get_legend_handles_labels()[1] == ["other neurons (3)", "chosen (2)"]
    assert [text.get_text() for text in ax.texts] == ["2.3", "2.4"] and ax.get_ylim() == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rho (dotted: chance)", "|correlation| of activation and entropy")


def test_one_neurons_line_stands_beside_the_band_of_others_and_every_bin_is_seen(ax):
    bins = pd.DataFrame({"loss": [0.0, 1e-7, 0.002, 3.0], "change": [-0.1, 0.0, 0.1, 0.2], "usual": 0.0})
    bins["low"], bins["high"] = bins.change - 0.05, bins.change + 0.05
    bins["usual_low"], bins["usual_high"] = -0.1, 0.1
    plots.loss_change_against_loss(bins, name="2.3", ax=ax)
    assert ax.get_legend_handles_labels()[1] == ["others like it: mean, middle nine tenths", "2.3, 95 %"]
    assert any(list(line.get_ydata()) == [0, 0] and len(line.get_xdata()) == 2 for line in ax.lines)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0", "0.002", "3.0"]
    own = next(line for line in ax.lines if line.get_label() == "2.3, 95 %")
    assert numpy.diff(own.get_xdata()).tolist() == [1, 1, 1]  # evenly spaced, however close the losses
    assert ax.get_ylabel() == "loss change (nats)"


def test_names_of_neighbours_are_moved_apart_and_others_left(ax):
    heights = parts.apart(numpy.array([0.0, 1.0, 2.0, 50.0]), gap=11.0)
    assert numpy.diff(heights).min() >= 11 - 1e-9 and heights[3] == 50 and heights[:3].mean() == pytest.approx(1.0)
    assert parts.apart(numpy.array([0.0, 20.0]), gap=11.0).tolist() == [0.0, 20.0]
    close = pd.DataFrame({"layer": 2, "unit": range(4), "x": [0.5, 0.501, 0.502, 0.1], "y": 0.5})
    ax.set(xlim=(0, 1), ylim=(0, 1))
    parts.named(close, close.x, close.y, ax=ax)
    up = {text.get_text(): text.xyann[1] for text in ax.texts}
    assert set(up) == {"2.0", "2.1", "2.2", "2.3"} and up["2.3"] == 0
    assert numpy.diff(sorted(up[name] for name in ("2.0", "2.1", "2.2"))).min() >= parts.HIGH - 1e-6


def test_more_neurons_than_have_room_are_not_named(ax):
    many = pd.DataFrame({"layer": 2, "unit": range(parts.MOST + 1)})
    parts.named(many, many.unit, many.unit, ax=ax)
    parts.named(many[:0], many.unit[:0], many.unit[:0], ax=ax)
    assert not ax.texts


def test_ticks_are_plain_numbers(ax):
    ax.set(yscale="log", ylim=(1e-5, 2000))
    parts.plain(ax.yaxis)
    say = ax.yaxis.get_major_formatter()
    assert [say(value, 0) for value in (0.00001, 0.1, 1.0, 1000.0)] == ["0.00001", "0.1", "1", "1,000"]
    assert ax.yaxis.get_minor_formatter()(0.6, 0) == ""
