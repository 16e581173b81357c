"""What chapter 05 says: right for a clear effect, for none, for the opposite one, and where there is nothing at all."""

import pandas as pd
import pytest

from lib import kinds
from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences import token_frequency as says


def measured(low, high):
    return Estimate((low + high) / 2, low, high, 1000, 16)


UP, NONE, DOWN = measured(0.2, 0.4), measured(-0.1, 0.1), measured(-0.4, -0.2)


def against(difference, *, chosen=(0.55, 0.65), controls=(0.0, 0.05)):
    return Against(measured(*chosen), measured(*controls), difference)


def test_counts_are_read_from_the_first_dot_to_the_last():
    told = says.counts(pd.DataFrame({"count": [60, 0, 30, 10, 0]}))
    assert "occurs 60 times, 60 % of the text, and the rarest of the 3 tokens that occur 10" in told
    assert told.endswith("2 of 5 tokens (40 %) of the vocabulary never occur.")
    flat = says.counts(pd.DataFrame({"count": [5, 5, 0]}))
    assert "equally frequent" in flat and "1 of 3 tokens (33 %) of the vocabulary never occurs" in flat


@pytest.mark.parametrize(
    ("chosen", "said"), [((0.5, 0.6), "are less sure"), ((-0.1, 0.1), "cannot be told"), ((-0.9, -0.8), "are surer")]
)
def test_the_fall_of_entropy_is_told_by_its_rank_correlation(chosen, said):
    assert said in says.fallback(against(DOWN, chosen=chosen)).split(":")[0]


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (UP, "says nothing about frequency"),
        (NONE, "no more closely"),
        (DOWN, "more closely than a spread-out distribution alone"),
    ],
)
def test_the_fall_counts_only_beyond_that_of_permuted_unigrams(difference, said):
    assert said in says.fallback(against(difference, chosen=(-0.9, -0.8)))


def table(**passes):
    units = [int(unit[1:]) for unit in passes]
    return pd.DataFrame({"unit": units, "testing": 0.123, "passes": list(passes.values())})


GIVEN = {"layer": 3, "conditions": (0.3, 0.5)}


def test_a_followed_neuron_that_fails_the_rule_where_it_is_tested_is_named():
    told = says.followed(table(n7=True, n9=False), rule="frequency_neurons", **GIVEN)
    assert "finds neurons 3.7 and 3.9" in told and "1 of 2 meet its conditions; 3.9 (share 0.123) does not" in told
    assert told.endswith("at least 0.3, and the KL change in the upper 50 % of the layer.")
    strong = says.followed(table(n7=True, n9=False).assign(testing=0.4), rule="frequency_neurons", **GIVEN)
    assert "3.9 (KL change) does not" in strong
    fine = says.followed(table(n7=True, n9=True), rule="frequency_neurons", **GIVEN)
    assert fine.endswith("On the other sequences 2 of 2 meet its conditions.")


def test_where_the_rule_finds_none_the_nearest_are_called_so_and_named_ones_by_their_source():
    nearest = says.followed(table(n7=False, n9=False), rule=kinds.NEAREST, **GIVEN)
    assert "finds no neuron here; followed are the nearest to it, neurons 3.7 and 3.9" in nearest
    assert "0 of 2 meet" in nearest and "do not" in nearest
    named = says.followed(table(n7=True), rule=kinds.BY_THE_PAPER, **GIVEN)
    assert named.startswith("Followed: neuron 3.7, named by the paper.")


@pytest.mark.parametrize(
    ("ranks", "said"), [(UP, "they stand out on both axes."), (NONE, "cannot be told"), (DOWN, "stand out less")]
)
def test_standing_out_is_told_beside_neurons_of_like_effect(ranks, said):
    assert said in says.stand(against(ranks), "too few")
    assert says.stand(against(ranks), "too few").endswith("not held against the entropy neurons: too few.")


def test_entropy_neurons_are_named_with_their_rule_and_those_on_both_lists_counted():
    given = {"layer": 3, "rule": "stolfo"}
    told = says.marked([7, 9], both=0, **given)
    assert told == "Entropy neurons are neurons 3.7 and 3.9, by the rule `stolfo`; no neuron is on both lists."
    for both, end in ((1, "1 neuron is"), (2, "2 neurons are")):
        assert says.marked([7, 9], both=both, **given).endswith(f"{end} on both lists.")
    assert ", named by the paper; no" in says.marked([7], layer=3, rule=kinds.BY_THE_PAPER, both=0)


@pytest.mark.parametrize(
    ("apart", "said"),
    [(UP, "the two kinds differ"), (NONE, "cannot be told"), (DOWN, "entropy neurons have the larger share")],
)
def test_the_two_kinds_are_told_apart_or_not(apart, said):
    assert said in says.stand(against(UP), apart)
    both = says.stand("the rule finds none", "the rule finds none")
    assert (
        both == "Whether they stand out from others, and from the entropy neurons, was not tested: the rule finds none."
    )
    nothing = says.stand("the rule finds none", "too few")
    assert nothing.startswith("Whether token-frequency neurons stand out was not tested: the rule finds none.")


@pytest.mark.parametrize(
    ("difference", "said"),
    [(UP, "mediates more"), (NONE, "no difference"), (DOWN, "about tokens that never occur")],
)
def test_unseen_tokens_matter_or_not(difference, said):
    told = says.unseen({"all": measured(0.3, 0.5), "seen": measured(0.2, 0.4), "difference": difference})
    assert said in told and "is 0.4 [0.3, 0.5], along that over seen tokens 0.3 [0.2, 0.4]" in told


def test_freezing_the_direction_is_told_for_followed_and_others():
    told = says.roads({"norm": against(UP), "effect": against(measured(0.5, 0.6))}, bound=0.1)
    assert told.startswith("The token-frequency direction carries 0.6") and "stays below 0.1" in told


def tokens(*rows):
    return pd.DataFrame(rows, columns=["kl_change", "entropy_change", "loss_change"])


def test_the_hardest_tokens_are_counted():
    told = says.hardest(tokens((0.1, -0.1, 0.2), (0.2, 0.1, -0.1), (-0.1, -0.2, 0.1), (1e-5, -1e-5, 0)), name="3.7")
    assert "Of the 4 tokens" in told and "surer at 2, farther from the unigram distribution at 2" in told
    assert told.endswith("pays more at 2.")


def test_quarters_and_pull_are_told_together():
    dots = tokens((0.1, -0.1, 0), (0.2, -0.2, 0), (0.3, -0.1, 0), (-0.1, 0.1, 0))
    tests = {"entropy": against(DOWN), "kl": against(UP), "opposed": against(NONE)}
    told = says.quarters(dots, tests, name="neuron 3.7", where="at which it fires")
    assert "75 % of 4 tokens at which it fires lie lower right" in told and "25 % upper left" in told
    assert "so it is lower than theirs" in told and "so it is higher than theirs" in told and "cannot be told" in told


def test_a_neuron_that_tests_nothing_says_why_once_and_no_token_makes_no_share():
    told = says.quarters(tokens(), dict.fromkeys(("entropy", "kl", "opposed"), "few"), name="3.7", where="there")
    assert "0 % of 0 tokens there" in told and told.count("few") == 1
    mixed = says.quarters(tokens(), {"entropy": "few", "kl": against(UP)}, name="3.7", where="there")
    assert "entropy change was not held against that of others: few." in mixed and "There the KL change is" in mixed
