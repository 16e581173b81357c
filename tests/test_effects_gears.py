import logging
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from lib import effects, memory
from lib import model as door
from lib.effects import changes, cumulant, edits, exact, measuring, moments
from lib.effects.clean import Block
from lib.source import SourceError
from tests.conftest import ARCHITECTURES, HANGING, build, tolerance

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return door.load(str(build(tmp_path_factory.mktemp("llama"), "llama", **ARCHITECTURES["llama"])))


@pytest.fixture(scope="module")
def tiny(gpt2_folder):
    return door.load(str(gpt2_folder))


@pytest.fixture
def asked(tiny, generator):
    tokens = torch.randint(1, 1500, (3, 30), generator=generator)
    frequency = torch.randn(tiny.final_layer.d_vocab, generator=generator).log_softmax(-1)
    return {"tokens": tokens, "scored": tiny.scored(tokens), "log_unigram": frequency}


def by(gear, model, asked, **chosen):
    return effects.measure(model, gear=gear, **(asked | chosen))


def errors(one, other):
    return {name: (one.mean(name) - other.mean(name)).abs().max().item() for name in other.quantities()}


def assert_apart_by_rounding(one, other, model):
    """Each quantity comes from sums over the vocabulary, taken by halves: of probabilities, which are 1 together, or
    of probabilities times their logarithms, which make an entropy."""
    d_vocab = model.final_layer.d_vocab
    for name, error in errors(one, other).items():
        scale = math.log(d_vocab) if "entropy" in name else 1.0
        assert error <= tolerance(torch.float32, scale=scale, n_ops=math.log2(d_vocab)), name


@pytest.mark.parametrize("family", ["tiny", "llama"])
def test_the_three_gears_give_the_same_effects(request, asked, family):
    model = request.getfixturevalue(family)
    eager, fused, series = (by(gear, model, asked) for gear in ("eager", "fused", "cumulant"))
    assert [found.report.gear for found in (eager, fused, series)] == ["eager", "fused", "cumulant"]
    assert_apart_by_rounding(eager, fused, model)
    assert torch.equal(eager.prediction_change, series.prediction_change)
    assert max(errors(eager, series).values()) < 1e-5
    assert eager.mean("total").min() > 1e-4


def test_the_cumulant_gear_says_what_it_sent_through_the_exact_one_and_what_it_checked(tiny, asked):
    loose, tight = (by("cumulant", tiny, asked, tolerance=tolerance).report for tolerance in (1e-2, 1e-6))
    assert loose.pairs == tight.pairs == int(asked["scored"].sum()) * 48
    assert loose.routed_share < tight.routed_share <= 1
    assert loose.checked > 0 and loose.largest_error <= 1e-2 and tight.largest_error <= 1e-6


def test_a_series_that_errs_unnoticed_makes_the_safety_factor_grow(tiny, asked, monkeypatch):
    cut = cumulant.series

    def boastful(*arguments, **named):
        found = cut(*arguments, **named)
        return replace(found, error=found.error * 1e-3)

    monkeypatch.setattr(cumulant, "series", boastful)
    found = by("cumulant", replace(tiny, W_out=5 * tiny.W_out), asked, tolerance=1e-5)
    assert found.report.safety > 100 and found.report.largest_error <= 1e-5


def test_a_tolerance_of_zero_means_an_exact_gear(tiny, asked, monkeypatch):
    assert by("cumulant", tiny, asked, tolerance=0.0).report.gear == "eager"
    assert by("auto", tiny, asked).report.gear == "eager"
    monkeypatch.setattr(measuring, "WORTH_COMPILING", 1)
    assert by("cumulant", tiny, asked, tolerance=0.0).report.gear == "fused"
    assert by("auto", tiny, asked).report.gear == "cumulant"


