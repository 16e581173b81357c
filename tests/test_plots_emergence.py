import pandas as pd
import pytest

from lib import plots


@pytest.fixture
def trace():
    rows = [
        (point, seen, "rho", value, value - 0.1, value + 0.1, step, control)
        for control, values in {"": [0.1, 0.5, 0.6], "matched on norm": [0.1, 0.1, 0.1]}.items()
        for (point, seen, step), value in zip((("a", 0, 0), ("b", 80, 8), ("final", 80, 8)), values, strict=True)
    ]
    columns = ["checkpoint", "tokens_seen", "statistic", "value", "low", "high", "step", "control"]
    return pd.DataFrame(rows, columns=columns).astype({"tokens_seen": "Int64"})


def test_a_statistic_has_a_dot_at_every_checkpoint_and_a_diamond_for_the_final_weights(ax, trace):
    assert plots.statistic_against_training(trace, statistic="rho", ylabel="rho", level=0.3, ax=ax) is ax
    lines = ax.lines
    assert [list(line.get_xdata()) for line in lines[:4]] == [[0, 1], [1]] * 2
    assert [line.get_marker() for line in lines[:4]] == ["o", "D"] * 2
    assert lines[0].get_color() == plots.ENTROPY and lines[2].get_color() == plots.OTHER
    assert lines[1].get_markerfacecolor() == "none" and lines[1].get_markersize() > 2 * lines[0].get_markersize()
    assert [list(line.get_ydata()) for line in lines[4:]] == [[0.3, 0.3], [0, 0]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["rho", "matched on norm", "level 0.3"]


def test_nought_is_on_the_axis_of_a_statistic_that_is_far_from_it(ax, trace):
    trace[["value", "low", "high"]] += 5
    plots.statistic_against_training(trace, statistic="rho", ylabel="rho", ax=ax)
    assert ax.get_ylim()[0] <= 0


def test_checkpoints_that_read_no_text_in_between_have_places_of_their_own_on_a_grey_ground(ax, trace):
    grown = trace.assign(step=trace.step + 1, tokens_seen=80)
    plots.statistic_against_training(
        pd.concat([trace[trace.checkpoint != "final"], grown[grown.checkpoint != "a"]]),
        statistic="rho", ylabel="rho", grown=[9], ax=ax,
    )  # fmt: skip
    assert list(ax.lines[0].get_xdata()) == [0, 1, 2] and list(ax.lines[1].get_xdata()) == [2]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "8", "9"]
    (ground,) = ax.patches
    assert ground.get_x() == 1.5 and ground.get_label() == "grown"


def test_what_emerges_has_its_range_of_checkpoints_and_what_was_there_from_the_start_a_triangle(ax):
    table = {
        "rho": ("emerges", 8, 16, 32),
        "loss": ("emerges", 2, 2, None),
        "space": ("from the start", None, None, None),
        "score": ("not reached", None, None, None),
    }
    onsets = pd.DataFrame.from_dict(table, orient="index", columns=["status", "earliest", "step", "latest"])
    onsets = onsets.astype(dict.fromkeys(["earliest", "step", "latest"], "Int64"))
    plots.onset_of_statistics(onsets, steps=[0, 2, 8, 16, 32], ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["rho", "loss", "space"]
    assert [list(line.get_xdata()) for line in ax.lines] == [[2, 4], [3], [1, 4.5], [1], [0]]
    assert ax.lines[-1].get_marker() == "<" and [text.get_text() for text in ax.texts] == ["from the start"]


def test_many_checkpoints_have_a_name_each_so_far_as_there_is_room(ax, trace):
    many = pd.concat([trace[trace.checkpoint == "a"].assign(step=step) for step in range(40)])
    plots.statistic_against_training(many, statistic="rho", ylabel="rho", ax=ax)
    assert [tick.get_text() for tick in ax.get_xticklabels()][:3] == ["0", "3", "6"]


def test_exact_zeros_of_a_twin_are_left_out(ax):
    twins = pd.DataFrame({"index": range(3), "plain": [3.0, 2.0, 0.0], "dropout": [3.0, 1.0, 0.5]})
    plots.twins_against_index(twins, ax=ax)
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 3] and ax.get_yscale() == "log"


def test_ticks_are_plain_numbers(ax):
    plots.twins_against_index(pd.DataFrame({"index": range(3), "plain": [20.0, 6.0, 2.0], "dropout": 5.0}), ax=ax)
    ax.figure.canvas.draw()
    shown = [tick.get_text() for tick in ax.get_yticklabels(which="both") if tick.get_text()]
    assert {"2", "5", "10"} <= {*shown} and not any("10^" in text for text in shown)
