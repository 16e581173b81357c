"""Figures of chapters 02 and 03, and text coloured by numbers."""

import itertools
import re
from math import sqrt

import numpy
import pandas as pd
import pytest
from matplotlib.text import Text

from lib import plots
from lib.plots import coloured

STREAMS = pd.DataFrame({"read": [1.2, 1.2], "unread": [0.5, 2.5], "scale": [0.92, 1.96]}, index=["before", "after"])


def test_the_norm_puts_both_streams_onto_one_circle(ax):
    assert plots.write_in_the_plane(STREAMS, ax=ax) is ax
    dots = [line.get_xydata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert len(dots) == 2
    assert [sqrt(x**2 + y**2) for x, y in dots] == pytest.approx([sqrt(2)] * 2, abs=0.01)
    assert {"before", "after", "write"} <= {text.get_text() for text in ax.texts}


def test_every_token_has_a_bar_before_and_one_after(ax):
    tokens = pd.DataFrame({"token": ["yes", "no"], "before": [0.9, 0.1], "after": [0.6, 0.4]})
    plots.probability_of_tokens(tokens, ax=ax)
    assert [bar.get_height() for bar in ax.patches] == [0.9, 0.1, 0.6, 0.4]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["yes", "no"] and ax.get_ylim() == (0, 1)


def test_the_axes_of_quantities_with_a_zero_show_it(ax):
    sweep = pd.DataFrame({"dim": [2, 3], "chosen": 0.5, "control_low": 0.1, "control_high": 0.3, "chance": 0.1})
    plots.rho_against_dim(sweep, dim=3, ax=ax)
    assert ax.get_xlim()[0] == 0 and ax.get_ylim()[0] == 0


def test_quiet_directions_stand_on_a_log_axis_without_the_exact_zero(ax):
    growth = pd.DataFrame({"dim": [1, 2, 3], "change": [0.0, 0.001, 0.2], "random": 0.5})
    plots.direct_change_against_dim(growth, chosen=2, ax=ax)
    assert ax.get_xlim()[0] == 0 and ax.get_yscale() == "log"
    assert ax.lines[0].get_ydata().tolist() == [0.001, 0.2] and ax.get_ylim()[1] > 0.5


def crowd(n):
    """As many chosen neurons close together at the right edge, among thirty others."""
    table = pd.DataFrame({"layer": 11, "unit": range(1000, 1030 + n), "norm": 1.0, "logit_variance": 1e-2})
    table.loc[30:, "norm"], table.loc[30:, "logit_variance"] = 3.0, 1e-4
    table.loc[30:, "norm"] += [0.1 * i for i in range(n)]
    return table.assign(stolfo=[False] * 30 + [True] * n)


def test_names_of_neighbouring_neurons_do_not_overprint(ax):
    plots.logit_variance_against_norm(crowd(4), chosen="stolfo", ax=ax)
    boxes = [text.get_window_extent() for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == ["11.1030", "11.1031", "11.1032", "11.1033"]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


@pytest.mark.long
def test_names_in_a_crowd_of_other_neurons_do_not_overprint(ax):
    """Each place covers some dots of a dense cloud, and still the names keep apart."""
    cloud = numpy.random.default_rng(0)
    table = pd.DataFrame({"layer": 29, "unit": range(1000, 2500)})
    table["norm"], table["logit_variance"] = cloud.normal(4.5, 0.4, 1500), 10 ** cloud.normal(-2.9, 0.03, 1500)
    chosen = (table.norm - 5).abs().sort_values().index[:6]
    plots.logit_variance_against_norm(table.assign(stolfo=table.index.isin(chosen)), chosen="stolfo", ax=ax)
    ax.figure.canvas.draw()  # puts them where they are shown
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    assert len(boxes) == 6
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_the_name_of_a_neuron_covers_no_other_neuron(ax):
    table = pd.DataFrame({"layer": 3, "unit": range(3), "norm": [2.0, 2.2, 0.1], "logit_variance": [1e-3, 1.1e-3, 1.0]})
    plots.logit_variance_against_norm(table.assign(stolfo=[True, False, False]), chosen="stolfo", ax=ax)
    (name,) = ax.texts
    other = ax.transData.transform((2.2, 1.1e-3))
    assert not name.get_window_extent().contains(*other)


def test_many_neurons_are_drawn_as_pixels_and_more_than_ten_are_not_named(ax):
    many = pd.concat([crowd(11)] * 8, ignore_index=True)
    plots.logit_variance_against_norm(many, chosen="stolfo", ax=ax)
    assert ax.collections[0].get_rasterized() and not ax.texts


def test_the_end_of_the_directions_is_shown_with_a_bar_of_controls_for_each(ax):
    table = pd.DataFrame({"index": range(9), "chosen": 0.1, "control_low": 0.0, "control_high": 0.3})
    plots.share_against_index(table, dim=2, end=5, ax=ax)
    assert len(ax.lines[0].get_xdata()) == 5 and len(ax.collections[0].get_segments()) == 5
    assert "null space, dim 2" in ax.get_legend_handles_labels()[1] and ax.get_ylim()[0] == 0


def test_the_diagonal_of_the_overlap_is_white_and_tells_the_sizes(ax):
    overlap = pd.DataFrame({"a": {"a": 1.0, "b": 0.25}, "b": {"a": 0.25, "b": 1.0}})
    plots.overlap_of_rules(overlap, sizes={"a": 6, "b": 10}, ax=ax)
    assert [label.get_text() for label in ax.texts] == ["[6]", "0.25", "0.25", "[10]"]
    assert {label.get_color() for label in ax.texts} == {"black"}
    assert ax.collections[0].get_facecolors()[0].tolist() == pytest.approx([1, 1, 1, 1])


TEXT = plots.coloured_text([" a", "<b>", "\n"], [0.5, -0.25, 0.0], quantity="entropy added (nats)")
PAGES = {
    "light page": ("#222832", "#ffffff"),
    "dark page": ("#222832", "#ced6dd"),
    "light notebook": ("#212121", "#ffffff"),
    "dark notebook": ("#ffffff", "#111111"),
}
"""Text and ground of what a cell shows."""


def luminance(colour):
    channels = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in colour]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), channels, strict=True))