def test_an_unknown_gear_and_a_negative_tolerance_are_refused(tiny, asked):
    with pytest.raises(ValueError, match="gear must be one of auto, eager, fused, cumulant, got 'fast'"):
        by("fast", tiny, asked)
    with pytest.raises(ValueError, match=r"tolerance must be 0 \(exact\) or more, in nats, got -1"):
        by("auto", tiny, asked, tolerance=-1.0)


def test_without_a_compiler_the_fused_gear_falls_back_once_and_says_why(tiny, asked, monkeypatch, caplog):
    def broken(function, **options):
        def call(*arguments):
            raise RuntimeError("no C++ compiler found\nand a traceback")

        return call

    remembered = exact.compiler_works, exact.compiled
    [kept.cache_clear() for kept in remembered]
    monkeypatch.setattr(torch, "compile", broken)
    with caplog.at_level(logging.WARNING):
        found = [by("fused", tiny, asked) for _ in range(2)]
    [kept.cache_clear() for kept in remembered]
    assert [one.report.gear for one in found] == ["eager", "eager"]
    said = [record.getMessage() for record in caplog.records if "compiler" in record.getMessage()]
    assert said == ["the fused gear needs a compiler and falls back to the eager one: no C++ compiler found"]


FUSED_AND_PLAIN = """
import torch
from lib.effects import exact
generator = torch.Generator().manual_seed(0)
z, U, direction = (torch.randn(n, 1003, generator=generator) for n in (9, 1, 1))
coefficient, target = 0.1 * torch.randn(4, 9, generator=generator), torch.arange(9)
given = z, z.log_softmax(-1), U[0], direction[0], coefficient, target, z.argmax(-1)
pairs = zip(exact.one_pass(*given), exact.compiled()(*given), strict=True)
apart = [(one - other).abs() / one.abs().clamp(min=1.0) for one, other in pairs if one.is_floating_point()]
print(max(relative.max().item() for relative in apart))
"""


@pytest.mark.parametrize("narrower", ["avx2", "default"])
def test_code_compiled_for_wider_registers_is_not_taken_up_by_a_narrower_run(tmp_path_factory, narrower):
    kept = tmp_path_factory.getbasetemp() / "compiled"  # both narrower runs find what the first run left there
    environment = {name: value for name, value in os.environ.items() if name != "ATEN_CPU_CAPABILITY"}
    environment |= {"TORCHINDUCTOR_CACHE_DIR": str(kept)}
    for capability in ({}, {"ATEN_CPU_CAPABILITY": narrower}):
        command = [sys.executable, "-c", FUSED_AND_PLAIN]
        done = subprocess.run(command, env=environment | capability, capture_output=True, text=True, timeout=HANGING)
        assert done.returncode == 0, done.stderr[-500:]
        assert float(done.stdout) <= tolerance(torch.float32, n_ops=1003)  # relative, summed one by one at worst


def test_neither_blocks_nor_chunks_nor_tiles_change_the_effects(tiny, asked, monkeypatch):
    whole = by("eager", tiny, asked)
    monkeypatch.setattr(memory, "BOUND", memory.WIDEST * 7 * tiny.final_layer.d_vocab)
    monkeypatch.setattr(exact, "CELLS", 3 * tiny.final_layer.d_vocab)
    assert_apart_by_rounding(whole, by("eager", tiny, asked), tiny)
    assert max(errors(whole, by("cumulant", tiny, asked)).values()) < 1e-5


def test_changes_far_out_of_the_range_of_floats_stay_finite(tiny, asked):
    loud = replace(tiny, W_out=3000 * tiny.W_out)
    doubled = replace(
        loud,
        W_out=loud.W_out.double(),
        final_layer=replace(tiny.final_layer, W_U=tiny.final_layer.W_U.double(), b_U=tiny.final_layer.b_U.double()),
    )
    reference = by("eager", doubled, asked)
    assert reference.direct.max() > 100  # nats: exp would overflow in float32
    for gear in ("eager", "fused", "cumulant"):
        found = by(gear, loud, asked)
        for name in ("total", "direct", "direct_frequency", "entropy_change", "kl_change"):
            assert_close(getattr(found, name), getattr(reference, name), rtol=1e-3, atol=1e-3, msg=name)


