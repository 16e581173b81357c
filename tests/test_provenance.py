import json
import re
import shutil
import time

import pandas as pd
import pytest

from lib import documents, provenance
from lib import model as door


def test_the_run_card_names_model_weights_parameters_and_versions(pocket, tmp_path):
    table = provenance.card(pocket, {"seed": 3, "text": "pocket"}, results=str(tmp_path / "r"))
    saved = json.loads((tmp_path / "r" / "card.json").read_text())
    assert saved["model"] == "pocket" and saved["revision"] == pocket.source.revision
    assert saved["parameters"] == {"seed": 3, "text": "pocket"}
    assert set(saved["versions"]) == set(provenance.PACKAGES)
    assert table.loc["parameters", "run"] == "seed=3, text=pocket"


def test_the_saved_card_alone_says_what_the_process_took(pocket, tmp_path):
    import torch

    before = provenance.taken()
    held = torch.ones(2**27)  # half a GiB, written to
    while time.process_time() < before["processor_seconds"] + 0.3:
        held.sum().item()
    table = provenance.card(pocket, {"seed": 3}, results=str(tmp_path))
    saved = json.loads((tmp_path / "card.json").read_text())
    assert saved["processor_seconds"] >= before["processor_seconds"] + 0.1
    assert 0.5 <= saved["peak_gib"] < 50 and "peak_gib" not in table.index  # in GiB: a unit off is a thousandfold


def test_the_run_card_says_by_content_what_was_read(pocket, tmp_path):
    sample = tmp_path / "a.txt"
    sample.write_text("one")
    first = provenance.facts(pocket, {"text": str(sample)})["fingerprint"]
    assert set(first) == {"model", "text", "library", "environment"} and first["model"] == pocket.source.revision
    sample.write_text("two")
    second = provenance.facts(pocket, {"text": str(sample)})["fingerprint"]
    assert {name for name in first if first[name] != second[name]} == {"text"}


def test_the_run_card_says_in_words_which_text_an_empty_parameter_stood_for(pocket, gpt2_folder, tmp_path):
    (tmp_path / "a.txt").write_text("one")
    own = door.load(str(gpt2_folder))
    assert provenance.facts(pocket, {"text": ""})["text"] == documents.described("pocket")
    assert provenance.facts(own, {"text": ""})["text"] == documents.described("python")
    assert provenance.facts(own, {"text": str(tmp_path / "a.txt")})["text"] == "the file a.txt"
    assert "text" not in provenance.facts(pocket, {"seed": 1})  # a chapter that reads none


def test_an_empty_text_is_known_by_the_content_of_what_it_stands_for(pocket):
    empty, named = (provenance.facts(pocket, {"text": text})["fingerprint"] for text in ("", "pocket"))
    assert empty == named


def test_a_card_of_two_models_names_both_where_they_differ(pocket, gpt2_folder, tmp_path):
    other = door.load(str(gpt2_folder))
    parameters = {"model": "pocket", "post_trained": str(gpt2_folder)}
    table = provenance.card((pocket, other), parameters, results=str(tmp_path))
    saved = json.loads((tmp_path / "card.json").read_text())
    assert saved["model"] == f"pocket + {other.name}" and saved["source"] == "pocket + directory"
    assert saved["revision"] == f"{pocket.source.revision} + {other.source.revision}"
    assert saved["architecture"] == pocket.bridge.cfg.architecture  # which they share
    assert saved["fingerprint"]["post_trained"] == other.source.revision
    assert table.loc["model", "run"] == saved["model"]


def test_a_card_tells_folders_and_files_by_their_own_names(gpt2_folder, tmp_path):
    model = shutil.copytree(gpt2_folder, tmp_path / "parent" / "mine")
    given = {"model": str(model), "text": str(tmp_path / "parent" / "a.txt"), "seed": 3}
    (tmp_path / "parent" / "a.txt").write_text("one")
    results = tmp_path / "parent" / "results"
    table = provenance.card(door.load(str(model)), given | {"results": str(results)}, results=str(results))
    assert "parent" not in (results / "card.json").read_text() and "parent" not in table.to_html()
    assert table.loc["parameters", "run"] == "model=mine, text=a.txt, seed=3"
    assert table.loc["model", "run"].startswith("mine@")


def test_nothing_is_written_without_a_folder(pocket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    provenance.card(pocket, {}, results="")
    provenance.keep(pd.DataFrame({"a": [1]}), "a.csv", results="")
    assert not list(tmp_path.iterdir())


def test_outside_a_checkout_the_code_has_no_commit(tmp_path):
    assert provenance.git_state(tmp_path) == "no git"


@pytest.mark.parametrize(
    ("name", "says"), [("pocket", "none"), ("pocket-step-00000", r"\d+, the first of them .*weight")]
)
def test_a_card_names_weights_that_write_nothing(name, says):
    told = provenance.facts(door.load(name), {"model": name})["all-zero weights"]
    assert re.fullmatch(says, told) and "_original" not in told
