"""Values that are put in, sets that are held against others, log-odds, roads and counts by fact."""

import functools
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib import drawing, kinds, neuron_weights, null_space, resampling, selection
from lib import model as door
from lib.controls import Matched
from lib.knowledge_conflicts import choosing, findings, mechanism, odds, sets, tables, tallies, valued, values
from lib.knowledge_conflicts.ablating import Asked
from lib.knowledge_conflicts.labels import CK, LABELS, ND, PK
from lib.knowledge_conflicts.tallies import Tallies
from lib.knowledge_conflicts.writing import Writer
from lib.model import Site, edits
from tests.conftest import D_VOCAB

NAMED = {
    "gpt2": (3072, [584, 1611, 2123, 2378, 2870, 2910], {11}),
    "pythia": (8192, [192, 435, 3972, 4132, 5104, 5265, 6368, 7385, 7756], {28}),
    "phi": (8192, [430, 473, 833, 1121, 1422, 1509, 2072, 2333, 3052, 3601, 7335, 7489], {15, 21, 31, 52}),
    "llama": (14336, [1159, 1674, 2564, 2799, 4097, 5021, 5311, 11680, 12111, 12514], {0}),
}
"""Width of the layer, the neurons that the authors name, and which of their random sets hold one of them."""


def mask(n, *units):
    return torch.zeros(n, dtype=torch.bool).index_fill(0, torch.tensor(units, dtype=torch.long), True)


def draw(name):
    return drawing.named(0, name)


# which neurons


@pytest.fixture(scope="module")
def choose(pocket):
    W_U = pocket.final_layer.weight_coordinates()
    V_0 = null_space.effective(null_space.spectrum(W_U, centres=pocket.final_layer.centres), dim=0, tail=0.05)
    weights = neuron_weights.measure(pocket.W_out, W_U, V_0)

    def choose(rule, *, units="", named=None, count=3):
        running = {"text": "pocket", "n_sequences": 16, "sequence_length": 64}
        given_ = {"count": count, "units": units, "named": named or {}}
        return weights, choosing.chosen(pocket, weights, rule, **given_, **running)

    return choose


def test_the_readers_neurons_come_before_the_papers_and_these_before_a_rules(choose):
    _, found = choose("tighidet", units="9, 4", named={"tighidet": [7, 3]})
    assert (found.units, found.rule, found.stands_in) == ([4, 9], choosing.BY_HAND, False)
    _, found = choose("tighidet", named={"tighidet": [7, 3], "frequency": [8]})
    assert (found.units, found.rule) == ([3, 7], kinds.BY_THE_PAPER)
    weights, found = choose("stolfo", named={"tighidet": [7, 3]})  # named for another rule
    assert found.neurons.equal(selection.stolfo(weights, count=3)) and found.rule == "stolfo"


@pytest.mark.long
def test_rules_on_effects_measure_them_and_rules_on_weights_do_not(choose, pocket, monkeypatch):
    effect = choosing.on_running_text(pocket, "pocket", n_sequences=16, sequence_length=64)
    monkeypatch.setattr(choosing, "on_running_text", lambda *_, **__: effect)  # measured once: it takes seconds
    by_causal = selection.causal(effect.mean("total"), effect.mean("direct"), count=3)
    assert choose("causal")[1].neurons.equal(by_causal)
    assert choose("frequency")[1].units == kinds.frequency_or_nearest(effect, count=3).units
    monkeypatch.setattr(choosing, "on_running_text", None)
    assert choose("rho_top")[1].rule == "rho_top"
    with pytest.raises(TypeError):
        choose("causal")
    with pytest.raises(ValueError, match="is one of stolfo, rho_top, tighidet, du; got 'none such'"):
        choose("none such")


# values


@pytest.fixture
def activation(generator):
    """Skewed, with a crowd at 1, and one neuron that is always the same."""
    found = torch.randn(400, 5, generator=generator).exp()
    found[:150] = 1 + 0.001 * torch.randn(150, 5, generator=generator)
    found[:, 4] = 0.25
    return found


