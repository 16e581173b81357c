"""What pages draw and say beyond the claims: boxes of many control sets, bins of one neuron, what carries entropy."""

from dataclasses import replace

import numpy
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from torch.testing import assert_close

from lib import ablation, controls, effects, evidence, null_space
from lib import model as door
from lib.evidence import spread
from tests.test_evidence import (
    N_NEURONS,
    N_TOKENS,
    N_TRIALS,
    N,
    alone,
    draw,
    made_up,
    mask,
    seldom,
    stands_out,
    units_of,
)

pytestmark = pytest.mark.long


def test_quantiles_of_weighted_things_are_those_of_things_repeated(generator):
    value = torch.randn(200, generator=generator).double()
    weight = torch.randint(0, 5, (200,), generator=generator).double()
    weight[0] = 1
    repeated = value.repeat_interleave(weight.long())
    expected = numpy.quantile(repeated.numpy(), list(spread.QUANTILES.values()), method="inverted_cdf")
    assert spread.quantiles(value, weight) == pytest.approx(expected.tolist())


def test_boxes_hold_every_control_as_often_as_the_sets_do(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    tokens = torch.randint(1, 1500, (8, 12), generator=generator)
    sets = controls.matched(mask(7), torch.ones(N_NEURONS), n_sets=30, generator=generator, nearest=4)
    groups = {"3.7": mask(7)[None], "like it": sets.neuron}
    single = evidence.members(groups)
    assert units_of(single.any(0)) == sorted({7, *units_of(sets.neuron.any(0))}) and (single.sum(1) == 1).all()
    read = effects.by_token(model, tokens, sets=single, scored=model.scored(tokens))
    table = evidence.boxes(read, groups, left="direct", generator=generator)
    assert table.group.tolist() == ["3.7"] * 2 + ["like it"] * 2 and table.effect.tolist() == ["total", "direct"] * 2
    row = units_of(single.any(0)).index(7)
    own = read.direct_loss_change[row].abs().double().numpy()
    assert table["mean"][1] == pytest.approx(own.mean(), rel=1e-5)
    assert table["median"][1] == pytest.approx(numpy.quantile(own, 0.5, method="inverted_cdf"))
    held = [read.loss_change[units_of(single.any(0)).index(units_of(one)[0])].abs() for one in sets.neuron]
    assert table["mean"][2] == pytest.approx(torch.stack(held).double().mean().item(), rel=1e-5)
    assert (table.mean_low <= table["mean"]).all() and (table["mean"] <= table.mean_high).all()
    few = effects.by_token(model, tokens[:4], sets=single, scored=model.scored(tokens[:4]))
    assert evidence.boxes(few, groups, left="direct", generator=generator).mean_low.isna().all()


def test_bins_by_loss_hold_the_neurons_own_tokens_beside_those_of_the_others(generator):
    lone = alone(generator)
    table = lone.by_loss("loss", lone.fires, n_bins=4, generator=generator)
    members = lone.loss.argsort()[: N_TOKENS // 4]
    own = members[lone.fires[0, members]]
    assert table.loss[0] == pytest.approx(lone.loss[members].mean().item())
    assert table.change[0] == pytest.approx(lone.change["loss"][0, own].mean().item(), rel=1e-4)
    place = {unit: row for row, unit in enumerate(lone.unit.tolist())}
    usual = []
    for one in lone.sets.neuron:
        row = place[units_of(one)[0]]
        usual.append(lone.change["loss"][row, members[lone.fires[row, members]]].mean().item())
    assert table.usual[0] == pytest.approx(sum(usual) / len(usual), rel=1e-4)
    assert (table.low <= table.change).all() and (table.usual_low <= table.usual_high).all()
    nowhere = lone.by_loss("loss", torch.zeros_like(lone.fires), n_bins=4, generator=generator)
    assert nowhere.change.isna().all() and nowhere.low.isna().all() and nowhere.usual.isna().all()


@pytest.mark.parametrize(("factor", "low", "high"), [(0.5, 0.49, 0.51), (1.0, 0.99, 1.01), (2.0, 1.9, 2.1)])
def test_a_set_does_what_its_single_changes_add_up_to_when_its_neurons_act_independently(
    pocket, generator, factor, low, high
):
    tokens = pocket.sequences("pocket", n_sequences=8, sequence_length=24)
    five = torch.eye(len(pocket.W_out), dtype=torch.bool)[:5]
    read = effects.by_token(pocket, tokens, sets=torch.cat([five[:1], five]), scored=pocket.scored(tokens))
    single = torch.randn(read.loss_change[1:].shape, generator=generator)  # of both signs: sizes do not add up
    read = replace(read, loss_change=torch.cat([factor * single.sum(0, keepdim=True), single]))
    found = evidence.together(read, generator=generator)
    assert low < found.low <= found.value <= found.high < high


def test_entropy_and_predictions_are_ranked_over_neurons(generator):
    effect = made_up(generator)
    found = evidence.entropy_with_predictions(effect)
    both = (effect.mean(name).tolist() for name in ("abs_entropy_change", "prediction_change"))
    assert found.value == pytest.approx(spearmanr(*both).statistic) and found.low < found.value < found.high


def as_temperature(generator, left):
    """Three sets whose ablation a temperature explains but for the shares `left`."""
    kl = torch.rand(len(left), N_TOKENS, generator=generator) + 0.1
    return effects.AsTemperature(
        torch.ones_like(kl), kl, kl * torch.tensor(left)[:, None], torch.arange(N_TOKENS) % N
    )  # fmt: skip


def test_what_a_temperature_explains_is_a_share_of_the_summed_divergence(generator):
    cooled = as_temperature(generator, [0.1, 0.5, 0.6, 0.9])
    found = evidence.explained_beyond(cooled, rows=slice(1, 3), generator=generator)
    assert found.chosen.value == pytest.approx(0.9, abs=1e-5) and found.controls.value == pytest.approx(0.45, abs=1e-5)
    assert found.difference.low == pytest.approx(0.4, abs=1e-3)
    idle = effects.AsTemperature(*(torch.zeros(2, N_TOKENS) for _ in range(3)), torch.arange(N_TOKENS) % N)
    assert evidence.explained_beyond(idle, rows=slice(1, 2), generator=generator).chosen.value == 0


def test_each_kind_of_control_is_told_by_its_own_rows(generator):
    cooled = as_temperature(generator, [0.1, 0.5, 0.6, 0.9])
    kinds = {"norm": mask(1, 2)[None], "effect": torch.stack([mask(3, 4), mask(5, 6)])}
    found = evidence.explained_beside(cooled, kinds, draw=draw)
    assert found["norm"].controls.value == pytest.approx(0.5, abs=1e-5)
    assert found["effect"].controls.value == pytest.approx(0.25, abs=1e-5)
    again = evidence.explained_beyond(cooled, rows=slice(2, 4), generator=draw("explained, effect"))
    assert found["effect"] == again


def test_values_put_in_are_compared_for_each_neuron_alone(pocket):
    tokens, chosen = pocket.sequences("pocket", n_sequences=8, sequence_length=24), mask(3, 20, n=128)
    scored, activation = pocket.scored(tokens), pocket.run(tokens, "activation").activation
    found = evidence.by_replacement(pocket, tokens, chosen, activation=activation, scored=scored, draw=draw)
    assert [*found] == [*ablation.KINDS]
    one = torch.eye(128, dtype=torch.bool)[20][None]
    value = ablation.by_name("resample", activation, generator=draw("resample again"))
    by_hand = effects.measure_sets(pocket, tokens, sets=one, scored=scored, replacement=value)
    assert_close(found["resample"].total[:, 1], by_hand.total[:, 0])
    table = evidence.mean_effects(found, ["total", "direct"])
    assert table.loc["zero", "direct"] == pytest.approx(found["zero"].mean("direct").mean().item())
    n, effect = found["mean"].n[:, None], found["mean"]
    expected = 1 - ((n * effect.direct).sum() / (n * effect.total).sum()).item()
    assert evidence.shares_by_replacement(found, draw=draw)["mean"].value == pytest.approx(expected)


def activations(generator, *, follows=None):
    """Activations of neurons, those of `follows` (weights) going with the entropy."""
    entropy = torch.rand(N_TOKENS, generator=generator) * 3
    noise = torch.randn(N_TOKENS, N_NEURONS, generator=generator)
    weight = torch.zeros(N_NEURONS) if follows is None else follows
    return noise + entropy[:, None] * weight, entropy, torch.arange(N_TOKENS) % N


def test_a_neuron_carries_entropy_as_its_activation_correlates_with_it(generator):
    activation, entropy, sequence = activations(generator)
    activation[:, 3] = 5.0  # never changes
    found = evidence.carried(activation, entropy, sequence)
    expected = [abs(pearsonr(activation[:, unit], entropy).statistic) for unit in (0, 1, 2)]
    assert found.correlation()[:3].tolist() == pytest.approx(expected, abs=1e-6) and found.correlation()[3] == 0
    drawn = torch.cat([torch.nonzero(sequence == s)[:, 0] for s in (4, 4, 9)])
    expected = abs(pearsonr(activation[drawn, 0], entropy[drawn]).statistic)
    assert found.correlation(torch.tensor([4, 4, 9]))[0].item() == pytest.approx(expected, abs=1e-6)


def test_two_top_lists_share_what_is_in_both(generator):
    found = evidence.carried(*activations(generator, follows=4.0 * mask(1, 2, 5)))
    shared = found.shared_with(3.0 * mask(2, 5, 7) + 0.01 * torch.arange(N_NEURONS), count=3)
    assert (shared.count, shared.shared) == (3, 2) and shared.expected == pytest.approx(9 / N_NEURONS)
    assert 0 < shared.chance < 0.02


def test_carrying_that_follows_rho_is_found_and_that_of_random_neurons_seldom(generator):
    def held(follows):
        found = evidence.carried(*activations(generator, follows=follows))
        return found.with_rho(w_out, basis, n_random=60, generator=generator)

    w_out = torch.randn(N_NEURONS, 20, generator=generator)
    basis = torch.linalg.qr(torch.randn(20, 3, generator=generator)).Q
    rho = null_space.rho(w_out, basis)
    planted = held(2 * rho**2)
    assert stands_out(planted) and planted.chosen.value > 0.8 and abs(planted.controls.value) < 0.2
    assert stands_out(held(2 * (rho.max() - rho)), -1)
    by_chance = sum(stands_out(held(torch.randn(N_NEURONS, generator=generator))) for _ in range(N_TRIALS))
    assert seldom(by_chance)


def test_bins_by_permuted_unigrams_are_means_over_the_permutations():
    entropy = torch.tensor([4.0, 3.0, 2.0, 1.0])
    permuted = torch.tensor([[1.0, 2.0, 3.0, 4.0], [8.0, 7.0, 6.0, 5.0]])
    table = evidence.binned_permuted(entropy, permuted, n_bins=2)
    assert table.kl.tolist() == [(1.5 + 5.5) / 2, (3.5 + 7.5) / 2]
    assert table.entropy.tolist() == [(3.5 + 1.5) / 2, (1.5 + 3.5) / 2]


def test_leaving_unseen_tokens_out_changes_a_share_by_what_they_hold(generator):
    effect, chosen = made_up(generator), mask(3, 20)
    seen = effect.direct_frequency + 0.2 * effect.total
    assert_close(effect.mediated_along(effect.direct_frequency), effect.frequency_mediated)
    assert_close(effect.mediated_along(seen), effect.frequency_mediated - 0.2)
    found = evidence.seen_alone(effect, seen, chosen, generator=generator)
    n = effect.n[:, None].double()
    left, total = ((n * getattr(effect, name))[:, chosen].sum() for name in ("direct_frequency", "total"))
    assert found["all"].value == pytest.approx(1 - (left / total).item())
    assert found["difference"].value == pytest.approx(-0.2) and found["difference"].high < -0.19
    assert_close(found["seen"].value, found["all"].value - 0.2)
