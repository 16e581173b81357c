"""What chapter 03 says of planted results: neurons that stand apart, a cloud, short ones that act, and nothing."""

import pandas as pd
import pytest

from lib import claims
from lib.resampling import Estimate
from lib.sentences import neurons as says


def measured(low, high, value=None):
    return Estimate((low + high) / 2 if value is None else value, low, high, 1000, 1)


def rules(**rows):
    return pd.DataFrame.from_dict(rows, orient="index", columns=["asked", "passing", "found"])


def test_a_rule_whose_floors_have_chosen_and_one_without_a_floor_are_named():
    told = says.freedom(rules(stolfo=(6, 9, 6), rho_top=(6, 128, 6), tighidet=(6, 121, 6), du=(10, 32, 10)), n=128)
    assert "Of 128 neurons the floors let 9 (`stolfo`), 121 (`tighidet`) and 32 (`du`) pass" in told
    assert "the floors have all but chosen: 6 of 9 for `stolfo`." in told
    assert "The floor of `tighidet` bars only 7: it chooses nearly as if it had none" in told
    assert "for `du`" not in told and "of `du` bars" not in told and "`rho_top`" not in told and "Fewer" not in told
    assert "6 of 7 for `tighidet`" in says.freedom(rules(tighidet=(6, 7, 6)), n=128)
    assert "all but chosen" not in says.freedom(rules(stolfo=(6, 11, 6)), n=128)


def test_a_rule_that_finds_fewer_than_asked_for_or_none_is_named():
    told = says.freedom(rules(stolfo=(6, 5, 5), tighidet=(6, 0, 0), du=(10, 32, 10)), n=128)
    assert told.endswith("Fewer than asked for: `stolfo` finds 5 of 6 and `tighidet` finds 0 of 6.")
    assert says.freedom(rules(rho_top=(6, 128, 6)), n=128) == "Of 128 neurons the floors let all pass."


def layer(variance_of_chosen, *, n=40):
    """Norms 1, 2, …; the two longest are chosen; the others have LogitVar 1."""
    variance = [1.0] * (n - 2) + [variance_of_chosen] * 2
    chosen = [False] * (n - 2) + [True] * 2
    table = pd.DataFrame({"layer": 3, "unit": range(n), "norm": range(1, n + 1), "logit_variance": variance})
    return table.assign(stolfo=chosen)


@pytest.mark.parametrize(("variance", "said"), [(0.01, "they stand apart"), (0.9, "edge of a cloud"), (3.0, "edge")])
def test_chosen_neurons_stand_apart_only_where_the_next_long_one_is_twice_as_loud(variance, said):
    told = says.plane(layer(variance), rule="stolfo")
    assert said in told and "neurons 3.38 and 3.39: 39 to 40 long" in told
    assert ("−" in told.rsplit("rank correlation")[1]) == (variance < 1)


def test_a_quarter_of_which_all_are_chosen_has_no_other_to_compare_with():
    everyone = layer(0.5).assign(stolfo=True)
    assert "quietest" not in says.plane(everyone, rule="stolfo")


@pytest.mark.parametrize(
    ("ratio", "said"),
    [((1.5, 5.6), "are read less here"), ((0.7, 1.4), "is not told from chance"), ((0.2, 0.6), "are read more here")],
)
def test_long_and_hardly_read_is_decided_by_the_whole_interval(ratio, said):
    assert said in says.outlying(measured(*ratio))


def shares(chosen, control, high):
    return pd.DataFrame({"chosen": chosen, "control": control, "control_high": high})


def test_where_neurons_write_is_told_for_the_chosen_and_their_controls():
    told = says.writes(shares([0.02, 0.0, 0.28, 0.7], [0.1, 0.0, 0.3, 0.6], [0.2, 0.0, 0.4, 0.65]), dim=2)
    assert "98 % of a chosen write's squared length" in told and "90 % of a control's" in told
    assert "above the band in 1 of 2 directions of the space and in 0 of the 2 others" in told
    away = says.writes(shares([0.9, 0.1, 0.0, 0.0], [0.25] * 4, [0.5] * 4), dim=2)
    assert "On average 0 %" in away and "in 0 of 2 directions of the space and in 1 of the 2 others" in away


UP, NONE, DOWN = measured(0.01, 0.06), measured(-0.1, 0.1), measured(-0.6, -0.2)


@pytest.mark.parametrize(
    ("difference", "said"), [(UP, "write more into"), (NONE, "no more into"), (DOWN, "write less into")]
)
@pytest.mark.parametrize(
    ("others", "and_said"),
    [((6.0, 6.4), "The others write there too"), ((0.9, 1.2), "hardly write there"), ((1.2, 1.9), "cannot be told")],
)
def test_both_halves_of_where_they_write_are_told_apart(difference, said, others, and_said):
    told = says.inside(measured(0.9, 0.99), measured(0.8, 0.9), difference, measured(*others))
    assert said in told and and_said in told


def test_the_second_half_is_told_by_the_bound_that_the_ledger_has():
    assert claims.load()["stolfo2024.C4"].but.below == says.NEAR


def test_controls_that_are_no_fair_match_are_said_to_be_none():
    assert says.matched(0.81, fair=True) == "The controls have 0.81 times the norm of the chosen (median)."
    assert says.matched(0.4, fair=False).endswith("so they are no fair match in length.")


