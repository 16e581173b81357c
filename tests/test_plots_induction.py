import pandas as pd
import pytest
from matplotlib.colors import to_hex

from lib import plots


def labels(ax):
    return ax.get_legend_handles_labels()[1]


def test_every_head_is_a_dot_beside_its_control_and_those_above_the_threshold_are_named(ax):
    heads = pd.DataFrame({"layer": [0, 0, 1, 1], "head": [0, 1, 0, 1], "induction_score": [0.1, 0.2, 0.9, 0.3]})
    heads = heads.assign(induction_score_low=0.0, induction_score_high=1.0, shuffled=0.05)
    assert plots.induction_score_against_layer(heads, threshold=0.7, ax=ax) is ax
    assert [len(line.get_xdata()) for line in ax.lines[:2]] == [4, 4]
    assert [label.get_text() for label in ax.texts] == ["L1H0"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "induction score")
    x = ax.lines[0].get_xdata()
    assert len({*x}) == 4 and all(abs(place - layer) < 0.5 for place, layer in zip(x, heads.layer, strict=True))


def test_the_names_of_heads_that_stand_side_by_side_lie_to_their_left_and_right(ax):
    heads = pd.DataFrame({"layer": [1, 1, 2, 0], "head": [3, 4, 0, 0], "induction_score": [0.77, 0.73, 0.8, 0.1]})
    heads = heads.assign(
        induction_score_low=heads.induction_score - 0.01, induction_score_high=heads.induction_score + 0.01
    )
    plots.induction_score_against_layer(heads.assign(shuffled=0.0), threshold=0.7, ax=ax)
    placed = {label.get_text(): (label.get_ha(), label.xyann) for label in ax.texts}
    assert placed["L1H3"][0] == "right" and placed["L1H4"][0] == "left" and placed["L2H0"][0] == "center"
    assert placed["L1H3"][1][0] < 0 < placed["L1H4"][1][0] and placed["L2H0"][1][1] > 0


def test_one_wide_band_does_not_hide_the_curves(ax):
    table = pd.DataFrame({"series": "text", "position": [1, 2], "mean": [1.0, 2.0], "low": 0.5, "high": [1.5, 150.0]})
    plots.confidence_against_position(table, label="loss (nats)", start=2, ax=ax)
    assert ax.get_ylim() == (0, 2.5)


def test_a_few_large_changes_do_not_dwarf_all_others(ax):
    tokens = pd.DataFrame({"loss": range(1000), "loss_change": [0.0] * 995 + [-9.0] * 5})
    bins = pd.DataFrame({"loss": [1.0], "loss_change": [0.01], "low": [-0.02], "high": [0.03]})
    plots.loss_change_on_repeat(tokens, bins, name="3.2", ax=ax)
    low, high = ax.get_ylim()
    assert -0.1 < low < -0.02 and 0.03 < high < 0.1 and ax.lines[0].get_rasterized()


def test_the_first_series_is_coloured_and_its_control_grey(ax):
    parts = [
        pd.DataFrame({"series": name, "position": [1, 2, 3], "mean": 1.0, "low": 0.5, "high": 1.5})
        for name in ("text", "shuffled")
    ]
    plots.confidence_against_position(pd.concat(parts), label="entropy (nats)", start=2, ax=ax)
    assert [to_hex(line.get_color()).upper() for line in ax.lines[:2]] == [plots.ENTROPY, plots.OTHER]
    assert ax.get_ylabel() == "entropy (nats)" and list(ax.lines[2].get_xdata()) == [2, 2] and len(ax.collections) == 2


def test_shown_neurons_are_lines_and_all_others_a_band(ax):
    changes = pd.DataFrame({unit: [0.0, unit] for unit in range(5)}, index=[1, 2])
    plots.activation_change_against_position(changes, shown=[3, 1], layer=5, start=2, ax=ax)
    assert labels(ax) == ["95 % of other neurons", "1 more entropy neuron", "neuron 5.3"]
    assert [list(line.get_ydata()) for line in ax.lines[:2]] == [[0.0, 1.0], [0.0, 3.0]]
    assert ax.lines[1].get_linewidth() > ax.lines[0].get_linewidth()
    assert ax.collections[0].get_paths()[0].vertices[:, 1].max() < 4.0  # the band is of neurons 0, 2 and 4


