"""One name, one set: what later chapters follow is what chapters 03 and 05 chose."""

import pytest
import torch

from lib import effects, kinds, neuron_weights, null_space, selection, token_frequency


@pytest.fixture(scope="module")
def effect(pocket):
    tokens = pocket.sequences("pocket", n_sequences=16, sequence_length=64)
    counts = token_frequency.unigram(pocket, "pocket", n_tokens=50_000)
    return effects.measure(
        pocket, tokens, scored=pocket.scored(tokens), log_unigram=counts.log_probability.to(pocket.final_layer.W_U)
    )


def test_entropy_neurons_are_those_of_the_rule_of_chapter_03(pocket):
    W_U = pocket.final_layer.weight_coordinates()
    V_0 = null_space.effective(null_space.spectrum(W_U, centres=pocket.final_layer.centres), dim=0, tail=0.05)
    by_hand = selection.stolfo(neuron_weights.measure(pocket.W_out, W_U, V_0), count=6)
    found = kinds.entropy(pocket)
    assert found.neurons.equal(by_hand) and found.rule == "stolfo" and len(found.units) == 6
    assert len(kinds.entropy(pocket, count=3).units) == 3


@pytest.mark.long
def test_frequency_neurons_are_chosen_on_the_even_sequences_alone(effect):
    found = kinds.frequency(effect, min_share=0.1)
    assert found.rule == "frequency_neurons" and found.units
    other = effect.n.new_tensor([0] + [2 * (at // 2) for at in range(1, 16)])  # the odd ones replaced by even ones
    assert kinds.frequency(effect.part(other), min_share=0.1).neurons.equal(found.neurons)


@pytest.mark.long
def test_where_no_neuron_meets_the_rule_the_nearest_are_those_of_largest_share_that_move_much(effect):
    assert not kinds.frequency(effect, min_share=1.0).units
    found = kinds.nearest_to_frequency(effect, count=3)
    even = effect.part(torch.arange(16) % 2 == 0)
    moves = even.mean("abs_kl_change") >= even.mean("abs_kl_change").median()
    by_hand = even.frequency_mediated.masked_fill(~moves, -torch.inf).topk(3).indices.tolist()
    assert found.units == sorted(by_hand) and found.rule == kinds.NEAREST and found.stands_in


def test_the_nearest_stand_in_only_where_the_rule_finds_none(effect, monkeypatch):
    found = kinds.frequency(effect, min_share=0.1)
    monkeypatch.setattr(kinds, "frequency", lambda effect, count, named: kinds.Kind(found.neurons, "frequency_neurons"))
    assert kinds.frequency_or_nearest(effect, count=3).neurons.equal(found.neurons)
    monkeypatch.setattr(kinds, "frequency", lambda effect, count, named: kinds.Kind(found.neurons & False, "none"))
    near = kinds.frequency_or_nearest(effect, count=3)
    assert near.stands_in and near.units == kinds.nearest_to_frequency(effect, count=3).units


def test_those_found_are_followed_the_nearest_where_there_are_none_and_before_them_the_papers(effect):
    none, some = (kinds.frequency(effect, min_share=share) for share in (1.0, 0.1))
    assert some.units and kinds.to_follow(some, effect) is some
    assert kinds.to_follow(none, effect, count=3).neurons.equal(kinds.nearest_to_frequency(effect, count=3).neurons)
    named = kinds.to_follow(some, effect, named=[7, 3])
    assert named.units == [3, 7] and named.rule == kinds.BY_THE_PAPER


def test_neurons_that_a_paper_names_come_before_any_rule(pocket, effect):
    for found in (kinds.entropy(pocket, named=[7, 3]), kinds.frequency(effect, named=[7, 3])):
        assert found.units == [3, 7] and found.rule == kinds.BY_THE_PAPER
    with pytest.raises(ValueError, match="none with unit 9999"):
        kinds.entropy(pocket, named=[9999])


def test_the_table_has_a_row_for_every_neuron_that_some_rule_chose():
    one, other = torch.tensor([True, False, False, True]), torch.tensor([True, False, True, False])
    table = kinds.table({"one": one, "other": other})
    assert table.index.tolist() == [0, 2, 3] and table.index.name == "unit"
    assert table.loc[0].tolist() == ["●", "●"] and table.loc[2].tolist() == ["", "●"]


def test_a_rule_that_chooses_none_is_stood_in_for_and_says_so(generator):
    W_U = torch.randn(16, 40, generator=generator)
    weights = neuron_weights.measure(torch.randn(30, 16, generator=generator), W_U, W_U[:, :0].new_zeros(16, 2))
    found = kinds.by_rule("tighidet", weights, count=3)  # without a null space no rho reaches its floor
    assert found.stands_in and found.rule == "largest rho in place of tighidet" and len(found.units) == 3
    assert not kinds.by_rule("rho_top", weights, count=3).stands_in
    with pytest.raises(ValueError, match="got 'none'"):
        kinds.by_rule("none", weights, count=3)
