"""What is written without many sets of neurons, from states that are kept, against models that really lack them."""

import pytest
import torch

from lib import knowledge_conflicts
from lib import model as door
from lib.knowledge_conflicts import answers, mechanism, screening, tallies, whole
from lib.knowledge_conflicts.gathering import Gathered
from lib.knowledge_conflicts.scores import Share
from lib.knowledge_conflicts.screening import ROADS, Screen, State
from lib.knowledge_conflicts.writing import Writer
from lib.model import Site, edits, without
from lib.model.edits import Edit
from tests.conftest import D_VOCAB

N_NEW = 4
LENGTHS = (5, 7, 7)


@pytest.fixture
def prompts(generator):
    return [torch.randint(1, D_VOCAB, (n,), generator=generator).tolist() for n in LENGTHS]


def some_sets(generator, n):
    """Sets of one to five neurons, an empty one in front."""
    sets = torch.zeros(n, 48, dtype=torch.bool)
    for row in sets[1:]:
        row[torch.randperm(48, generator=generator)[: int(torch.randint(1, 6, (), generator=generator))]] = True
    return sets


def stops_of(model, prompts):
    """A token that the model writes third, so that some texts end early."""
    path = model.path(torch.tensor([prompts[1]]), n_tokens=N_NEW)
    return {int(path.ids[0, 2])}


def texts(written):
    return [[written.texts[at] for at in row] for row in written.index.tolist()]


def moved(site, value, members, strength):
    """An edit that moves neurons a share of the way to a value."""
    units = members.nonzero()[:, 0]
    given = edits.replace(site, value[units], units=units)
    return Edit(site, lambda old, new: old + strength * (new - old), given.value, given.positions, units)


def really(model, prompts, members, value, *, stops, with_cache, strength=1.0):
    """The texts of a model that is edited in every pass."""
    found = []
    for row, prompt in enumerate(prompts):
        one = value[row] if len(value) > 1 else value[0]
        done = [moved(Site(model.n_layers - 1, "neurons"), one, members, strength)]
        chosen = {"n_tokens": N_NEW, "stops": stops, "edits": done, "with_cache": with_cache}
        path = model.path(torch.tensor([prompt]), **chosen)
        found.append(tuple(path.ids[0, : path.n_steps[0]].tolist()))
    return found


@pytest.mark.long
@pytest.mark.parametrize(("per_prompt", "strength"), [(False, 1.0), (True, -2.0)])
def test_what_is_written_is_what_the_edited_model_writes(tiny, prompts, generator, per_prompt, strength):
    stops, sets = stops_of(tiny, prompts), some_sets(generator, 4)
    value = 3 * torch.randn(len(prompts) if per_prompt else 1, 48, generator=generator)
    writer = Writer(tiny, prompts, n_tokens=N_NEW, stops=stops)
    found = texts(writer.without(sets, value, strength=strength))
    for with_cache in (True, False):
        chosen = {"stops": stops, "with_cache": with_cache, "strength": strength}
        assert found == [really(tiny, prompts, members, value, **chosen) for members in sets]
    assert found[0] == writer.clean() and any(text != found[0] for text in found)


@pytest.mark.long
def test_it_agrees_with_the_road_that_runs_every_set(tiny, prompts, generator):
    stops, sets, value = stops_of(tiny, prompts), some_sets(generator, 12), 2 * torch.randn(1, 48, generator=generator)
    found = texts(Writer(tiny, prompts, n_tokens=N_NEW, stops=stops).without(sets, value))
    for column, prompt in enumerate(prompts):
        tokens = torch.tensor([prompt])
        path = tiny.path(tokens, n_tokens=N_NEW, stops=stops)
        slow = without.rewritten(tiny, tokens, path, sets, value[0], n_tokens=N_NEW, stops=stops)
        assert [[id for id in row[column] if id not in stops] for row in found] == [row[0] for row in slow]


def by_formula(model, state, delta, members, road):
    """The likeliest token from the whole formula, for one set."""
    layer, resid = model.final_layer, model.final_layer.centre(state.resid)
    change = delta * members
    if "a norm after the last MLP" in model.not_exact:
        write = model.write(state.activation + change) - model.write(state.activation)
    else:
        write = change @ model.W_out
    scale = layer.scale(resid) if road == "direct" else layer.scale(resid + write)
    return layer.logits(resid if road == "scale" else resid + write, scale=scale)