def test_a_likeliest_token_from_outside_the_head_is_not_missed(tiny, asked, monkeypatch):
    loud = replace(tiny, W_out=5 * tiny.W_out)
    eager = by("eager", loud, asked)
    monkeypatch.setattr(cumulant, "HEAD", 2)
    assert eager.prediction_change.max() > 0.1
    assert torch.equal(by("cumulant", loud, asked).prediction_change, eager.prediction_change)


def test_moments_are_those_of_a_plain_sum_over_the_vocabulary(generator, monkeypatch):
    monkeypatch.setattr(moments, "SLICE", 7)
    log_p = torch.randn(3, 40, generator=generator, dtype=torch.float64).log_softmax(-1)
    z, U = (torch.randn(n, 40, generator=generator, dtype=torch.float64) for n in (3, 2))
    found, mean_z = moments.raw(moments.Sources(log_p, z, U), moments.OF_BOTH)
    own = moments.central(found)
    p = log_p.exp()
    assert_close(mean_z, (p * z).sum(-1))
    for token in range(3):
        Z, L = z[token] - p[token] @ z[token], log_p[token] - p[token] @ log_p[token]
        for neuron in range(2):
            X = U[neuron] - p[token] @ U[neuron]
            for (r, a, b), value in own.items():
                expected = (p[token] * L**r * Z**a * X**b).sum()
                assert_close(value.expand(3, 2)[token, neuron], expected, msg=f"{r, a, b}")
    assert {key for key in own if sum(key) == 4} == {(r, 4 - r - b, b) for r in (0, 1) for b in range(5 - r)}


def test_without_a_bias_ten_products_give_the_moments_of_sixteen(generator):
    z, U = (torch.randn(n, 40, generator=generator, dtype=torch.float64) for n in (3, 2))
    sources = moments.Sources(z.log_softmax(-1), z, U)
    both, of_z = (moments.raw(sources, powers)[0] for powers in (moments.OF_BOTH, moments.OF_Z))
    assert sum(moments.OF_BOTH.count.values()) == 16 and sum(moments.OF_Z.count.values()) == 10
    wanted, found = moments.central(both), moments.without_bias(moments.central(of_z))
    assert wanted.keys() == found.keys()
    for powers, value in wanted.items():
        assert_close(found[powers], value, msg=f"{powers}")


def test_a_long_run_says_first_how_long_it_will_take(tiny, asked, monkeypatch, capsys):
    by("eager", tiny, asked)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(measuring, "WORTH_SAYING", 1e6)
    by("eager", tiny, asked)
    assert "exponentials in the eager gear: about" in capsys.readouterr().err


def test_a_neuron_that_writes_nothing_has_no_effect_at_all_in_any_gear(tiny, asked):
    still = tiny.run(asked["tokens"], "activation").activation
    for gear in ("eager", "fused", "cumulant"):
        found = by(gear, tiny, asked, replacement=still)
        assert all(getattr(found, name).abs().max() == 0 for name in effects.QUANTITIES)


SHARED = [name for name in effects.QUANTITIES if name not in ("direct_frequency", "kl_change", "abs_kl_change")]


@pytest.mark.parametrize("gear", ["eager", "fused", "cumulant"])
def test_without_a_unigram_distribution_the_other_quantities_are_the_same(tiny, asked, gear):
    whole, without = by(gear, tiny, asked), by(gear, tiny, asked | {"log_unigram": None})
    assert whole.quantities() == effects.QUANTITIES and without.quantities() == tuple(SHARED)
    if gear == "eager":
        assert all(torch.equal(getattr(without, name), getattr(whole, name)) for name in SHARED)
    elif gear == "fused":  # another kernel
        assert_apart_by_rounding(whole, without, tiny)
    else:  # other pairs may go through the exact gear
        assert max(errors(whole, without).values()) < 1e-5


