"""Every comparison that a claim rests on: against loops written out, and that it can fail."""

import functools
from dataclasses import replace

import pytest
import torch
from scipy.stats import binom, spearmanr
from torch.testing import assert_close

from lib import ablation, controls, drawing, effects, evidence, measures, neuron_weights, null_space, selection
from lib import model as door
from lib.resampling import Estimate

pytestmark = pytest.mark.long

N, N_NEURONS, N_TRIALS = 16, 48, 30


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(drawing, "draws", functools.partial(drawing.draws, n_resamples=100))


def draw(name):
    return drawing.named(0, name)


def mask(*units, n=N_NEURONS):
    return selection.mask_of(list(units), d_mlp=n)


def some(generator, *, count=4, n=N_NEURONS):
    """Neurons drawn at random."""
    return mask(*torch.randperm(n, generator=generator)[:count].tolist(), n=n)


def made_up(generator, *, mediated=None, n_neurons=N_NEURONS):
    """Effects of neurons each of which has a share of its own that the norm mediates, and another for the frequency
    direction; a sequence shows them with noise."""
    shape = (N, n_neurons)
    total = torch.rand(n_neurons, generator=generator).double() + 0.5
    total = total * (1 + 0.1 * torch.randn(shape, generator=generator).double())
    share = {"direct": 0.4 * torch.rand(n_neurons, generator=generator).double()}
    share["direct_frequency"] = 0.4 * torch.rand(n_neurons, generator=generator).double()
    share |= mediated or {}
    values = {name: torch.rand(shape, generator=generator).double() for name in effects.QUANTITIES} | {"total": total}
    for name, part in share.items():
        values[name] = (1 - part) * total * (1 + 0.1 * torch.randn(shape, generator=generator).double())
    return effects.FrequencyEffects(**values, n=torch.randint(5, 20, (N,), generator=generator))


def matched(chosen, generator, *, value=None, nearest=None):
    value = torch.ones(len(chosen)) if value is None else value
    return controls.matched(chosen, value, n_sets=60, generator=generator, nearest=nearest or int((~chosen).sum()))


def share(effect, units, *, left="direct"):
    """Written out: 1 - summed effect that is left over summed total effect."""
    remaining = total = 0.0
    for sequence, n in enumerate(effect.n.tolist()):
        for unit in units:
            remaining += n * float(getattr(effect, left)[sequence, unit])
            total += n * float(effect.total[sequence, unit])
    return 1 - remaining / total


def units_of(chosen):
    return chosen.nonzero()[:, 0].tolist()


def usual(statistic, sets):
    found = [statistic(units_of(row)) for row in sets.neuron]
    return sum(found) / len(found)


def seldom(supported):
    """Whether so many of `N_TRIALS` are no more than intervals of 95 % leave outside (with a probability of .999)."""
    return supported <= binom.ppf(0.999, N_TRIALS, 0.05)


def stands_out(found, sign=1):
    return sign * (found.difference.low if sign > 0 else found.difference.high) > 0


@pytest.mark.parametrize("left", ["direct", "direct_frequency"])
def test_the_share_of_a_set_is_held_against_that_of_every_other_set(left, generator):
    effect, chosen = made_up(generator), mask(3, 20, 41)
    sets = matched(chosen, generator)
    found = evidence.share_beyond(effect, chosen, sets, left=left, generator=generator)
    assert found.chosen.value == pytest.approx(share(effect, [3, 20, 41], left=left))
    assert found.controls.value == pytest.approx(usual(lambda units: share(effect, units, left=left), sets))
    assert found.difference.value == pytest.approx(found.chosen.value - found.controls.value)
    assert found.difference.n == int(effect.n.sum()) and found.difference.n_sequences == N


