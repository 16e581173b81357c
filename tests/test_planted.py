"""Discovery where entropy neurons, frequency neurons and induction head are known: it finds all of them, only them."""

import functools

import pytest
import torch

from lib import (
    claims,
    controls,
    effects,
    evidence,
    induction,
    kinds,
    neuron_weights,
    null_space,
    resampling,
    selection,
)
from tests import planted as ground_truth

pytestmark = pytest.mark.long


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
def tokens(planted):
    return planted.model.sequences("pocket", n_sequences=16, sequence_length=40)


@pytest.fixture(scope="module")
def effect(planted, tokens):
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
    rule = selection.frequency_neurons(effect.frequency_mediated, effect.mean("abs_kl_change"))
    assert found(rule) == planted.frequency
    assert kinds.frequency(effect).units == sorted(planted.frequency)
    assert kinds.entropy(planted.model, count=2).units == sorted(planted.entropy)


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


def of(units):
    return selection.mask_of(list(units), d_mlp=ground_truth.D_MLP)


@pytest.fixture(scope="module")
def verdict():
    """What the book says of a claim, given what was measured on a model that no paper knows."""
    known = claims.load()

    def judge(name, *measured):
        return known[f"stolfo2024.{name}"].judge(measured[0], model="planted", but=next(iter(measured[1:]), None))[0]

    return judge


def by_size(chosen, effect, generator):
    return controls.matched(chosen, effect.mean("total"), n_sets=200, generator=generator)


def test_the_planted_drop_and_null_space_are_supported(planted, weights, verdict, generator):
    W_U = planted.model.final_layer.weight_coordinates()
    settings = {"centres": True, "tail": 0.05, "generator": generator}
    random = null_space.random_spectra(W_U, n_controls=5, n_halves=20, **settings)
    assert verdict("C3", null_space.sharpness(W_U, random, **settings).over_random) == "supported"
    halves = neuron_weights.halves(
        planted.model.W_out, neuron_weights.parts(W_U, generator=generator), dim=0, n_halves=20, **settings
    )
    rule = functools.partial(selection.stolfo, count=2)
    inside = evidence.inside(halves, rule, n_sets=10, n=W_U.shape[1], generator=generator)
    chance = null_space.chance(dim=planted.null_dim, d_model=ground_truth.D_MODEL, centres=True)
    assert verdict("C4", inside.difference, evidence.over(inside.controls, chance)) == "supported"


def test_the_planted_mediation_by_the_norm_is_supported(planted, weights, effect, verdict, generator):
    chosen = of(planted.entropy)
    sets = by_size(chosen, effect, generator)
    share = evidence.share_beyond(effect, chosen, sets, generator=generator)
    assert verdict("C2", share.difference, share.controls) == "supported"
    largest = evidence.largest_share(effect, selection.rho_top(weights, count=2), sets, generator=generator)
    assert verdict("C8", largest.difference) == "supported"


def test_the_planted_mediation_by_token_frequency_is_supported(planted, effect, verdict, generator):
    def rule(e):
        return selection.frequency_neurons(e.frequency_mediated, e.mean("abs_kl_change"))

    even = torch.arange(16) % 2 == 0
    choosing, testing = effect.part(even), effect.part(~even)
    sets = by_size(rule(choosing), choosing, generator)
    share = evidence.share_beyond(testing, rule(choosing), sets, left="direct_frequency", generator=generator)
    assert verdict("C13", share.difference, share.controls) in ("supported", "in part")
    assert share.difference.low > 0
    ranks = evidence.percentile_beyond(testing, rule(choosing), sets, generator=generator)
    assert verdict("C12", ranks.difference) == "supported"
    confirmed = evidence.confirmed(testing, rule(choosing), rule, generator=generator)
    assert verdict("C15", confirmed) == "supported" and confirmed.value == len(planted.frequency)


def test_the_planted_head_is_supported(planted, verdict, generator):
    repeats = induction.of_random_tokens(planted.model, n_sequences=16, length=40, generator=generator)
    score = induction.head_scores(planted.model, repeats.tokens)
    assert verdict("C21", induction.best_score(score, length=40, generator=generator)) == "supported"
    control = induction.shuffled(repeats, generator=generator)
    loss = [some.change(induction.read(planted.model, some.tokens).loss) for some in (repeats, control)]
    found = resampling.mean_of_sequences(loss[0] - loss[1], n=repeats.n_pairs, generator=generator)
    own = resampling.mean_of_sequences(loss[0], n=repeats.n_pairs, generator=generator)
    assert verdict("C18.loss", found, own) == "supported"


def test_neurons_that_were_planted_for_nothing_are_not_supported(planted, effect, verdict, generator):
    ordinary = of((20, 33))
    share = evidence.share_beyond(effect, ordinary, by_size(ordinary, effect, generator), generator=generator)
    assert verdict("C2", share.difference, share.controls) not in ("supported", "reproduced")
