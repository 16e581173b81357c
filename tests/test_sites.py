"""Every layer can be read and edited, and what a place is called means the same on every architecture."""

import pytest
import torch

from lib import model as door
from lib.model import Site, editing, edits, sites
from lib.model.hooks import Kept
from tests.conftest import ARCHITECTURES, D_VOCAB, build, tolerance

pytestmark = pytest.mark.long

N = 7
PLAIN = ("resid_pre", "resid_post", "attn_out", "mlp_out", "neurons", "heads")
"""Places at which a value passes in one piece."""
N_OPS = 20 * 48
"""Some 20 products of up to 48 terms, one after another."""


@pytest.fixture
def tokens(generator):
    return torch.randint(1, D_VOCAB, (3, N), generator=generator)


@pytest.fixture
def others(generator):
    return torch.randint(1, D_VOCAB, (3, N), generator=generator.manual_seed(1))


def places(model):
    """Every place that the blocks of a model have."""
    return PLAIN if model.bridge.cfg.parallel_attn_mlp else (*PLAIN, "resid_mid")


def logits(model, tokens, *done):
    return model.run(tokens, "logits", edits=done).logits


def assert_near(found, expected):
    assert (found - expected).abs().max() <= tolerance(
        torch.float32, scale=expected.abs().max().clamp(min=1).item(), n_ops=N_OPS
    )


def test_a_layer_adds_its_attention_and_its_mlp_to_the_stream(tiny, tokens):
    asked = [Site(layer, where) for layer in range(tiny.n_layers) for where in places(tiny)]
    kept = tiny.record(tokens, asked)
    for layer in range(tiny.n_layers):
        pre, attention, mlp, post = (
            kept[Site(layer, where)] for where in ("resid_pre", "attn_out", "mlp_out", "resid_post")
        )
        slack = tolerance(torch.float32, scale=max(pre.abs().max().item(), post.abs().max().item(), 1), n_ops=2)
        assert (pre + attention + mlp - post).abs().max() <= slack
        assert attention.abs().max() > 1e-3 < mlp.abs().max()
        if layer + 1 < tiny.n_layers:
            assert torch.equal(post, kept[Site(layer + 1, "resid_pre")])
        if "resid_mid" in places(tiny):
            assert torch.equal(kept[Site(layer, "resid_mid")], pre + attention)


OUTPUT_WEIGHTS = {
    "neurons": ("mlp.c_proj", "mlp.dense_4h_to_h", "mlp.down_proj", "mlp.fc2", ".fc2"),
    "heads": ("attn.c_proj", "attention.dense", "attn.o_proj", "attn.dense", "attn.out_proj"),
}
"""How the architectures call the module that neurons, and that heads, are handed to."""


def test_neurons_and_heads_are_what_the_output_weights_are_multiplied_with(tiny, tiny_folder, tokens):
    """Read off the plain modules, by which the checkpoint itself computes."""
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32, attn_implementation="eager").eval()
    kept = tiny.record(tokens, [Site(1, where) for where in OUTPUT_WEIGHTS])
    for where, names in OUTPUT_WEIGHTS.items():
        (module,) = (module for name, module in plain.named_modules() if ".1." in name and name.endswith(names))
        seen = []
        module.register_forward_pre_hook(lambda module, given, seen=seen: seen.append(given[0].detach()))
        plain(tokens)
        torch.testing.assert_close(seen[0].view(3, N, -1), kept[Site(1, where)], rtol=1e-5, atol=1e-5)


def test_nothing_is_kept_that_was_not_asked_for(tiny, tokens, monkeypatch):
    copied, keep = [], Kept.keep
    monkeypatch.setattr(Kept, "keep", lambda self, value, hook: copied.append(hook) or keep(self, value, hook))
    asked = [Site(1, "resid_post"), Site(0, "neurons")]
    kept = tiny.record(tokens, asked, positions=torch.tensor([[0, 3], [2, 2], [6, 1]]))
    assert set(kept) == set(asked) and len(copied) == 2
    whole = tiny.record(tokens, asked)
    for site in asked:
        assert kept[site].shape == (3, 2, whole[site].shape[2])
        for row, at in enumerate(([0, 3], [2, 2], [6, 1])):
            assert torch.equal(kept[site][row], whole[site][row, at])
        last = tiny.record(tokens, [site], positions=slice(-1, None))[site]
        assert torch.equal(last, whole[site][:, -1:])