@pytest.mark.long
@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("way", ["all pairs at once", "pair by pair", "text by text", "the whole vocabulary"])
def test_the_bound_skips_nothing_that_the_formula_changes(tiny, generator, road, way, monkeypatch):
    monkeypatch.setattr(screening, "DENSE", -1.0 if way == "all pairs at once" else 2.0)
    monkeypatch.setattr(screening, "CROWDED", 0 if way == "text by text" else 2**60)
    if way == "the whole vocabulary":  # some tokens at a time, and some pairs
        monkeypatch.setattr(Screen, "_decide_close", lambda self, tile, doubtful, ids: doubtful.nonzero(as_tuple=True))
        monkeypatch.setattr(Screen, "_doubtful", lambda self, tile, wanted: wanted)
        monkeypatch.setattr(whole, "CELLS", 70_000)
    run = tiny.run(torch.randint(1, D_VOCAB, (3, 9), generator=generator), "resid", "activation")
    state = State(run.resid.flatten(0, 1), run.activation.flatten(0, 1))
    sets, size = some_sets(generator, 20), 10.0 ** torch.linspace(-2, 1, 27)[:, None]
    delta = size * torch.randn(27, 48, generator=generator)
    own, ids = Screen(tiny, sets, road).likeliest(state, delta, torch.ones(20, 27, dtype=torch.bool))
    for members, found in zip(sets, ids, strict=True):
        logits = by_formula(tiny, state, delta, members, road)
        best, chosen = logits.amax(1), logits.gather(1, found[:, None])[:, 0]
        assert (best - chosen <= 1e-4 * best.abs().clamp(min=1)).all()
    assert torch.equal(ids[0], own)
    changed = bool((ids != own).any())
    assert changed or road == "scale"
    assert not (changed and road == "scale") or mechanism.has_bias(tiny.final_layer)


def test_most_pairs_are_decided_without_reading_the_vocabulary(gpt2_folder, generator, monkeypatch):
    model = door.load(str(gpt2_folder))
    run = model.run(torch.randint(1, D_VOCAB, (4, 9), generator=generator), "resid", "activation")
    state, read = State(run.resid.flatten(0, 1), run.activation.flatten(0, 1)), []
    among_all = Screen._among_all

    def counted(self, tile, row, at):
        read.append(len(row))
        return among_all(self, tile, row, at)

    monkeypatch.setattr(Screen, "_among_all", counted)
    sets, delta = some_sets(generator, 200), 0.3 * torch.randn(36, 48, generator=generator)
    own, ids = Screen(model, sets).likeliest(state, delta, torch.ones(200, 36, dtype=torch.bool))
    assert (ids != own).any() and sum(read) < 0.02 * ids.numel()


def test_where_many_sets_are_open_more_tokens_are_compared_before_the_whole_vocabulary_is(
    gpt2_folder, generator, monkeypatch
):
    model, read = door.load(str(gpt2_folder)), []
    run = model.run(torch.randint(1, D_VOCAB, (4, 9), generator=generator), "resid", "activation")
    state, among_all = State(run.resid.flatten(0, 1), run.activation.flatten(0, 1)), Screen._among_all

    def counted(self, tile, row, at):
        read[-1] += len(row)
        return among_all(self, tile, row, at)

    monkeypatch.setattr(Screen, "_among_all", counted)
    sets, delta = some_sets(generator, 200), torch.randn(36, 48, generator=generator)
    found = []
    for crowded in (2**60, 0):
        monkeypatch.setattr(screening, "CROWDED", crowded)
        read.append(0)
        found.append(Screen(model, sets).likeliest(state, delta, torch.ones(200, 36, dtype=torch.bool))[1])
    assert torch.equal(*found) and read[1] < read[0] / 2


