import re

import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from lib import book, plots
from lib.plots import last_layer, style


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


@pytest.mark.parametrize(("draw", "along"), [(style.upright, 1), (style.lying, 0)])
def test_an_interval_is_drawn_from_end_to_end_also_where_it_misses_its_mark(ax, draw, along):
    low, high = [0.2, 0.6, float("nan")], [0.8, 0.9, float("nan")]  # around, beyond, and none
    place = [1.0, 2.0, 3.0]
    x, y = (place, [0.5] * 3) if along else ([0.5] * 3, place)
    draw(x, y, (low, high), ax=ax, color="black")
    (lines,) = ax.collections
    assert [segment[:, along].tolist() for segment in lines.get_segments()] == [[0.2, 0.8], [0.6, 0.9]]
    assert [segment[0, 1 - along] for segment in lines.get_segments()] == [1.0, 2.0]
    assert len(ax.lines[0].get_xdata()) == 3
    assert all(bound[0] < 0.2 and bound[1] > 0.9 for bound in [(ax.get_xlim, ax.get_ylim)[along]()])


TOKENS = pd.DataFrame({"entropy": [0.1, 1.0], "loss": [0.2, 1.5], "kl": [1.0, 2.0], "loss_change": [0.0, 0.1]})
BINS = pd.DataFrame({"entropy": [1.0, 1.2, 1.4], "loss": [1.0, 1.2, 1.4], "kl": [1.0, 2.0, 3.0]})
ENDS = {"low": [0.6, 1.0, float("nan")], "high": [0.8, 1.3, float("nan")]}
BOXES = pd.DataFrame({"group": list("abc"), "effect": ["total", "direct_frequency", "total"], "mean": [1.0, 1.2, 1.4]})
BOXES = BOXES.assign(low=0.1, first=0.2, median=0.3, third=0.4, high=0.5)
MEANS = {f"mean_{end}": ENDS[end] for end in ENDS}
FIGURES = {
    "loss_against_entropy": lambda t, ax: plots.loss_against_entropy(TOKENS, t, ax=ax),
    "accuracy_against_confidence": lambda t, ax: plots.accuracy_against_confidence(t, ax=ax),
    "loss_change_against_loss": lambda t, ax: plots.loss_change_against_loss(
        t.assign(usual=0.0, usual_low=0.0, usual_high=0.0), name="2.3", ax=ax
    ),
    "entropy_against_kl": lambda t, ax: plots.entropy_against_kl(TOKENS, t, t, ax=ax),
    "loss_change_on_repeat": lambda t, ax: plots.loss_change_on_repeat(TOKENS, t, name="2.3", ax=ax),
    "norm_mediated_against_rho": lambda t, ax: plots.norm_mediated_against_rho(t, chance=0.1, ax=ax),
    "kl_change_against_share": lambda t, ax: plots.kl_change_against_share(
        t.assign(kind="entropy"), min_share=0.3, least=0.1, ax=ax
    ),
    "induction_score_against_layer": lambda t, ax: plots.induction_score_against_layer(t, threshold=0.7, ax=ax),
    "activation_change_against_rank": lambda t, ax: plots.activation_change_against_rank(
        t.assign(kind="entropy"), column="change", title="", ax=ax
    ),
    "fall_by_heads": lambda t, ax: plots.fall_by_heads(t.assign(matched=False), reaction=1.0, ax=ax),
    "statistic_against_training": lambda t, ax: plots.statistic_against_training(
        t.assign(control=""), statistic="rho", ylabel="rho", ax=ax
    ),
    "loss_change_by_group": lambda t, ax: plots.loss_change_by_group(BOXES.assign(**MEANS), ax=ax),
    "loss_change_boxes": lambda t, ax: plots.loss_change_boxes(
        BOXES.assign(**MEANS, effect=["total", "direct", "total"]), ax=ax
    ),
}


