import json
import os
import subprocess
import sys

import nbclient.exceptions
import papermill
import pytest

from lib import book
from lib.book import __main__ as command_line
from tests import rerun
from tests.conftest import HANGING

pytestmark = pytest.mark.long


def make(*arguments):
    return subprocess.run(["make", *arguments], cwd=book.REPOSITORY, capture_output=True, text=True, timeout=HANGING)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["book", "MODL=gpt2"], "there is no variable MODL"),
        (["book", "CHAPTER=02"], "make book has no use for CHAPTER; see make help"),
        (["bench", "MODEL=gpt2"], "make bench has no use for MODEL"),
        (["pocket", "TWINS=yes"], "TWINS and SMOKE are switches; set them to 1"),
        (["chapter", "CHAPTER=01", "PARAMETERS=n_sequence=3"], "has no parameter 'n_sequence'; its parameters are"),
        (["book", "MODEL=it's not/a/model"], "neither an embedded model"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_leaves_nothing(arguments, said):
    before = sorted((book.REPOSITORY / "runs").glob("*"))
    done = make(*arguments)
    assert done.returncode != 0 and said in done.stderr and "Traceback" not in done.stderr
    assert sorted((book.REPOSITORY / "runs").glob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chapter"], "say which chapter, as in: make chapter CHAPTER=01"),
        (["chapter", "--chapter", "77"], "there is no chapter '77'; the chapters are 01_final_layer"),
        (["book", "--parameters", "seed"], "PARAMETERS takes name=value pairs"),
        (["book", "--parameters", "model=pocket-chat"], "the model is named by MODEL=…, not among the parameters"),
        (["chapter", "--chapter", "01", "--parameters", "results=X"], "tables go to runs/<model>/results"),
        (["book", "--parameters", "seed=1 seed=2"], "PARAMETERS gives seed twice"),
        (
            ["book", "--parameters", "n_resamples=0"],
            "n_resamples of chapter 02_null_space has to be 2 or more",
        ),
        (["book", "--model", "a/b/c"], "neither an embedded model (pocket, pocket-chat, "),
    ],
)
def test_what_make_hands_on_is_refused_in_one_sentence(arguments, said, monkeypatch, capsys):
    """What `make` calls, without the seconds that a Python of its own takes to start."""
    monkeypatch.setattr(sys, "argv", ["book", "make", *arguments])
    with pytest.raises(SystemExit, match=r"^1$"):
        command_line.main()
    told = capsys.readouterr().err
    assert told.startswith("error: ") and said in told and told.count("\n") == 1


def test_a_chapter_that_fails_is_one_sentence_and_is_not_published(tmp_path):
    short = tmp_path / "short.txt"
    short.write_text("too short\n")
    places = ["--log", tmp_path / "log.ipynb", "--output", tmp_path / "out.ipynb", "--results", tmp_path / "results"]
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps({"parameters": {"text": str(short)}}))
    command = [sys.executable, "-m", "lib.book", "execute", "01_final_layer", "--asked", asked]
    done = subprocess.run([*command, *places], cwd=tmp_path, capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("error: chapter 01_final_layer, cell ")
    assert "TextError: 16 sequences of 256 tokens need 4,080 tokens" in last and str(tmp_path / "log.ipynb") in last
    assert (tmp_path / "log.ipynb").exists()
    assert not (tmp_path / "out.ipynb").exists() and not (tmp_path / "results").exists()


CARD = {"fingerprint": {"model": "m", "library": "l"}}
FIGURE = {"cell_type": "code", "source": "plt.show()", "execution_count": 3, "metadata": {}, "outputs": []}


@pytest.mark.parametrize(
    ("cells", "made_of", "said"),
    [
        ([FIGURE], {}, "chapter 01_final_layer shows no figure where its code draws one, cell 3; see"),
        ([], {"model": "n", "library": "l", "notebook": "x"}, "the model of chapter 01_final_layer was n when it was"),
    ],
)
def test_a_chapter_without_its_figures_or_about_something_else_is_not_kept(cells, made_of, said, tmp_path, monkeypatch):
    def execute_notebook(source, log, parameters, **_):
        log.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        (tmp_path / "results").mkdir()
        (tmp_path / "results/card.json").write_text(json.dumps(CARD))

    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    places = book.Places(**{name: tmp_path / name for name in ("log", "output", "results")})
    with pytest.raises(book.BookError, match=said):
        book.execute("01_final_layer", {"parameters": {}, "made_of": made_of}, places=places)
    assert places.log.exists() and not places.output.exists() and not places.results.exists()


def test_a_kernel_that_dies_is_one_sentence(tmp_path, monkeypatch):
    def execute_notebook(*_, **__):
        raise nbclient.exceptions.DeadKernelError("Kernel died")

    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    places = book.Places(**{name: tmp_path / name for name in ("log", "output", "results")})
    with pytest.raises(book.BookError, match="chapter 01_final_layer: Kernel died; there may be too little memory"):
        book.execute("01_final_layer", {"parameters": {}}, places=places)


@pytest.mark.parametrize("threads", [None, "2"])
def test_a_chapter_runs_in_the_same_environment_the_first_time_and_the_second(threads, tmp_path, monkeypatch):
    found = {}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED"):
        monkeypatch.delenv(name, raising=False)
        if threads:
            monkeypatch.setenv(name, threads)
    second = rerun.environment(threads=1)

    def execute_notebook(source, log, **_):
        found.update(os.environ)
        log.write_text('{"cells": [], "metadata": {}}')

    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    places = book.Places(**{name: tmp_path / name for name in ("log", "output", "results")})
    book.execute("01_final_layer", {"parameters": {}}, places=places)
    assert found["OMP_NUM_THREADS"] == "1" and found == second