@pytest.mark.parametrize("worth_compiling", [measuring.WORTH_COMPILING, 1])
def test_one_more_direction_leaves_what_all_quantities_beside_it_say(tiny_folder, monkeypatch, worth_compiling):
    """Where everything is computed again as well, and where the cumulant gear takes one series alone."""
    model = door.load(str(tiny_folder))
    tokens = torch.randint(1, model.final_layer.d_vocab, (2, 8), generator=torch.Generator().manual_seed(1))
    ranks = torch.arange(1.0, model.final_layer.d_vocab + 1)
    given = {"scored": model.scored(tokens), "log_unigram": (-2 * ranks.log()).log_softmax(0)}
    whole = effects.measure(model, tokens, **given, gear="auto" if model.not_exact else "eager")
    monkeypatch.setattr(measuring, "WORTH_COMPILING", worth_compiling)
    alone = effects.direct_frequency(model, tokens, **given)
    assert_close(alone, whole.direct_frequency, atol=1e-4, rtol=1e-3)
    assert (alone - whole.total).abs().max() > 1e-4  # the direction has a part in it


def test_many_random_sets_at_once_are_what_each_is_alone(tiny, asked, generator, monkeypatch):
    sets = torch.rand(40, 48, generator=generator) < 0.2
    together = effects.measure_sets(tiny, sets=sets, **asked)
    monkeypatch.setattr(memory, "BOUND", memory.WIDEST * tiny.final_layer.d_vocab)
    alone = effects.measure_sets(tiny, sets=sets[7:8], **asked)
    assert_close(together.total[:, 7:8], alone.total, atol=1e-6, rtol=1e-4)
    assert together.mean("total").std() > 1e-3


def test_the_fast_writes_are_those_of_the_formula(tiny, asked):
    clean = effects.clean_run(tiny, asked["tokens"], asked["scored"])
    block = Block(tiny, clean, asked["log_unigram"])
    edit = edits.alone(tiny, block, torch.full_like(clean.activation, 0.3), torch.tensor([5]))
    resid = clean.resid + 0.3 * tiny.W_out[5]
    expected = tiny.final_layer.logits(resid).log_softmax(-1)
    found = block.log_p + edit.shrink * block.z + edit.free * edit.U[0]
    assert_close(found.log_softmax(-1), expected, atol=1e-4, rtol=0)


def test_what_is_read_off_the_logits_is_what_the_closed_form_says(llama, generator):
    tokens = torch.randint(1, 1500, (2, 12), generator=generator)
    frequency = torch.randn(llama.final_layer.d_vocab, generator=generator).log_softmax(-1)
    clean, sets = effects.clean_run(llama, tokens, llama.scored(tokens)), torch.rand(3, 48, generator=generator) < 0.2
    sets[1], sets[2] = torch.arange(48) == 7, False
    block, delta = Block(llama, clean, frequency), edits.difference(clean, torch.zeros(48))
    assert_close(block.logits, llama.final_layer.logits(clean.resid, scale=clean.scale))
    edit = edits.together(llama, block, delta, sets)
    by_form = changes.of(block, exact.every_pair(block, edit, fused=False), changes.shift(block, edit))
    for column, pair in enumerate(edits.logits(llama, block, delta, sets)):
        still = torch.full((len(delta), 1), column == 2)
        read = changes.of(block, *exact.from_logits(block, pair, still))
        assert set(read) == set(by_form) and len(read) == 7
        for name, value in by_form.items():
            assert_close(read[name][:, 0], value[:, column], atol=2e-5, rtol=0, msg=name)
    assert by_form["loss_change"][:, :2].abs().max() > 1e-2 and not by_form["loss_change"][:, 2].any()


