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
