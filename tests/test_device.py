"""Nothing that a model computes meets a tensor that stayed behind on the CPU."""

import pytest
import torch

from lib import calibration, directions, effects, patching, truthfulness
from lib import model as door
from lib.confidence import reading, swapping
from lib.model import Site, edits, without
from tests import pretend
from tests.conftest import ARCHITECTURES, D_VOCAB, build

N = 12


def elsewhere(folder):
    """A model on a device that is not there."""
    model = door.load(str(folder))
    pretend.put(model.bridge.original_model, model.final_layer.W_U, model.final_layer.b_U, model.W_out)
    return model


@pytest.fixture(scope="module", params=["gpt2", "gpt_neox", "gemma3_text"])
def away(request, tmp_path_factory):
    """One architecture of each kind: attention before the MLP, beside it, and with norms behind both."""
    return elsewhere(build(tmp_path_factory.mktemp("away"), request.param, **ARCHITECTURES[request.param]))


@pytest.fixture
def tokens(generator):
    return torch.randint(1, D_VOCAB, (3, N), generator=generator)


def assert_away(*values):
    some = [*pretend.tensors(values)]
    assert some and all(map(pretend.is_elsewhere, some))


def assert_here(*values):
    some = [*pretend.tensors(values)]
    assert some and not any(map(pretend.is_elsewhere, some))


def test_a_pretended_device_refuses_what_a_real_one_refuses():
    here, there = torch.ones(3), torch.ones(3)
    pretend.put(there)
    with pretend.Elsewhere():
        assert there.device == pretend.ELSEWHERE != here.device
        for meet in (
            lambda: here + there,
            lambda: torch.stack([here, there]),
            lambda: here[there.long()],
            lambda: there.index_add_(0, torch.arange(3), there),
            lambda: torch.zeros(3, device=there.device) + here,
            lambda: there.clone().cpu() + there,
        ):
            with pytest.raises(RuntimeError, match="on different devices"):
                meet()
        with pytest.raises(RuntimeError, match="generator of another device"):
            torch.rand(3, device=there.device, generator=torch.Generator())
        with pytest.raises(TypeError, match="no numpy array"):
            there.numpy()
        assert_away(there[torch.tensor([0, 2])], there * torch.tensor(2.0), here.to(there), there.new_zeros(2))
        assert not any(map(pretend.is_elsewhere, (there.cpu(), torch.arange(3), here.to(there).to("cpu"))))


def test_sequences_lie_where_the_model_is(away):
    with pretend.Elsewhere():
        tokens = away.sequences("pocket", n_sequences=2, sequence_length=N)
        assert_away(tokens, away.scored(tokens))
        assert_away(dict(away.run(tokens, "resid")))


def test_runs_recordings_and_edits_stay_where_the_model_is(away, tokens):
    sites = [Site(1, "neurons"), Site(0, "attn_out"), Site(2, "heads")]
    at = torch.tensor([[1, 4], [0, 2], [6, 3]])
    done = [edits.replace(sites[1], torch.ones(3, 2, 32), positions=at), edits.project_out(sites[1], torch.ones(32))]
    with pretend.Elsewhere():
        run = away.run(tokens, "resid", "scale", "activation", "logits", "pattern", edits=done)
        kept = away.record(tokens, sites, positions=at, edits=done)
    assert_away(dict(run), [*kept.values()])


@pytest.mark.long
def test_paths_and_what_is_told_from_them_stay_where_the_model_is(away, tokens):
    heads = torch.zeros(away.n_layers, away.n_heads, dtype=torch.bool)
    heads[0, 1] = True
    sets, value = torch.eye(48, dtype=torch.bool)[:4], torch.ones(48)
    units = torch.tensor([3, 1])
    with pretend.Elsewhere():
        with away.bos_ablated(heads):
            path = away.path(tokens, n_tokens=3, stops=[5])
        again = away.path(tokens, n_tokens=3, edits=[edits.add(Site(2, "neurons"), value[units], units=units)])
        found = without.along(away, path, sets, value)
        texts = without.rewritten(away, tokens, again, sets, 9 * value, n_tokens=3, stops=[5])
        assert away.continuations(["The old town of"], n_tokens=3) and len(texts) == len(sets)
    assert_away(vars(path), vars(again), vars(found))


