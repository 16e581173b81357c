"""What is written without many sets of neurons, from states that are kept, against models that really lack them."""

import pytest
import torch

from lib import model as door
from lib.knowledge_conflicts import screening
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


def test_it_agrees_with_the_road_that_runs_every_set(tiny, prompts, generator):
    stops, sets, value = stops_of(tiny, prompts), some_sets(generator, 12), 2 * torch.randn(1, 48, generator=generator)
    found = texts(Writer(tiny, prompts, n_tokens=N_NEW, stops=stops).without(sets, value))
    for column, prompt in enumerate(prompts):
        tokens = torch.tensor([prompt])
        path = tiny.path(tokens, n_tokens=N_NEW, stops=stops)
        slow = without.rewritten(tiny, tokens, path, sets, value[0], n_tokens=N_NEW, stops=stops)
        assert [[id for id in row[column] if id not in stops] for row in found] == [row[0] for row in slow]
