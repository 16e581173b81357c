"""Figures of chapter 10: as many marks as rows, base solid and post-trained dashed, random ones grey."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from lib import plots


def labels(ax):
    return ax.get_legend_handles_labels()[1]


def test_scores_have_a_line_for_each_place_and_a_ring_around_the_chosen(ax):
    rows = [{"depth": depth, "place": place, "bypass": depth - place} for depth in range(3) for place in range(4)]
    places = ("instruction", "\n", "Assistant", ":")
    given = {"column": "bypass", "label": "bypass, log-odds (nats)", "places": places, "chosen": (2, 3)}
    assert plots.score_against_depth(pd.DataFrame(rows), **given, ax=ax) is ax
    assert [line.get_linestyle() for line in ax.lines[:4]] == [":", "-", "-", "-"]
    assert [to_hex(line.get_color()) for line in ax.lines[:4]] == ["#000000", "#999999", "#999999", "#000000"]
    assert labels(ax) == ["instruction's last token", "tokens between", "where the answer begins", "chosen"]
    assert [*ax.lines[4].get_xydata()[0]] == [2, -1] and ax.get_ylabel() == "bypass, log-odds (nats)"


def outcomes(*names, models=("base", "post")):
    rows = [
        {"direction_from": name, "model": model, "random": name[:6] == "random"} for model in models for name in names
    ]
    return pd.DataFrame(rows).assign(share=0.5, share_low=0.25, share_high=0.75)


@pytest.mark.parametrize("n_random", [0, 2])
def test_every_model_has_a_mark_for_every_direction_and_a_grey_range_of_random_ones(ax, n_random):
    random = [f"random {number}" for number in range(1, n_random + 1)]
    plots.refusals_by_direction(outcomes("none", "base", "post", *random), title="taken out", ax=ax)
    ticks = [tick.get_text() for tick in ax.get_xticklabels()]
    assert ticks == ["none", "base", "post"] + ["random"] * bool(n_random) and labels(ax) == ["base", "post"]
    marks = [line for line in ax.lines if to_hex(line.get_color()) == "#000000"]
    assert [len(line.get_xdata()) for line in marks] == [3, 3]
    assert [to_hex(line.get_markerfacecolor()) for line in marks] == ["#000000", "#ffffff"]
    assert len([line for line in ax.lines if to_hex(line.get_color()) == "#999999"]) == 2 * bool(n_random)
    assert {*marks[0].get_xdata()}.isdisjoint({*marks[1].get_xdata()}) and ax.get_ylabel() == "share refused"


def swept(*names):
    rows = [{"direction_from": name, "strength": at, "log_odds": at} for name in names for at in (0.0, 0.5, 1.0)]
    random = [row["direction_from"][:6] == "random" for row in rows]
    return pd.DataFrame(rows).assign(random=random, log_odds_low=-1.0, log_odds_high=2.0)


def test_strengths_are_lines_by_model_over_a_band_of_random_ones(ax):
    plots.log_odds_against_strength(swept("base", "sft", "post", "random 1", "random 2"), title="in post", ax=ax)
    assert [line.get_linestyle() for line in ax.lines[:3]] == ["-", ":", "--"]
    assert "2 random directions, range" in labels(ax) and len(ax.collections) == 4
    assert ax.get_ylabel() == "log-odds of refusal (nats)"


def test_without_random_directions_there_is_no_band(ax):
    plots.log_odds_against_strength(swept("base", "post"), title="in post", ax=ax)
    assert labels(ax) == ["direction from base", "direction from post"] and len(ax.collections) == 2


def test_sorted_shares_are_drawn_for_one_place_alone(ax):
    rows = [
        {"place": place, "depth": depth, "share": 0.5 + 0.1 * depth}
        for place in ("instruction", "answer")
        for depth in range(4)
    ]
    table = pd.DataFrame(rows).assign(share_low=0.3, share_high=0.9)
    plots.sorted_against_depth({"base": table, "post": table}, place="answer", title="answer's start", ax=ax)
    assert [line.get_linestyle() for line in ax.lines[:2]] == ["-", "--"] and labels(ax) == ["base", "post"]
    assert all(len(line.get_xdata()) == 4 for line in ax.lines[:2])


def test_a_cosine_stands_beside_its_ceiling(ax):
    table = pd.DataFrame({"depth": range(3), "across": [0.1, 0.5, 0.2], "low": -0.4, "high": 0.6, "ceiling": 0.9})
    plots.cosine_against_depth(table, title="refusal", marked=1, ax=ax)
    ceiling, across = ax.lines[:2]
    assert to_hex(ceiling.get_color()) == "#999999" and list(across.get_ydata()) == [0.1, 0.5, 0.2]
    assert ax.get_ylim()[0] < -0.4 and list(ax.lines[2].get_xdata()) == [1, 1]
    assert ax.get_ylabel() == "cosine of directions"
    plots.cosine_against_depth(table.assign(across=-0.7, low=float("nan")), title="truth", marked=1, ax=ax)
    assert ax.get_ylim()[0] < -0.7
