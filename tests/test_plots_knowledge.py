import pandas as pd
import torch

from lib import knowledge, plots
from tests.test_knowledge import COLUMNS, grid, stairs


def patches():
    grids = [grid(stairs()), grid(stairs() / 2, seed=1, name="post", writer="base"), grid(stairs(), name="post")]
    return knowledge.of_patches(grids, generator=torch.Generator().manual_seed(0))


def test_a_map_has_a_row_for_each_layer_from_below_and_a_column_for_each_token(ax):
    table = patches()
    base = table[table.model == "base"]
    assert plots.recovery_by_layer_and_token(base, title="base", ax=ax) is ax
    (image,) = ax.images
    assert image.get_array().shape == (8, 7) and image.origin == "lower" and image.get_clim() == (0, 1)
    assert image.get_array()[1, 2] == base[(base.layer == 1) & (base.position == 2)].recovery.item()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [*COLUMNS]
    assert ax.get_ylabel() == "layer" and ax.figure.axes[-1].get_ylabel() == "recovery"


def test_a_difference_of_maps_has_two_sides(ax):
    table = patches()
    plots.recovery_by_layer_and_token(table[table.model == "post"], title="apart", limit=0.5, ax=ax)
    assert ax.images[0].get_clim() == (-0.5, 0.5) and "difference" in ax.figure.axes[-1].get_ylabel()


def test_true_statements_are_filled_and_false_ones_open_and_each_model_has_its_marker(ax):
    table = pd.DataFrame({"model": ["base", "base", "post", "post"], "dataset": ["city", "animal"] * 2})
    for side, value in (("true", 2.0), ("false", -1.0)):
        table[[side, f"{side}_low", f"{side}_high"]] = value, value - 1, value + 1
    assert plots.logit_difference_by_topic(table, ax=ax) is ax
    dots = [line for line in ax.lines if line.get_marker() in "os"]
    assert [line.get_marker() for line in dots] == [*"ooss"] and [
        line.get_markerfacecolor() for line in dots[1::2]
    ] == ["white", "white"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["city", "animal"]
    assert ax.get_xlabel() == "logit of TRUE minus FALSE (nats)"


def test_every_topic_has_its_correlation_ceiling_and_cartoon(ax):
    rows = [(name, quantity, 0.9) for name in ("city", "animal") for quantity in ("correlation", "ceiling", "cartoon")]
    table = pd.DataFrame(rows, columns=["comparison", "quantity", "value"]).assign(low=0.8, high=0.95)
    assert plots.correlation_by_topic(table, ax=ax) is ax
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 2, 2] and len(ax.collections) == 3
    assert ax.lines[2].get_color().upper() == plots.OTHER


def test_no_topic_at_all_is_an_empty_figure(ax):
    assert plots.correlation_by_topic(knowledge.of_likeness({}), ax=ax) is ax and not ax.get_xticklabels()


def test_every_cell_is_a_dot_and_those_of_the_last_token_are_rings(ax):
    table = knowledge.across(patches(), "base", "post", ["city"])
    assert plots.recovery_across_against_own(table, title="base into post", ax=ax) is ax
    rings, dots = ax.lines[:2]
    assert len(rings.get_xdata()) == 8 and len(dots.get_xdata()) == 48 and rings.get_markerfacecolor() == "white"
    assert "own" in ax.get_xlabel() and "other" in ax.get_ylabel()