def test_an_edit_of_nothing_changes_nothing_bit_for_bit(tiny, tokens):
    clean = logits(tiny, tokens)
    for where in places(tiny):
        site = Site(1, where)
        width = tiny.record(tokens, [site])[site].shape[2]
        nothing, some = torch.zeros(width), torch.ones(width)
        nowhere = torch.zeros(3, 0, dtype=torch.long)
        for done in (
            edits.add(site, nothing),
            edits.add(site, some, positions=slice(0, 0)),
            edits.replace(site, some, positions=nowhere),
            edits.replace(site, some[:0], units=torch.tensor([], dtype=torch.long)),
        ):
            assert torch.equal(logits(tiny, tokens, done), clean)
        assert not torch.equal(logits(tiny, tokens, edits.add(site, some)), clean)
    assert torch.equal(logits(tiny, tokens), clean)  # and an edit leaves nothing behind


@pytest.mark.parametrize("positions", [slice(None), slice(2, 5), torch.tensor([[1, 4], [0, 2], [6, 3]])], ids=str)
def test_a_recorded_site_put_back_changes_nothing(tiny, tokens, positions):
    clean = logits(tiny, tokens)
    for where in places(tiny):
        for layer in (0, tiny.n_layers - 1):
            site = Site(layer, where)
            own = tiny.record(tokens, [site], positions=positions)[site]
            assert torch.equal(logits(tiny, tokens, edits.replace(site, own, positions=positions)), clean)


def test_what_is_put_in_is_what_flows_on_and_nothing_else_changes(tiny, tokens, generator):
    positions = torch.tensor([[1, 4], [0, 2], [6, 3]])
    for where in places(tiny):
        site = Site(1, where)
        before = tiny.record(tokens, [site])[site]
        value = torch.randn(3, 2, before.shape[2], generator=generator)
        after = tiny.record(tokens, [site], edits=[edits.replace(site, value, positions=positions)])[site]
        expected = before.clone()
        expected[torch.arange(3)[:, None], positions] = value
        if where == "resid_mid":  # it is a sum, of which one part takes the change
            assert_near(after, expected)
        else:
            assert torch.equal(after, expected)


def test_units_are_edited_alone(tiny, tokens):
    site, units = Site(1, "neurons"), torch.tensor([5, 2, 40])
    before = tiny.record(tokens, [site])[site]
    value = torch.tensor([1.0, -2.0, 3.0])
    after = tiny.record(tokens, [site], edits=[edits.add(site, value, units=units)])[site]
    changed = torch.zeros(48)
    changed[units] = value
    torch.testing.assert_close(after, before + changed, rtol=1e-6, atol=1e-6)
    assert torch.equal(after[..., changed == 0], before[..., changed == 0])


def test_units_can_be_marked_for_each_prompt(tiny, tokens, generator):
    site, value = Site(1, "neurons"), torch.randn(48, generator=generator)
    marked = torch.rand(3, 48, generator=generator) < 0.2
    at = torch.tensor([[1], [2], [6]])
    before = tiny.record(tokens, [site])[site]
    for positions in (slice(None), at):
        done = edits.replace(site, value, positions=positions, units=marked)
        after = tiny.record(tokens, [site], edits=[done], batch_size=2)[site]
        meant = marked[:, None].expand(3, N, 48).clone()
        if positions is at:
            meant &= torch.nn.functional.one_hot(at[:, 0], N).bool()[..., None]
        assert torch.equal(after, torch.where(meant, value, before))


def test_a_projection_leaves_a_zero_component(tiny, tokens, generator):
    for where in places(tiny):
        site = Site(1, where)
        before = tiny.record(tokens, [site])[site]
        direction = 7 * torch.randn(before.shape[2], generator=generator)
        after = tiny.record(tokens, [site], edits=[edits.project_out(site, direction)])[site]
        unit = direction / direction.norm()
        slack = tolerance(torch.float32, scale=before.norm(dim=-1).max().clamp(min=1).item(), n_ops=48)
        assert (after @ unit).abs().max() <= slack < (before @ unit).abs().max()
        across = before - (before @ unit)[..., None] * unit
        assert (after - across).abs().max() <= slack


