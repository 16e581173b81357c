import functools
import json
import shutil
from dataclasses import replace

import pytest
import torch

from lib import controls, effects, emergence, neuron_weights, null_space, selection
from lib import model as door
from lib.emergence import statistics
from lib.resampling import Estimate
from lib.source import Source

pytestmark = pytest.mark.long


@pytest.fixture
def family(gpt2_folder, tmp_path):
    """A model with three checkpoints beside it, one of which tells how much text it had seen."""
    for name in ("base", "base-step-00000", "base-step-00016", "base-step-00008", "base-step-notes"):
        shutil.copytree(gpt2_folder, tmp_path / name)
    (tmp_path / "base-step-00016" / "training.json").write_text(json.dumps({"step": 16, "tokens_seen": 4096}))
    return tmp_path


def local(folder, name="base"):
    return Source(name, "directory", str(folder / name), "0" * 12)


HUB = Source("org/model", "hub", "org/model", "abc")


def test_checkpoints_lie_beside_a_local_model_and_are_sorted_by_step(family):
    found = emergence.checkpoints(local(family), "", tokens_per_step=0)
    assert [(point.step, point.tokens_seen) for point in found] == [(0, None), (8, None), (16, 4096)]
    counted = emergence.checkpoints(local(family), "", tokens_per_step=100)
    assert [point.tokens_seen for point in counted] == [0, 800, 4096]  # what is saved beside a checkpoint counts more
    some = emergence.checkpoints(local(family), "base-step-00016, base-step-00000", tokens_per_step=0)
    assert [point.name for point in some] == ["base-step-00000", "base-step-00016"]


def test_checkpoints_of_the_hub_are_the_revisions_that_are_named():
    assert emergence.checkpoints(HUB, "", tokens_per_step=0) == []
    found = emergence.checkpoints(HUB, "step1000,step0", tokens_per_step=2_097_152)
    assert [(p.model, p.revision, p.tokens_seen) for p in found] == [
        ("org/model", "step0", 0),
        ("org/model", "step1000", 2_097_152_000),
    ]


def test_a_checkpoint_that_is_not_there_or_has_no_step_is_said(family):
    with pytest.raises(ValueError, match="no checkpoint base-step-7 beside"):
        emergence.checkpoints(local(family), "base-step-7", tokens_per_step=0)
    with pytest.raises(ValueError, match="has to end in its step, as in step1000; got 'main'"):
        emergence.checkpoints(HUB, "main", tokens_per_step=0)


def followed(d_mlp, dim=5):
    masks = [selection.mask_of(units, d_mlp=d_mlp) for units in ([0, 1], [2, 3], [4], [5])]
    return emergence.Followed(dim, *masks)


def test_decades_are_powers_of_ten_of_singular_values_without_the_exact_zero():
    eigenvalue = torch.tensor([0.0, 1e-4, 1e-4, 1.0, 1.0], dtype=torch.float64)
    assert statistics.decades(eigenvalue, dim=3, n_zero=1).item() == pytest.approx(2.0)
    assert statistics.decades(torch.zeros(1).double().repeat(4) + 1, dim=2, n_zero=0).item() == pytest.approx(0.0)


