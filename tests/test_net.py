"""Whatever goes wrong is one sentence with the file that tells more, and leaves nothing that looks made."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib import book
from lib.book import engine, kernel, net, request, run, site
from lib.book.orders import Order
from lib.source import SourceError
from tests.conftest import heeding_interrupts

CHAPTER = "01_small"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder that stands for the repository."""
    root = tmp_path / "repository"
    root.mkdir()
    for module in (net, engine):
        monkeypatch.setattr(module, "REPOSITORY", root)
    return root


def said_of(error, capsys, *, quiet=False):
    def work():
        raise error

    status = net.caught(work, quiet=quiet)
    return status, capsys.readouterr().err


def full(file):
    return OSError(errno.ENOSPC, "No space left on device", str(file))


@pytest.mark.parametrize("error", [book.BookError("a thing\nis wrong"), SourceError("a thing is wrong")])
def test_what_was_raised_for_a_reader_is_said_as_it_is(error, repository, capsys):
    assert said_of(error, capsys) == (1, "error: a thing is wrong\n")
    assert not (repository / "runs").exists()


def test_a_fault_of_the_book_is_one_sentence_and_its_traceback_a_file(repository, capsys):
    status, said = said_of(KeyError("x\ny"), capsys)
    log = repository / "runs/logs/error.txt"
    assert status == 1 and said == rf"error: this was not foreseen: KeyError: 'x\ny'; its traceback is {log}" + "\n"
    assert "Traceback" in log.read_text() and "in work" in log.read_text()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda root: full(root / "runs/a/b.txt"), "there is no space left on the disk of {root}; free some"),
        (lambda _: OSError(errno.ENOSPC, "No space left on device"), "there is no space left on the disk of {root}"),
        (lambda root: PermissionError(errno.EACCES, "no", str(root / "a")), "{root} cannot be written to"),
        (lambda root: OSError(errno.EROFS, "no", str(root / "a/b")), "{root} cannot be written to"),
        (lambda root: FileExistsError(errno.EEXIST, "no", str(root / "file")), "{root}/file is needed as a folder"),
        (lambda root: NotADirectoryError(errno.ENOTDIR, "no", str(root / "file/a")), "{root}/file is needed as a fold"),
        (
            lambda _: OSError(errno.ENAMETOOLONG, "long", "once upon a time " * 90),
            "'once upon a time once upon a time ",
        ),
        (lambda _: MemoryError(), "there is too little memory; close other programs"),
        (lambda root: FileNotFoundError(errno.ENOENT, "no", str(root / "a")), "this was not foreseen: FileNotFoundErr"),
    ],
)
def test_what_the_machine_refuses_is_said_in_words(made, words, repository, capsys):
    (repository / "file").write_text("")
    status, said = said_of(made(repository), capsys)
    assert status == 1 and said.count("\n") == 1 and said.startswith("error: " + words.format(root=repository))


def test_where_no_log_can_be_kept_the_sentence_stands_alone(repository, capsys, monkeypatch):
    def write_text(*_, **__):
        raise full("x")

    monkeypatch.setattr(Path, "write_text", write_text)
    assert said_of(KeyError("x"), capsys) == (1, "error: this was not foreseen: KeyError: 'x'\n")


def test_an_interruption_is_said_once(repository, capsys):
    status, said = said_of(KeyboardInterrupt(), capsys)
    assert status == 130 and said.startswith("stopped; ") and said.count("\n") == 1
    assert said_of(KeyboardInterrupt(), capsys, quiet=True) == (130, "")


@pytest.mark.parametrize("name", ["runs", "site"])
def test_a_file_in_the_place_of_a_folder_stops_a_book_before_it_begins(name, repository, monkeypatch, capsys):
    (repository / name).write_text("mine")
    monkeypatch.setattr(engine, "_watched", lambda *_: pytest.fail("the run began"))
    monkeypatch.setattr(engine, "order", lambda *_, **__: Order("m", "m", {}, {}, 0))
    assert net.caught(lambda: engine.make("book", model="pocket", chapter="", assignments="", jobs=1)) == 1
    assert f"{repository / name} is needed as a folder, and a file has that name" in capsys.readouterr().err
    assert (repository / name).read_text() == "mine"


def watched(code, repository):
    engine._watched([sys.executable, "-c", code], Order("m", "m", {CHAPTER: {}}, {}, 0), "goal")


def test_a_run_says_its_own_lines_and_keeps_those_of_others_for_when_it_fails(repository, capfd):
    chatter = f"import sys; print('Building DAG'); print('{CHAPTER}: made', file=sys.stderr)"
    watched(chatter, repository)
    assert capfd.readouterr() == ("", f"{CHAPTER}: made, 1 of 1 chapters\n")
    with pytest.raises(book.BookError, match=r"goal was not made; what the run said is in .*/runs/m/logs/make\.txt"):
        watched(f"{chatter}; sys.exit(1)", repository)
    assert (repository / "runs/m/logs/make.txt").read_text() == "Building DAG\n"
    with pytest.raises(book.BookError, match="goal was not made; what stopped it is said above"):
        watched("import sys; sys.exit('error: no')", repository)
    assert "error: no" in capfd.readouterr().err


