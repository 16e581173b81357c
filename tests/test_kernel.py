"""Kernels are the same from whatever shell they are started, and figures that are due are there."""

import subprocess
import sys

import pytest

from lib.book import figures, home, kernel

pytestmark = pytest.mark.long

SHELL = {
    "PATH": "/bin", "HOME": "/h", "MPLBACKEND": "Agg", "MATPLOTLIBRC": "/x", "JUPYTER_PATH": "/k", "IPYTHONDIR": "/i",
    "PYTHONSTARTUP": "/s", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "9", "LC_ALL": "tr_TR", "HF_HOME": "/hub",
    "https_proxy": "p", "PYTEST_ADDOPTS": "-x",
}  # fmt: skip


def test_a_shells_settings_change_nothing_but_where_things_are():
    found = kernel.kernel_environment(2, caller=SHELL)
    assert found["HF_HOME"] == "/hub" and found["https_proxy"] == "p" and found["HOME"] == "/h"
    bare = kernel.kernel_environment(2, caller={})
    assert {name: value for name, value in found.items() if name in bare} == bare
    assert set(found) - set(bare) == {"PATH", "HOME", "HF_HOME", "https_proxy"}
    assert bare["MPLBACKEND"].endswith("backend_inline") and bare["OMP_NUM_THREADS"] == "2"


def test_the_kernel_is_this_environments_python_whatever_its_name_finds(tmp_path):
    manager = kernel.manager(tmp_path / "said.txt")(kernel_name="python3")
    assert manager.kernel_spec.argv[:3] == [sys.executable, "-m", "ipykernel_launcher"]


def cell(source, *kinds):
    outputs = [{"data": {kind: ""}} if "/" in kind else {"name": kind, "text": ""} for kind in kinds]
    return {"cell_type": "code", "source": source, "outputs": outputs, "execution_count": 5}


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        (cell("plot()\nplt.show()", "image/png"), False),
        (cell("plot()\nplt.show()", "stderr"), True),  # as a backend that only draws into files leaves it
        (cell("plot()\nplt.show()"), True),
        (cell(["if points:\n", "    plt.show()"]), False),
        (cell(["if points:\n", "    plt.show()\n", "book.say(x)"], "text/markdown"), False),
        (cell(["if points:\n", "    plt.show()\n", "book.say(x)"], "stderr", "text/markdown"), True),
        (cell(["if points:\n", "    plt.show()"], "stderr"), True),
        (cell(["if points:\n", "    plt.show()"], "stderr", "image/png"), False),
        (cell("numbers", "text/html"), False),
    ],
)
def test_a_figure_that_is_drawn_is_on_the_page(shown, missing):
    prose = {"cell_type": "markdown", "source": "plt.show()"}
    assert figures.missing({"cells": [prose, shown]}) == [5] * missing


@pytest.fixture
def copy(tmp_path):
    """A folder that looks like this repository."""
    for mark in home.MARKS:
        (tmp_path / "copy" / mark).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / mark).write_text("")
    (tmp_path / "copy/notebooks").mkdir()
    return tmp_path / "copy"


def test_a_library_from_another_repository_is_told(copy, tmp_path, monkeypatch):
    old = tmp_path / "old"
    old.mkdir()
    monkeypatch.chdir(copy / "notebooks")
    assert home.foreign(old) == copy and home.foreign(copy) is None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(copy / ".venv"))
    assert home.foreign(old) == copy and home.foreign(copy) is None
    monkeypatch.setattr(sys, "prefix", "/usr")
    assert home.foreign(old) is None


def test_a_kernel_of_another_environment_is_told_what_it_lacks():
    command = [sys.executable, "-S", "-c", "from lib import book"]  # without its packages
    done = subprocess.run(command, cwd=kernel.REPOSITORY, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("ImportError: the chapters need torch, which the Python of this ker")


def test_the_first_cell_of_a_chapter_refuses_a_library_from_another_repository(copy, monkeypatch):
    from lib import book

    monkeypatch.chdir(copy)
    with pytest.raises(book.BookError, match=r"this is the repository .*copy, but its environment runs the library of"):
        book.parameters(book.defaults("01_final_layer"), chapter="01_final_layer")