def test_each_prompt_can_have_its_own_direction_taken_out(tiny, tokens, generator):
    site, directions = Site(1, "resid_pre"), torch.randn(3, 32, generator=generator)
    together = tiny.record(tokens, [site], edits=[edits.project_out(site, directions)], batch_size=2)[site]
    for row, direction in enumerate(directions):
        alone = tiny.record(tokens[row : row + 1], [site], edits=[edits.project_out(site, direction)])[site]
        assert_near(together[row : row + 1], alone)
    assert (together[0] @ directions[1]).abs().max() > 1e-2  # another row's direction stays


def test_another_runs_last_stream_gives_that_runs_logits_there(tiny, tokens, others):
    site, positions = Site(tiny.n_layers - 1, "resid_post"), torch.tensor([[1, 4], [0, 2], [6, 3]])
    theirs = tiny.record(others, [site], positions=positions)[site]
    patched = logits(tiny, tokens, edits.replace(site, theirs, positions=positions))
    row = torch.arange(3)[:, None]
    assert_near(patched[row, positions], logits(tiny, others)[row, positions])
    untouched = torch.ones(3, N, dtype=torch.bool)
    untouched[row, positions] = False
    assert torch.equal(patched[untouched], logits(tiny, tokens)[untouched])


def test_a_stream_is_one_whether_it_leaves_a_layer_or_enters_the_next(tiny, tokens, generator):
    value = torch.randn(32, generator=generator)
    one, other = (
        logits(tiny, tokens, edits.add(site, value, positions=slice(2, 4)))
        for site in (Site(0, "resid_post"), Site(1, "resid_pre"))
    )
    assert torch.equal(one, other)


def test_adding_to_attention_or_between_is_the_same_and_adding_to_the_stream_before_it_is_not(tiny, tokens, generator):
    value = torch.randn(32, generator=generator)
    at_attention = logits(tiny, tokens, edits.add(Site(1, "attn_out"), value))
    assert (at_attention - logits(tiny, tokens, edits.add(Site(1, "resid_pre"), value))).abs().max() > 1e-3
    at_mlp = logits(tiny, tokens, edits.add(Site(1, "mlp_out"), value))
    assert_near(at_mlp, logits(tiny, tokens, edits.add(Site(1, "resid_post"), value)))
    if "resid_mid" in places(tiny):
        assert_near(at_attention, logits(tiny, tokens, edits.add(Site(1, "resid_mid"), value)))
        assert (at_attention - at_mlp).abs().max() > 1e-3  # the MLP reads it too
    else:  # attention and MLP stand side by side: neither reads the other
        assert_near(at_attention, at_mlp)


def test_edits_meet_in_their_order_and_each_row_gets_its_own_whatever_the_batch(tiny, tokens, generator):
    site = Site(1, "resid_pre")
    value = torch.randn(3, 1, 32, generator=generator)
    twice = [edits.replace(site, value, positions=torch.tensor([[1], [4], [2]])), edits.add(site, value)]
    whole, halves = (tiny.run(tokens, "resid", edits=twice, batch_size=size).resid for size in (3, 2))
    assert_near(halves, whole)
    kept = tiny.record(tokens, [site], edits=twice)[site]
    assert torch.equal(kept[torch.arange(3), torch.tensor([1, 4, 2])], 2 * value[:, 0])


def test_a_stream_between_attention_and_mlp_that_is_not_there_is_said(tiny, tokens):
    if tiny.bridge.cfg.parallel_attn_mlp:
        with pytest.raises(door.ModelError, match="both read resid_pre, so that no stream flows between them"):
            tiny.record(tokens, [Site(0, "resid_mid")])


def test_a_block_that_adds_something_else_to_the_stream_is_refused(gpt2_folder, tokens):
    model = door.load(str(gpt2_folder))
    block = model.bridge.original_model.transformer.h[1].mlp
    block.register_forward_hook(lambda module, given, written: 1.5 * written)  # behind the last place that can be read
    with pytest.raises(door.ModelError, match="layer 1 adds something else to the residual stream than its attn_out"):
        model.record(tokens, [Site(2, "attn_out")])
    with pytest.raises(door.ModelError, match="resid_pre and resid_post can"):
        model.run(tokens, "logits", edits=[edits.add(Site(0, "mlp_out"), torch.ones(32))])
    assert set(model.record(tokens, [Site(1, "resid_post")])) == {Site(1, "resid_post")}


