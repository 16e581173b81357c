"""A chapter opens as a copy, in the kernel of this environment and no other."""

import importlib.util
import sys

import pytest

from lib import book
from lib.book import kernel, lab


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "REPOSITORY", tmp_path)
    monkeypatch.setattr(kernel, "SCRATCH", tmp_path / "scratch")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(chapter):
    calls = []
    lab.lab(chapter, start=lambda *given: calls.append(given))
    return calls[0]


def test_a_chapter_is_opened_as_a_copy_that_keeps_what_its_reader_wrote(repository):
    program, command, _ = opened("02")
    copy = repository / "runs/lab/02_null_space.ipynb"
    assert program == sys.executable and command[:4] == [sys.executable, "-m", "jupyterlab", str(copy)]
    assert copy.read_bytes() == (book.NOTEBOOKS / copy.name).read_bytes()
    copy.write_text("mine")
    opened("")
    assert copy.read_text() == "mine"
    assert sorted(path.stem for path in copy.parent.iterdir()) == book.chapters()


def test_its_kernel_has_the_books_settings_and_knows_its_screen(repository, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setenv("JUPYTER_PATH", "/kernels/of/others")
    environment = opened("02")[2]
    assert environment == book.kernel_environment() | {
        name: value for name, value in environment.items() if name in lab.BROWSER
    }
    assert environment["DISPLAY"] == ":7" and "JUPYTER_PATH" not in environment


def test_without_jupyterlab_the_reader_is_told_how_to_get_it(repository, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(book.BookError, match="JupyterLab is not installed in this environment; make lab does that"):
        opened("02")
    with pytest.raises(book.BookError, match="there is no chapter '77'"):
        opened("77")
    assert not (repository / "runs").exists()
