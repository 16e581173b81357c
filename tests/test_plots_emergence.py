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
def trace():
    rows = [
        (point, seen, name, value, value - 0.1, value + 0.1, step)
        for name, values in {"rho": [0.1, 0.5, 0.6], "rho, matched on norm": [0.1, 0.1, 0.1]}.items()
        for (point, seen, step), value in zip((("a", 0, 0), ("b", 80, 8), ("final", 80, 8)), values, strict=True)
    ]
    columns = ["checkpoint", "tokens_seen", "statistic", "value", "low", "high", "step"]
    return pd.DataFrame(rows, columns=columns).astype({"tokens_seen": "Int64"})


def test_a_statistic_has_a_dot_at_every_checkpoint_and_a_diamond_for_the_final_weights(ax, trace):
    plots.statistics_against_training(trace, statistics=["rho", "rho, matched on norm"], ylabel="rho", ax=ax)
    lines = ax.lines
    assert [list(line.get_xdata()) for line in lines] == [[0, 80], [80]] * 2
    assert [line.get_marker() for line in lines] == ["o", "D"] * 2
    assert lines[0].get_color() == plots.ENTROPY and lines[2].get_color() == plots.OTHER
    assert ax.get_xlabel() == "tokens seen" and ax.get_xscale() == "symlog"


def test_steps_stand_in_where_nobody_counted_tokens(ax, trace):
    trace["tokens_seen"] = pd.Series([pd.NA] * len(trace), dtype="Int64")
    plots.statistics_against_training(trace, statistics=["rho"], ylabel="rho", ax=ax)
    assert ax.get_xlabel() == "step" and list(ax.lines[0].get_xdata()) == [0, 8]


def test_every_statistic_that_changes_has_its_range_of_steps(ax):
    table = {"rho": (0.1, 0.6, 8, 16, 32), "loss": (7.0, 1.0, 2, 2, 2), "still": (0.1, 0.1, None, None, None)}
    columns = ["first", "final", "earliest", "step", "latest"]
    onsets = pd.DataFrame.from_dict(table, orient="index", columns=columns).astype(dict.fromkeys(columns[2:], "Int64"))
    plots.onset_of_statistics(onsets, ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["rho", "loss"]
    assert [list(line.get_xdata()) for line in ax.lines] == [[8, 32], [16], [2, 2], [2]]


def test_exact_zeros_of_a_twin_are_left_out(ax):
    twins = pd.DataFrame({"index": range(3), "plain": [3.0, 2.0, 0.0], "dropout": [3.0, 1.0, 0.5]})
    plots.twins_against_index(twins, ax=ax)
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 3] and ax.get_yscale() == "log"