def test_planted_shares_stand_out_and_those_of_random_neurons_seldom(generator):
    chosen, by_chance = mask(3, 20, 41), 0
    planted = made_up(generator, mediated={"direct": 0.2 + 0.6 * chosen.double()})
    assert stands_out(evidence.share_beyond(planted, chosen, matched(chosen, generator), generator=generator))
    for _ in range(N_TRIALS):
        effect, chosen = made_up(generator), some(generator)
        by_chance += stands_out(evidence.share_beyond(effect, chosen, matched(chosen, generator), generator=generator))
    assert seldom(by_chance)


def test_shares_beside_every_kind_of_control_are_told_in_one_table(generator):
    effect, chosen = made_up(generator), mask(3, 20, 41)
    sets = {"norm": matched(chosen, generator), "effect": matched(chosen, generator)}
    found = evidence.shares_beyond(effect, chosen, sets, draw=draw)
    for name, some in sets.items():
        assert found[name] == evidence.share_beyond(effect, chosen, some, generator=draw(f"share on {name}"))
    table = evidence.contrasts(found)
    least = min(found.values(), key=lambda one: one.difference.low)
    assert table.loc["chosen"].tolist() == [least.chosen.value, least.chosen.low, least.chosen.high]
    assert table.loc["matched on effect", "value"] == found["effect"].controls.value
    assert table.loc["chosen minus matched on norm", "low"] == found["norm"].difference.low and len(table) == 5


def spaces(generator, *, d_model=20, dim=3):
    w_out = torch.randn(N_NEURONS, d_model, generator=generator)
    return w_out, torch.linalg.qr(torch.randn(d_model, dim, generator=generator)).Q


def test_the_correlation_with_rho_is_that_of_ranks_over_the_neurons_asked_for(generator):
    effect, (w_out, basis), among = made_up(generator), spaces(generator), torch.arange(N_NEURONS) % 3 > 0
    found = evidence.correlation_with_rho(effect, w_out, basis, among=among, n_random=30, generator=generator)
    rho = [float((w @ basis).norm() / w.norm()) for w in w_out]
    shares = [share(effect, [unit]) for unit in range(N_NEURONS)]
    kept = units_of(among)
    assert found.chosen.value == pytest.approx(spearmanr([rho[u] for u in kept], [shares[u] for u in kept]).statistic)
    assert abs(found.controls.value) < 0.2


def test_shares_that_follow_rho_are_found_and_those_that_follow_nothing_seldom(generator):
    w_out, basis = spaces(generator)
    everywhere, given = torch.ones(N_NEURONS, dtype=torch.bool), {"n_random": 60, "generator": generator}
    planted = made_up(generator, mediated={"direct": null_space.rho(w_out, basis).double() ** 2})
    assert stands_out(evidence.correlation_with_rho(planted, w_out, basis, among=everywhere, **given))
    by_chance = 0
    for _ in range(N_TRIALS):
        w_out, basis = spaces(generator)
        found = evidence.correlation_with_rho(made_up(generator), w_out, basis, among=everywhere, **given)
        by_chance += stands_out(found)
    assert seldom(by_chance)


def halves_of(effect):
    """The sequences of even number, on which is chosen, and the others."""
    return effect.part(torch.arange(0, N, 2)), effect.part(torch.arange(1, N, 2))


def test_the_largest_share_is_chosen_on_one_half_of_the_sequences_and_measured_on_the_other(generator):
    effect, among = made_up(generator), mask(1, 5, 9, 30)
    choosing, testing = halves_of(effect)
    sets = matched(among, generator)

    def largest(units):
        return max(units, key=lambda unit: share(choosing, [unit]))

    found = evidence.largest_share(effect, among, sets, generator=generator)
    assert found.chosen.value == pytest.approx(share(testing, [largest([1, 5, 9, 30])]))
    assert found.controls.value == pytest.approx(usual(lambda units: share(testing, [largest(units)]), sets))
    assert found.difference.n == int(testing.n.sum()) and found.difference.n_sequences == N // 2


