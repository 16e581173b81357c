import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import selection
from lib.neuron_weights import NeuronWeights


def mask(n, *chosen):
    return torch.zeros(n, dtype=torch.bool).index_fill(0, torch.tensor(chosen, dtype=torch.long), True)


def random_weights(seed=0, n=80):
    norm, logit_variance, rho = torch.rand(3, n, generator=torch.Generator().manual_seed(seed)) + 0.01
    return NeuronWeights(norm, logit_variance, rho / 2)


def test_pareto_fronts_are_peeled_one_by_one():
    norm = torch.tensor([5.0, 4.0, 4.5, 1.0])
    variance = torch.tensor([3.0, 1.0, 4.0, 9.0])
    assert selection.pareto_rank(norm, variance, n_fronts=3).tolist() == [0, 0, 1, 2]
    assert selection.pareto_rank(norm, variance, n_fronts=1).tolist() == [0, 0, 1, 1]


def test_no_neuron_on_the_first_front_is_beaten_in_both_respects():
    weights = random_weights()
    rank = selection.pareto_rank(weights.norm, weights.logit_variance, n_fronts=2)
    for neuron in range(80):
        beaten = (weights.norm > weights.norm[neuron]) & (weights.logit_variance < weights.logit_variance[neuron])
        assert (rank[neuron] == 0) == (not beaten.any())


def test_planted_outliers_are_what_every_rule_finds():
    """Six neurons long, hardly read and inside the null space, among eighty ordinary ones."""
    weights = random_weights()
    six = mask(80, 3, 14, 15, 9, 26, 53)
    planted = NeuronWeights(
        norm=torch.where(six, weights.norm + 5, weights.norm),
        logit_variance=torch.where(six, weights.logit_variance / 1e4, weights.logit_variance),
        rho=torch.where(six, 0.97, weights.rho),
    )
    for rule in (selection.stolfo, selection.rho_top, selection.tighidet):
        assert torch.equal(rule(planted), six), rule.__name__
    assert torch.equal(selection.du(planted, count=6), six)
    total = torch.where(six, 1.0, 0.2)
    assert torch.equal(selection.causal(total, torch.full((80,), 0.19)), six)


def test_rules_differ_where_the_papers_do():
    weights = random_weights()
    short = NeuronWeights(weights.norm.index_fill(0, torch.tensor([7]), 0.001), weights.logit_variance, weights.rho)
    short.rho[7], short.logit_variance[7] = 0.99, 1e-6
    assert selection.tighidet(short)[7] and selection.rho_top(short)[7]  # no gate on norm
    assert not selection.stolfo(short)[7] and not selection.du(short)[7]


def test_a_rule_that_finds_nobody_returns_nobody():
    weights = random_weights()
    assert not selection.tighidet(weights, rho_floor=2.0).any()
    assert not selection.causal(torch.zeros(5), torch.ones(5)).any()
    with pytest.raises(ValueError, match="at least 1 neuron"):
        selection.rho_top(weights, count=0)


def test_overlap_is_the_jaccard_index():
    assert selection.overlap(mask(9, 1, 2, 3), mask(9, 2, 3, 4)) == 0.5
    assert selection.overlap(mask(9), mask(9)) == 1.0


def test_chance_is_what_enumerating_all_sets_gives():
    one, other = mask(6, 0, 1, 2), mask(6, 1, 2)
    drawn = [len({0, 1, 2} & set(pair)) for pair in itertools.combinations(range(6), 2)]
    expected, probability = selection.shared_by_chance(one, other)
    assert expected == pytest.approx(sum(drawn) / len(drawn))
    assert probability == pytest.approx(sum(n >= 2 for n in drawn) / len(drawn))
    assert selection.shared_by_chance(one, mask(6)) == (0.0, 1.0)


def test_what_two_floors_have_in_common_counts_as_chance():
    """Sets of two and of one, drawn from those that each rule lets pass, against all such draws."""
    mine, others = mask(6, 0, 1, 2), mask(6, 1, 2, 3, 4)
    one, other = mask(6, 1, 2), mask(6, 2)
    drawn = [len(set(pair) & {single}) for pair in itertools.combinations([0, 1, 2], 2) for single in (1, 2, 3, 4)]
    expected, probability = selection.shared_by_chance(one, other, among=(mine, others))
    assert expected == pytest.approx(sum(drawn) / len(drawn))
    assert probability == pytest.approx(sum(n >= 1 for n in drawn) / len(drawn))
    forced = selection.shared_by_chance(mine, mine, among=(mine, mine))
    assert forced == pytest.approx((3.0, 1.0))  # nothing was left to choose
    assert selection.shared_by_chance(one, mask(6), among=(mine, others)) == (0.0, 1.0)
    with pytest.raises(ValueError, match="not among those its rule lets pass"):
        selection.shared_by_chance(mask(6, 5), other, among=(mine, others))


