"""What a model writes with edits, with a cache and without; and what it would have written, without running it."""

import pytest
import torch

from lib import memory
from lib import model as door
from lib.model import Site, editing, edits, generating, without
from tests.conftest import D_VOCAB, tolerance
from tests.test_sites import N_OPS, places

pytestmark = pytest.mark.long

N, N_NEW = 7, 6


@pytest.fixture
def tokens(generator):
    return torch.randint(1, D_VOCAB, (3, N), generator=generator)


def slack(logit):
    return tolerance(torch.float32, scale=logit.abs().max().clamp(min=1).item(), n_ops=N_OPS)


def step_by_step(model, tokens, done):
    """The whole sequence run anew in a plain pass for every token: the ids, and the logits that each is largest of."""
    ids, found = [], []
    for _ in range(N_NEW):
        with editing.under_way(model.bridge, done):  # unchecked: some positions are still to come
            logits = model.run(tokens, "logits").logits[:, -1]
        ids.append(logits.argmax(-1))
        found.append(logits)
        tokens = torch.cat([tokens, ids[-1][:, None]], 1)
    return torch.stack(ids, 1), torch.stack(found, 1)


def some_edits(model, generator):
    """For each place edits of all kinds that meet there: at positions of the prompt, of what is written, of both."""
    for where in places(model):
        site, width = Site(1, where), {"neurons": 48}.get(where, 32)
        value, other = torch.randn(2, width, generator=generator)
        yield [
            edits.replace(site, value.expand(3, 2, width), positions=torch.tensor([[1, 8], [0, 2], [10, 9]])),
            edits.project_out(site, other, positions=slice(2, 9)),
            edits.add(site, 0.3 * other, positions=slice(5, None)),
        ]


def test_edits_mean_the_same_with_and_without_a_cache_and_step_by_step(tiny, tokens, generator):
    clean = tiny.path(tokens, n_tokens=N_NEW, with_cache=True)
    moved = 0
    for done in some_edits(tiny, generator):
        expected, logits = step_by_step(tiny, tokens, done)
        for with_cache in (True, False):
            path = tiny.path(tokens, n_tokens=N_NEW, edits=done, with_cache=with_cache)
            assert torch.equal(path.ids, expected)
            assert (path.top_logit - logits.topk(2).values).abs().max() <= slack(logits)
        moved += not torch.equal(clean.ids, expected)
    assert moved > len(places(tiny)) / 2


def test_a_path_holds_what_plain_passes_along_it_give(tiny, tokens):
    path = tiny.path(tokens, n_tokens=N_NEW, n_top=3, batch_size=2)
    whole = torch.cat([tokens, path.ids[:, :-1]], 1)
    run = tiny.run(whole, "resid", "activation", "logits")
    there = slice(N - 1, None)
    logits = run.logits[:, there]
    assert (path.top_logit - logits.topk(3).values).abs().max() <= slack(logits)
    assert torch.equal(path.ids, logits.argmax(-1)) and torch.equal(path.top_id[..., 0], path.ids)
    for kept, expected in ((path.resid, run.resid[:, there]), (path.activation, run.activation[:, there])):
        assert (kept - expected).abs().max() <= slack(expected)
    assert path.n_steps.tolist() == [N_NEW] * 3


def test_a_path_is_what_is_written_and_ends_at_a_stop(tiny, tokens):
    whole = tiny.path(tokens, n_tokens=N_NEW)
    chosen = {"n_tokens": N_NEW, "d_vocab": D_VOCAB}
    assert whole.written(()) == generating.greedy(tiny.bridge, tokens, stops=(), **chosen)
    stops = {int(whole.ids[0, 2]), int(whole.ids[1, 0])}
    path = tiny.path(tokens, n_tokens=N_NEW, stops=stops, batch_size=1)
    assert path.written(stops) == generating.greedy(tiny.bridge, tokens, stops=stops, **chosen)
    for row, n_steps, written in zip(path.ids.tolist(), path.n_steps.tolist(), path.written(stops), strict=True):
        assert n_steps == min(len(written) + 1, N_NEW) and (row[n_steps - 1] in stops or n_steps == N_NEW)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_each_path_may_end_after_its_own_number_of_steps(tiny, tokens, batch_size):
    whole = tiny.path(tokens, n_tokens=N_NEW)
    at_most = torch.tensor([1, N_NEW, 2])
    path = tiny.path(tokens, n_tokens=N_NEW, at_most=at_most, batch_size=batch_size)
    assert torch.equal(path.n_steps, at_most)
    assert path.written(()) == [row[:n] for row, n in zip(whole.ids.tolist(), at_most.tolist(), strict=True)]
    for row, n in enumerate(at_most.tolist()):
        assert (path.resid[row, :n] - whole.resid[row, :n]).abs().max() <= slack(whole.resid)