def test_a_planted_largest_share_stands_out_and_that_of_random_neurons_seldom(generator):
    among, by_chance = mask(1, 5, 9, 30), 0
    planted = made_up(generator, mediated={"direct": 0.1 + 0.7 * mask(9).double()})
    assert stands_out(evidence.largest_share(planted, among, matched(among, generator), generator=generator))
    for _ in range(N_TRIALS):
        among = some(generator)
        sets = matched(among, generator)
        by_chance += stands_out(evidence.largest_share(made_up(generator), among, sets, generator=generator))
    assert seldom(by_chance)


def much_entropy(effect):
    return selection.lowest(-effect.mean("entropy_change"), among=torch.ones(N_NEURONS, dtype=torch.bool), count=5)


def test_the_neurons_of_a_rule_are_chosen_on_one_half_and_their_median_measured_on_the_other(generator):
    effect = made_up(generator)
    choosing, testing = halves_of(effect)
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    found = evidence.entropy_alone(effect, much_entropy, n_sets=30, generator=draws[0])
    chosen = much_entropy(choosing)
    sets = controls.matched(chosen, choosing.mean("total"), n_sets=30, generator=draws[1])

    def median(units):
        return sorted(share(testing, [unit]) for unit in units)[len(units) // 2]

    assert found.chosen.value == pytest.approx(median(units_of(chosen)))
    assert found.controls.value == pytest.approx(usual(median, sets))


def test_a_rule_that_finds_planted_shares_is_told_from_one_that_finds_whatever_comes(generator):
    planted = made_up(generator, mediated={"direct": 0.1 + 0.7 * mask(2, 9, 13, 30, 44).double()})
    loud = planted.entropy_change + 2 * mask(2, 9, 13, 30, 44)
    planted = replace(planted, entropy_change=loud)
    assert stands_out(evidence.entropy_alone(planted, much_entropy, n_sets=60, generator=generator))
    by_chance = sum(
        stands_out(evidence.entropy_alone(made_up(generator), much_entropy, n_sets=60, generator=generator))
        for _ in range(N_TRIALS)
    )
    assert seldom(by_chance)


N_TOKENS = 10 * N


def alone(generator, *, unit=7, change=None):
    """One neuron and others of like effect, with what their ablation changes token by token."""
    one = mask(unit)
    sets = matched(one, generator, nearest=40)
    order = torch.cat([torch.tensor([unit]), sets.neuron.any(0).nonzero()[:, 0]])
    shape = (N_NEURONS, N_TOKENS)
    tilt = 0.3 * torch.randn(3, N_NEURONS, 1, generator=generator)  # what is each neuron's own
    loss = torch.rand(N_TOKENS, generator=generator) * 3
    entropy, own = torch.randn(2, *shape, generator=generator)
    found = {"loss": tilt[0] * loss + own, "entropy": entropy + tilt[1], "kl": own + tilt[2] * entropy}
    found = {name: value + (change or {}).get(name, 0) for name, value in found.items()}
    return evidence.Lone(
        unit=order,
        sets=sets,
        loss=loss,
        correct=torch.rand(N_TOKENS, generator=generator) < 0.5,
        fires=torch.rand(len(order), N_TOKENS, generator=generator) < 0.6,
        change={name: value[order] for name, value in found.items()},
        sequence=torch.arange(N_TOKENS) % N,
    )


def usual_of_lone(lone, statistic):
    """Mean over control sets of one of what `statistic` makes of a neuron's row."""
    place = {unit: row for row, unit in enumerate(lone.unit.tolist())}
    return usual(lambda units: statistic(place[units[0]]), lone.sets)


def test_one_neurons_mean_slope_and_correlation_are_those_of_its_own_tokens(generator):
    lone = alone(generator)
    among = lone.fires & lone.correct

    def mean(row):
        return lone.change["entropy"][row, among[row]].mean().item()

    def slope(row):
        x, y = lone.loss[among[row]], lone.change["loss"][row, among[row]]
        return (((x - x.mean()) * y).sum() / (x - x.mean()).square().sum()).item()

    def correlation(row):
        some = among[row]
        pair = torch.stack([lone.change["entropy"][row, some], lone.change["kl"][row, some]])
        return torch.corrcoef(pair)[0, 1].item()

    found = {
        mean: lone.mean_beyond("entropy", among, generator=generator),
        slope: lone.slope_beyond("loss", among, generator=generator),
        correlation: lone.correlation_beyond("entropy", "kl", among, generator=generator),
    }
    for statistic, one in found.items():
        assert one.chosen.value == pytest.approx(statistic(0), abs=1e-4)
        assert one.controls.value == pytest.approx(usual_of_lone(lone, statistic), abs=1e-4)
        assert one.difference.n == int(among[0].sum())
    assert lone.n_sequences(among) == len(set(lone.sequence[among[0]].tolist()))


def test_tokens_that_are_the_same_for_all_neurons_are_told_once(generator):
    lone = alone(generator)
    found = lone.mean_beyond("loss", ~lone.correct[None], generator=generator)
    assert found.chosen.value == pytest.approx(lone.change["loss"][0, ~lone.correct].mean().item(), abs=1e-6)


def test_a_neuron_whose_tokens_are_all_alike_has_no_correlation_and_no_slope(generator):
    """One that fires at a single token of those that are looked at, among others that do so at many."""
    lone = alone(generator)
    lone.fires[3] = torch.arange(N_TOKENS) == 5
    correlation = lone.correlation_beyond("entropy", "kl", lone.fires, generator=generator)
    slope = lone.slope_beyond("loss", lone.fires, generator=generator)
    assert abs(correlation.controls.value) <= 1 and abs(slope.controls.value) < 10
    assert correlation.difference.low < correlation.difference.high


def compared(lone, generator):
    among = lone.fires & lone.correct
    return (
        lone.mean_beyond("entropy", among, generator=generator),
        lone.slope_beyond("loss", among, generator=generator),
        lone.correlation_beyond("entropy", "kl", among, generator=generator),
    )


def test_a_planted_neuron_stands_out_alone_and_a_random_one_seldom(generator):
    entropy = 3 * mask(7)[:, None] * torch.randn(1, N_TOKENS, generator=generator)
    planted = alone(generator, change={"entropy": entropy + 2 * mask(7)[:, None], "kl": -3 * entropy})
    mean, _, correlation = compared(planted, generator)
    assert stands_out(mean) and stands_out(correlation, -1)
    steep = alone(generator)
    steep.change["loss"][0] += 3 * steep.loss
    assert stands_out(compared(steep, generator)[1])
    by_chance = torch.zeros(3, 2, dtype=torch.long)
    for _ in range(N_TRIALS):
        found = compared(alone(generator), generator)
        by_chance += torch.tensor([[stands_out(one), stands_out(one, -1)] for one in found])
    assert all(map(seldom, by_chance.flatten().tolist()))


def test_hedging_is_asked_over_the_tokens_that_each_claim_is_about(generator):
    lone = alone(generator)
    found, among = evidence.hedging(lone, draw=draw), lone.fires & lone.correct
    everywhere = torch.ones_like(among[:1])
    assert found["C7.entropy"] == lone.mean_beyond("entropy", everywhere, generator=draw("C7.entropy"))
    assert found["C7.loss"] == lone.mean_beyond("loss", ~lone.correct[None], generator=draw("C7.loss"))
    assert found["C16.correct"] == lone.mean_beyond("loss", among, generator=draw("C16.correct"))
    assert found["C16.slope"] == lone.slope_beyond("loss", lone.fires, generator=draw("C16.slope"))
    right = evidence.hedging(replace(lone, correct=torch.ones_like(lone.correct)), draw=draw)
    assert right["C7.loss"] == evidence.NOT_SEEN == "fewer than 8 sequences hold such a token"
    assert right["C7.entropy"].chosen.n == N_TOKENS


def test_the_slope_of_a_clipped_neuron_is_held_against_those_of_like_neurons(generator):
    loss, change = torch.rand(N_TOKENS, generator=generator), torch.randn(N_NEURONS, N_TOKENS, generator=generator)
    change[5] -= 4 * loss
    given = {"sequence": torch.arange(N_TOKENS) % N, "unit": 5, "total": torch.ones(N_NEURONS)}
    found = evidence.of_clipped(loss, change, **given, generator=generator)
    slope = torch.linalg.lstsq(torch.stack([loss, torch.ones(N_TOKENS)], 1), change[5]).solution[0].item()
    assert found.chosen.value == pytest.approx(slope, abs=1e-3) and stands_out(found, -1)
    idle = evidence.of_clipped(loss, change, **(given | {"unit": 6}), generator=generator)
    assert not stands_out(idle, -1) and not stands_out(idle)


def kl_from(log_unigram, logits):
    """KL(unigram || model) of every token, in nats."""
    return measures.kl_divergence(log_unigram.to(logits).expand_as(logits), logits)


def test_lone_neurons_are_those_nearest_in_effect_each_ablated_alone(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    tokens = torch.randint(1, 1500, (8, 12), generator=generator)
    scored, total = model.scored(tokens), torch.rand(N_NEURONS, generator=generator) + 0.1
    flat = torch.zeros(model.final_layer.d_vocab).double().index_fill(0, torch.tensor([3]), 1.0).log_softmax(-1)
    found = evidence.lone(model, tokens, 7, total=total, scored=scored, log_unigram=flat, generator=generator)
    distance = (total.log() - total[7].log()).abs()
    nearest = distance.argsort()[1 : 1 + evidence.ablation.N_LIKE].tolist()
    assert found.unit[0] == 7 and set(found.unit[1:].tolist()) == set(nearest) and not found.sets.neuron[:, 7].any()
    single = torch.eye(N_NEURONS, dtype=torch.bool)[found.unit]
    mean = ablation.mean(model.run(tokens, "activation").activation)
    read = {"loss": effects.read_loss, "entropy": effects.read_entropy, "kl": lambda z, _: kl_from(flat, z)}
    by_hand = effects.readings(model, tokens, sets=single, scored=scored, replacement=mean, read=read)
    assert set(found.change) == set(read)
    for name, change in found.change.items():
        assert_close(change, by_hand.ablated[name] - by_hand.clean[name], atol=1e-4, rtol=1e-3)
    run = model.run(tokens, "logits", "activation")
    mean = ablation.mean(run.activation)
    assert_close(found.fires, (run.activation > mean)[scored][:, found.unit].mT)
    best = run.logits.argmax(-1)[scored]
    assert_close(found.correct, best == tokens.roll(-1, 1)[scored])


def test_an_estimate_in_another_unit_keeps_what_is_behind_it():
    assert evidence.over(Estimate(2.0, 1.0, 4.0, 9, 8), 0.5) == Estimate(4.0, 2.0, 8.0, 9, 8)


def correlated(generator, *, own):
    """Entropy of tokens, their distance to a distribution that depends on it by `own`, and to permuted ones."""
    entropy, sequence = torch.rand(N_TOKENS, generator=generator), torch.arange(N_TOKENS) % N
    slopes = -2 + 0.3 * torch.randn(60, 1, generator=generator)
    permuted = slopes * entropy + 0.3 * torch.randn(60, N_TOKENS, generator=generator)
    return entropy, own * entropy + 0.3 * torch.randn(N_TOKENS, generator=generator), permuted, sequence


def test_the_correlation_with_the_unigram_is_held_against_those_with_permuted_ones(generator):
    entropy, kl, permuted, sequence = correlated(generator, own=-2.0)
    found = evidence.correlation_beyond_permuted(entropy, kl, permuted, sequence, generator=generator, n_resamples=100)
    expected = [spearmanr(entropy, other).statistic for other in permuted]
    assert found.chosen.value == pytest.approx(spearmanr(entropy, kl).statistic)
    assert found.controls.value == pytest.approx(sum(expected) / len(expected))


def test_a_unigram_that_tells_more_than_permuted_ones_is_found_and_one_of_them_seldom(generator):
    def supported(own):
        found = evidence.correlation_beyond_permuted(
            *correlated(generator, own=own), generator=generator, n_resamples=60
        )
        return stands_out(found, -1)

    assert supported(-9.0)
    own = -2 + 0.3 * torch.randn(N_TRIALS, generator=generator)
    assert seldom(sum(map(supported, own.tolist())))


def test_the_distance_to_permuted_unigrams_is_a_loop_over_the_vocabulary(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    tokens = torch.randint(1, 1500, (2, 8), generator=generator)
    scored, d_vocab = model.scored(tokens), model.final_layer.d_vocab
    log_p = torch.randn(d_vocab, generator=generator).double().log_softmax(-1)
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    found = evidence.kl_to_permuted(model, tokens, scored, log_unigram=log_p, n_permutations=3, generator=draws[0])
    log_q = model.run(tokens, "logits").logits.double().log_softmax(-1)[scored]
    for row in found.double():
        dealt = log_p[torch.randperm(d_vocab, generator=draws[1])]
        assert_close(row, (dealt.exp() * (dealt - log_q)).sum(-1), atol=1e-4, rtol=1e-4)


def test_the_percentile_of_a_set_is_the_median_of_the_lower_ranks(generator):
    effect, chosen = made_up(generator), mask(3, 20, 41)
    sets = matched(chosen, generator)
    found = evidence.percentile_beyond(effect, chosen, sets, generator=generator)
    shares = [share(effect, [unit], left="direct_frequency") for unit in range(N_NEURONS)]
    moved = [float((effect.n * effect.abs_kl_change[:, unit]).sum()) for unit in range(N_NEURONS)]

    def percentile(unit):
        below = min(sum(other < value[unit] for other in value) for value in (shares, moved))
        return (below + 0.5) / N_NEURONS

    def median(units):
        return sorted(map(percentile, units))[len(units) // 2]

    assert found.chosen.value == pytest.approx(median([3, 20, 41]))
    assert found.controls.value == pytest.approx(usual(median, sets))


def test_neurons_high_on_both_axes_stand_out_and_random_ones_seldom(generator):
    chosen, by_chance = mask(3, 20, 41), 0
    planted = made_up(generator, mediated={"direct_frequency": 0.1 + 0.7 * chosen.double()})
    planted = replace(planted, abs_kl_change=planted.abs_kl_change + 2 * chosen)
    assert stands_out(evidence.percentile_beyond(planted, chosen, matched(chosen, generator), generator=generator))
    for _ in range(N_TRIALS):
        chosen = some(generator)
        sets = matched(chosen, generator)
        by_chance += stands_out(evidence.percentile_beyond(made_up(generator), chosen, sets, generator=generator))
    assert seldom(by_chance)


def test_two_kinds_differ_by_their_shares_when_they_do_and_two_draws_of_one_kind_seldom(generator):
    one, other = mask(*range(6)), mask(*range(10, 16))
    planted = made_up(generator, mediated={"direct_frequency": 0.1 + 0.5 * one.double()})
    found = evidence.apart(planted, one, other, generator=generator)
    by_hand = [share(planted, units_of(kind), left="direct_frequency") for kind in (one, other)]
    assert found.value == pytest.approx(by_hand[0] - by_hand[1]) and found.low > 0
    by_chance = sum(
        evidence.apart(made_up(generator), one, other, generator=generator).low > 0 for _ in range(N_TRIALS)
    )
    assert seldom(by_chance)
    few = evidence.apart(planted, mask(1, 2), other, generator=generator)
    assert few == "two kinds of neurons need at least 3 of each to be told apart, and one has 2"


def test_neurons_are_confirmed_when_a_rule_finds_them_on_other_sequences_too(generator):
    planted = made_up(generator, mediated={"direct_frequency": 0.1 + 0.7 * mask(3, 20).double()})

    def rule(effect):
        return effect.frequency_mediated > 0.6

    found = evidence.confirmed(planted, mask(3, 20, 41), rule, generator=generator)
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)
    nobody = evidence.confirmed(made_up(generator), mask(3, 20, 41), rule, generator=generator)
    assert (nobody.value, nobody.low, nobody.high) == (0.0, 0.0, 0.0)


def weights_of(generator, *, n=200, six=False):
    norm, logit_variance, rho = torch.rand(3, n, generator=generator) + 0.01
    planted = torch.arange(n) < 6
    if six:
        norm, logit_variance = norm + 5 * planted, torch.where(planted, logit_variance / 1e3, logit_variance)
    return neuron_weights.NeuronWeights(norm, logit_variance, rho)


def test_neurons_that_are_long_and_hardly_read_are_told_from_a_shuffle_of_the_norms(generator):
    weights, draws = weights_of(generator, six=True), [torch.Generator().manual_seed(3) for _ in range(2)]
    found = evidence.outlying(weights, selection.stolfo, n_shuffles=50, generator=draws[0])
    own = weights.logit_variance[selection.stolfo(weights)].log().mean()
    ratios = []
    for _ in range(50):
        shuffled = replace(weights, norm=weights.norm[torch.randperm(200, generator=draws[1])])
        ratios.append((weights.logit_variance[selection.stolfo(shuffled)].log().mean() - own).exp())
    assert found.value == pytest.approx(torch.stack(ratios).median().item(), rel=1e-4) and found.low > 1
    by_chance = 0
    for _ in range(N_TRIALS):
        found = evidence.outlying(weights_of(generator), selection.stolfo, n_shuffles=60, generator=generator)
        by_chance += found.low > 1
    assert seldom(by_chance)


def vocabulary(generator, *, d_model=16, d_vocab=300):
    """An unembedding with four quiet directions."""
    W_U = torch.randn(d_model, d_vocab, generator=generator)
    W_U[:4] /= 100
    return W_U


HALVING = {"centres": False, "tail": 0.5, "n_halves": 20}


def halves_under(w_out, W_U, generator):
    parts = neuron_weights.parts(W_U, generator=generator)
    return neuron_weights.halves(w_out, parts, dim=4, **HALVING, generator=generator)


def quietest(weights):
    return selection.lowest(weights.logit_variance, among=torch.ones(N_NEURONS, dtype=torch.bool), count=4)


def test_rho_is_measured_on_the_half_of_the_vocabulary_that_did_not_choose(generator):
    halves = halves_under(torch.randn(N_NEURONS, 16, generator=generator), vocabulary(generator), generator)
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    found = evidence.inside(halves, quietest, n_sets=5, n=300, generator=draws[0])
    own, others = [], []
    for choosing, measuring in halves:
        chosen = quietest(choosing)
        sets = controls.matched(chosen, choosing.norm, n_sets=5, generator=draws[1])
        own.append(measuring.rho[chosen].mean().item())
        others.append(usual(lambda units, rho=measuring.rho: rho[units].mean().item(), sets))
    assert found.chosen.value == pytest.approx(sum(own) / len(own))
    assert found.controls.value == pytest.approx(sum(others) / len(others))
    assert found.difference.value == pytest.approx(found.chosen.value - found.controls.value)
    assert found.difference.low < found.difference.value < found.difference.high and found.difference.n == 300


def test_writes_into_the_null_space_stand_out_and_those_of_a_model_without_any_seldom(generator):
    given = {"n_sets": 5, "n": 300, "generator": generator}
    w_out, W_U, by_chance = torch.randn(N_NEURONS, 16, generator=generator), vocabulary(generator), 0
    w_out[[3, 20, 30, 41], :4] *= 20
    assert stands_out(evidence.inside(halves_under(w_out, W_U, generator), quietest, **given))
    for _ in range(N_TRIALS):
        w_out, W_U = (torch.randn(16, some, generator=generator) for some in (N_NEURONS, 300))
        by_chance += stands_out(evidence.inside(halves_under(w_out.mT, W_U, generator), quietest, **given))
    assert seldom(by_chance)


def test_named_neurons_are_counted_under_a_rule_and_in_other_null_spaces(generator):
    d_model, W_U = 100, vocabulary(generator, d_model=100, d_vocab=1000)
    w_out = torch.randn(N_NEURONS, d_model, generator=generator)
    named = [3, 20, 41]
    w_out[named, :4] *= 100
    parts = neuron_weights.parts(W_U, generator=generator)
    halving = functools.partial(neuron_weights.halves, w_out, parts, centres=False, tail=0.5, n_halves=20)
    weights = neuron_weights.measure(w_out, W_U, torch.eye(d_model)[:, :4])
    rule = functools.partial(selection.rho_top, count=2)
    halves = halving(dim=4, generator=generator)
    found = evidence.of_named(weights, halves, halving, named, rule=rule, draw=drawing.seeded(0))
    assert (found["C1.set"].value, found["C1.set"].low, found["C1.set"].high) == (2.0, 2.0, 2.0)
    wide = halving(dim=40, generator=drawing.named(0, "halves at 40"))
    rhos = [float(one.rho[unit]) for one, _ in wide for unit in named]
    assert found["C4.rho40"].value == pytest.approx(sum(rhos) / len(rhos)) and found["C4.rho40"].low > 0.9
    narrow = halving(dim=1, generator=drawing.named(0, "halves at 1 %"))[0][0]
    top = selection.rho_top(narrow, count=3)
    assert found["X1"].value == int(top[named].sum())


def test_a_model_of_which_no_neurons_are_named_gets_reasons_in_their_place(generator):
    halving = functools.partial(neuron_weights.halves)
    found = evidence.of_named(weights_of(generator), [], halving, [], rule=selection.rho_top, draw=drawing.seeded(0))
    assert set(found) == {"C1.set", "X1", "C4.rho40"} and set(found.values()) == {
        "it is about six named neurons of GPT-2 small"
    }


def test_what_is_about_the_last_layer_is_not_measured_on_another():
    found = {"C1": Estimate(2.0, 1.0, 4.0, 9, 8), "X1": "a reason"}
    assert evidence.of_last_layer(found, at=2, n_layers=3) == found
    other = evidence.of_last_layer(found, at=0, n_layers=3)
    assert other == dict.fromkeys(found, "it is about the last layer; this is layer 0")


def test_the_strongest_stretch_is_where_the_strongest_neuron_moves_the_entropy_most(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    tokens = torch.randint(1, 1500, (2, 12), generator=generator)
    scored = model.scored(tokens)
    found = evidence.strongest_stretch(model, tokens, [7, 3, 20], scored=scored, width=4)
    sets = torch.eye(len(model.W_out), dtype=torch.bool)[[7, 3, 20]]
    change = effects.by_token(model, tokens, sets=sets, scored=scored).entropy_change
    best = change.abs().mean(1).argmax()
    assert found.unit == [7, 3, 20][best] and len(found.tokens) == len(found.added) == 4
    added = torch.zeros(tokens.shape)
    added[scored] = -change[best]
    windows = {
        (row, at): added[row, at : at + 4].abs().sum().item() for row in range(2) for at in range(tokens.shape[1] - 3)
    }
    row, at = max(windows, key=windows.get)
    assert_close(found.tokens, tokens[row, at : at + 4])
    assert_close(found.added, added[row, at : at + 4], atol=1e-5, rtol=1e-4)
    whole = evidence.strongest_stretch(model, tokens, [7], scored=scored, width=99)
    assert len(whole.tokens) == tokens.shape[1] and whole.unit == 7
    with pytest.raises(ValueError, match="no neuron is given"):
        evidence.strongest_stretch(model, tokens, [], scored=scored, width=4)
