"""The graph decides by content what is stale: a repository of one small chapter, under a path that nothing likes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib import book
from lib.book import engine
from tests.conftest import HANGING, heeding_interrupts

pytestmark = pytest.mark.long

CHAPTER, OF_A_PAIR = "01_tiny", "08_two"
CELLS = [
    'model: str = "pocket"  # x\nrevision: str = ""  # x\ndtype: str = "float32"  # x\ndevice: str = "cpu"  # x\n'
    'text: str = "pocket"  # x\nresults: str = ""  # x',
    "import json\nimport pathlib\nfrom lib import book, documents, identity, source\n"
    'parameters = book.parameters(globals(), chapter="CHAPTER")\nnext(iter(documents.documents(text)))[:0]',
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "others = [one.name for name, one in identity.others(parameters).items() if name in PAIR]\n"
    'names = " + ".join([source.resolve(model).name, *others])\n'
    'about = ("source", "revision", "architecture", "device", "code", "date")\n'
    'card = dict.fromkeys(about, "x") | {"model": names, "versions": {"torch": "2"}, "parameters": {"seed": 0}}\n'
    'card |= {"fingerprint": identity.made_of(parameters)}\npathlib.Path(results).mkdir(parents=True)\n'
    '_ = (pathlib.Path(results) / "card.json").write_text(json.dumps(card))',
    'book.summary("A line was drawn.")',
]


INTRO = f"""# A book

- <!-- found: {OF_A_PAIR} 1 -->

[](../notebooks/{CHAPTER}.ipynb) and [](../notebooks/{OF_A_PAIR}.ipynb)
"""
TOC = f"""format: jb-book
root: book/intro
parts:
  - caption: Chapters
    chapters:
      - file: notebooks/{CHAPTER}
      - file: notebooks/{OF_A_PAIR}
"""


def notebook(chapter=CHAPTER):
    """A chapter that draws one figure and leaves a card, and loads nothing; about a pair where it is that chapter."""
    tags, pair = [["parameters"], [], [], [], []], ("post_trained",) if chapter == OF_A_PAIR else ()
    code = [cell.replace("CHAPTER", chapter).replace("PAIR", repr(pair)) for cell in CELLS]
    code[0] += "".join(f'\n{name}: str = ""  # x' for name in pair)
    shown = {"figure": {"caption": "A line.", "name": f"fig-{chapter[:2]}"}, "image": {"alt": "A line that rises."}}
    cells = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": f"# Draw {chapter[3:]}\n\nA line."}]
    cells += [
        {
            "cell_type": "code",
            "id": f"c{at}",
            "metadata": {"tags": tag} | ({"mystnb": shown} if "plt.show()" in cell else {}),
            "source": cell,
            "outputs": [],
            "execution_count": None,
        }
        for at, (cell, tag) in enumerate(zip(code, tags, strict=True))
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def repository(tmp_path_factory, gpt2_folder):
    """A copy of this repository with such chapters alone, an embedded pair and a model beside it."""
    root = tmp_path_factory.mktemp("graph") / 'it\'s a «répo» "2"'
    apart = shutil.ignore_patterns("models", "__pycache__")
    shutil.copytree(book.REPOSITORY / "lib", root / "lib", ignore=apart)
    for name in ("pocket", "pocket-sft", "pocket-chat"):
        shutil.copytree(gpt2_folder, root / "lib/pocket/models" / name)
    shutil.copytree(gpt2_folder, root / "my 'model' é")
    shutil.copytree(book.REPOSITORY / "book", root / "book")
    (root / "book/intro.md").write_text(INTRO)
    for name in ("Snakefile", "Makefile", "requirements.txt", "pyproject.toml", "_config.yml"):
        shutil.copy(book.REPOSITORY / name, root / name)
    (root / "_toc.yml").write_text(TOC)
    (root / "notebooks").mkdir()
    for name in (CHAPTER, OF_A_PAIR):
        (root / f"notebooks/{name}.ipynb").write_text(json.dumps(notebook(name)))
    (root / "it's 2024.txt").write_text("one")
    kernels = root / "elsewhere/kernels/python3"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"})
    )
    return root


def shell(root, **more):
    """A shell whose settings would change every figure, find another kernel, and whose home takes no file."""
    odd = {"MPLBACKEND": "Agg", "JUPYTER_PATH": str(root / "elsewhere"), "HOME": "/dev/null", "PYTHONPATH": str(root),
           "XDG_CACHE_HOME": ""}  # fmt: skip
    return {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")} | odd | more


def command(root, *arguments, **more):
    given = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(given, cwd=root, env=shell(root, **more), capture_output=True, text=True, timeout=HANGING)


def snakemake(root, *arguments):
    """Snakemake by hand, which needs a cache folder that it can write to."""
    return command(root, "snakemake", "--cores", "1", *arguments, XDG_CACHE_HOME=str(root / ".cache"))


def make(root, model="pocket", parameters="", *, chapter=CHAPTER, post_trained=""):
    """Makes the chapter; where it lies now, and what was done to make it."""
    given = ["--chapter", chapter[:2], "--model", model, "--post-trained", post_trained, "--parameters", parameters]
    done = command(root, "lib.book", "make", "chapter", *given, "--jobs", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    return root / done.stdout.split("made ")[-1].strip(), f"{chapter}: cell" in done.stderr


def test_a_chapter_is_made_once_and_again_for_whatever_it_is_made_of(repository):
    text = """text="it's 2024.txt\""""
    made, ran = make(repository, parameters=text)
    assert ran and made.relative_to(repository) == Path(f"runs/pocket/notebooks/{CHAPTER}.ipynb")
    assert any(
        "image/png" in output.get("data", {})
        for cell in json.loads(made.read_text())["cells"]
        for output in cell.get("outputs", ())
    )
    assert json.loads((repository / f"runs/pocket/asked/{CHAPTER}.json").read_text())["parameters"]["text"].endswith(
        "it's 2024.txt"
    )

    (repository / "lib/pocket/trials.md").write_text("a note")
    os.utime(repository / "lib/book/run.py")
    assert make(repository, parameters=text) == (made, False)

    (repository / "it's 2024.txt").write_text("two")
    assert make(repository, parameters=text) == (made, True)

    weights = repository / "lib/pocket/models/pocket/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert make(repository, parameters=text) == (made, True)
    shutil.rmtree(repository / ".snakemake")  # what it remembers of earlier runs is not needed to tell
    assert make(repository, parameters=text)[1] is False
    (repository / "lib/measures.py").write_text((repository / "lib/measures.py").read_text() + "\n# changed\n")
    assert make(repository, parameters=text) == (made, True)