def pairs(*probabilities, alike=()):
    rows = [(f"r{i}", f"s{i}", i, p, i in alike) for i, p in enumerate(probabilities)]
    return pd.DataFrame(rows, columns=["rule", "other", "shared", "P(as many)", "alike"])


def test_only_rules_that_sort_by_different_numbers_are_witnesses_to_each_other():
    told = says.agreement(pairs(0.0001, 0.5, 0.0001, alike=(2,)))
    assert "Of 2 pairs sorted by different numbers 1 shares more than chance: `r0` and `s0` (0)." in told
    assert "no witnesses to each other, whatever they share: `r2` and `s2` (2)" in told
    none = says.agreement(pairs(0.03, 0.5))
    assert "0 share more than chance." in none and "witnesses" not in none  # 0.03 is above 0.05 over two pairs
    assert says.agreement(pairs(0.0, alike=(0,))).startswith("Of no pair sorted by different numbers 0 share")


def acting(units, *, n=40):
    table = pd.DataFrame({"norm": range(1, n + 1)})
    table["stolfo"] = [unit >= n - 6 for unit in range(n)]
    table["rho_top"] = [unit < 6 for unit in range(n)]
    return table.assign(causal=[unit in units for unit in range(n)])


def test_rules_by_norm_are_said_to_fail_where_what_acts_is_short():
    short = says.causal(acting(range(3, 9)), rules=["stolfo", "rho_top"])
    assert short.startswith("Of the 6 neurons that act most through the norm `rho_top` finds 3 and `stolfo` finds 0.")
    assert "Only 0 of these are in the longest quarter: rules by norm fail here" in short
    long = says.causal(acting(range(34, 40)), rules=["stolfo", "rho_top"])
    assert "`stolfo` finds 6 and `rho_top` finds 0" in long and "All 6 belong to the longest quarter" in long
    assert says.causal(acting([]), rules=["stolfo"]).startswith("No neuron acts through the norm here")
    elsewhere = acting([]).assign(causal=float("nan"))
    assert "needs the last layer" in says.causal(elsewhere, rules=["stolfo"])


def test_the_name_is_told_with_its_rule():
    assert says.followed([8, 28], layer=3, rule="stolfo").endswith("neurons 3.8 and 3.28, by the rule `stolfo`.")
    assert says.followed([8], layer=3, rule="named by the paper").endswith("neuron 3.8, named by the paper.")


def test_named_neurons_are_counted_where_there_are_any():
    table = acting([]).assign(layer=11, logit_variance=range(40, 0, -1), rho=0.5)
    told = says.named(table, [36, 37, 38], rules=["stolfo", "rho_top"], name="gpt2")
    assert "Of the 3 neurons that the paper names `stolfo` finds 3 and `rho_top` finds 0" in told
    assert "95 % of the layer in norm, 7.5 % in LogitVar" in told
    assert "No paper names neurons of layer 11 of pocket" in says.named(table, [], rules=["stolfo"], name="pocket")


def sweep(chosen, chance, high):
    return pd.DataFrame({"dim": [2, 4, 16], "chosen": chosen, "chance": chance, "control_high": high})


def test_a_rho_that_hangs_on_dim_is_told_from_one_that_does_not():
    flat = says.by_dim(sweep([0.4, 0.98, 0.99], [0.1, 0.15, 0.35], [0.5, 0.9, 0.95]), dim=4)
    assert (
        "Most of what the chosen write lies in these few directions" in flat
        and "from 0.98 at `dim` 4 to 0.99 at 16" in flat
        and "at 2 of 3" in flat
    )
    climbing = says.by_dim(sweep([0.2, 0.3, 0.8], [0.1, 0.15, 0.35], [0.5, 0.9, 0.95]), dim=4)
    assert "still climbs" in climbing and "at 0 of 3 values" in climbing
    low = says.by_dim(sweep([0.3, 0.38, 0.4], [0.1, 0.15, 0.35], [0.5, 0.9, 0.95]), dim=4)
    assert "Rho hardly grows beyond the `dim` that is used: from 0.38 at `dim` 4 to 0.4 at 16" in low
    nowhere = says.by_dim(sweep([0.1, 0.16, 0.36], [0.1, 0.15, 0.35], [0.5, 0.9, 0.95]), dim=4)
    assert "no preferred place" in nowhere


def test_what_a_rule_keeps_is_told_by_its_least():
    assert says.kept([6, 6], count=6) == "At every `dim` `rho_top` chooses the same 6 neurons."
    assert says.kept([0, 6, 5], count=6) == (
        "At 1 of 3 values of `dim`, the one used above among them, `rho_top` chooses the same 6 neurons; at the others "
        "it keeps as few as 0."
    )


def test_a_stretch_of_text_is_told_by_what_can_be_seen_in_it():
    told = says.stretch(["a", " the", "`", ","], [0.2, 0.5, -0.3, 0.001], neuron="3.29")
    assert "raises the entropy after 2 tokens and lowers it after 1" in told
    assert "after the other 1 it does less than a tenth of its most, +0.5 nats after `' the'`" in told
    lowers = says.stretch(["`"], [-0.3], neuron="3.29")
    assert "after no token and lowers it after 1" in lowers and '−0.3 nats after `"\'"`' in lowers
    assert says.stretch(["a"], [0.0], neuron="3.29") == "Neuron 3.29 does nothing in this stretch."