def test_each_value_is_the_statistic_that_it_is_called_after(activation, generator):
    x = activation.double().numpy()
    expected = {
        "mean": x.mean(0),
        "median": np.sort(x, axis=0)[199],
        "zero": np.zeros(5),
        "low": np.maximum(x.mean(0) - 3 * x.std(0), x.min(0)),
        "high": np.minimum(x.mean(0) + 3 * x.std(0), x.max(0)),
    }
    for kind, value in expected.items():
        found = values.by_name(kind, activation, at_prompt=activation[:3], generator=generator)
        assert found.dtype == torch.float64 and found.shape == (1, 5)
        np.testing.assert_allclose(found[0].numpy(), value, rtol=1e-12, atol=1e-12)
    crowd = values.by_name("mode", activation, at_prompt=activation[:3], generator=generator)[0]
    assert (crowd[:4] - 1).abs().max() < 0.01 and crowd[4] == 0.25


def test_a_clipped_value_is_one_that_the_neuron_can_have(activation):
    skewed = activation[:, :4].double()
    assert torch.equal(values.low(skewed), skewed.amin(0)) and (values.high(skewed) < skewed.amax(0)).any()


def test_sums_do_not_lose_what_half_precision_would(generator):
    half = (300 + torch.randn(2000, 1, generator=generator)).half()
    x = half.double().numpy()
    for kind, expected in {"mean": x.mean(), "high": min(x.mean() + 3 * x.std(), x.max())}.items():
        found = values.by_name(kind, half, at_prompt=half[:1], generator=generator)
        assert found.item() == pytest.approx(expected, rel=1e-9)


def test_each_prompt_is_given_the_activations_of_another(generator):
    at_prompt = torch.arange(12.0)[:, None] + torch.tensor([0.0, 100.0])
    found = values.resample(at_prompt, generator=generator)
    assert (found != at_prompt).all() and torch.equal(found.sort(0).values.float(), at_prompt)
    assert torch.equal(found[:, 1] - found[:, 0], torch.full((12,), 100.0, dtype=torch.float64))


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_what_is_not_finite_is_never_put_in(activation, generator, wrong):
    activation[3, 2] = wrong
    for kind in values.KINDS:
        with pytest.raises(ValueError, match="activations of 1 neurons, 2 first, are not finite"):
            values.by_name(kind, activation, at_prompt=activation, generator=generator)


def test_unknown_values_and_positions_are_refused(activation, generator, gpt2_folder):
    with pytest.raises(
        ValueError, match="value must be one of mean, median, mode, low, high, zero, resample, got 'men'"
    ):
        values.by_name("men", activation, at_prompt=activation, generator=generator)
    with pytest.raises(ValueError, match="needs activations to be taken from, got none"):
        values.by_name("mean", activation[:0], at_prompt=activation, generator=generator)
    writer = Writer(door.load(str(gpt2_folder)), [[0, 5, 6]], n_tokens=2)
    with pytest.raises(ValueError, match="positions must be one of all, answer, got 'last'"):
        values.activations(writer, positions="last")