def test_a_directory_has_a_run_for_each_state_of_it_and_the_last_one_is_named(repository):
    model = repository / "my 'model' é"
    first, ran = make(repository, model=f"./{model.name}")
    assert ran and first.parts[-3].startswith("my--model--é--")
    (model / "config.json").write_text((model / "config.json").read_text() + "\n")
    second, ran = make(repository, model=str(model))
    assert ran and second != first and first.is_file()


def test_a_pair_has_a_run_of_its_own_and_another_once_its_partner_is_another(repository, gpt2_folder):
    pair = {"chapter": OF_A_PAIR, "model": "./my 'model' é", "post_trained": "./tuned"}
    tuned = shutil.copytree(gpt2_folder, repository / "tuned")
    first, ran = make(repository, **pair)
    model, partner = first.parts[-3].split("+")
    assert ran and model.startswith("my--model--é--") and partner.startswith("tuned--")
    assert make(repository, **pair) == (first, False)
    (tuned / "config.json").write_text((tuned / "config.json").read_text() + "\n")
    second, ran = make(repository, **pair)
    assert ran and second.parts[-3].split("+")[0] == model and second != first and first.is_file()
    known, ran = make(repository, chapter=OF_A_PAIR)
    assert ran and known.parts[-3] == "pocket"
    weights = repository / "lib/pocket/models/pocket-sft/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"y")
    assert make(repository, chapter=OF_A_PAIR) == (known, True)
    given = ["--chapter", "08", "--model", pair["model"]]
    done = command(repository, "lib.book", "make", "chapter", *given)
    assert done.returncode and "has no post-trained partner that this book knows; name one" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("post_trained", ["", "./tuned 2"])
def test_a_book_has_the_chapters_of_a_pair_or_a_page_in_their_place(repository, gpt2_folder, post_trained):
    if post_trained:
        shutil.copytree(gpt2_folder, repository / post_trained)
    given = ["--model", "./my 'model' é", "--post-trained", post_trained, "--jobs", "2"]
    done = command(repository, "lib.book", "make", "book", *given)
    assert done.returncode == 0, done.stderr[-3000:]
    site = (repository / done.stdout.split("made ")[-1].strip()).parent
    page, chapter = site / "book/no_partner.html", site / f"notebooks/{OF_A_PAIR}.html"
    assert (page.is_file(), chapter.is_file()) == (not post_trained, bool(post_trained))
    intro = (site / "book/intro.html").read_text()
    assert f"../notebooks/{OF_A_PAIR}.html" in intro if post_trained else "no_partner.html" in intro
    assert "08 · Draw two" in intro and len(site.name.split("+")) == 1 + bool(post_trained)
    report = json.loads((repository / "runs" / site.name / "run.json").read_text())
    assert [*report["chapters"]] == [CHAPTER, OF_A_PAIR][: 1 + bool(post_trained)]
    assert ("A line was drawn." in intro) == bool(post_trained)
    assert report["post_trained"].split("@")[0] == post_trained.removeprefix("./")


