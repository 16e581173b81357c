"""Figures of chapter 07: every count is drawn, undefined shares are not, and what is chosen has the colour."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from lib import plots

LABELS = ("CK", "PK", "ND")


def labels(ax):
    return ax.get_legend_handles_labels()[1]


def colours(ax):
    return [to_hex(line.get_color()).upper() for line in ax.lines]


def counts(**moved):
    table = pd.DataFrame([(a, b) for a in LABELS for b in LABELS], columns=["clean", "ablated"])
    table["count"] = [moved.get(a + b, 0) for a, b in zip(table.clean, table.ablated, strict=True)]
    return table


def test_every_way_that_some_answer_goes_is_a_line_with_its_count_and_no_other(ax):
    assert plots.answers_before_and_after(counts(CKCK=1200, PKPK=30, PKCK=4, NDCK=1), ax=ax) is ax
    told = [text.get_text() for text in ax.texts]
    assert told[:4] == ["1,200", "4", "30", "1"] and told[4:] == [
        "CK\n1,200", "PK\n34", "ND\n1", "CK\n1,205", "PK\n30", "ND\n0",
    ]  # fmt: skip
    assert colours(ax) == [plots.OTHER, plots.ENTROPY, plots.OTHER, plots.ENTROPY]
    width = [line.get_linewidth() for line in ax.lines]
    assert width[0] == max(width) and width[3] == min(width)


def by_set(column, kinds, sets=("own", "others"), **values):
    rows = [{column: kind, "set": name, "value": 0.1, "low": 0.05, "high": 0.2} for kind in kinds for name in sets]
    return pd.DataFrame(rows).assign(**values)


def test_conversion_is_in_per_cent_and_an_undefined_ratio_is_left_out(ax):
    table = by_set("label", LABELS)
    table.loc[(table.label == "ND") & (table.set == "own"), ["value", "low", "high"]] = float("nan")
    assert plots.conversion_by_label(table, ax=ax) is ax
    assert ax.get_ylabel() == "conversion ratio (%)" and labels(ax) == ["own", "others"]
    own, others = ax.lines[:2]
    assert pd.Series(own.get_ydata()).isna().tolist() == [False, False, True] and list(others.get_ydata()) == [10] * 3
    assert [len(lines.get_segments()) for lines in ax.collections] == [2, 3]
    assert colours(ax)[:2] == [plots.ENTROPY, plots.OTHER]


def test_every_random_set_is_a_dot_and_the_chosen_one_a_line(ax):
    scores = pd.DataFrame({"set": ["a"] * 30 + ["b"] * 10, "score": [0.01 * place for place in range(40)]})
    assert plots.scores_of_sets(scores, own=0.5, noise=0.02, ax=ax) is ax
    dots = [line for line in ax.lines if line.get_rasterized()]
    assert [len(line.get_xdata()) for line in dots] == [30, 10]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    own, noise = ax.lines[-2:]
    assert own.get_xdata()[0] == 50 and to_hex(own.get_color()).upper() == plots.ENTROPY
    assert noise.get_xdata()[0] == 2 and labels(ax) == ["the chosen neurons", "batch and precision alone"]


def test_shifts_carry_how_many_prompts_they_are_of(ax):
    table = by_set("label", ("all", "CK"), n=[30, 30, 4, 4])
    assert plots.log_odds_shift_by_label(table, ax=ax) is ax
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["all (30)", "CK (4)"]
    assert "nats" in ax.get_xlabel() and labels(ax) == ["own", "others"]


def test_mechanisms_are_rows_in_per_cent_of_the_prompts(ax):
    table = by_set("mechanism", ("scale alone", "direct alone"))
    assert plots.flips_by_mechanism(table, ax=ax) is ax
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["scale alone", "direct alone"]
    assert list(ax.lines[0].get_xdata()) == [10, 10] and ax.get_xlabel() == "answers changed (% of the prompts)"


@pytest.mark.parametrize("column", ["score", "net_flow"])
def test_a_dose_is_a_line_with_intervals_over_a_band(ax, column):
    table = pd.DataFrame({"dose": [0.0, 1.0, 3.0] * 2, "set": ["own"] * 3 + ["others"] * 3})
    table = table.assign(**{column: 0.1, f"{column}_low": 0.0, f"{column}_high": 0.2})
    assert plots.change_against_dose(table, column=column, label="changed (%)", ax=ax) is ax
    assert labels(ax) == ["others", "own"] and ax.get_ylabel() == "changed (%)"
    own = next(line for line in ax.lines if line.get_label() == "own")
    assert list(own.get_ydata()) == [10, 10, 10] and to_hex(own.get_color()).upper() == plots.ENTROPY
