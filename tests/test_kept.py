"""Effects that one chapter measured and the next finds again, within a run of the book and nowhere else."""

import pytest
import torch

from lib import effects, identity
from lib import model as door
from lib.effects import kept, measuring


@pytest.fixture
def model(gpt2_folder):
    return door.load(str(gpt2_folder))


@pytest.fixture
def tokens(generator):
    return torch.randint(1, 1500, (3, 9), generator=generator)


@pytest.fixture
def measured(monkeypatch):
    """What was measured and not found."""
    found, real = [], measuring.Text.effects

    def counting(text, way, n_columns):
        found.append(n_columns)
        return real(text, way, n_columns)

    monkeypatch.setattr(measuring.Text, "effects", counting)
    return found


def chapter(tmp_path, name):
    return str(tmp_path / "runs/some/results" / name)


def same(one, other):
    return type(one) is type(other) and all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in (*type(one).quantities(), "n")
    )


def test_what_one_chapter_measured_the_next_one_finds(model, tokens, measured, tmp_path):
    given = {"scored": model.scored(tokens)}
    first = effects.measure(model, tokens, **given, results=chapter(tmp_path, "03"))
    again = effects.measure(door.load(model.source.location), tokens, **given, results=chapter(tmp_path, "04"))
    assert len(measured) == 1 and same(first, again) and again.report == first.report
    flat = torch.zeros(model.final_layer.d_vocab).index_fill(0, torch.tensor([3]), 1.0).log_softmax(-1)
    beside = effects.measure(model, tokens, **given, log_unigram=flat, results=chapter(tmp_path, "05"))
    found = effects.measure(model, tokens, **given, log_unigram=flat, results=chapter(tmp_path, "06"))
    assert len(measured) == 2 and same(beside, found) and isinstance(found, effects.FrequencyEffects)


@pytest.mark.long
def test_whatever_is_another_is_measured_anew(model, tokens, measured, tmp_path):
    given, results = {"scored": model.scored(tokens)}, chapter(tmp_path, "04")
    effects.measure(model, tokens, **given, results=results)
    thin = given["scored"].clone()
    thin[:, 3] = False
    others = [
        ((tokens.flip(0)), given),
        (tokens, {"scored": thin}),
        (tokens, given | {"replacement": torch.zeros(len(model.W_out))}),
        (tokens, given | {"tolerance": 0.0}),
        (tokens, given | {"gear": "cumulant"}),
    ]
    for number, (text, rest) in enumerate(others, start=2):
        effects.measure(model, text, **rest, results=results)
        assert len(measured) == number
    effects.measure(door.load(model.source.location, dtype="float64"), tokens, **given, results=results)
    assert len(measured) == len(others) + 2


def test_outside_a_run_everything_is_measured_and_nothing_written(model, tokens, measured, tmp_path):
    for results in ("", str(tmp_path / "mine"), str(tmp_path / "mine")):
        effects.measure(model, tokens, scored=model.scored(tokens), results=results)
    assert len(measured) == 3 and not list(tmp_path.iterdir())
    assert kept.folder("runs/some/results/04") is not None and kept.folder("") is None


def test_another_version_of_the_library_finds_nothing_and_leaves_nothing(
    model, tokens, measured, tmp_path, monkeypatch
):
    given, results = {"scored": model.scored(tokens)}, chapter(tmp_path, "04")
    effects.measure(model, tokens, **given, results=results)
    monkeypatch.setattr(identity, "library", lambda: "0123456789ab")
    effects.measure(model, tokens, **given, results=results)
    (left,) = kept.folder(results).glob("*.pt")
    assert len(measured) == 2 and left.name.startswith("0123456789ab-")


@pytest.mark.long
@pytest.mark.parametrize("damaged", [b"", b"nonsense", None])
def test_a_damaged_file_is_measured_anew_and_mended(model, tokens, measured, tmp_path, damaged):
    given, results = {"scored": model.scored(tokens)}, chapter(tmp_path, "04")
    first = effects.measure(model, tokens, **given, results=results)
    (path,) = kept.folder(results).glob("*.pt")
    path.write_bytes(path.read_bytes()[:500] if damaged is None else damaged)
    assert same(effects.measure(model, tokens, **given, results=results), first)
    assert same(effects.measure(model, tokens, **given, results=results), first) and len(measured) == 2


def test_a_run_that_nothing_can_be_written_to_is_measured_all_the_same(model, tokens, measured, tmp_path):
    (tmp_path / "runs/some/results").mkdir(parents=True)
    (tmp_path / "runs/some/effects").write_text("in the way")
    for _ in range(2):
        effects.measure(model, tokens, scored=model.scored(tokens), results=chapter(tmp_path, "04"))
    assert len(measured) == 2
