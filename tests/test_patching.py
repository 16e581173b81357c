"""What is patched in is what comes out, at the places where it must, on every architecture."""

from dataclasses import replace as with_other

import pytest
import torch

from lib import model as door
from lib import patching
from lib.model import Site, resuming
from tests.conftest import ARCHITECTURES, D_VOCAB, build, tolerance
from tests.test_sites import N_OPS, places

N, DIFFERS = 7, 3


@pytest.fixture
def pairs(generator):
    """Prompts that differ in one token alone."""
    source, target = (torch.randint(1, D_VOCAB, (4, N), generator=generator) for _ in range(2))
    target = torch.cat([source[:, :DIFFERS], target[:, DIFFERS : DIFFERS + 1], source[:, DIFFERS + 1 :]], 1)
    right, wrong = torch.randint(1, D_VOCAB, (2, 4), generator=generator)
    return patching.Pairs(source, target, right, wrong)


def slack(value):
    return tolerance(torch.float32, scale=value.abs().max().clamp(min=1).item(), n_ops=N_OPS)


def everywhere(pairs):
    return torch.arange(N).repeat(len(pairs.source), 1)


def after_every_layer(model):
    return [Site(layer, "resid_post") for layer in range(model.n_layers)]


@pytest.mark.long
def test_the_difference_is_that_of_the_models_own_logits(tiny, pairs):
    logits = tiny.run(pairs.source, "logits").logits[:, -1]
    row = torch.arange(4)
    found = patching.logit_difference(tiny, pairs.source, pairs.right, pairs.wrong, batch_size=3)
    assert (found - (logits[row, pairs.right] - logits[row, pairs.wrong])).abs().max() <= slack(logits)


@pytest.mark.long
def test_what_the_prompts_share_recovers_nothing_and_what_they_end_in_everything(tiny, pairs):
    found = patching.patch(tiny, pairs, after_every_layer(tiny), positions=everywhere(pairs), batch_size=3)
    assert found.difference.shape == (4, tiny.n_layers, N)
    assert torch.equal(found.difference[:, :, :DIFFERS], found.target[:, None, None].expand(4, tiny.n_layers, DIFFERS))
    last_layer = found.difference[:, -1]
    assert (last_layer[:, :-1] - found.target[:, None]).abs().max() <= slack(found.source)  # nothing reads it any more
    assert (last_layer[:, -1] - found.source).abs().max() <= slack(found.source)
    assert found.recovery[-1, -1] == pytest.approx(1, abs=1e-3) and (found.source != found.target).any()


def test_the_stream_before_the_first_layer_carries_all_where_the_prompts_differ(tiny, pairs):
    """Without the positional part, which both have, that is the token itself."""
    found = patching.patch(tiny, pairs, [Site(0, "resid_pre")], positions=torch.full((4, 1), DIFFERS))
    assert (found.difference[:, 0, 0] - found.source).abs().max() <= slack(found.source)


@pytest.mark.long
@pytest.mark.parametrize("own", [True, False])
def test_the_short_road_is_a_full_pass_for_every_patch(tiny, pairs, generator, own):
    """At every block and position, those that pairs do not share among them, whether values are the model's own or not.

    Batches of 5 patches mix positions, and batches of 5 pairs do not come out even."""
    pairs = patching.Pairs(*(torch.cat([one, one.flip(0)[:3]]) for one in vars(pairs).values()))
    sites = [Site(0, "resid_pre"), *after_every_layer(tiny)]
    positions = torch.stack([torch.randperm(N, generator=generator) for _ in pairs.source])
    values = tiny.record(pairs.source, sites, positions=positions)
    if not own:
        values = {site: value + torch.randn(value.shape, generator=generator) for site, value in values.items()}
    given = {"positions": positions, "recorded": None if own else values}
    short = patching.patch(tiny, pairs, sites, **given, batch_size=5)
    full = patching.patch_by_passes(tiny, pairs, sites, **given)
    assert (short.difference - full.difference).abs().max() <= min(1e-4, 10 * slack(full.difference))
    assert (full.difference - full.target[:, None, None]).abs().max() > 1e-2


