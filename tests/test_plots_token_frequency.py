import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from lib import plots


@pytest.fixture
def neurons():
    table = pd.DataFrame({"layer": 2, "unit": range(4), "frequency_mediated": [0.6, 0.1, -0.2, -7.0]})
    table["abs_kl_change"], table["kind"] = [0.3, 0.2, 0.1, 0.05], ["followed", "entropy", "other", "other"]
    table["frequency_mediated_low"] = table.frequency_mediated - 0.1
    table["frequency_mediated_high"] = table.frequency_mediated + 0.1
    table["seen_only"] = [0.5, 0.2, -0.1, -3.0]
    return table


RULE = {"min_share": 0.3, "least": 0.15}


def labels(ax):
    return ax.get_legend_handles_labels()[1]


def test_counts_fall_with_rank_and_the_unseen_are_told(ax):
    plots.count_against_rank(pd.DataFrame({"count": [0, 5, 100, 0, 1]}), ax=ax)
    (dots, _) = ax.lines
    assert list(dots.get_xdata()) == [1, 2, 3] and list(dots.get_ydata()) == [100, 5, 1]
    assert labels(ax) == ["3 tokens of the vocabulary", "2 more never occur"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_every_token_is_a_dot_and_every_bin_has_its_interval(ax):
    tokens = pd.DataFrame({"kl": [1.0, 2, 3], "entropy": [3.0, 2, 1]})
    bins = pd.DataFrame({"kl": [1.5], "entropy": [2.5], "low": [2.0], "high": [2.4]})
    permuted = pd.DataFrame({"kl": [1.0, 4.0], "entropy": [3.0, 0.0]})
    assert plots.entropy_against_kl(tokens, bins, permuted, ax=ax) is ax
    assert len(ax.collections[0].get_offsets()) == 3 and len(ax.collections[1].get_segments()) == 1
    assert labels(ax) == ["scored tokens", "permuted unigrams", "mean of a bin, 95 %"]
    assert list(ax.lines[0].get_xdata()) == [1.0, 4.0] and ax.get_xlim()[0] == ax.get_ylim()[0] == 0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("KL(unigram || model) (nats)", "entropy (nats)")


def test_chosen_neurons_are_named_and_those_beyond_the_frame_counted(ax, neurons):
    plots.kl_change_against_share(neurons, **RULE, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["2.1", "2.0"]
    dotted = [line for line in ax.lines if line.get_linestyle() == ":"]
    assert dotted[0].get_xdata()[0] == 0.3 and dotted[1].get_ydata()[0] == 0.15
    assert labels(ax) == ["other, 1 beyond the frame", "entropy, 1 neuron", "followed, 1 neuron"]
    assert ax.get_xlabel() == "frequency-mediated share" and ax.get_xlim()[0] > -1.5


def test_a_kind_without_neurons_has_no_entry_in_the_legend(ax, neurons):
    plots.kl_change_against_share(neurons[neurons.kind != "followed"], **RULE, ax=ax)
    assert labels(ax) == ["other, 1 beyond the frame", "entropy, 1 neuron"]


def test_shares_with_and_without_unseen_tokens_stand_beside_the_diagonal(ax, neurons):
    plots.share_against_share(neurons, ax=ax)
    assert sum(len(dots.get_offsets()) for dots in ax.collections) == 3
    assert labels(ax) == ["other", "entropy", "followed", "the same"]


def test_boxes_come_in_pairs_with_their_means(ax):
    table = pd.DataFrame({"group": ["followed"] * 2 + ["matched on norm"] * 2})
    table["effect"] = ["total", "direct_frequency"] * 2
    table = table.assign(low=0.0, first=0.1, median=0.2, third=0.3, high=0.4, mean=0.25, mean_low=0.2, mean_high=0.3)
    plots.loss_change_by_group(table, ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["total", "frequency frozen", "mean"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["followed", "matched\non norm"]
    boxes = [to_hex(patch.get_facecolor()) for patch in ax.patches]
    assert boxes.count(to_hex(plots.FREQUENCY)) == boxes.count("#ffffff") == 2 and ax.get_ylim()[0] == 0


def test_the_loss_change_colours_tokens_evenly_around_nought(ax):
    tokens = pd.DataFrame({"kl_change": [0.1, 0.2], "entropy_change": [-0.1, -0.2], "loss_change": [0.0, 0.3]})
    plots.entropy_change_against_kl_change(tokens, ax=ax)
    low, high = ax.collections[0].get_clim()
    assert low == -high < 0 and len(ax.collections[0].get_offsets()) == 2
    assert to_hex(ax.collections[0].to_rgba(0.0)) == to_hex(plt.get_cmap("coolwarm")(0.5))