def test_a_rule_chooses_among_those_that_its_floors_let_pass():
    weights = random_weights()
    passing = selection.passing(weights, rho_floor=0.3)
    for name, rule in selection.RULES.items():
        chosen = selection.tighidet(weights, rho_floor=0.3) if name == "tighidet" else rule(weights)
        assert not (chosen & ~passing[name]).any() and name in selection.SORTED_BY
    assert passing["rho_top"].all() and int(passing["du"].sum()) == 20
    assert torch.equal(passing["tighidet"], weights.rho >= 0.3)
    near = selection.pareto_rank(weights.norm, weights.logit_variance, n_fronts=4) <= 3
    assert torch.equal(passing["stolfo"], passing["du"] & near)
    assert set(selection.SORTED_BY) == set(selection.NAMES)


def test_a_rule_is_called_by_its_name_and_says_when_it_finds_nobody():
    weights = random_weights()
    for name, rule in selection.RULES.items():
        assert torch.equal(selection.by_name(name, weights, count=3), rule(weights, count=3)), name
    with pytest.raises(ValueError, match="one of stolfo, rho_top, tighidet, du; got 'rho'"):
        selection.by_name("rho", weights, count=3)
    outside = NeuronWeights(weights.norm, weights.logit_variance, weights.rho / 10)
    with pytest.raises(ValueError, match=r"'tighidet' chooses no neuron here.*try stolfo, rho_top, du"):
        selection.by_name("tighidet", outside, count=3)


def test_entropy_alone_is_much_entropy_and_of_that_the_half_with_fewer_flips():
    entropy, flips = torch.arange(16.0), torch.tensor([0.0] * 12 + [0.4, 0.1, 0.3, 0.2])
    assert selection.entropy_alone(entropy, flips).nonzero()[:, 0].tolist() == [13, 15]


SHARE = torch.tensor([0.9, 0.8, 0.35, 0.0, -0.5, 0.6])
KL = torch.tensor([0.3, 0.01, 0.4, 0.2, 0.1, 0.25])


def test_frequency_neurons_have_a_share_and_move_predictions_more_than_half_of_the_layer():
    assert selection.frequency_neurons(SHARE, KL).tolist() == [True, False, True, False, False, True]
    assert selection.frequency_neurons(SHARE, KL, count=2).tolist() == [True, False, True, False, False, False]
    assert selection.frequency_neurons(SHARE, KL, min_share=0.5).tolist() == [True, False, False, False, False, True]
    assert not selection.frequency_neurons(SHARE, KL, min_share=0.95).any()
    with pytest.raises(ValueError, match="got top=0"):
        selection.frequency_neurons(SHARE, KL, top=0.0)
    near = selection.nearest_to_frequency(SHARE, KL, count=2)
    assert near.tolist() == [True, False, False, False, False, True]


def test_the_rule_for_frequency_neurons_works_in_a_layer_of_any_width(generator):
    """Three neurons that stand out are found among a hundred as among ten thousand weak ones."""
    for width in (128, 14_336):
        share, moved = 0.1 * torch.randn(width, generator=generator), torch.rand(width, generator=generator)
        share[:3], moved[:3] = torch.tensor([0.5, 0.4, 0.6]), torch.tensor([3.0, 2.0, 4.0])
        assert selection.frequency_neurons(share, moved, count=3).nonzero()[:, 0].tolist() == [0, 1, 2]


@given(st.permutations(range(6)))
def test_the_rule_does_not_depend_on_the_order_of_neurons(order):
    chosen = selection.frequency_neurons(SHARE, KL)
    assert selection.frequency_neurons(SHARE[order], KL[order]).equal(chosen[order])


def test_a_neuron_without_any_effect_is_never_chosen():
    share = torch.tensor([torch.nan, 0.5, 0.4])  # 0 / 0
    assert selection.frequency_neurons(share, torch.tensor([0.0, 0.2, 0.1]), top=1.0).tolist() == [False, True, True]


def test_neurons_are_named_by_unit_and_an_unknown_one_is_said():
    assert selection.mask_of([2, 0], d_mlp=3).tolist() == [True, False, True]
    assert not selection.mask_of([], d_mlp=3).any()
    with pytest.raises(ValueError, match="neurons 0 … 2, and none with unit 3"):
        selection.mask_of([1, 3], d_mlp=3)


def test_what_two_rules_share_is_told_beside_what_random_sets_of_their_sizes_would():
    rules = {"stolfo": mask(10, 0, 1, 2), "rho_top": mask(10, 1, 2, 5), "du": mask(10, 0, 1, 2)}
    passing = {"stolfo": mask(10, 0, 1, 2, 3), "rho_top": torch.ones(10, dtype=torch.bool), "du": mask(10, *range(5))}
    table = selection.pairs(rules, passing).set_index(["rule", "other"])
    assert table.index.tolist() == [("stolfo", "rho_top"), ("stolfo", "du"), ("rho_top", "du")]
    assert table.shared.tolist() == [2, 3, 2] and table.alike.tolist() == [False, True, False]
    for (one, other), row in table.iterrows():
        told = selection.shared_by_chance(rules[one], rules[other], among=(passing[one], passing[other]))
        assert (row["by chance"], row["P(as many)"]) == told