@pytest.mark.long
def test_the_short_road_leaves_the_model_as_it_was(tiny, pairs):
    before = tiny.run(pairs.source, "logits").logits
    sites = after_every_layer(tiny)
    patching.patch(tiny, pairs, sites, positions=everywhere(pairs))
    with pytest.raises(RuntimeError):  # a value that is too wide, in the middle of a pass
        wide = {site: torch.zeros(4, N, 99) for site in sites}
        patching.patch(tiny, pairs, sites, positions=everywhere(pairs), recorded=wide)
    assert torch.equal(tiny.run(pairs.source, "logits").logits, before)


def test_the_short_road_runs_no_block_before_the_patch_and_no_position(gpt2_folder, pairs):
    model, seen = door.load(str(gpt2_folder)), []
    for number, block in enumerate(model.bridge.blocks):
        block.ln1.register_forward_hook(lambda _, given, __, number=number: seen.append((number, given[0].shape[1])))
    started = resuming.start(model.bridge, pairs.target, first=2, blocks=[2])
    seen.clear()
    rest = started.behind(torch.tensor([1, 1]), 4)
    rest.run(2, rest.stream(2))
    assert seen == [(2, N - 4)]


@pytest.mark.long
def test_places_that_are_left_out_would_have_changed_nothing(tiny, pairs):
    sites = [Site(1, where) for where in places(tiny)]
    own = patching.patch(tiny, pairs, sites, positions=everywhere(pairs))
    kept = tiny.record(pairs.source, sites)
    run = patching.patch(tiny, pairs, sites, positions=everywhere(pairs), recorded=kept)
    assert (run.difference - own.difference).abs().max() <= slack(own.source)


def test_another_models_activations_are_read_by_this_one(tmp_path, gpt2_folder, pairs):
    model = door.load(str(gpt2_folder))
    bent = door.load(str(build(tmp_path, "gpt2", **ARCHITECTURES["gpt2"])))
    with torch.no_grad():
        bent.bridge.original_model.transformer.h[0].mlp.c_proj.weight.mul_(2)
    sites, positions = after_every_layer(model), everywhere(pairs)
    theirs = bent.record(pairs.source, sites)
    across = patching.patch(model, pairs, sites, positions=positions, recorded=theirs)
    own = patching.patch(model, pairs, sites, positions=positions)
    assert torch.equal(across.source, own.source) and torch.equal(across.target, own.target)
    assert (across.difference - own.difference).abs().max() > 1e-3
    logits = patching.logit_difference(bent, pairs.source, pairs.right, pairs.wrong)
    assert (across.difference[:, -1, -1] - logits).abs().max() <= slack(logits)  # one last layer for both


def test_what_does_not_belong_together_is_said(gpt2_folder, pairs):
    model = door.load(str(gpt2_folder))
    with pytest.raises(ValueError, match="a pair is two prompts of one length, got 7 and 6 tokens"):
        with_other(pairs, target=pairs.target[:, :-1])
    same = with_other(pairs, target=pairs.source)
    found = patching.patch(model, same, after_every_layer(model)[:1], positions=everywhere(pairs))
    with pytest.raises(ValueError, match="answer alike on average, so there is nothing to recover"):
        _ = found.recovery


@pytest.mark.parametrize("road", [patching.patch, patching.patch_by_passes])
def test_what_is_not_finite_is_seen_and_not_taken_for_what_makes_no_difference(gpt2_folder, pairs, road):
    model = door.load(str(gpt2_folder))
    site, where = Site(1, "resid_post"), everywhere(pairs)[:, -1:]
    damaged = {site: torch.full((4, 1, model.final_layer.d_model), torch.nan)}
    assert road(model, pairs, [site], positions=where, recorded=damaged).difference.isnan().all()