def test_one_run_at_a_time_however_it_was_started(repository):
    code = (
        "import sys, pathlib; from lib import book; book.hold(pathlib.Path('runs')); print(flush=1); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=repository, env=shell(repository), **pipes) as other:
        assert other.stdout.readline() == b"\n"
        goal = f"runs/pocket/notebooks/{CHAPTER}.ipynb"
        plain = snakemake(repository, goal)
        made = command(repository, "lib.book", "make", "chapter", "--chapter", "01")
        other.stdin.close()
    for done in (plain, made):
        assert done.returncode and "another run is under way in this folder; wait for it to end" in done.stderr
        assert "Traceback" not in done.stderr


def test_plain_snakemake_knows_how_much_memory_there_is_and_refuses_what_make_refuses(repository):
    done = snakemake(repository, f"runs/pocket/notebooks/{CHAPTER}.ipynb", "--forcerun", "chapter")
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout + done.stderr
    limit, needed = (
        int(re.search(pattern, said)[1]) for pattern in (r"Provided .*megabytes=\D*(\d+)", r"megabytes=(\d+)")
    )
    assert 0 < needed <= limit and re.search(r"Provided .*cards=\D*1", said)
    done = snakemake(repository, "-n", "--config", "parameters={model: x}")
    assert done.returncode and "the model is named by MODEL=…, not among the parameters" in done.stderr


def test_a_chapter_that_fails_is_one_sentence_keeps_its_partial_notebook_and_is_run_anew(repository):
    (repository / "empty.txt").write_text("")
    given = ["--chapter", "01", "--parameters", "text=empty.txt", "--jobs", "1"]
    done = command(repository, "lib.book", "make", "chapter", *given)
    assert done.returncode and "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith(f"error: chapter {CHAPTER}, cell ")]
    assert len(said) == 1 and "empty.txt is empty; the partial notebook is" in said[0]
    run = repository / "runs/pocket"
    assert (run / f"logs/{CHAPTER}.ipynb").exists() and not (run / f"notebooks/{CHAPTER}.ipynb").exists()
    assert make(repository) == (run / f"notebooks/{CHAPTER}.ipynb", True)


def kernels(root):
    """The processes of kernels that work in this repository."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"ipykernel_launcher" in (process / "cmdline").read_bytes() and (process / "cwd").samefile(root):
                found.append(process.name)
        except OSError:  # it has ended meanwhile
            continue
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_is_interrupted_is_one_sentence_and_leaves_no_kernel_no_lock_and_nothing_half_made(repository, how):
    chapter = repository / f"notebooks/{CHAPTER}.ipynb"
    whole = chapter.read_text()
    shutil.rmtree(repository / f"runs/pocket/results/{CHAPTER}", ignore_errors=True)  # an earlier card says nothing
    slow = json.loads(whole)
    slow["cells"][-1]["source"] = "import time\ntime.sleep(600)"
    chapter.write_text(json.dumps(slow))
    given = [sys.executable, "-m", "lib.book", "make", "chapter", "--chapter", "01", "--jobs", "1"]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "preexec_fn": heeding_interrupts}
    try:
        with subprocess.Popen(given, cwd=repository, env=shell(repository), start_new_session=True, **pipes) as made:
            while not (repository / f"runs/pocket/results/{CHAPTER}/card.json").exists() and made.poll() is None:
                time.sleep(0.1)  # until it comes to the last cell
            assert kernels(repository / "notebooks")
            os.kill(made.pid, how)
            out, err = made.communicate(timeout=HANGING)
    finally:
        chapter.write_text(whole)
    lines = [line for line in err.splitlines() if not line.startswith(f"{CHAPTER}: cell")]
    assert lines == ["stopped; chapters that were made are kept, and the same command goes on from there"] and not out
    assert made.returncode == 130 and not kernels(repository / "notebooks")
    run = repository / "runs/pocket"
    assert not (run / f"notebooks/{CHAPTER}.ipynb").exists() and not (run / f"results/{CHAPTER}").exists()
    assert make(repository) == (run / f"notebooks/{CHAPTER}.ipynb", True)
    (run / f"notebooks/{CHAPTER}.ipynb").unlink()
    shutil.rmtree(run / f"results/{CHAPTER}")


def test_an_environment_that_came_with_a_copy_is_made_anew(repository):
    environment = repository / ".venv"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')  # its library lies where it was installed
    python.chmod(0o755)
    (environment / "ready").write_text("")
    done = [
        subprocess.run(["make", "-n", "help", ".venv/ready"], cwd=repository, env=where, capture_output=True, text=True)
        for where in (shell(repository, PYTHONPATH=str(book.REPOSITORY)), shell(repository))
    ]
    assert "rm -rf .venv" in done[0].stdout and "belongs to another folder" in done[0].stdout, done[0]
    assert "rm -rf .venv" not in done[1].stdout


def test_a_lock_that_a_dead_run_left_is_cleared(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_HELD", [])
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    engine.hold(tmp_path / "runs")
    assert not (tmp_path / ".snakemake/locks").exists()
    with pytest.raises(book.BookError, match="another run is under way"):
        engine.hold(tmp_path / "runs")
    engine._HELD.pop().close()
    engine.hold(tmp_path / "runs")
