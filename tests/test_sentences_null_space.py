"""What chapter 02 says of planted results: a clear null space, none, and one that is louder than chance."""

import pandas as pd
import pytest
import torch

from lib.final_layer import FinalLayer
from lib.null_space import Sharpness
from lib.resampling import Estimate
from lib.sentences import null_space as says


def measured(low, high, value=None):
    return Estimate((low + high) / 2 if value is None else value, low, high, 1000, 1)


def moved(write):
    """The tables of the worked example, for a write of two coordinates of which the first is read."""
    layer = FinalLayer(torch.tensor([[1.5, 0.5, -2.0], [0.0, 0.0, 0.0]]), torch.zeros(3), eps=0.0, centres=False)
    streams = torch.stack([torch.tensor([1.2, 0.5]), torch.tensor([1.2, 0.5]) + torch.tensor(write)])
    p = layer.logits(streams).softmax(-1)
    plane = pd.DataFrame({"scale": layer.scale(streams).tolist()}, index=["before", "after"])
    return plane, pd.DataFrame({"token": ["yes", "perhaps", "no"], "before": p[0].tolist(), "after": p[1].tolist()})


def test_a_write_in_the_plane_is_told_by_its_temperature_and_by_whether_the_order_holds():
    told = says.toy(*moved([0.0, 2.0]))
    assert "The scale rises from 0.919 to 1.96, a temperature of 2.13" in told and "no token changes its place" in told
    assert "“yes” goes from 78 % to 60 %" in told
    across = says.toy(*moved([-3.0, 0.0]))
    assert "the order of the tokens changes" in across
    shorter = says.toy(*moved([0.0, -0.5]))
    assert "The scale falls" in shorter and "no token changes its place" in shorter
    assert "The scale stays" in says.toy(*moved([0.0, 0.0]))


def spectrum(values, *, random=9.0):
    return pd.DataFrame({"singular_value": values, "random_low": random, "random_high": random + 1})


def test_the_end_of_the_spectrum_is_told_beside_its_neighbour_and_random_unembeddings():
    told = says.spectrum(spectrum([20.0, 12.0, 10.0, 0.05, 0.04, 0.0]), dim=3, n_zero=1)
    assert "2 singular values lie (and 1 exact zero), the largest of them 0.05" in told
    assert "has 10: a drop by a factor of 200; random unembeddings have at least 9 there" in told
    flat = says.spectrum(spectrum([12.0, 11.0, 10.5, 10.0]), dim=1, n_zero=0)
    assert "1 singular value lies, the largest" in flat and "by a factor of 1.05" in flat
    assert "no smaller than random unembeddings have there, 9 or more" in flat and "zero" not in flat
    nothing = says.spectrum(spectrum([12.0, 1.0, 0.0, 0.0]), dim=2, n_zero=1)
    assert "a factor of more than 1,000" in nothing


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ((19.0, 21.0), "is sharper than that of a spectrum without"),
        ((0.9, 1.1), "is not told from"),
        ((0.4, 0.8), "is blunter than"),
    ],
)
def test_sharpness_is_decided_by_the_interval_that_the_ledger_judges(over, said):
    found = Sharpness(measured(4.0, 4.0), measured(1.5, 2.5), measured(*over))
    told = says.sharp(found)
    assert said in told and "`dim` is 4 in nearly all" in told and "a factor of 2 [1.5, 2.5]" in told
    wandering = says.sharp(Sharpness(measured(3.0, 12.0), measured(1.5, 2.5), measured(*over)))
    assert "`dim` runs from 3 to 12" in wandering


def test_a_cut_that_moves_with_the_tail_is_called_a_choice():
    assert says.steady([0.03, 0.1], [(4, 20.0), (4, 20.0)]).endswith("make the same cut, at `dim` 4.")
    told = says.steady([0.03, 0.05, 0.1], [(4, 1.1), (9, 1.2), (9, 1.2)])
    assert "4 (once) and 9 (twice), so any one is a choice" in told


def writes(own, other, *, left=(0.0, 1.0), free=(0.1, 1.2)):
    rows = {
        ("null space", "norm frozen"): own,
        ("null space", "norm free"): (free[0],) * 3,
        ("null space", "not temperature"): (left[0],) * 3,
        ("random", "norm frozen"): other,
        ("random", "norm free"): (free[1],) * 3,
        ("random", "not temperature"): (left[1],) * 3,
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["KL (nats)", "low", "high"]).set_axis(
        pd.MultiIndex.from_tuples(rows)
    )


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ((0.00001, 0.0, 0.00002), (2.0, 1.8, 2.2), "is the quieter one"),
        ((2.0, 1.7, 2.3), (2.1, 1.8, 2.4), "is no quieter than a random direction"),
        ((3.0, 2.9, 3.1), (2.0, 1.8, 2.2), "is read more than a random direction"),
    ],
)
def test_two_writes_are_compared_by_their_intervals(own, other, said):
    assert said in says.written(writes(own, other))


def test_small_effects_are_not_rounded_to_nought_and_nought_is():
    told = says.written(writes((0.00001, 0.0, 0.00002), (2.0, 1.8, 2.2), left=(0.00001, 1.14)))
    assert "by less than 0.001 nats, a random one by 2 [1.8, 2.2]" in told
    assert "less than 0.1 % of the first and 95 % of the second" in told
    still = says.written(writes((0.0,) * 3, (0.0,) * 3, left=(0.0, 0.0), free=(0.0, 0.0)))
    assert "moves the prediction by 0 [0, 0] nats" in still and "0 % of the first and 0 % of the second" in still


def growth(change):
    return pd.DataFrame({"dim": range(2, 2 + len(change)), "change": change, "random": change[-1]})


def test_a_space_ends_where_one_direction_more_at_least_doubles_the_change():
    ends = says.quiet(growth([0.01, 0.01, 0.1, 0.5]), dim=3)
    assert "50 times less than a random write" in ends and "multiplies that by 10: the space is set apart" in ends
    climbs = says.quiet(growth([0.30, 0.35, 0.40, 0.5]), dim=3)
    assert "by 1.14 only: the space is not set apart" in climbs
    assert says.quiet(growth([0.30, 0.5]), dim=3).endswith("1 times less than a random write.")
    silent = says.quiet(growth([0.0, 0.0, 0.5]), dim=3)
    assert "moves the logits by 0 (root" in silent and "more than 1,000" in silent


def test_shares_and_chance_are_told_with_their_numbers():
    assert "takes away 18 % of" in says.centring(0.1814)
    assert says.chance(0.1537, 0.1526).startswith("A random write has a rho of 0.154 by the formula, of 0.153")