def test_what_is_not_wanted_is_left_as_it_was(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    run = model.run(torch.randint(1, D_VOCAB, (2, 9), generator=generator), "resid", "activation")
    state, delta = State(run.resid.flatten(0, 1), run.activation.flatten(0, 1)), torch.full((18, 48), 5.0)
    wanted = torch.zeros(6, 18, dtype=torch.bool)
    wanted[3] = True
    own, ids = Screen(model, some_sets(generator, 6)).likeliest(state, delta, wanted)
    changed = (ids != own).any(1).tolist()
    assert changed == [False, False, False, True, False, False]


def test_each_text_is_run_once_however_many_sets_write_it(gpt2_folder, prompts, generator, monkeypatch):
    model = door.load(str(gpt2_folder))
    writer, sets = Writer(model, prompts, n_tokens=N_NEW), some_sets(generator, 100)
    value = 3 * torch.randn(1, 48, generator=generator)
    run, path = [], type(model).path

    def counted(self, tokens, **chosen):
        run.extend(map(tuple, tokens.tolist()))
        return path(self, tokens, **chosen)

    monkeypatch.setattr(type(model), "path", counted)
    first = writer.without(sets, value)
    assert len(run) == len({*run}) and 0 < len(run) < 100 * len(prompts)
    n = len(run)
    again = writer.without(sets, value)
    assert len(run) == n and torch.equal(first.index, again.index)


@pytest.mark.long
def test_nothing_is_written_behind_what_settles_a_text(tiny, prompts, generator, monkeypatch):
    stops, sets, value = stops_of(tiny, prompts), some_sets(generator, 30), 3 * torch.randn(1, 48, generator=generator)
    whole = Writer(tiny, prompts, n_tokens=N_NEW, stops=stops).without(sets, value)
    cut = Writer(tiny, prompts, n_tokens=N_NEW, stops=stops, is_settled=lambda prompt, ids: len(ids) > prompt)
    found, kept = cut.without(sets, value), torch.tensor([cut.n_open((prompt, ())) for prompt in range(len(prompts))])
    for one, other in zip(texts(found), texts(whole), strict=True):
        assert all(a[: at + 1] == b[: at + 1] for at, (a, b) in enumerate(zip(one, other, strict=True)))
    assert (kept <= torch.arange(len(prompts)) + 1).all() and len(found.texts) < len(whole.texts)
    assert len(cut._paths) < len(whole.texts)
    assert cut.clean() == texts(whole)[0]  # the clean texts themselves are whole


@pytest.mark.long
def test_labels_are_those_of_texts_that_are_written_to_their_end(pocket, generator):
    none = Gathered((), (), Share(0, 1), answers.stop_ids(pocket))
    gathered = knowledge_conflicts.of_true_facts(none, n_facts=60, generator=generator)
    asked, n_units = knowledge_conflicts.ask(pocket, gathered), len(pocket.W_out)
    sets, value = torch.rand(60, n_units, generator=generator) < 0.3, 2 * torch.randn(1, n_units, generator=generator)
    found = asked.without(sets, value).ablated
    whole = Writer(pocket, asked.writer.prompts, n_tokens=answers.N_TOKENS, stops=gathered.stops)
    assert torch.equal(found, tallies.read(pocket, gathered, whole.without(sets, value)))
    assert (found != asked.clean).any() and len(asked.writer._paths) < len(whole._paths) / 2


@pytest.mark.long
@pytest.mark.parametrize("unchanged", ["no neuron", "no strength", "the same value"])
def test_nothing_changes_bit_for_bit_where_nothing_is_put_in(tiny, prompts, generator, unchanged):
    writer, sets = Writer(tiny, prompts, n_tokens=N_NEW), some_sets(generator, 5)
    value, strength = torch.randn(1, 48, generator=generator), 1.0
    if unchanged == "no neuron":
        sets = torch.zeros_like(sets)
    elif unchanged == "no strength":
        strength = 0.0
    else:  # the first step's own activations, for prompts of one token
        writer = Writer(tiny, prompts, n_tokens=1)
        state, _ = writer.states()
        value = state.activation
    assert all(row == writer.clean() for row in texts(writer.without(sets, value, strength=strength)))


def test_a_temperature_changes_no_greedy_answer_without_a_bias(pocket, prompts, generator):
    llama = mechanism.without_bias(pocket, generator=generator)
    assert not llama.final_layer.centres and not mechanism.has_bias(llama.final_layer)
    sets = torch.rand(30, len(llama.W_out), generator=generator) < 0.1
    value = 20 * torch.randn(1, len(llama.W_out), generator=generator)
    writer = Writer(llama, prompts, n_tokens=N_NEW)
    changed = {
        road: sum(row != writer.clean() for row in texts(writer.without(sets, value, road=road))) for road in ROADS
    }
    assert changed["scale"] == 0 and changed["both"] > 0 and changed["direct"] > 0


def test_a_temperature_may_change_a_greedy_answer_with_a_bias(gpt2_folder, prompts, generator):
    model = door.load(str(gpt2_folder))
    assert mechanism.has_bias(model.final_layer)
    sets, value = some_sets(generator, 40), 20 * torch.randn(1, 48, generator=generator)
    writer = Writer(model, prompts, n_tokens=N_NEW)
    assert any(row != writer.clean() for row in texts(writer.without(sets, value, road="scale")))