def test_a_book_that_is_there_stays_where_a_new_one_is_not_made(repository):
    page = repository / "site/m/index.html"
    for folder in (page.parent, repository / "runs"):
        folder.mkdir(parents=True)
    page.write_text("old")
    os.utime(page, (1, 1))
    for error in (book.BookError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)), engine._standing(page):
            page.unlink()
            raise error
        assert page.read_text() == "old" and page.stat().st_mtime == 1  # and is as stale as it was
    with engine._standing(page):
        page.write_text("new")
    assert page.read_text() == "new" and not [*(repository / "runs").iterdir()]


def test_a_site_is_replaced_by_a_whole_one_or_not_at_all(tmp_path, monkeypatch):
    for name in ("built", "site"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    whole = shutil.copytree

    def half(source, target):
        whole(source, target)
        raise full(target)

    monkeypatch.setattr(shutil, "copytree", half)
    with pytest.raises(OSError, match="No space"):
        site._replace(tmp_path / "site", tmp_path / "built")
    assert (tmp_path / "site/index.html").read_text() == "site"
    monkeypatch.setattr(shutil, "copytree", whole)
    site._replace(tmp_path / "site", tmp_path / "built")
    assert (tmp_path / "site/index.html").read_text() == "built"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "site"]


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """Runs a chapter of one cell in a kernel, which leaves a table before it comes to the cell's own code."""
    for module in (run, request):
        monkeypatch.setattr(module, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(kernel, "SCRATCH", tmp_path / "scratch")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    places = book.Places(log=tmp_path / "log.ipynb", output=tmp_path / "output", results=tmp_path / "results")

    def execute(code):
        begins = f"import os, pathlib\npathlib.Path({str(places.results)!r}).mkdir()\n"
        cells = [
            {"cell_type": "code", "id": name, "metadata": {"tags": tags}, "source": source, "outputs": []}
            | {"execution_count": None}
            for name, tags, source in (("a", ["parameters"], 'results: str = ""'), ("b", [], begins + code))
        ]
        kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / f"{CHAPTER}.ipynb").write_text(json.dumps(notebook))
        book.execute(CHAPTER, {"parameters": {}}, places=places)

    execute.places = places
    return execute


@pytest.mark.long
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.kill(os.getpid(), 9)", "its kernel was killed, as happens where memory runs out: lower n_sequences"),
        ("os.abort()", "its kernel was ended by SIGABRT; the partial notebook is"),
        ("os._exit(3)", "its kernel ended with status 3; the partial notebook is"),
        (
            "raise MemoryError('no room\\nat all')",
            "cell 3: MemoryError: no room at all; there is too little memory: lo",
        ),
        ("import no_such_module", "cell 3: ModuleNotFoundError: No module named 'no_such_module'; the partial"),
    ],
)
def test_a_kernel_that_ends_early_is_one_sentence(code, words, chapter):
    with pytest.raises(book.BookError) as refused:
        chapter(code)
    assert str(refused.value).startswith((f"chapter {CHAPTER}: {words}", f"chapter {CHAPTER}, {words}"))
    assert "\n" not in str(refused.value) and str(chapter.places.log) in str(refused.value)
    assert chapter.places.log.exists() and run.said(chapter.places.log).exists()
    assert not chapter.places.output.exists() and not chapter.places.results.exists()


@pytest.mark.long
def test_what_a_kernel_says_beside_its_cells_is_not_said_to_the_reader(chapter, capfd):
    chapter("os.write(2, b'frozen modules')")
    out, err = capfd.readouterr()
    assert out == "" and all(line.startswith(f"{CHAPTER}: ") for line in err.splitlines())
    assert err.endswith(f"{CHAPTER}: made\n") and chapter.places.output.exists()
    assert not run.said(chapter.places.log).exists()


@pytest.mark.long
@pytest.mark.parametrize("error", [full("x"), KeyboardInterrupt()])
def test_a_chapter_that_cannot_be_written_leaves_nothing(error, chapter, monkeypatch):
    def write(*_):
        raise error

    monkeypatch.setattr(run.files, "write", write)
    with pytest.raises(type(error)):
        chapter("1")
    assert not chapter.places.output.exists() and not chapter.places.results.exists()


@pytest.mark.long
def test_what_is_stopped_ends_with_all_that_it_had_begun(repository):
    """A program that starts another one and minds no polite request."""
    code = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; print(1, flush=True)"
    sleeper = f"{code}; time.sleep(600)"
    pipes = {"stdout": subprocess.PIPE, "text": True, "start_new_session": True, "preexec_fn": heeding_interrupts}
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeper!r}])"
    process = subprocess.Popen([sys.executable, "-c", starts], **pipes)
    assert process.stdout.readline() == "1\n"
    patience, engine.PATIENCE = engine.PATIENCE, 1
    try:
        engine._stop(process)
    finally:
        engine.PATIENCE = patience
    assert process.returncode in (-signal.SIGINT, -signal.SIGKILL, 1)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