def channels(colour):
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


@pytest.mark.parametrize("page", list(PAGES))
@pytest.mark.parametrize("value", [0.5, -0.5, 0.25, -0.1])
def test_text_stays_legible_on_its_colour(page, value):
    text, ground = map(channels, PAGES[page])
    *colour, opacity = map(float, re.search(r"rgba\((.*?)\)", TEXT.style(value)).group(1).split(","))
    mixed = [opacity * c / 255 + (1 - opacity) * g for c, g in zip(colour, ground, strict=True)]
    light, dark = sorted([luminance(text), luminance(mixed)], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_token_tells_its_number_its_sign_and_its_strength():
    page = TEXT._repr_html_()
    assert 'title="&#x27; a&#x27;: +0.500"' in page and "−0.250" in page and "&lt;b&gt;</span>" in page
    assert "<b>" not in page and "↵" in page and "entropy added (nats): " in page
    strength = [float(TEXT.style(value).split(", ")[3].split(")")[0]) for value in (0.5, 0.25, 0.0)]
    assert strength == [coloured.STRONGEST, coloured.STRONGEST / 2, 0.0]
    assert "dotted" in TEXT.style(-0.25) and "dotted" not in TEXT.style(0.25) and "dotted" not in TEXT.style(-0.001)
    assert repr(TEXT) == "entropy added (nats): ' a' +0.500 '<b>' −0.250 '\\n' 0"


def test_text_in_which_nothing_happens_is_white():
    assert set(re.findall(r"rgba\(.*?\)", plots.coloured_text(["a"], [0.0], quantity="q")._repr_html_())) == {
        "rgba(213, 94, 0, 0.000)"
    }


@pytest.mark.parametrize("values", [[], [0.1, 0.2]])
def test_text_and_numbers_have_to_go_together(values):
    with pytest.raises(ValueError, match=f"got {len(values) and 1} tokens and {len(values)} numbers"):
        plots.coloured_text(["a"] * (len(values) and 1), values, quantity="q")
