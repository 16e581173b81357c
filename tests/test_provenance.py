import json

import pandas as pd

from lib import provenance


def test_the_run_card_names_model_weights_parameters_and_versions(pocket, tmp_path):
    table = provenance.card(pocket, {"seed": 3, "text": "pocket"}, results=str(tmp_path / "r"))
    saved = json.loads((tmp_path / "r" / "card.json").read_text())
    assert saved["model"] == "pocket" and saved["revision"] == pocket.source.revision
    assert saved["parameters"] == {"seed": 3, "text": "pocket"}
    assert set(saved["versions"]) == set(provenance.PACKAGES)
    assert table.loc["parameters", "run"] == "seed=3, text=pocket"


def test_nothing_is_written_without_a_folder(pocket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    provenance.card(pocket, {}, results="")
    provenance.keep(pd.DataFrame({"a": [1]}), "a.csv", results="")
    assert not list(tmp_path.iterdir())


def test_outside_a_checkout_the_code_has_no_commit(tmp_path):
    assert provenance.git_state(tmp_path) == "no git"