def test_activations_are_those_of_plain_passes_with_no_position_padded(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    prompts = [torch.randint(1, D_VOCAB, (n,), generator=generator).tolist() for n in (4, 6)]
    writer = Writer(model, prompts, n_tokens=3)
    whole = [torch.tensor([[*prompt, *text[:-1]]]) for prompt, text in zip(prompts, writer.clean(), strict=True)]
    runs = [model.run(row, "activation").activation[0] for row in whole]
    everywhere = values.activations(writer, positions="all")
    torch.testing.assert_close(everywhere, torch.cat(runs))
    torch.testing.assert_close(values.activations(writer, positions="answer"), torch.cat([run[-3:] for run in runs]))


# sets


@pytest.mark.parametrize("model", NAMED)
def test_the_papers_sampler_gives_the_papers_sets(model):
    d_mlp, units, overlapping = NAMED[model]
    chosen = mask(d_mlp, *units)
    found = sets.as_in_the_paper(chosen, n_sets=100)
    assert len({tuple(row.nonzero()[:, 0].tolist()) for row in found}) == 100 and (found.sum(1) == len(units)).all()
    assert {row for row in range(100) if (found[row] & chosen).any()} == overlapping
    first = {
        "gpt2": [80, 537, 709, 1315, 1864, 2416],
        "llama": [81, 1674, 6053, 7550, 7673, 7762, 8212, 11979, 12785, 13041],
    }
    if model in first:
        assert found[0].nonzero()[:, 0].tolist() == first[model]


def test_the_papers_sampler_never_gives_a_set_twice_nor_the_chosen_one():
    chosen = mask(5, 1)
    found = sets.as_in_the_paper(chosen, n_sets=4)
    assert sorted(found.nonzero()[:, 1].tolist()) == [0, 2, 3, 4]
    with pytest.raises(ValueError, match="a layer of 5 neurons has 5 sets of 1, but 6 are asked for"):
        sets.as_in_the_paper(chosen, n_sets=5)


def test_sets_of_other_neurons_hold_none_that_is_chosen_and_as_many(generator):
    w_out, chosen = torch.randn(40, 16, generator=generator), mask(40, 1, 5, 30)
    moved = torch.rand(40, generator=generator)
    found = sets.beside(chosen, w_out, moved, dim=3, n_sets=25, draw=draw)
    assert [*found] == [*sets.KINDS] and len(found[sets.PAPER].neuron) == 100
    for kind, some in found.items():
        assert (some.neuron.sum(1) == 3).all()
        assert kind == sets.PAPER or (len(some.neuron) == 25 and not (some.neuron & chosen).any())
    every, rows = sets.members(chosen, found)
    assert torch.equal(every[0], chosen) and len(every) == 1 + 100 + 4 * 25
    assert all(torch.equal(every[rows[kind]], found[kind].neuron) for kind in found)


def test_matched_sets_act_as_much_and_plain_ones_do_not(generator):
    w_out = torch.randn(300, 16, generator=generator)
    moved = torch.logspace(-3, 1, 300)
    chosen = mask(300, 280, 285, 290)
    found = sets.beside(chosen, w_out, moved, dim=3, n_sets=50, draw=draw)
    assert found[sets.EFFECT].is_fair and found[sets.NORM].is_fair
    assert found[sets.PAPER].ratio < 0.2 and found[sets.FREE].ratio < 0.2 and not found[sets.FREE].is_fair


def test_rotated_sets_reach_far_into_a_space_of_their_own(generator):
    w_out = torch.randn(60, 12, generator=generator)
    one, other = sets.rotated(w_out, mask(60, 0, 1), dim=2, n_sets=2, generator=draw("spaces"))
    noise = torch.randn(12, 2, generator=draw("spaces"), dtype=torch.float64)
    basis = torch.linalg.qr(noise).Q
    reach = (w_out.double() @ basis).norm(dim=1) / w_out.double().norm(dim=1)
    assert set(one.nonzero()[:, 0].tolist()) == set((2 + reach[2:].topk(2).indices).tolist())
    assert not torch.equal(one, other)


def test_neurons_are_named_by_numbers_that_the_layer_has():
    assert sets.named("3, 17", d_mlp=20).nonzero()[:, 0].tolist() == [3, 17]
    with pytest.raises(ValueError, match="the layer has neurons 0 … 19, and none with unit 20"):
        sets.named("3, 20", d_mlp=20)
    for wrong in ("three", "3;4", ",", "-1"):
        with pytest.raises(ValueError, match="units must be numbers of neurons parted by commas"):
            sets.named(wrong, d_mlp=20)


def test_too_few_other_neurons_are_said_so():
    with pytest.raises(ValueError, match="3 neurons need as many others beside them, but 2 are left"):
        sets.without(mask(5, 0, 1, 2), n_sets=1, generator=draw("any"))


def test_the_chosen_set_stands_before_the_control_sets_that_are_asked_for():
    every = torch.eye(9, dtype=torch.bool)
    rows = slice(4, 8)
    assert sets.with_chosen(every, rows, at_most=2).equal(every[[0, 4, 5]])
    assert sets.with_chosen(every, rows).equal(every[[0, 4, 5, 6, 7]])
    assert sets.with_chosen(every, rows, at_most=50).equal(every[[0, 4, 5, 6, 7]])


# log-odds


@pytest.mark.long
def test_log_odds_are_those_of_the_edited_model(tiny, generator):
    model = tiny
    prompts = ["France has the capital Lima. France has the capital", "Iron has the chemical symbol"]
    context, known = ["Lima", "Gold"], ["Port of Spain", "Fe"]
    answers = odds.answers(model, prompts, context, known, batch_size=1)
    members, value = mask(48, 3, 11, 40), 2 * torch.randn(1, 48, generator=generator)
    found = answers.log_odds(torch.stack([torch.zeros_like(members), members]), value)
    units = members.nonzero()[:, 0]
    edit = edits.replace(Site(model.n_layers - 1, "neurons"), value[0, units], units=units)
    for row, done in enumerate(([], [edit])):
        for column, prompt in enumerate(prompts):
            scored = []
            for answer in (context[column], known[column]):
                ids, start = odds.tokens(model, prompt, answer)
                logits = model.run(torch.tensor([ids]), "logits", edits=done).logits[0].double()
                log_p = logits.log_softmax(1)[torch.arange(start - 1, len(ids) - 1), ids[start:]]
                assert model.tokenizer.backend.decode(ids[start:]).strip() == answer
                scored.append(log_p.sum())
            assert found[row, column] == pytest.approx((scored[0] - scored[1]).item(), abs=2e-4)


def test_answers_that_cannot_be_scored_are_refused(pocket):
    with pytest.raises(ValueError, match="needs a token behind its prompt, but ' ' adds none"):
        odds.answers(pocket, ["Iron has"], [" "], ["Fe"])
    with pytest.raises(ValueError, match="every prompt needs two answers, got 0 prompts"):
        odds.answers(pocket, [], [], [])


def test_both_roads_together_are_not_their_sum_but_each_is_the_whole_where_the_other_is_shut(pocket, generator):
    answers = odds.answers(pocket, ["France has the capital"], ["Lima"], ["Paris"])
    sets_, value = mask(128, 2, 38, 53)[None], torch.zeros(1, 128)
    clean = answers.log_odds(torch.zeros_like(sets_), value)
    shift = {road: answers.log_odds(sets_, value, road=road) - clean for road in ("both", "scale", "direct")}
    assert all(one.abs().max() > 1e-6 for one in shift.values()) and not torch.equal(shift["both"], shift["direct"])
    assert torch.equal(answers.log_odds(sets_, value, strength=0.0), clean)
    assert torch.equal(answers.clean(value), clean[0])
    alone = answers.by_road(sets_[0], value)
    assert [*alone] == ["through the scale alone", "by the write alone"]
    for found, road in zip(alone.values(), ("scale", "direct"), strict=True):
        assert torch.equal(found, (shift[road] + clean)[0])


# roads


@pytest.mark.long
def test_a_model_in_another_precision_is_asked_and_let_go_again(gpt2_folder, monkeypatch):
    let_go, lent = [], functools.partial(door.load, str(gpt2_folder))

    def differs(self, model, *, batch_size):
        let_go.append(weakref.ref(model.bridge.original_model))
        return torch.tensor([model.bridge.original_model.dtype == torch.float64])

    monkeypatch.setattr(Asked, "differs", differs)
    asked = object.__new__(Asked)
    assert asked.differs_in("float64", load=lent).all() and not asked.differs_in("bfloat16", load=lent).any()
    assert len(let_go) == 2 and all(one() is None for one in let_go)


def test_what_suffices_to_change_an_answer_is_told_apart():
    clean, both = [CK] * 6, [CK, PK, PK, PK, PK, CK]
    scale, direct = [CK, PK, CK, ND, CK, PK], [CK, CK, PK, PK, CK, PK]
    found = mechanism.of_changes(clean, both, scale, direct)
    assert found == ["", mechanism.SCALE, mechanism.DIRECT, mechanism.EITHER, mechanism.TOGETHER, ""]
    with pytest.raises(ValueError, match="a label on each road, got 2, 1, 1 and 1"):
        mechanism.of_changes([CK, CK], [CK], [CK], [CK])


# counts by fact


def tally(n_facts=12, per_fact=3, n_sets=6, seed=0):
    random = torch.Generator().manual_seed(seed)
    n = n_facts * per_fact
    clean = torch.randint(3, (n,), generator=random)
    other = torch.randint(3, (n_sets, n), generator=random)
    ablated = torch.where(torch.rand(n_sets, n, generator=random) < 0.3, other, clean)
    return Tallies(clean, ablated, torch.arange(n_facts).repeat_interleave(per_fact))


@pytest.mark.long
@given(st.integers(0, 10_000))
def test_statistics_of_counts_are_those_of_the_transitions(seed):
    one = tally(seed=seed)
    counts, whole = one.by_fact(0).sum(0), one.transitions()
    assert {(a, b): int(counts[i, j]) for i, a in enumerate(LABELS) for j, b in enumerate(LABELS)} == whole.counts
    assert tallies.CHANGES(counts).item() == pytest.approx(whole.changed.value)
    assert tallies.conversion(CK)(counts).item() == pytest.approx(whole.conversion(CK).value)
    assert tallies.transition(ND, CK)(counts).item() == pytest.approx(whole.score(ND, CK).value)
    into = sum(n for (a, b), n in whole.counts.items() if b == CK != a)
    out = sum(n for (a, b), n in whole.counts.items() if a == CK != b)
    assert tallies.NET_FLOW(counts).item() == pytest.approx((into - out) / whole.n)
    trade = whole.counts[PK, CK] - whole.counts[CK, PK]
    assert tallies.TRADE(counts).item() == pytest.approx(trade / whole.n)


def test_a_percentile_is_scipys_with_ties_half():
    one = tally(n_sets=40)
    scores = one.scores(slice(None)).tolist()
    found = one.percentile(slice(1, None), generator=draw("percentile"))
    assert found.value == pytest.approx(stats.percentileofscore(scores[1:], scores[0], kind="rank"))
    assert found.low <= found.value <= found.high and (found.n, found.n_sequences) == (36, 12)
    above_all = Tallies(one.clean, torch.cat([(one.clean[None] + 1) % 3, one.ablated]), one.fact)
    assert above_all.percentile(slice(1, None), generator=draw("percentile")).value == 100


def test_the_lowest_percentile_is_that_of_the_worse_way():
    one, other = tally(n_sets=30), tally(n_sets=30, seed=3)
    rows = slice(1, None)
    each = [way.percentile(rows, generator=draw("p")).value for way in (one, other)]
    assert tallies.lowest_percentile([one, other], rows, generator=draw("p")).value == min(each)


def test_places_among_each_kind_of_control_are_told_by_percentile_and_by_counting():
    one, rows = tally(n_sets=40), {"a": slice(1, 15), "b": slice(15, 40)}
    scores = one.scores(slice(None)).tolist()
    placed, reach = findings.percentiles(one, rows, draw=draw), findings.as_many(one, rows)
    for kind, some in rows.items():
        others = scores[some]
        assert placed[kind].value == pytest.approx(stats.percentileofscore(others, scores[0], kind="rank"))
        assert reach[kind] == (sum(other >= scores[0] for other in others), len(others))


class OfTheValue(Asked):
    """What is changed depends on the kind of value alone."""

    def __init__(self):
        pass

    def value(self, kind, *, positions, generator):
        assert positions == "answer"
        return torch.full((1, 48), float(values.KINDS.index(kind)))

    def without(self, sets, value, **_):
        return tally(n_sets=len(sets), seed=int(value[0, 0]))


def test_each_value_has_a_place_of_its_own_and_the_lowest_of_some_is_what_counts():
    some, where = torch.zeros(30, 48, dtype=torch.bool), {"positions": "answer", "draw": draw}
    found = valued.by_value(OfTheValue(), some, **where)
    assert [*found] == [*values.KINDS]
    for seed, place in enumerate(found.values()):
        scores = tally(n_sets=30, seed=seed).scores(slice(None)).tolist()
        assert place.score == pytest.approx(scores[0])
        assert place.percentile.value == pytest.approx(stats.percentileofscore(scores[1:], scores[0], kind="rank"))
    table = valued.table(found)
    assert table.loc["median", "percentile_low"] == found["median"].percentile.low and len(table) == len(found)
    two = valued.lowest(OfTheValue(), some, kinds=("mean", "median"), **where)
    assert two.value == min(found[kind].percentile.value for kind in ("mean", "median"))


def test_a_statistic_that_only_the_first_set_has_stands_out_and_an_equal_one_does_not():
    still = tally(n_facts=40, n_sets=80)
    ablated = torch.where(torch.rand(80, 120, generator=draw("rare")) < 0.02, (still.clean + 1) % 3, still.clean)
    alike = Tallies(still.clean, ablated, still.fact)
    given_ = {"n_candidates": 20, "generator": draw("beside")}
    equal = alike.against(tallies.CHANGES, slice(1, None), **given_).difference
    assert equal.low < 0 < equal.high
    ablated[0, ::4] = (still.clean[::4] + 1) % 3
    apart = Tallies(still.clean, ablated, still.fact).against(tallies.CHANGES, slice(1, None), **given_).difference
    assert apart.low > 0.1


@pytest.mark.long
def test_a_share_of_no_prompt_is_said_and_not_divided():
    one = tally()
    none = Tallies(torch.ones_like(one.clean), torch.ones_like(one.ablated), one.fact)  # all PK
    rows = {sets.NORM: slice(1, 4), sets.EFFECT: slice(4, 6)}
    matched = dict.fromkeys(rows, Matched(torch.zeros(2, 48, dtype=torch.bool), 1.0, 20))
    found = findings.beside(none, rows, matched, seed=0)
    assert found["C20"] == "no prompt is labelled ND by the clean model, so there is no share of them"
    assert found["C17"].difference.value == 0 and not isinstance(found["C13"], str)
    context = Tallies(torch.zeros_like(one.clean), torch.zeros_like(one.ablated), one.fact)
    found = findings.beside(context, rows, matched, seed=0)
    assert "every prompt is labelled CK" in found["C13"] and "labelled PK" in found["C17"]
    alone = findings.of_answers(none, torch.zeros(36, dtype=torch.bool))
    assert alone["C18"].startswith("no prompt is labelled CK") and alone["toward"].startswith("no fact moves")
    sizes = findings.of_sizes(none, dict.fromkeys(("mean", "median"), valued.Place(0.0, found["C11"].difference)))
    assert sizes["C18.size"].startswith("no prompt has the label") and sizes["C7.size"].value == 0


def test_tables_hold_every_set_and_label():
    one, rows = tally(n_sets=9), {"a": slice(1, 5), "b": slice(5, 9)}
    table = tables.transitions(one, rows)
    assert table.groupby("set")["count"].sum().to_dict() == {"chosen": 36, "a": 144, "b": 144} and len(table) == 27
    ratios = tables.conversions(one, rows["a"], own="own", others="others").set_index(["set", "label"])
    expected = resampling.share(*(int(ratios.loc[("own", CK), name]) for name in ("hits", "n")))
    assert ratios.loc[("own", CK), "value"] == expected.value and ratios.low.le(ratios.high).all()
    assert len(tables.scored(one, rows)) == 8
    all_context = Tallies(torch.zeros_like(one.clean), one.ablated, one.fact)
    ratios = tables.conversions(all_context, rows["a"], own="own", others="others").set_index(["set", "label"])
    assert ratios.value[[("own", CK), ("others", CK)]].isna().all() and ratios.loc[("own", PK), "n"] == 36
    by = [["", mechanism.SCALE] * 18, ["", ""] * 18]
    shares = tables.mechanisms(by, one.fact.tolist(), own="own", others="others").set_index(["mechanism", "set"])
    assert shares.value[mechanism.SCALE, "own"] == 0.5 and shares.value.sum() == 0.5


@pytest.mark.long
def test_where_nothing_moves_nothing_is_claimed():
    one = tally(n_facts=40, n_sets=9)
    still = Tallies(one.clean, one.clean.expand(9, -1).clone(), one.fact)
    for statistic in (tallies.CHANGES, tallies.NET_FLOW, tallies.TRADE, tallies.conversion(CK)):
        own = still.exact(statistic)
        found = still.against(statistic, slice(1, None), n_candidates=20, generator=draw("still"))
        assert own.value == found.difference.value == 0 and found.difference.high > 0.02 and own.high > 0.02
        assert own.low < -0.02 or not isinstance(statistic, tallies.Difference)
    alone = findings.of_answers(still, torch.zeros(120, dtype=torch.bool))
    assert alone["C9"].low < 0 < alone["C9"].high and alone["C22"].low < 0 < alone["C22"].high


@pytest.mark.long
@given(st.integers(0, 10_000))
def test_an_exact_statistic_has_the_value_of_the_counts(seed):
    one = tally(seed=seed)
    counts = one.by_fact(0).sum(0)
    for statistic in (tallies.CHANGES, tallies.NET_FLOW, tallies.TRADE, tallies.CONVERSION_TO_CONTEXT):
        found = one.exact(statistic)
        assert found.value == pytest.approx(statistic(counts).item()) and found.low <= found.value <= found.high


def test_a_flow_that_the_sign_test_tells_has_an_interval_on_its_side_and_another_has_not():
    clean, fact = torch.zeros(600, dtype=torch.long), torch.arange(200).repeat_interleave(3)
    for n_facts, told in ((10, True), (3, False)):
        ablated = clean.clone()
        ablated[: 3 * n_facts : 3] = 2  # one answer about each of some facts leaves the context
        found = Tallies(clean, ablated[None], fact)
        flow = found.exact(tallies.NET_FLOW)
        assert flow.value == pytest.approx(-n_facts / 600) and (flow.high < 0) == told
        assert (findings.direction(found).p < 0.05) == told