@pytest.mark.parametrize("figure", list(FIGURES))
def test_no_figure_hides_an_interval_that_misses_its_estimate(ax, figure):
    table = BINS.assign(**ENDS, rho=[0.1, 0.2, 0.3], layer=0, unit=range(3), head=range(3), checkpoint=["a", "b", "c"])
    table = table.assign(step=[1, 2, 3], tokens_seen=[1, 2, 3], statistic="rho", group="chosen", effect="total")
    table = table.assign(chosen=True, settled=True, shuffled=0.0, all_at_once=1.0, abs_kl_change=1.0)
    for name in ("accuracy", "change", "fall", "value", "loss_change", "norm_mediated", "frequency_mediated"):
        table[name] = table.loss  # above its interval in the first row, inside it in the second
    table["confidence"], table["induction_score"] = table.loss / 2, table.loss
    for name in ("change", "norm_mediated", "frequency_mediated", "induction_score"):
        table[f"{name}_low"], table[f"{name}_high"] = table.low, table.high
    FIGURES[figure](table, ax)
    lines = [line for line in ax.collections if isinstance(line, LineCollection)]
    ends = sorted(sorted(segment.ravel().round(3)) for found in lines for segment in found.get_segments())
    ends.sort(key=lambda end: 1.3 in end)  # figures that sort their rows begin with the second
    assert len(ends) == 2 and {0.6, 0.8} <= set(ends[0]) and {1.0, 1.3} <= set(ends[1])


def test_changes_stand_in_the_order_of_their_size_with_their_signs(ax):
    neurons = pd.DataFrame({"layer": 2, "unit": range(4), "change": [-0.5, -0.4, 0.1, 0.3], "kind": "entropy"})
    neurons["change_low"], neurons["change_high"] = [-0.6, -0.4, -0.2, 0.5], [-0.2, -0.3, 0.1, 0.9]
    plots.activation_change_against_rank(neurons, column="change", title="text", ax=ax)
    bars = [segment[:, 1].tolist() for segment in ax.collections[0].get_segments()]
    assert bars == [[-0.6, -0.2], [-0.4, -0.3], [0.5, 0.9], [-0.2, 0.1]]
    assert ax.lines[0].get_ydata().tolist() == [-0.5, -0.4, 0.3, 0.1]


def test_every_neuron_is_a_dot_and_the_chosen_are_named_by_layer_and_unit(ax):
    neurons = pd.DataFrame({"layer": 2, "unit": range(4), "norm": [1.0, 2, 3, 4], "logit_variance": [1e-3] * 4})
    neurons["stolfo"] = [False, False, True, True]
    plots.logit_variance_against_norm(neurons, chosen="stolfo", ax=ax)
    assert [len(dots.get_offsets()) for dots in ax.collections] == [4, 2]
    assert [label.get_text() for label in ax.texts] == ["2.2", "2.3"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("norm", "LogitVar", "log")


def test_rho_is_drawn_beside_controls_and_chance(ax):
    table = pd.DataFrame({"dim": [2, 3], "chosen": [0.5, 0.6], "control_low": [0.1, 0.2], "chance": [0.1, 0.2]})
    table["control_high"] = [0.3, 0.4]
    plots.rho_against_dim(table, dim=3, ax=ax)
    assert [list(line.get_ydata()) for line in ax.lines[:2]] == [[0.5, 0.6], [0.1, 0.2]]
    assert ax.collections[0].get_datalim(ax.transData).intervaly.tolist() == [0.1, 0.4]


def test_the_map_of_the_last_layer_is_what_its_code_draws_and_names_every_chapter(tmp_path):
    last_layer.save(tmp_path / "map.svg")
    drawn = (tmp_path / "map.svg").read_text()
    assert drawn == last_layer.PLACE.read_text()
    numbers = {chapter.split("_")[0] for chapter in book.chapters()}
    words = re.sub(r"<[^>]*>", " ", drawn[drawn.index("</defs>") :])
    assert numbers == set(re.findall(r"\b\d\d\b", words))