def some_sets(generator, n):
    """Sets of one to five neurons, an empty one in front."""
    sets = torch.zeros(n, 48, dtype=torch.bool)
    for row in sets[1:]:
        row[torch.randperm(48, generator=generator)[: int(torch.randint(1, 6, (), generator=generator))]] = True
    return sets


def really(model, tokens, members, value, **chosen):
    units = members.nonzero()[:, 0]
    site = Site(model.n_layers - 1, "neurons")
    return model.path(tokens, n_tokens=N_NEW, edits=[edits.replace(site, value[units], units=units)], **chosen)


def test_a_path_without_some_neurons_is_what_the_edited_model_writes_until_a_token_changes(tiny, tokens, generator):
    path, sets = tiny.path(tokens, n_tokens=N_NEW), some_sets(generator, 12)
    value = 3 * torch.randn(48, generator=generator)
    found = without.along(tiny, path, sets, value)
    assert (found.first_change[0] == N_NEW).all() and torch.equal(found.ids[0], path.ids)  # nobody is missing
    changes = 0
    for members, ids, logit, first in zip(sets, found.ids, found.top_logit, found.first_change, strict=True):
        edited = really(tiny, tokens, members, value)
        for row in range(3):
            upto = int(first[row]) + 1  # the first changed token is still the edited model's own
            changes += upto <= N_NEW
            assert torch.equal(edited.ids[row, :upto], ids[row, :upto])
            assert (edited.top_logit[row, :upto, 0] - logit[row, :upto]).abs().max() <= slack(edited.top_logit)
            assert torch.equal(ids[row, : upto - 1], path.ids[row, : upto - 1])
    assert changes > 0


def test_what_is_rewritten_is_what_the_edited_model_writes(tiny, tokens, generator):
    stops = {int(tiny.path(tokens, n_tokens=N_NEW).ids[0, 2])}
    path, sets = tiny.path(tokens, n_tokens=N_NEW, stops=stops), some_sets(generator, 6)
    value = 3 * torch.randn(48, generator=generator)
    texts = without.rewritten(tiny, tokens, path, sets, value, n_tokens=N_NEW, stops=stops)
    expected = [really(tiny, tokens, members, value, stops=stops).written(stops) for members in sets]
    assert texts == expected and texts[0] == path.written(stops)
    assert any(text != texts[0] for text in texts)


def test_a_hundred_sets_along_a_path_need_no_run(gpt2_folder, tokens, generator, monkeypatch):
    model = door.load(str(gpt2_folder))
    path, sets, value = model.path(tokens, n_tokens=N_NEW), some_sets(generator, 100), torch.zeros(48)
    monkeypatch.setattr(type(model), "path", None)
    monkeypatch.setattr(type(model), "run", None)
    products = []
    logits = type(model.final_layer).logits

    def counted(layer, resid, **chosen):
        products.append(tuple(resid.shape))
        return logits(layer, resid, **chosen)

    monkeypatch.setattr(type(model.final_layer), "logits", counted)
    found = without.along(model, path, sets, value)
    assert found.ids.shape == (100, 3, N_NEW) and products == [(101, 3 * N_NEW, 32)]
    monkeypatch.setattr(memory, "BOUND", memory.WIDEST * 5 * 101 * D_VOCAB)  # and in tiles the same
    tiled = without.along(model, path, sets, value)
    assert torch.equal(tiled.first_change, found.first_change) and len(products) == 1 + 4