@pytest.mark.long
@pytest.mark.parametrize("gear", ["eager", "cumulant"])
def test_the_clean_run_stays_where_the_model_is_and_effects_come_to_the_cpu(away, tokens, gear, generator):
    scored, log_unigram = away.scored(tokens), torch.randn(D_VOCAB, generator=generator).log_softmax(-1)
    with pretend.Elsewhere():
        clean = effects.clean_run(away, tokens, scored)
        found = effects.measure(away, tokens, scored=scored, log_unigram=log_unigram, gear=gear)
    assert_away(vars(clean))
    assert_here(vars(found))


def test_directions_and_patches_stay_where_the_model_is(away, tokens):
    pairs = patching.Pairs(tokens[:2], tokens[1:], tokens[:2, 0], tokens[1:, 0])
    ends, site = torch.tensor([[N - 1]] * 3), Site(1, "resid_post")
    with pretend.Elsewhere():
        resid = away.record(tokens, [site], positions=ends)[site][:, 0]
        found = directions.difference_of_means(resid, torch.tensor([True, False, False]))
        right = directions.left_out(resid.repeat(2, 1), torch.arange(6) % 2 == 0, torch.arange(6) // 3)
        patched = patching.patch(away, pairs, [site], positions=torch.tensor([[2, N - 1]] * 2))
        assert_away(patched.recovery, found.unit, right)
    assert_away(vars(found), vars(patched))


def test_sets_of_neurons_and_bins_of_tokens_may_be_named_on_the_cpu(away, tokens):
    sets = torch.zeros(2, len(away.W_out), dtype=torch.bool)
    sets[0, 1] = sets[1, [0, 2]] = True
    with pretend.Elsewhere():
        there = tokens.to(away.final_layer.W_U.device)
        assert_here(vars(effects.measure_sets(away, there, sets=sets, scored=away.scored(there))))
        sure = torch.rand(40).to(away.final_layer.W_U.device)
        assert_away(calibration.reliability(sure, sure > 0.5, n_bins=4).error)


@pytest.mark.long
def test_truth_is_read_and_shifted_where_the_model_is(away, tokens):
    about = truthfulness.stated(truthfulness.choose(2, generator=torch.Generator().manual_seed(0)))
    asked = truthfulness.ask(about, generator=torch.Generator().manual_seed(0))
    shift = truthfulness.Shifted(torch.ones(len(about.texts), away.final_layer.d_model), (0,), "statement")
    with pretend.Elsewhere():
        for found in (truthfulness.ends(away, about.texts), truthfulness.probabilities(away, asked, shift=shift)):
            assert not any(map(pretend.is_elsewhere, pretend.tensors([found])))
        there = tokens.to(away.W_out.device)
        cost = truthfulness.cost.loss(away, there, away.scored(there), layers=(0,), shift=shift.value[0])
        assert len(cost) and not pretend.is_elsewhere(cost)
        claimed = truthfulness.choose(2, generator=torch.Generator().manual_seed(0))
        assert not pretend.is_elsewhere(truthfulness.training.recalled(away, claimed))


def test_neurons_change_places_and_texts_are_read_where_the_model_is(away, tokens):
    sets, scored = torch.eye(48).bool()[:3], torch.ones_like(tokens, dtype=torch.bool)
    sets[2] = True
    with pretend.Elsewhere():
        read = {"entropy": effects.read_entropy}
        there = sets.to(pretend.ELSEWHERE)
        found = swapping.readings(away, away, tokens, sets=there, scored=scored, read=read)
        told = reading.read(away, reading.Text(tokens, scored))
    for value in (*found.clean.values(), *found.ablated.values(), told.entropy, told.correct):
        assert not pretend.is_elsewhere(value)
