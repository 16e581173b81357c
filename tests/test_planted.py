"""Discovery where entropy neurons, frequency neurons and induction head are known: it finds all of them, only them."""

import pytest

from lib import effects, induction, neuron_weights, null_space, selection, token_frequency
from tests import planted as ground_truth


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return ground_truth.build(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def spectrum(planted):
    layer = planted.model.final_layer
    return null_space.spectrum(layer.weight_coordinates(), centres=layer.centres)


@pytest.fixture(scope="module")
def weights(planted, spectrum):
    basis = null_space.effective(spectrum, dim=0, tail=0.05)
    return neuron_weights.measure(planted.model.W_out, planted.model.final_layer.weight_coordinates(), basis)


@pytest.fixture(scope="module")
def effect(planted):
    tokens = planted.model.sequences("pocket", n_sequences=4, sequence_length=96)
    scored = planted.model.scored(tokens)
    return effects.measure(planted.model, tokens, scored=scored, log_unigram=planted.log_unigram)


def found(mask):
    return tuple(mask.nonzero()[:, 0].tolist())


def test_the_null_space_is_found_at_its_true_dimension(planted, spectrum):
    assert null_space.largest_drop(spectrum, tail=0.05)[0] == planted.null_dim


@pytest.mark.parametrize("rule", list(selection.RULES))
def test_every_rule_on_weights_finds_the_entropy_neurons_and_nobody_else(planted, weights, rule):
    assert found(selection.by_name(rule, weights, count=2)) == planted.entropy


def test_a_rule_with_a_floor_finds_no_more_than_there_are(planted, weights):
    assert found(selection.tighidet(weights, count=6)) == planted.entropy


def test_the_norm_mediates_the_effect_of_the_entropy_neurons_alone(planted, effect):
    assert found(effect.norm_mediated > 0.5) == planted.entropy
    assert found(selection.causal(effect.mean("total"), effect.mean("direct"), count=2)) == planted.entropy


def test_the_frequency_direction_mediates_the_effect_of_the_frequency_neurons_alone(planted, effect):
    assert found(effect.frequency_mediated > 0.5) == planted.frequency
    rule = {"top": 4 / ground_truth.D_MLP, "min_share": 0.3}
    both = token_frequency.top_on_both(effect.frequency_mediated, effect.mean("abs_kl_change"), **rule)
    assert found(both) == planted.frequency


def test_the_induction_score_finds_the_one_head(planted, generator):
    score = induction.induction_score(planted.model, n_sequences=8, length=50, generator=generator)
    assert (score > 0.7).nonzero().tolist() == [list(planted.induction)]


def test_without_its_writes_the_model_has_no_such_neurons(planted):
    """The same rules on the same model find nobody once the planted output weights are swapped for ordinary ones."""
    ordinary = planted.model.W_out.clone()
    ordinary[list(planted.entropy)] = ordinary[[0, 1]]
    W_U = planted.model.final_layer.weight_coordinates()
    basis = null_space.effective(null_space.spectrum(W_U, centres=True), dim=0, tail=0.05)
    assert not selection.tighidet(neuron_weights.measure(ordinary, W_U, basis), count=2).any()