def test_positions_from_the_end_are_written_without_a_cache(gpt2_folder, tokens):
    model, value = door.load(str(gpt2_folder)), torch.full((32,), 2.0)
    done = [edits.add(Site(1, "resid_post"), value, positions=slice(-1, None))]
    path = model.path(tokens, n_tokens=N_NEW, edits=done)
    assert torch.equal(path.ids, step_by_step(model, tokens, done)[0])
    with pytest.raises(door.ModelError, match="counted from the end move with every token; run without a cache"):
        model.path(tokens, n_tokens=N_NEW, edits=done, with_cache=True)


def test_continuations_do_the_edits_of_each_prompt(pocket, generator):
    prompts = ["France has the capital", "Iron has the chemical symbol", "Italy has the capital"]
    value = torch.zeros(3, 1, 128)
    value[1] = 50 * torch.randn(128, generator=generator)
    chosen = {"n_tokens": 5, "batch_size": 2}
    clean = pocket.continuations(prompts, **chosen)
    edited = pocket.continuations(prompts, edits=[edits.add(Site(1, "resid_post"), value)], **chosen)
    assert edited[0] == clean[0] and edited[2] == clean[2] and edited[1] != clean[1]


def test_wrong_paths_are_said_in_one_sentence(gpt2_folder, tokens):
    model = door.load(str(gpt2_folder))
    with pytest.raises(ValueError, match="a path has 1 step or more, got n_tokens=0"):
        model.path(tokens, n_tokens=0)
    with pytest.raises(ValueError, match="a path has 1 step or more, got at_most=0 for one of the prompts"):
        model.path(tokens, n_tokens=3, at_most=torch.tensor([1, 0, 2]))
    with pytest.raises(ValueError, match="room for 64 tokens, got a prompt of 7"):
        model.path(tokens, n_tokens=58)
    with pytest.raises(ValueError, match="stops must be token ids in"):
        model.path(tokens, n_tokens=3, stops=[-1])
    late = edits.add(Site(1, "resid_post"), torch.ones(32), positions=torch.tensor([[N + 3]] * 3))
    with pytest.raises(ValueError, match=f"must lie in 0 … {N + 2}, got {N + 3}"):
        model.path(tokens, n_tokens=3, edits=[late])


def test_an_edit_of_nothing_leaves_everything_that_is_written_bit_for_bit(tiny, tokens):
    nothing = [
        edits.add(Site(layer, where), torch.zeros(1, 1, {"neurons": 48}.get(where, 32)))
        for layer in range(tiny.n_layers)
        for where in places(tiny)
    ]
    for with_cache in (True, False):
        clean, edited = (tiny.path(tokens, n_tokens=N_NEW, edits=e, with_cache=with_cache) for e in ((), nothing))
        for part in ("ids", "top_logit", "resid", "activation"):
            assert torch.equal(getattr(clean, part), getattr(edited, part)), part


def test_a_direction_that_is_ablated_everywhere_is_left_nowhere_while_the_model_writes(tiny, tokens, generator):
    unit = torch.nn.functional.normalize(torch.randn(32, generator=generator), dim=0)
    stream = [where for where in places(tiny) if where.startswith("resid")]
    sites = [Site(layer, where) for layer in range(tiny.n_layers) for where in stream]
    done = [edits.project_out(site, unit) for site in sites]
    clean = tiny.path(tokens, n_tokens=N_NEW)
    for with_cache in (True, False):
        path = tiny.path(tokens, n_tokens=N_NEW, edits=done, with_cache=with_cache)
        whole = torch.cat([tokens, path.ids[:, :-1]], 1)
        kept = tiny.record(whole, sites, edits=done) | {"written": path.resid}
        for site, resid in kept.items():
            most = tolerance(torch.float32, scale=resid.norm(dim=-1).max().clamp(min=1).item(), n_ops=48)
            assert (resid @ unit).abs().max() <= most, site
    assert (clean.resid @ unit).abs().max() > 1e-2
