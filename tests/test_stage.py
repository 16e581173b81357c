"""An executed chapter as its readers get it: this run's parameters, no path of this machine, its tables listed."""

import json
import tempfile
from pathlib import Path

import pytest
import yaml

from lib import book
from lib.book import landing, left_out, paths, shown
from lib.book.request import REPOSITORY
from lib.book.stage import _config, _report

DEFAULTS = """model: str = "pocket"  # a model
seed: int = 0  # of every draw
share: float = 0.5  # of tokens
results: str = ""  # folder; empty: nothing is written"""


def cell(kind, source, *tags, **more):
    return {
        "cell_type": kind,
        "id": "x",
        "metadata": {"tags": list(tags), "papermill": {"duration": 1}},
        "source": source,
    } | more


def executed(results, model="pocket", **given):
    """What papermill leaves of a chapter of five cells."""
    at = {"model": model, "results": str(results)} | given
    injected = "".join(f"{name} = {value!r}\n" for name, value in at.items())
    table = {
        "text/html": ['<table border="1">\n', "<tr><td>1</td></tr></table>"],
        "text/plain": f"seed=0, results={results}",
    }
    warning = (
        f"{tempfile.gettempdir()}/ipykernel_1/2.py:3: UserWarning: {REPOSITORY}/lib/text.py is {Path.home()}/a/b.txt"
    )
    cells = [
        cell("markdown", ["# Weigh it\n", "\n", "As chapter 01 says."]),
        cell("code", DEFAULTS, "parameters", outputs=[], execution_count=1),
        cell("code", injected, "injected-parameters", outputs=[], execution_count=2),
        cell("code", "table", outputs=[{"output_type": "execute_result", "data": table}], execution_count=3),
        cell(
            "code", "warn", outputs=[{"output_type": "stream", "name": "stderr", "text": [warning]}], execution_count=4
        ),
    ]
    papermill = {"parameters": at, "duration": 3.0, "input_path": f"{REPOSITORY}/notebooks/x.ipynb"}
    return {"cells": cells, "metadata": {"papermill": papermill, "kernelspec": {}}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results" / "03_weigh"
    folder.mkdir(parents=True)
    (folder / "b.csv").write_text("unit,total,total_low,total_high\n1,2,1,3\n2,3,2,4\n")
    (folder / "a.csv").write_text("model,low\nm,1\n")
    return folder


def page(results, **given):
    return shown.shown(executed(results, **given), chapter="03_weigh", results=results)


def parameters(notebook):
    return [one["source"] for one in notebook["cells"] if "parameters" in "".join(one["metadata"].get("tags", ()))]


def test_one_cell_shows_the_runs_parameters_with_the_defaults_that_differ_and_no_folder(results):
    assert parameters(page(results, model="gpt2", share=0.25)) == [
        'model: str = "gpt2"  # a model; default: "pocket"\n'
        "seed: int = 0  # of every draw\n"
        "share: float = 0.25  # of tokens; default: 0.5\n"
        'results: str = ""  # folder; empty: nothing is written'
    ]


def test_the_title_carries_the_number_once(results):
    assert page(results)["cells"][0]["source"].startswith("# 03 · Weigh it\n\nAs chapter 01")
    already = executed(results)
    already["cells"][0]["source"] = "# 03 · Weigh it"
    assert shown.shown(already, chapter="03_weigh", results=results)["cells"][0]["source"] == "# 03 · Weigh it"


def test_no_text_of_a_page_is_a_path_of_this_machine(results):
    model = str(results.parent / "my model")
    text = json.dumps(page(results, model=model))
    assert not [place for place in paths.places() if place in text] and "papermill" not in text
    assert 'model: str = \\"my model\\"' in text and '"seed=0"' in text
    assert "2.py:3: UserWarning: lib/text.py is b.txt" in text


def test_what_lies_beside_a_model_is_told_by_its_own_name_too():
    told = paths.without_paths("/a/parent/other/w.bin, /a/parent, /a/parents/x", given={"model": "/a/parent/model"})
    assert told == "w.bin, …, /a/parents/x"
    inside = {"model": str(REPOSITORY / "model")}
    assert paths.without_paths(f"{REPOSITORY}/lib/x.py", given=inside) == "lib/x.py"


def test_paths_are_told_over_and_what_only_looks_like_one_is_left():
    kept = ["a / b", "1/2", "https://x.org/tmp/a", "/tmpfs", "~", "lib/x.py"]
    assert paths.without_paths({"a": [*kept, 1, None]}, given={}) == {"a": [*kept, 1, None]}
    told = paths.without_paths(f"({REPOSITORY}/lib/x.py, {Path.home()}/m/n): {REPOSITORY}", given={})
    assert told == f"(lib/x.py, n): {REPOSITORY.name}"


ODD = "/r/it's \"<é> & here"


@pytest.mark.parametrize("spelt", sorted(paths.spellings(ODD)))
def test_a_path_is_told_over_however_it_is_spelt(spelt, monkeypatch):
    assert "/r/" not in paths.without_paths(f"in {spelt}!", given={"model": ODD})
    monkeypatch.setattr(paths, "REPOSITORY", Path(ODD))
    monkeypatch.setattr(paths, "_known", paths._known.__wrapped__)
    assert paths.without_paths(f"in {spelt}/lib/x.py: y", given={}) == "in lib/x.py: y"


def test_tables_are_listed_with_their_rows_and_columns_and_a_chapter_without_any_has_no_list(results, tmp_path):
    last = page(results)["cells"][-1]["source"]
    assert last == (
        "## Tables of this chapter\n\n"
        "- [a.csv](table:03_weigh/a.csv): 1 row of `model`, `low`\n"
        "- [b.csv](table:03_weigh/b.csv): 2 rows of `unit`, `total` with its interval"
    )
    assert shown.columns(tmp_path / "results/03_weigh/b.csv").startswith("2 rows of `unit`")
    (tmp_path / "none").mkdir()
    without = shown.shown(executed(tmp_path / "none"), chapter="03_weigh", results=tmp_path / "none")
    assert without["cells"][-1]["source"] == "warn"


def test_a_caption_in_a_cells_metadata_is_the_tables_as_text(results):
    notebook = executed(results)
    notebook["cells"][3]["metadata"]["mystnb"] = {"table": {"caption": "Rho < 1"}}
    data = shown.shown(notebook, chapter="03_weigh", results=results)["cells"][2]["outputs"][0]["data"]
    assert "".join(data["text/html"]).startswith('<table border="1"><caption>Rho &lt; 1</caption>\n<tr>')


def with_findings(results):
    """The chapter with a figure that says what it shows, and a summary."""
    notebook = executed(results)
    image = {"image/svg+xml": "<svg/>"}
    outputs = [
        {"output_type": "display_data", "data": image},
        {"output_type": "execute_result", "data": {"text/markdown": "**Found.** It weighs `3`.", "text/plain": ""}},
    ]
    figure = cell("code", "plot", outputs=outputs, execution_count=5)
    figure["metadata"]["mystnb"] = {
        "figure": {"caption": "A balance.", "name": "fig-a"},
        "image": {"alt": "Two scales."},
    }
    summary = {"text/markdown": f"**{book.SUMMARY}**\n\n- It weighs 3.\n- It is light.", "text/plain": ""}
    last = cell("code", "sum", outputs=[{"output_type": "execute_result", "data": summary}], execution_count=6)
    notebook["cells"] += [figure, last]
    return notebook


def test_a_figures_description_ends_in_what_its_page_says_of_it(results):
    cells = shown.shown(with_findings(results), chapter="03_weigh", results=results)["cells"]
    at = next(number for number, one in enumerate(cells) if one["source"] == "plot")
    figure, found = cells[at : at + 2]
    assert [list(output["data"]) for output in figure["outputs"]] == [["image/svg+xml"]]
    assert found["source"] == "```{container} found\n**Found.** It weighs `3`.\n```"
    assert figure["metadata"]["mystnb"]["image"]["alt"] == "Two scales. It weighs 3."


def test_what_a_run_found_stands_below_the_title_and_nowhere_else(results):
    cells = shown.shown(with_findings(results), chapter="03_weigh", results=results)["cells"]
    assert cells[1]["source"] == (
        f":::{{admonition}} {book.SUMMARY}\n:class: found\n- It weighs 3.\n- It is light.\n:::"
    )
    assert json.dumps(cells).count(book.SUMMARY) == 1


def test_the_first_page_is_filled_with_findings_and_a_figure(results, tmp_path):
    notebooks = {"03_weigh": with_findings(results)}
    text = "So: <!-- found: 03_weigh 2 -->\n\n<!-- figure: 03_weigh fig-a -->\n\n<!-- found: 04_other 1 -->"
    filled = landing.filled(text, notebooks, folder=tmp_path / "figures")
    assert filled.startswith("So: It is light.\n\n:::{figure} figures/fig-a.svg\n:alt: Two scales. It weighs 3.")
    assert "A balance. (From [](../notebooks/03_weigh.ipynb).)" in filled and filled.endswith(
        "<!-- found: 04_other 1 -->"
    )
    assert (tmp_path / "figures/fig-a.svg").read_text() == "<svg/>"
    for wrong, said in (
        ("<!-- found: 03_weigh 3 -->", "number 3"),
        ("<!-- figure: 03_weigh fig-b -->", "no figure fig-b"),
    ):
        with pytest.raises(KeyError, match=said):
            landing.filled(wrong, notebooks, folder=tmp_path)


def test_staging_leaves_tables_cards_and_an_escaped_title_without_a_path(results, tmp_path):
    run, name = tmp_path, "03_weigh"
    (run / "notebooks").mkdir()
    (run / "notebooks" / f"{name}.ipynb").write_text(json.dumps(executed(results)))
    card = dict.fromkeys(("source", "revision", "architecture", "device", "code", "date"), "x") | {
        "versions": {"torch": "2"}
    }
    card["fingerprint"] = {"model": "m", "library": "l", "environment": "e"}
    card |= {"model": "a<b>", "parameters": {"seed": 0, "results": str(results)}}
    (results / "card.json").write_text(json.dumps(card))
    (results / "b.csv").write_text(f"checkpoint\n{results}/step1\n")
    book.stage(run, names=[name])
    report = json.loads((run / "run.json").read_text())
    assert report["chapters"][name]["parameters"] == {"seed": 0, "results": ""}
    assert report["chapters"][name]["seconds"] == 3.0
    assert (run / f"book/tables/{name}/b.csv").read_text() == "checkpoint\nstep1\n"
    assert yaml.safe_load((run / "_config.yml").read_text())["title"].endswith(" · a&lt;b&gt;")
    toc = yaml.safe_load((run / "_toc.yml").read_text())
    assert not left_out.listed(toc) and left_out.PAGE in json.dumps(toc)
    assert "ipynb" not in (run / "book/book/intro.md").read_text()
    beside = (run / "book/book/real_model.md").read_text()
    assert beside.startswith("# The same measurements") and "<!-- beside" not in beside
    assert not (run / "book/book/models").exists()
    assert report["post_trained"] == ""


def test_a_book_with_a_pair_says_so_in_its_title_and_report():
    one = dict.fromkeys(("source", "revision", "architecture", "device", "versions", "code", "date"), "x")
    cards = {"01": one | {"model": "a"}, "08": one | {"model": "a + b"}}
    report = _report(cards)
    assert (report["model"], report["post_trained"]) == ("a", "b")
    assert _config(report)["title"].endswith(" · a + b")


TOC = {
    "format": "jb-book",
    "parts": [
        {"caption": "A", "chapters": [{"file": "book/one"}, {"file": "notebooks/01_a"}]},
        {"caption": "B", "chapters": [{"file": "notebooks/08_b"}, {"file": "notebooks/11_c"}]},
        {"caption": "C", "chapters": [{"file": "notebooks/11_d"}]},
    ],
}


def test_one_page_stands_for_all_chapters_that_are_left_out():
    assert left_out.listed(TOC) == ["01_a", "08_b", "11_c", "11_d"]
    assert left_out.contents(TOC, []) == TOC
    found = left_out.contents(TOC, ["08_b", "11_c", "11_d"])
    assert found["parts"] == [TOC["parts"][0], {"caption": "B", "chapters": [{"file": left_out.PAGE}]}]
    assert left_out.contents(TOC, ["11_c"])["parts"][1]["chapters"][1] == {"file": left_out.PAGE}
    assert (REPOSITORY / f"{left_out.PAGE}.md").is_file()


def test_prose_leads_from_chapters_that_are_left_out_to_that_page():
    chapter = book.chapters()[-1]
    titled = left_out.title(chapter)
    assert titled.startswith(f"{chapter[:2]} · ") and "#" not in titled
    text = f"- <!-- found: {chapter} 1 -->\n- <!-- found: 01_x 1 -->\n"
    text += f"[](../notebooks/{chapter}.ipynb) [so](../notebooks/{chapter}.ipynb) [](../notebooks/01_x.ipynb)"
    assert left_out.prose(text, []) == text
    assert left_out.prose(text, [chapter]) == (
        f"- <!-- found: 01_x 1 -->\n[{titled}](no_partner.md) [so](no_partner.md) [](../notebooks/01_x.ipynb)"
    )