def test_neurons_are_ranked_by_the_size_of_their_change_and_drawn_with_its_sign(ax):
    neurons = pd.DataFrame({"layer": 2, "unit": range(3), "change": [0.1, -0.5, 0.2]})
    neurons["kind"], neurons["change_low"], neurons["change_high"] = ["other", "entropy", "other"], -0.6, 0.3
    plots.activation_change_against_rank(neurons, column="change", title="text", ax=ax)
    assert sorted(ax.lines[0].get_xdata()) == [2, 3]
    dot = next(line for line in ax.lines if list(line.get_ydata()) == [-0.5])
    assert list(dot.get_xdata()) == [1] and [text.get_text() for text in ax.texts] == ["2.1"]
    (bar,) = ax.collections[0].get_segments()
    assert bar[:, 1].tolist() == pytest.approx([-0.6, 0.3])
    ax.figure.canvas.draw()
    assert not any("10^" in tick.get_text() for tick in ax.get_xticklabels(which="both"))


def test_an_endless_interval_is_cut_off_by_the_frame(ax):
    neurons = pd.DataFrame({"layer": 2, "unit": range(3), "kind": ["other", "entropy", "other"]})
    neurons = neurons.assign(change=[0.1, -0.5, 0.2], change_low=-30.0, change_high=0.0)
    plots.activation_change_against_rank(neurons, column="change", title="text", ax=ax)
    assert ax.get_ylim() == pytest.approx((-1.075, 0.275))


def test_both_entropy_ratios_are_drawn_over_the_range_of_the_controls(ax):
    table = pd.DataFrame({"series": "neuron 3", "position": [5, 6], "ratio_of_means": [0.9, 0.8]})
    table["mean_of_ratios"] = [0.7, 0.6]
    controls = pd.concat(
        [pd.DataFrame({"series": str(level), "position": [5, 6], "ratio_of_means": level}) for level in (0.95, 1.05)]
    )
    plots.entropy_ratio_against_position(table, controls, ax=ax)
    assert list(ax.lines[0].get_ydata()) == [0.9, 0.8] and list(ax.lines[1].get_ydata()) == [0.7, 0.6]
    assert "2 neurons of like effect, range" in labels(ax) and ax.get_ylim()[0] < 0.8


@pytest.mark.parametrize("n_matched", [0, 1])
def test_every_set_of_heads_is_a_row_in_its_colour(ax, n_matched):
    table = pd.DataFrame({"fall": [0.5, 0.1], "low": [0.4, 0.0], "high": [0.6, 0.2], "all_at_once": [0.7, 0.1]})
    table.index, table["matched"] = ["L1H0", "L1H2"], [False, bool(n_matched)]
    plots.fall_by_heads(table, reaction=0.6, ax=ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["L1H0", "L1H2"]
    assert ("matched, all at once" in labels(ax)) == bool(n_matched)
    assert ax.get_xlabel() == "fall back, activation × norm" and "the whole reaction" in labels(ax)
    filled, circles = ax.lines[:2]  # neither lies under the other
    assert circles.get_markerfacecolor() == "none" and filled.get_ydata()[0] < circles.get_ydata()[0]


def test_tokens_and_bins_of_the_loss_change_are_all_drawn(ax):
    tokens = pd.DataFrame({"loss": [0.1, 1.0, 2.0], "loss_change": [0.0, 0.1, -0.1]})
    bins = pd.DataFrame({"loss": [1.0], "loss_change": [0.0], "low": [-0.1], "high": [0.1]})
    plots.loss_change_on_repeat(tokens, bins, name="23.417", ax=ax)
    assert [len(line.get_xdata()) for line in ax.lines[:2]] == [3, 1] and "23.417" in ax.get_ylabel()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("clean loss (nats)", "loss change, 23.417 clipped (nats)")