def test_a_set_of_one_is_the_neuron_whether_its_write_is_a_row_or_a_plane(tiny, asked, generator):
    sets = torch.stack([torch.arange(48) == 7, torch.rand(48, generator=generator) < 0.2])
    row = effects.measure_sets(tiny, sets=sets[:1], **asked)  # among sets of one alone
    plane = effects.measure_sets(tiny, sets=sets, **asked)
    for name in effects.QUANTITIES:
        assert_close(row.mean(name), plane.mean(name)[:1], atol=1e-6, rtol=1e-4, msg=name)
    assert_close(row.total[:, 0], by("eager", tiny, asked).total[:, 7], atol=1e-6, rtol=1e-4)


def test_two_equally_likely_tokens_change_places_in_every_gear_alike(tiny, asked):
    layer, half = tiny.final_layer, tiny.final_layer.d_vocab // 2
    W_U, b_U = layer.W_U.clone(), layer.b_U.clone()
    W_U[:, half : 2 * half], b_U[half : 2 * half] = W_U[:, :half], b_U[:half]
    twofold = replace(tiny, final_layer=replace(layer, W_U=W_U, b_U=b_U))
    assert torch.equal(by("eager", twofold, asked).prediction_change, by("cumulant", twofold, asked).prediction_change)


@pytest.mark.parametrize("write", [0.05, 1.0, 4.0])
def test_the_series_is_held_to_its_tolerance_where_predictions_are_nearly_certain(tiny, asked, write, monkeypatch):
    monkeypatch.setattr(moments, "half_precision", lambda device: True)
    layer = tiny.final_layer
    certain = replace(tiny, final_layer=replace(layer, W_U=6 * layer.W_U, b_U=layer.b_U), W_out=write * tiny.W_out)
    found, truth = by("cumulant", certain, asked), by("eager", certain, asked)
    off = errors(found, truth)
    off.pop("reciprocal_rank_change")
    assert max(off.values()) < 1e-4 and found.report.largest_error <= 1e-4


def test_reciprocal_ranks_are_counted_again_where_a_token_comes_from_outside_the_likeliest(pocket, monkeypatch):
    monkeypatch.setattr(cumulant, "HEAD", 16)
    monkeypatch.setattr(cumulant, "NEAR_THE_TOP", 8)
    loud = replace(pocket, W_out=12 * pocket.W_out)
    tokens = pocket.sequences("pocket", n_sequences=2, sequence_length=80)
    frequency = torch.linspace(-1, 1, pocket.final_layer.d_vocab).log_softmax(0)
    text = {"tokens": tokens, "scored": pocket.scored(tokens), "log_unigram": frequency}
    found, truth = by("cumulant", loud, text, tolerance=100.0), by("eager", loud, text)
    assert errors(found, truth)["reciprocal_rank_change"] < 0.01
    assert truth.mean("reciprocal_rank_change").abs().max() > 0.02


def test_a_run_that_sends_too_many_pairs_through_the_exact_gear_stays_there(tiny, asked, monkeypatch):
    monkeypatch.setattr(measuring, "PAIRS", 800)  # several chunks of neurons
    monkeypatch.setattr(cumulant, "N_CHECKED", 20)
    found, truth = by("cumulant", tiny, asked, tolerance=1e-8), by("eager", tiny, asked)
    assert found.report.routed_share > measuring.TOO_MANY and found.report.pairs == truth.n.sum() * 48
    assert max(errors(found, truth).values()) < 1e-4


def test_values_that_are_not_finite_are_named(tiny, asked, tmp_path):
    with pytest.raises(ValueError, match="replacement holds 1 entries of 48 that are not finite"):
        by("eager", tiny, asked, replacement=torch.zeros(48).index_fill(0, torch.tensor([2]), torch.nan))
    folder = build(tmp_path / "damaged", "gpt2", **ARCHITECTURES["gpt2"])
    weights = load_file(folder / "model.safetensors")
    next(weight for name, weight in weights.items() if name.endswith("h.2.mlp.c_proj.weight"))[0, 0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SourceError, match=r"the weight transformer\.h\.2\.mlp\.c_proj\.weight of .* holds values"):
        door.load(str(folder))
