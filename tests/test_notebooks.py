"""The rules of a chapter, as tests."""

import ast
import re
import statistics
import subprocess
import sys

import pytest
import yaml

from lib import book
from lib.book import notebook

CHAPTERS = book.chapters()


def cells(chapter, kind=None):
    found = notebook.read(book.NOTEBOOKS / f"{chapter}.ipynb").cells
    return [cell for cell in found if kind in (None, cell.cell_type)]


def source(cell):
    return cell.source


def test_there_are_chapters_and_each_is_in_the_table_of_contents():
    toc = yaml.safe_load((book.REPOSITORY / "_toc.yml").read_text())
    listed = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    assert CHAPTERS and all(f"notebooks/{chapter}" in listed for chapter in CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_outputs_are_committed_and_the_file_is_as_nbformat_writes_it(chapter, tmp_path):
    for cell in cells(chapter, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None
    path = book.NOTEBOOKS / f"{chapter}.ipynb"
    notebook.write(notebook.read(path), tmp_path / "again.ipynb")
    assert (tmp_path / "again.ipynb").read_text() == path.read_text(), "nbformat would write it otherwise"
    stripped = subprocess.run([sys.executable, "-m", "nbstripout", "--keep-id", "--verify", path])
    assert stripped.returncode == 0


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_parameters_are_one_cell_of_typed_commented_literals(chapter):
    tagged = [cell for cell in cells(chapter, "code") if "parameters" in cell["metadata"].get("tags", ())]
    assert len(tagged) == 1
    tree = ast.parse(source(tagged[0]))
    for node, line in zip(tree.body, source(tagged[0]).splitlines(), strict=True):
        assert isinstance(node, ast.AnnAssign) and "  # " in line, line
        ast.literal_eval(node.value)
    core, given = {"model", "revision", "dtype", "device", "seed", "results"}, set(book.defaults(chapter))
    assert core <= given and book.defaults(chapter)["model"] == "pocket"
    of_text = {"text", "n_sequences", "sequence_length"}
    reads_text = chapter[:2] != "08"  # that one reads statements
    assert of_text & given == (of_text if reads_text else set())
    assert book.defaults(chapter).get("text", "") == ""  # what suits the model, whichever it is


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_cells_are_short_and_prose_is_neither_absent_nor_endless(chapter):
    code, prose = cells(chapter, "code"), cells(chapter, "markdown")
    lines = [len(source(cell).splitlines()) for cell in code if "parameters" not in cell["metadata"].get("tags", ())]
    assert 15 <= len(code) <= 30 and max(lines) <= 15, (len(code), lines)
    assert statistics.median(len(source(cell)) for cell in code) <= 600  # characters: half a dozen full lines
    words = sum(len(source(cell).split()) for cell in prose)
    assert 50 <= words / len(code) <= 130, words / len(code)
    assert sum(source(cell).count("\ndef ") + source(cell).startswith("def ") for cell in code) <= 1


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_one_title_its_closing_sections_and_described_figures(chapter):
    text = "\n".join(source(cell) for cell in cells(chapter, "markdown"))
    assert sum(line.startswith("# ") for line in text.splitlines()) == 1
    assert "## What held up" in text and "## How far it carries" in text and "**What you'll do.**" in text
    for cell in cells(chapter, "code"):
        assert "sys.path" not in source(cell) and "os.environ" not in source(cell) and "print(" not in source(cell)
        if "plt.show()" in source(cell):
            shown = cell["metadata"]["mystnb"]
            assert len(shown["figure"]["caption"]) > 40 and len(shown["image"]["alt"]) > 40


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_figure_is_followed_by_what_it_shows_and_the_chapter_by_its_summary(chapter):
    code = [source(cell) for cell in cells(chapter, "code")]
    for cell in code:
        if "plt.show()" in cell:
            after = cell[cell.rindex("plt.show()") :]
            assert "book.say(" in after, cell
    assert sum("book.summary(" in cell for cell in code) == 1


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_code_fits_the_page_and_sentences_a_breath(chapter):
    for cell in cells(chapter, "code"):
        assert max(map(len, source(cell).splitlines())) <= 80, source(cell)
        assert "noqa" not in source(cell)
    for cell in cells(chapter, "markdown"):
        text = re.sub(r"\$\$.*?\$\$", "formula.", source(cell), flags=re.DOTALL)
        for sentence in re.split(r"(?<=[.!?])\s+|\n\n|\n- ", text):
            assert len(sentence.split()) <= 35, sentence


def test_a_misspelt_parameter_is_refused_with_the_list_of_valid_ones():
    with pytest.raises(book.BookError, match="has no parameter 'modle'; its parameters are model, revision"):
        book.checked("01_final_layer", {"modle": "gpt2"})
    with pytest.raises(book.BookError, match="has no parameter 'modle'"):
        book.parameters(book.defaults("01_final_layer") | {"modle": "gpt2"}, chapter="01_final_layer")
    with pytest.raises(book.BookError, match="n_sequences of chapter 01_final_layer is of type int, got 'many'"):
        book.checked("01_final_layer", {"n_sequences": "many"})


@pytest.mark.long
def test_plain_papermill_fails_on_a_misspelt_parameter_from_another_folder(tmp_path):
    notebook = book.NOTEBOOKS / "02_null_space.ipynb"
    command = [sys.executable, "-m", "papermill", notebook, "out.ipynb", "-p", "modle", "gpt2", "-k", "python3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "has no parameter 'modle'; its parameters are model" in done.stderr


def test_every_chapter_asks_for_the_two_kinds_of_neurons_by_the_same_names():
    """One name, one set: whoever follows entropy or token-frequency neurons gets them from `kinds`."""
    code = {chapter: "\n".join(source(cell) for cell in cells(chapter, "code")) for chapter in CHAPTERS}
    of_entropy = [chapter for chapter, text in code.items() if "kinds.entropy(" in text]
    asks = ("kinds.frequency(", "kinds.frequency_or_nearest(", "conflicts.chosen(")  # each asks the one before
    of_frequency = [chapter for chapter, text in code.items() if any(one in text for one in asks)]
    assert [chapter[:2] for chapter in of_entropy] == ["03", "04", "05", "06", "12"]
    assert [chapter[:2] for chapter in of_frequency] == ["05", "06", "07", "12"]
    assert all('"stolfo2024.C1.set", "stolfo2024.C14"' in code[chapter] for chapter in of_entropy)
    assert all('named_neurons("stolfo2024.C12"' in code[chapter] for chapter in of_frequency)


def written():
    """The text of the library's modules and of the chapters' code, by name."""
    modules = {path.name: path.read_text() for path in (book.REPOSITORY / "lib").rglob("*.py")}
    return modules | {chapter: "\n".join(source(cell) for cell in cells(chapter, "code")) for chapter in CHAPTERS}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_cell_moves_numbers_to_the_cpu_which_the_library_does_where_it_makes_statistics(chapter):
    assert not [cell.source for cell in cells(chapter, "code") if re.search(r"\.cpu\(\)|\.to\(.cpu", cell.source)]


def test_no_row_is_told_by_how_its_name_begins_or_ends():
    """A control is one by a column that says so; a name is for the reader."""
    by_name = re.compile(r"\.str\.(startswith|endswith|contains)\(")
    assert not [name for name, text in written().items() if by_name.search(text)]


def test_a_layer_is_a_number_and_the_last_map_of_the_network_is_no_layer():
    last_map = re.compile(r"^\s*(\w+, )*layer(, \w+)* = .*\bfinal_layer\b", re.MULTILINE)
    assert not [name for name, text in written().items() if last_map.search(text)]
