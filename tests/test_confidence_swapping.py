"""Neurons that change places without running anything again are those that change places in the checkpoint."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from lib import effects
from lib import model as door
from lib.confidence import swapping
from lib.model import Site, borrowed, edits
from tests.conftest import ARCHITECTURES, D_VOCAB, build, tolerance

READ = {"entropy": effects.read_entropy, "loss": effects.read_loss}
N_OPS = 20 * 48


def other_weights(folder, to):
    """The same architecture with other weights in every part."""
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in loaded.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    loaded.save_pretrained(to)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (to / name).write_bytes((folder / name).read_bytes())
    return to


@pytest.fixture(scope="module")
def partner_folder(tiny_folder, tmp_path_factory):
    return other_weights(tiny_folder, tmp_path_factory.mktemp("partner"))


@pytest.fixture(scope="module")
def partner(partner_folder):
    return door.load(str(partner_folder))


@pytest.fixture
def tokens(generator):
    return torch.randint(1, D_VOCAB, (3, 9), generator=generator)


def swapped(folder, partner_folder, members):
    """The checkpoint itself with the partner's neurons in the last layer: what they read, and what they write."""
    host, guest = (
        AutoModelForCausalLM.from_pretrained(f, attn_implementation="eager").eval() for f in (folder, partner_folder)
    )
    theirs, changed = dict(guest.named_parameters()), 0
    with torch.no_grad():
        for name, weight in host.named_parameters():
            axis = next((axis for axis, size in enumerate(weight.shape) if size == 48), None)
            if ".2." in name and axis is not None:
                index = members.nonzero()[:, 0]
                weight.index_copy_(axis, index, theirs[name].index_select(axis, index))
                changed += 1
    assert changed >= 2  # what neurons read, and what they write
    return host


def some_sets():
    sets = torch.zeros(4, 48, dtype=torch.bool)
    sets[1, 5] = sets[2, 3:20:4] = sets[3] = True
    return sets


@pytest.mark.long
def test_swapping_is_what_swapping_weights_does(tiny, tiny_folder, partner, partner_folder, tokens):
    everywhere = torch.ones_like(tokens, dtype=torch.bool)
    guests = swapping.invite(tiny, partner, tokens, everywhere)
    moved = 0.0
    for members, found in zip(some_sets(), swapping.logits(guests, some_sets()), strict=True):
        with torch.no_grad():
            real = swapped(tiny_folder, partner_folder, members)(tokens).logits.flatten(0, 1)[:, :D_VOCAB]
        slack = tolerance(torch.float32, scale=real.abs().max().clamp(min=1).item(), n_ops=N_OPS)
        assert (found - real).abs().max() <= slack
        clean = tiny.run(tokens, "logits").logits.flatten(0, 1)
        moved = (found - clean).abs().max()
        assert members.any() or moved <= slack
    assert moved > 1e-2


def test_a_model_that_is_its_own_partner_changes_nothing(tiny, tokens):
    scored = tiny.scored(tokens)
    own = tiny.record(tokens, [Site(2, "neurons")])[Site(2, "neurons")]
    assert torch.allclose(borrowed.answers(tiny, tiny, tokens, batch_size=2), own, rtol=1e-5, atol=1e-5)
    found = swapping.readings(tiny, tiny, tokens, sets=some_sets(), scored=scored, read=READ)
    for name, clean in found.clean.items():
        torch.testing.assert_close(found.ablated[name], clean.expand(4, -1), rtol=1e-4, atol=1e-4)


def test_both_roads_agree_and_nothing_is_left_behind(gpt2_folder, tmp_path, tokens):
    host, partner = (door.load(str(f)) for f in (gpt2_folder, other_weights(gpt2_folder, tmp_path)))
    before = partner.run(tokens, "logits").logits
    guests = swapping.invite(host, partner, tokens, host.scored(tokens))
    for one, other in zip(
        swapping._closed_form(guests, some_sets()), swapping._recomputed(guests, some_sets()), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert torch.equal(partner.run(tokens, "logits").logits, before)


def test_readings_are_those_of_the_logits_in_blocks_or_at_once(gpt2_folder, tmp_path, tokens, monkeypatch):
    host, partner = (door.load(str(f)) for f in (gpt2_folder, other_weights(gpt2_folder, tmp_path)))
    scored = host.scored(tokens)
    given = {"sets": some_sets(), "scored": scored, "read": READ}
    found = swapping.readings(host, partner, tokens, **given)
    logits = torch.stack([*swapping.logits(swapping.invite(host, partner, tokens, scored), some_sets())])
    target = tokens.roll(-1, 1)[scored]
    for name, read in READ.items():
        assert torch.allclose(found.ablated[name], torch.stack([read(z, target) for z in logits]), atol=1e-5)
    monkeypatch.setattr(swapping, "CELLS", 5 * D_VOCAB)
    blocks = swapping.readings(host, partner, tokens, **given)
    assert torch.allclose(blocks.ablated["loss"], found.ablated["loss"], atol=1e-5)
    edit = edits.replace(Site(2, "neurons"), torch.zeros(48), units=torch.arange(48))
    assert not torch.allclose(host.run(tokens, "logits", edits=[edit]).logits[scored], logits[3], atol=1e-3)


def test_a_partner_of_another_width_is_one_sentence(gpt2_folder, tmp_path, tokens):
    other = door.load(str(build(tmp_path, "gpt2", **ARCHITECTURES["gpt2"] | {"n_inner": 40})))
    with pytest.raises(door.ModelError, match="to borrow neurons takes as many layers, coordinates and neurons"):
        borrowed.answers(door.load(str(gpt2_folder)), other, tokens)
