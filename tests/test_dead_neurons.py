"""Layers with neurons that are dead, or with five neurons: finite numbers, or one sentence that says what lacks."""

import json
import math
import shutil

import pytest
from safetensors.torch import load_file, save_file

from tests import matrix, mini
from tests.conftest import build

pytestmark = pytest.mark.long

CHAPTERS = ("02_null_space", "03_entropy_neurons", "04_total_and_direct_effect", "05_token_frequency", "06_induction",
            "07_knowledge_conflicts")  # fmt: skip
TOO_FEW = {"04_total_and_direct_effect", "05_token_frequency", "07_knowledge_conflicts"}
"""The chapters that set chosen neurons against as many others."""


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    """A model of whose last layer ten neurons write nothing, and five have an activation that never changes."""
    folder = mini.family(tmp_path_factory.mktemp("dead"))
    file = folder / "mini/model.safetensors"
    weights, mlp = load_file(file), "transformer.h.1.mlp."
    weights[f"{mlp}c_proj.weight"][1:11] = 0
    weights[f"{mlp}c_fc.weight"][:, 11:16] = 0
    weights[f"{mlp}c_fc.bias"][11:16] = weights[f"{mlp}c_fc.bias"].new_tensor([0, 0, 0, 1.5, 1.5])
    save_file(weights, file, {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """A model with five neurons in a layer."""
    folder = mini.family(tmp_path_factory.mktemp("five"))
    shutil.rmtree(folder / "mini")
    build(folder / "mini", "gpt2", **mini.SHAPE | {"n_inner": 5})
    return folder


def numbers(results):
    """Every number of the ledger that a chapter left."""
    entries = json.loads((results / "claims.json").read_text())
    return [entry[name] for entry in entries for name in ("measured", "low", "high") if entry[name] is not None]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_neurons_that_do_nothing_leave_finite_numbers(chapter, dead, tmp_path):
    matrix.run(chapter, dead, tmp_path)
    assert all(map(math.isfinite, numbers(tmp_path)))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_five_neurons_are_enough_or_one_sentence_says_what_is_missing(chapter, five, tmp_path):
    if chapter not in TOO_FEW:
        matrix.run(chapter, five, tmp_path)
        assert all(map(math.isfinite, numbers(tmp_path)))
        return
    with pytest.raises(ValueError, match=r"^\d neurons need as many others .*, but \d are left$"):
        matrix.run(chapter, five, tmp_path)
