import json
import os
import subprocess
import sys

import papermill
import pytest

from lib import book
from tests import rerun
from tests.conftest import HANGING


def make(*arguments):
    return subprocess.run(["make", *arguments], cwd=book.REPOSITORY, capture_output=True, text=True, timeout=HANGING)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["book", "MODL=gpt2"], "there is no variable MODL"),
        (["chapter"], "say which chapter, as in: make chapter CHAPTER=01"),
        (["chapter", "CHAPTER=77"], "there is no chapter '77'; the chapters are 01_final_layer"),
        (["chapter", "CHAPTER=01", "PARAMETERS=n_sequence=3"], "has no parameter 'n_sequence'; its parameters are"),
        (["pocket", "TWINS=yes"], "TWINS and SMOKE are switches; set them to 1"),
        (["book", "PARAMETERS=seed"], "PARAMETERS takes name=value pairs"),
        (["book", "MODEL=a/b/c"], "neither an embedded model (pocket, pocket-chat, "),
    ],
)
def test_a_wrong_request_is_one_sentence_and_leaves_nothing(arguments, said):
    before = sorted((book.REPOSITORY / "runs").glob("*"))
    done = make(*arguments)
    assert done.returncode != 0 and said in done.stderr and "Traceback" not in done.stderr
    assert sorted((book.REPOSITORY / "runs").glob("*")) == before


def test_a_chapter_that_fails_is_one_sentence_and_is_not_published(tmp_path):
    short = tmp_path / "short.txt"
    short.write_text("too short\n")
    places = ["--log", tmp_path / "log.ipynb", "--output", tmp_path / "out.ipynb", "--results", tmp_path / "results"]
    given = json.dumps({"text": str(short)})
    command = [
        sys.executable,
        "-m",
        "lib.book",
        "execute",
        "01_final_layer",
        "--model",
        "pocket",
        "--parameters",
        given,
    ]
    done = subprocess.run([*command, *places], cwd=tmp_path, capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("error: chapter 01_final_layer, cell ")
    assert "TextError: 16 sequences of 256 tokens need 4,080 tokens" in last and str(tmp_path / "log.ipynb") in last
    assert (tmp_path / "log.ipynb").exists()
    assert not (tmp_path / "out.ipynb").exists() and not (tmp_path / "results").exists()


def test_a_failing_chapter_by_make_is_one_sentence_and_keeps_its_partial_notebook(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    done = make("chapter", "CHAPTER=01", f"PARAMETERS=text={tmp_path / 'empty.txt'} n_sequences=4")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("error: chapter 01_final_layer, cell ")]
    assert len(said) == 1 and "empty.txt is empty; the partial notebook is" in said[0]
    run = book.REPOSITORY / "runs" / "pocket"
    assert (run / "logs/01_final_layer.ipynb").exists() and not (run / "notebooks/01_final_layer.ipynb").exists()
    again = make("book")  # never publishes the crashed chapter: runs it anew
    assert again.returncode == 0 and "01_final_layer: cell" in again.stderr
    assert (run / "notebooks/01_final_layer.ipynb").exists()


@pytest.mark.parametrize("threads", [None, "2"])
def test_a_chapter_runs_in_the_same_environment_the_first_time_and_the_second(threads, tmp_path, monkeypatch):
    found = {}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED"):
        monkeypatch.delenv(name, raising=False)
        if threads:
            monkeypatch.setenv(name, threads)
    second = rerun.environment()

    def execute_notebook(source, log, **_):
        found.update(os.environ)
        log.write_text("{}")

    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    places = {name: tmp_path / name for name in ("log", "output", "results")}
    book.execute("01_final_layer", **places, given={})
    assert found["OMP_NUM_THREADS"] == "1" and found == second


def test_assignments_become_typed_and_files_absolute(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert book.parsed("seed=3 dtype=float64 text=a.txt") == {
        "seed": 3,
        "dtype": "float64",
        "text": str(tmp_path / "a.txt"),
    }


def test_the_checked_cell_can_run_again_later_in_a_session():
    namespace = book.defaults("01_final_layer")
    book.parameters(namespace, chapter="01_final_layer")
    namespace["tokens"] = [1, 2]
    assert "tokens" not in book.parameters(namespace, chapter="01_final_layer")