def test_weight_statistics_are_those_of_the_null_space_module(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    layer, chosen = model.final_layer, followed(48)
    found = emergence.weight_statistics(model, chosen, n_resamples=30, generator=generator)
    spectrum = null_space.spectrum(layer.weight_coordinates(), centres=layer.centres)
    rho = null_space.rho(model.W_out.double(), null_space.basis(spectrum, dim=5))
    assert found["rho"].value == pytest.approx(rho[:2].mean().item(), rel=1e-4)
    assert found["rho", "matched on norm"].value == pytest.approx(rho[2:4].mean().item(), rel=1e-4)
    sizes = spectrum.singular_value.square()
    depth = (sizes[:-5].mean() / sizes[-5:-1].mean()).log10() / 2
    assert found["null space"].value == pytest.approx(depth.item(), rel=1e-4)
    assert found.pop(emergence.LAYERS).value == model.n_layers
    assert all(estimate.low < estimate.high for estimate in found.values())


def test_effect_statistics_are_those_of_every_neuron_measured_alone(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    tokens, chosen = torch.randint(1, 1500, (8, 12), generator=generator), followed(48)
    log_unigram = torch.randn(model.final_layer.d_vocab, generator=generator).double().log_softmax(-1)
    found = emergence.effect_statistics(model, chosen, tokens, log_unigram=log_unigram, generator=generator)
    every = effects.measure(model, tokens, scored=model.scored(tokens), log_unigram=log_unigram)
    norm = every.pooled(chosen.entropy).norm_mediated.item()
    frequency = every.pooled(chosen.frequency).frequency_mediated.item()
    assert found["norm-mediated"].value == pytest.approx(norm, abs=1e-3)
    assert found["frequency-mediated"].value == pytest.approx(frequency, abs=1e-3)
    assert found["loss"].n == int(model.scored(tokens).sum())
    assert all(estimate.low < estimate.high for estimate in found.values())


@pytest.fixture(scope="module")
def traced(gpt2_folder):
    """Makes a trace of statistics given as their values at the steps 1, 2, 4, …; the final weights equal the last."""
    final = door.load(str(gpt2_folder))

    def made(spread=0.1, **values):
        n_points = len(next(iter(values.values())))
        points = [emergence.Checkpoint(f"step{2**i}", "", "", 2**i, None) for i in range(n_points)]
        measured = iter(
            {name: Estimate(float(v[i]), v[i] - spread, v[i] + spread, 10, 2) for name, v in values.items()}
            for i in [*range(n_points), n_points - 1]
        )
        return emergence.trace(points, final, load=lambda point: final, measure=lambda model: next(measured))

    return made


LEVEL = emergence.Level(0.5)


def at_half(*names):
    return dict.fromkeys(names, LEVEL)


def test_a_statistic_emerges_where_it_stays_beyond_its_level(traced):
    trace = traced(early=[0.0, 1, 1, 1, 1], late=[0.0, 0.65, 0.0, 0.55, 1], little=[0.0, 0.1, 0.2, 0.3, 0.3])
    table = emergence.onsets(trace, at_half("early", "late", "little"))
    dates = ["earliest", "step", "latest"]
    assert table.loc["early", dates].tolist() == [2, 2, 2]
    assert table.loc["late", dates].tolist() == [8, 8, 16]  # the visit at step 2 does not count
    assert table.status.tolist() == ["emerges", "emerges", "not reached"] and table.loc["little", dates].isna().all()


def test_what_is_there_at_the_first_checkpoint_has_no_date(traced):
    """Halfway between first and final value would have dated this one at step 4."""
    table = emergence.onsets(traced(space=[2.0, 2.0, 2.4, 2.4]), {"space": emergence.Level(1.0)})
    assert table.status["space"] == emergence.FROM_THE_START and table.loc["space", "earliest":"latest"].isna().all()


def test_a_date_does_not_move_when_the_first_checkpoints_are_missing(traced):
    values = [0.0, 0.2, 0.4, 0.6, 0.9]
    whole = emergence.onsets(traced(spread=0.01, rho=values), at_half("rho"))
    later = traced(spread=0.01, rho=values)
    cut = emergence.onsets(later[later.step > 2], at_half("rho"))
    assert whole.step["rho"] == cut.step["rho"] == 8


def test_an_end_that_is_not_wholly_beyond_leaves_the_latest_open(traced):
    table = emergence.onsets(traced(share=[0.0, 0.3, 0.55]), at_half("share"))
    assert table.step["share"] == 4 and table.latest.isna()["share"]
    both = emergence.onsets(traced(share=[0.0, 0.3, 0.55], rho=[0.0, 1, 1]), at_half("share", "rho"))
    assert emergence.order(both).loc["rho", "share"] == "before"
    assert emergence.order(both).loc["share", "rho"] == "after"


def test_a_falling_statistic_emerges_as_well(traced):
    table = emergence.onsets(traced(loss=[7.0, 6, 2, 1, 1]), {"loss": emergence.Level(4.0, falls=True)})
    assert table.loc["loss", ["earliest", "step", "latest"]].tolist() == [4, 4, 4]


def test_what_was_measured_once_has_no_row(traced):
    trace = traced(rho=[0.0, 1.0])
    assert emergence.onsets(trace[trace.checkpoint == emergence.FINAL], at_half("rho")).empty


def test_controls_stand_in_a_column_of_their_own_and_have_no_date(gpt2_folder):
    model, rises = door.load(str(gpt2_folder)), iter([0.0, 1.0, 1.0])
    points = [emergence.Checkpoint(f"step{step}", "", "", step, None) for step in (1, 2)]

    def measure(model):
        value = next(rises)
        of_controls = {("rho", emergence.MATCHED): Estimate(0.2, 0.1, 0.3, 10, 2)}
        return {"rho": Estimate(value, value - 0.1, value + 0.1, 10, 2)} | of_controls

    trace = emergence.trace(points, model, load=lambda point: model, measure=measure)
    assert trace.statistic.eq("rho").all() and trace.control.tolist() == 3 * ["", "matched on norm"]
    assert emergence.onsets(trace, at_half("rho")).loc["rho", ["first", "final", "step"]].tolist() == [0, 1, 2]
    drift = emergence.drift(trace)
    assert drift.index.tolist() == ["rho", "rho"] and drift.control.tolist() == ["", emergence.MATCHED]


def test_what_comes_first_is_open_where_ranges_overlap(traced):
    trace = traced(a=[0.0, 1, 1, 1], b=[0.0, 0, 0, 1], c=[0.0, 0, 0.52, 1], d=[1.0, 1, 1, 1])
    order = emergence.order(emergence.onsets(trace, at_half(*"abcd")))
    assert order.loc["a", "b"] == "before" and order.loc["b", "a"] == "after"
    assert order.loc["b", "c"] == order.loc["c", "b"] == "open" and "d" not in order.index
    assert emergence.order(emergence.onsets(traced(d=[1.0, 1, 1]), at_half("d"))).empty


def grown(model, tokens, layers):
    """The trace of a model with so many layers at work after so many tokens, at the steps 0, 10, 20, …"""
    points = [emergence.Checkpoint(f"step{10 * i}", "", "", 10 * i, seen) for i, seen in enumerate(tokens)]
    counts = iter([*layers, layers[-1]])

    def measure(model):
        n = float(next(counts))
        return {emergence.LAYERS: Estimate(n, n, n, 6, 1)}

    return emergence.trace(points, model, load=lambda point: model, measure=measure)


def test_a_loss_that_growth_throws_back_is_dated_by_what_was_before(gpt2_folder):
    seen = {0: 0, 10: 100, 20: 200, 30: 200, 40: 250}
    points = [emergence.Checkpoint(f"step{step}", "", "", step, n) for step, n in seen.items()]
    losses, layers = iter([8.0, 3.0, 1.0, 9.0, 1.2, 1.2]), iter([0.0, 4.0, 4.0, 6.0, 6.0, 6.0])

    def measure(model):
        loss, n = next(losses), next(layers)
        return {"loss": Estimate(loss, loss, loss, 10, 8), emergence.LAYERS: Estimate(n, n, n, 6, 1)}

    model, levels = door.load(str(gpt2_folder)), {"loss": emergence.Level(5.0, falls=True)}
    trace = emergence.trace(points, model, load=lambda point: model, measure=measure)
    onsets = emergence.onsets(trace, levels)
    assert onsets.loc["loss", ["earliest", "step", "latest"]].tolist() == [10, 10, 10]
    assert emergence.thrown_back(trace, onsets, levels) == [("loss", 30, 9.0)]
    assert emergence.before_growth(trace).step.tolist() == [0, 0, 10, 10, 20, 20]


@pytest.mark.parametrize(
    ("tokens", "layers", "steps"),
    [
        ([0, 100, 200], [0, 4, 4], []),
        ([0, 100, 100, 150], [0, 4, 6, 6], [20, 30]),
        ([0, 100, 100], [4, 4, 4], [20]),
        ([None] * 4, [0, 4, 6, 6], [20, 30]),
        ([None] * 3, [0, 4, 4], []),
        ([], [4], []),
    ],
)
def test_growth_begins_where_no_text_is_read_or_more_layers_write(gpt2_folder, tokens, layers, steps):
    assert emergence.growth(grown(door.load(str(gpt2_folder)), tokens, layers)) == steps


def test_drift_sets_the_last_checkpoint_beside_the_final_weights(traced):
    drift = emergence.drift(traced(a=[0.0, 1.0]))
    assert drift.loc["a", "difference"] == 0 and drift.loc["a", "width of the interval"] == pytest.approx(0.2)


def test_without_checkpoints_nothing_is_loaded_and_the_trace_is_empty(gpt2_folder):
    empty = emergence.trace([], door.load(str(gpt2_folder)), load=pytest.fail, measure=pytest.fail)
    assert empty.empty and list(empty)[:6] == ["checkpoint", "tokens_seen", "statistic", "value", "low", "high"]


def test_twins_are_named_or_lie_beside_a_local_model(family):
    assert emergence.named_twins(local(family), "", "") is None
    for end in ("plain", "plain-dropout"):
        (family / f"base-{end}").mkdir()
    assert emergence.named_twins(local(family), "", "") == (
        str(family / "base-plain"),
        str(family / "base-plain-dropout"),
    )
    assert emergence.named_twins(HUB, "", "") is None
    assert emergence.named_twins(HUB, "org/a", "org/b") == ("org/a", "org/b")
    with pytest.raises(ValueError, match="name both, got plain='org/a' and dropout=''"):
        emergence.named_twins(HUB, "org/a", "")


def test_the_size_of_a_tail_leaves_the_exact_zero_out():
    eigenvalue = torch.tensor([0.0, 4.0, 4.0, 100.0])
    assert emergence.tail_size(eigenvalue, tail=0.7, n_zero=1).item() == pytest.approx(2.0)
    with pytest.raises(ValueError, match=r"a tail of 0\.1 of 4 directions holds none"):
        emergence.tail_size(eigenvalue, tail=0.1, n_zero=1)


def test_a_twin_with_a_quieter_tail_is_told_apart_from_an_equal_one(gpt2_folder, generator):
    plain = door.load(str(gpt2_folder))
    _, direction = torch.linalg.eigh(plain.final_layer.W_U.double() @ plain.final_layer.W_U.double().mT)
    quiet = direction[:, :6].float()
    W_U = plain.final_layer.W_U - 0.5 * quiet @ (quiet.mT @ plain.final_layer.W_U)
    other = replace(plain, final_layer=replace(plain.final_layer, W_U=W_U))
    same = emergence.tail_ratio(plain, plain, tail=0.1, n_resamples=20, generator=generator)
    assert same.value == same.low == same.high == 1.0
    ratio = emergence.tail_ratio(plain, other, tail=0.1, n_resamples=20, generator=generator)
    assert ratio.value == pytest.approx(2.0, rel=0.05) and ratio.low > 1.5
    cut = replace(plain.final_layer, W_U=W_U[:, :7], b_U=plain.final_layer.b_U[:7])
    with pytest.raises(ValueError, match="twins share a vocabulary"):
        emergence.tail_ratio(plain, replace(plain, final_layer=cut), tail=0.1, n_resamples=20, generator=generator)


def test_what_neurons_that_write_nothing_yet_have_is_not_measured_and_all_else_is(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    silent = replace(model, W_out=torch.zeros_like(model.W_out))
    weight = emergence.weight_statistics(silent, followed(48), n_resamples=4, generator=generator)
    assert [*weight] == [emergence.LAYERS, "null space"] and weight[emergence.LAYERS].value == model.n_layers
    tokens = torch.randint(1, 1500, (8, 12), generator=generator)
    log_unigram = torch.zeros(model.final_layer.d_vocab).double().log_softmax(-1)
    found = emergence.effect_statistics(silent, followed(48), tokens, log_unigram=log_unigram, generator=generator)
    assert [*found] == ["loss"]


def test_twin_spectra_are_singular_values_side_by_side(gpt2_folder):
    model = door.load(str(gpt2_folder))
    layer = model.final_layer
    table = emergence.twin_spectra(model, model)
    values = null_space.spectrum(layer.weight_coordinates(), centres=layer.centres).singular_value
    assert list(table) == ["index", "plain", "dropout"] and table.plain.tolist() == values.tolist()


N_NEURONS = 48


@pytest.fixture
def quiet(gpt2_folder):
    """A model whose unembedding hardly reads five directions, and these."""
    model = door.load(str(gpt2_folder))
    layer = model.final_layer
    space = null_space.basis(null_space.spectrum(layer.weight_coordinates(), centres=layer.centres), dim=5)
    directions = space.to(layer.W_U)
    W_U = layer.W_U - 0.99 * directions @ (directions.mT @ layer.W_U)
    return replace(model, final_layer=replace(layer, W_U=W_U)), directions


@pytest.fixture
def among_all(generator):
    chosen = selection.mask_of([3, 20, 41], d_mlp=N_NEURONS)
    everywhere = torch.ones(N_NEURONS)
    return chosen, controls.matched(chosen, everywhere, n_sets=100, generator=generator, nearest=N_NEURONS - 3)


def risen(first, final, rule, **draw):
    return emergence.rho_risen(first, final, rule, dim=5, n_halves=40, **draw)


def test_a_planted_rise_of_rho_is_found_and_is_that_of_a_loop_over_halves(quiet):
    first, directions = quiet
    planted = replace(first, W_out=first.W_out.index_add(0, torch.tensor([3, 20, 41]), 8 * directions[:, :3].mT))
    rule, draws = functools.partial(selection.rho_top, count=3), [torch.Generator().manual_seed(3) for _ in range(3)]
    found = risen(first, planted, rule, generator=draws[0])
    settings = {"centres": True, "dim": 5, "tail": 0.05, "n_halves": 40}
    W_U = first.final_layer.weight_coordinates()
    before, after = (
        neuron_weights.halves(model.W_out, neuron_weights.parts(W_U, generator=draw), **settings, generator=draw)
        for model, draw in zip((first, planted), draws[1:], strict=True)
    )
    rises = []
    for (_, start), (choosing, end) in zip(before, after, strict=True):
        assert rule(choosing).nonzero()[:, 0].tolist() == [3, 20, 41]
        rises.append((end.rho - start.rho)[[3, 20, 41]].mean())
    assert found.chosen.value == pytest.approx(torch.stack(rises).mean().item(), abs=1e-6)
    assert found.controls.value == pytest.approx(0.0, abs=1e-6) and found.difference.low > 0.2


def test_where_no_neuron_or_every_neuron_rises_the_chosen_have_not_risen_beyond_others(quiet, generator):
    first, directions = quiet
    rule = functools.partial(selection.rho_top, count=6)
    still = risen(first, first, rule, generator=generator).difference
    assert still.value == still.low == still.high == 0.0  # the same halves in both
    everywhere = 0.5 * torch.randn(N_NEURONS, 5, generator=generator) @ directions.mT
    final = replace(first, W_out=first.W_out + everywhere)
    found = risen(first, final, lambda weights: selection.mask_of([3, 20, 41], d_mlp=N_NEURONS), generator=generator)
    assert found.difference.low < 0 < found.difference.high and found.controls.value > 0.02


def effects_of(left, generator):
    """Effects whose remaining part is a share `left` of the total, give or take."""
    n_sequences, total = 16, 0.5 + torch.rand(16, N_NEURONS, generator=generator).double()
    noise = 1 + 0.1 * torch.randn(2, 16, N_NEURONS, generator=generator).double()
    values = dict.fromkeys(effects.QUANTITIES, total) | {"direct": left * total * noise[0]}
    return effects.FrequencyEffects(**values, n=torch.randint(5, 20, (n_sequences,), generator=generator))


def test_a_planted_rise_of_a_share_is_found_and_equal_rises_are_not(among_all, generator):
    chosen, sets = among_all
    spread = 0.1 * torch.rand(N_NEURONS, generator=generator)
    first, later = (effects_of(start - spread, generator) for start in (1.0, 0.8))
    alike = emergence.share_risen(first, later, chosen, sets, left="direct", generator=generator)
    assert alike.difference.low < 0 < alike.difference.high and alike.chosen.low > 0.1
    planted = effects_of(0.8 - spread - 0.5 * chosen, generator)
    found = emergence.share_risen(first, planted, chosen, sets, left="direct", generator=generator)

    def share(effect, mask):
        left, total = ((effect.n[:, None] * value)[:, mask].sum() for value in (effect.direct, effect.total))
        return (1 - left / total).item()

    assert found.chosen.value == pytest.approx(share(planted, chosen) - share(first, chosen))
    usual = torch.tensor([share(planted, row) - share(first, row) for row in sets.neuron]).mean()
    assert found.controls.value == pytest.approx(usual.item(), abs=1e-5)
    assert found.difference.low > 0.4 and found.difference.n == int(planted.n.sum())


def test_the_first_checkpoint_that_writes_is_the_start_of_a_rise(gpt2_folder):
    model = door.load(str(gpt2_folder))
    silent = replace(model, W_out=torch.zeros_like(model.W_out))
    points = [emergence.Checkpoint(f"step{i}", "", "", i, None) for i in range(3)]
    loaded = {0: silent, 1: model}  # the third is not asked for
    assert emergence.first_that_writes(points, load=lambda point: loaded[point.step]) is model
    assert emergence.first_that_writes(points[:1], load=lambda point: silent) is None