def wrong_edits():
    site, row = Site(1, "resid_post"), torch.ones(32)
    yield "needs a length that is positive", lambda: edits.project_out(site, 0 * row)
    yield "positive and finite, got 0$", lambda: edits.project_out(site, torch.stack([row, 0 * row, row]))
    yield (
        "values for 3 places, but 2 positions",
        lambda: edits.add(site, row.expand(3, 3, 32), positions=torch.zeros(3, 2, dtype=torch.long)),
    )
    yield "names 2 units, but gives values for 32", lambda: edits.add(site, row, units=torch.tensor([1, 2]))
    yield "is for 2 prompts, but 3 are run", lambda: edits.add(site, row.expand(2, 1, 32))
    yield "for 2 prompts, but 3 are", lambda: edits.add(site, row, units=torch.ones(2, 32, dtype=torch.bool))
    yield "must lie in 0 … 6, got 0 … 7", lambda: edits.add(site, row, positions=torch.tensor([[0], [1], [7]]))
    yield "must lie in 0 … 6, got -1 … 2", lambda: edits.add(site, row, positions=torch.tensor([[0], [-1], [2]]))
    yield "is 32 wide, but the edit has values for 31", lambda: edits.add(site, row[1:])
    yield "values for 4 places, but its positions go on", lambda: edits.add(site, row.expand(3, 4, 32))
    yield "has layers 0 … 2 here, got resid_post of layer 3", lambda: edits.add(Site(3, "resid_post"), row)
    yield "a site is one of resid_pre, resid_mid, .*, got 'resid'", lambda: edits.add(Site(1, "resid"), row)
    yield "the layer of a site counts from 0, got -1", lambda: edits.add(Site(-1, "resid_post"), row)


@pytest.mark.parametrize(("said", "made"), wrong_edits(), ids=lambda value: value if isinstance(value, str) else "")
def test_an_edit_that_cannot_be_done_is_one_sentence(gpt2_folder, tokens, said, made):
    model = door.load(str(gpt2_folder))
    with pytest.raises(ValueError, match=said):
        model.run(tokens, "logits", edits=[made()])
    assert editing.fits_cache(model.bridge)  # nothing is left at a hook


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe"])
def test_a_mixture_of_experts_ends_in_one_sentence(tmp_path, kind):
    experts = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    folder = build(tmp_path, kind, **ARCHITECTURES["llama"], **experts)
    with pytest.raises(door.ModelError, match="has no single MLP with output weights, as in a mixture of experts"):
        door.load(str(folder))


def test_a_state_space_model_ends_in_one_sentence(tmp_path):
    folder = build(tmp_path, "mamba", hidden_size=32, num_hidden_layers=2, state_size=8)
    with pytest.raises(door.ModelError, match=r"has no single MLP .* or a recurrent layer, so there are no neurons"):
        door.load(str(folder))


def test_a_norm_that_does_not_say_its_epsilon_ends_in_one_sentence(tmp_path):
    with pytest.raises(door.ModelError, match="does not say what epsilon it adds"):
        door.load(str(build(tmp_path, "olmo", **ARCHITECTURES["llama"])))


def test_a_layer_with_experts_below_a_dense_one_is_refused_where_it_is_asked_for(gpt2_folder):
    model = door.load(str(gpt2_folder))
    with pytest.raises(door.ModelError, match="somewhere has no single MLP"):
        sites.output_weights(model.bridge.blocks[0].attn, "somewhere")


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
@pytest.mark.parametrize("kind", ["gpt2", "gemma2"])
def test_edits_are_done_in_the_models_own_numbers(tmp_path, tokens, kind, dtype, generator):
    model = door.load(str(build(tmp_path, kind, **ARCHITECTURES[kind])), dtype=dtype)
    clean, eps = logits(model, tokens), torch.finfo(door.DTYPES[dtype]).eps
    for where in places(model):
        site = Site(1, where)
        own = model.record(tokens, [site])[site]
        assert own.dtype == door.DTYPES[dtype]
        assert torch.equal(logits(model, tokens, edits.replace(site, own)), clean)
        assert torch.equal(logits(model, tokens, edits.add(site, torch.zeros(own.shape[2]))), clean)
        unit = torch.nn.functional.normalize(torch.randn(own.shape[2], generator=generator), dim=0)
        left = model.record(tokens, [site], edits=[edits.project_out(site, unit)])[site].double() @ unit.double()
        # each entry is rounded once, or twice where a sum takes it up (resid_mid); the direction itself is a float32
        slack = 8 * max(eps, torch.finfo(torch.float32).eps) * own.double().norm(dim=-1).max()
        assert left.abs().max() <= slack
