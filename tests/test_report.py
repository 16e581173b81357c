"""The committed pocket models still measure as their card says; an aim that is not met fails on purpose."""

import json
import shutil
import time
from pathlib import Path

import pytest
import torch

from lib import checkpoint, source
from lib import model as door
from lib.pocket import report

pytestmark = pytest.mark.long

CARD = json.loads((Path(report.__file__).parent / "report.json").read_text())
UNMET: dict[str, str] = {
    "facts": ".895 of the 1,441 facts are recalled, capitals and cities least (lib/pocket/trials.md, the eighth round)",
}
"""Targets that honest effort did not reach, each with its reason."""


@pytest.fixture(scope="module")
def measured():
    return report.measure()


def numbers(tree, path=""):
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from numbers(value, f"{path}/{name}")
    elif isinstance(tree, float):
        yield path, tree


def test_the_report_reproduces_the_card(measured):
    again = dict(numbers(json.loads(json.dumps(measured))))
    card = dict(numbers(CARD))
    assert set(again) == set(card) and len(card) > 40
    assert {path: value for path, value in again.items() if abs(value - card[path]) > 0.02 + 0.02 * abs(value)} == {}


@pytest.mark.parametrize("target", CARD["targets"])
def test_a_target_is_met(target, measured, request):
    if target in UNMET:
        request.node.add_marker(pytest.mark.xfail(reason=UNMET[target], strict=True))
    assert measured["targets"][target]["met"]


def test_the_model_card_tells_every_target_and_none_is_called_met_that_is_not():
    text = (Path(report.__file__).parent / "README.md").read_text()
    for name, entry in CARD["targets"].items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert row.endswith("| met |") == entry["met"]


def test_the_weights_are_small_enough_for_a_repository():
    files = [path for path in source.POCKET_MODELS.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) < 16e6
    assert sum(path.stat().st_size for path in files) < 90e6


def test_loading_through_the_door_costs_at_most_six_times_what_reading_the_files_costs():
    def spent(load):
        begun = time.thread_time()  # of the processor, so that a busy machine slows both alike
        load()
        return time.thread_time() - begun

    chat = source.resolve("pocket-chat", revision="")
    door.load("pocket")  # imports
    turns = [
        (spent(lambda: door.load("pocket-chat")), spent(lambda: checkpoint.read(chat, torch.float32, "cpu")))
        for _ in range(5)
    ]
    through_the_door, plain = map(min, zip(*turns, strict=True))
    assert through_the_door <= 6 * plain


def test_checkpoints_and_controls_are_half_precision_and_load():
    names = [name for name in source.pocket_names() if "step" in name or "plain" in name]
    assert len([name for name in names if "step" in name]) >= 8
    for name in names:
        size = (source.POCKET_MODELS / name / "model.safetensors").stat().st_size
        assert size < 0.55 * (source.POCKET_MODELS / "pocket" / "model.safetensors").stat().st_size
    assert door.load(names[0]).final_layer.d_model == door.load("pocket").final_layer.d_model


@pytest.mark.parametrize("damage", ["missing", "cut short", "folder gone"])
def test_lost_weights_are_named_with_the_command_that_restores_them(damage, tmp_path, monkeypatch):
    folder = shutil.copytree(source.POCKET_MODELS / "pocket", tmp_path / "pocket")
    weights = folder / "model.safetensors"
    if damage == "missing":
        weights.unlink()
    elif damage == "cut short":
        weights.write_bytes(weights.read_bytes()[:5000])
    else:
        shutil.rmtree(folder)
    monkeypatch.setattr(source, "POCKET_MODELS", tmp_path)
    with pytest.raises(
        source.SourceError, match=r"git checkout -- lib/pocket/models \(or retrain: make pocket\)"
    ) as said:
        door.load("pocket")
    assert "\n" not in str(said.value) and "pocket" in str(said.value)
