"""What happens to a page after Jupyter Book: faults are mended, names become links, what is right stays."""

import json

import pytest
from bs4 import BeautifulSoup

from lib import book
from lib.book import icons, library, links, listing, mend, notebook, pages, terms


def parsed(text):
    return BeautifulSoup(text, "html.parser")


def mended(text):
    page = parsed(text)
    mend.mend(page)
    return page


TWO_ROWS = """<h2>Sets<a href="#sets">#</a></h2><style scoped>td {}</style><table border="1"><thead>
<tr style="text-align: right;"><th></th><th>rho</th><th>kind</th></tr><tr><th>unit</th><th></th><th></th></tr></thead>
<tbody><tr><th>8</th><td>0.99</td><td>mean</td></tr><tr><th>28</th><td>-1.2e-05</td><td>3.28</td></tr></tbody></table>"""


def test_two_header_rows_become_one_that_names_index_and_columns():
    page = mended(TWO_ROWS)
    assert [[cell.text for cell in row.find_all("th")] for row in page.select("thead tr")] == [["unit", "rho", "kind"]]
    assert page.style is None and "border" not in page.table.attrs


def test_header_rows_that_both_speak_are_both_kept():
    both = TWO_ROWS.replace("<th></th><th>rho</th>", "<th>checkpoint</th><th>rho</th>")
    rows = mended(both).select("thead tr")
    assert len(rows) == 2 and [cell.name for cell in rows[1].find_all(["th", "td"])] == ["th", "td", "td"]


def test_every_header_says_what_it_heads_and_an_empty_one_is_no_header():
    page = mended(
        "<table><thead><tr><th></th><th colspan='2'>a</th></tr></thead><tr><th>r</th><td>1</td><td></td></tr></table>"
    )
    assert [(cell.text, cell["scope"]) for cell in page.find_all("th")] == [("a", "colgroup"), ("r", "row")]
    assert page.thead.td is not None


def test_a_column_of_numbers_is_marked_and_a_column_with_a_word_is_not():
    marked = [cell.text for cell in mended(TWO_ROWS).select(".number")]
    assert marked == ["rho", "0.99", "-1.2e-05"]


def test_a_row_under_a_spanning_header_has_its_numbers_marked_as_well():
    spanning = (
        "<table><thead><tr><th>a</th><th>b</th><th>n</th></tr></thead><tbody><tr><th rowspan='2'>x</th><th>y</th>"
    )
    page = mended(f"{spanning}<td>1</td></tr><tr><th>z</th><td>2</td></tr></tbody></table>")
    assert [cell.text for cell in page.select(".number")] == ["n", "1", "2"]


def test_a_table_without_caption_is_named_by_its_heading_and_a_second_one_is_counted():
    captions = mended(TWO_ROWS + TWO_ROWS.partition("</h2>")[2]).select("caption.visually-hidden")
    assert [caption.text for caption in captions] == ["Sets", "Sets, table 2"]
    own = "<h2>Sets</h2><table><caption>Mine</caption><tr><td>1</td></tr></table>"
    assert [caption.text for caption in mended(own).select("caption")] == ["Mine"]


def test_a_label_that_leaves_out_the_visible_text_goes_and_one_that_has_it_stays():
    page = mended(
        "<button aria-label='Search'>Search <kbd>K</kbd></button><button aria-label='Print'></button>"
        "<a aria-label='chapter 03' href='#'>03</a>"
    )
    assert [control.get("aria-label") for control in page.find_all(["button", "a"])] == [None, "Print", "chapter 03"]


def test_keys_can_scroll_a_displayed_formula_and_skip_one_in_a_line():
    page = mended("<div class='math'>x</div><span class='math'>y</span>")
    assert (page.div["tabindex"], page.div["role"], page.div["aria-label"]) == ("0", "group", "formula")
    assert "tabindex" not in page.span.attrs


def test_references_are_items_of_their_list_and_the_sidebar_is_a_landmark():
    page = mended(
        "<div role='list'><div class='citation' role='doc-biblioentry'></div></div><div id='pst-primary-sidebar'></div>"
    )
    assert page.select_one(".citation")["role"] == "listitem"
    assert page.select_one("#pst-primary-sidebar")["role"] == "complementary"


NAMES = links.Names(
    at="notebooks/04_total_and_direct_effect.html",
    aliases={"effects": "effects", "door": "model"},
    tables={"effects.csv": "tables/04_total_and_direct_effect/effects.csv"},
    chapters={number: f"notebooks/{number}.html" for number in ("02", "03")}
    | {"04": "notebooks/04_total_and_direct_effect.html"},
)


def linked(text):
    page = parsed(f"<article>{text}</article>")
    links.link(page, NAMES)
    return {anchor.text: anchor["href"] for anchor in page.find_all("a")}


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<code>effects.measure()</code>", {"effects.measure()": "../source/lib.effects.measuring.html#measure"}),
        ("<code>effects</code> and <code>door.load</code>", {
            "effects": "../source/lib.effects.html",
            "door.load": "../source/lib.model.loading.html#load",
        }),
        ("<code>null_space.basis</code>", {"null_space.basis": "../source/lib.null_space.html#basis"}),
        ("<code>lib/null_space</code>", {"lib/null_space": "../source/lib.null_space.html"}),
        ("<code>effects.csv</code>", {"effects.csv": "../tables/04_total_and_direct_effect/effects.csv"}),
        ("<code>model</code> <code>effects.nonsense</code> <code>null_space</code>", {}),
        ("<pre><code>effects.measure</code></pre><h2><code>effects</code></h2>", {}),
        ("as chapter 03 said", {"chapter 03": "03.html"}),
        ("as chapters 02 and 03 said", {"02": "02.html", "03": "03.html"}),
        ("as chapter 04 says, chapter 77 does not", {}),
    ],
)  # fmt: skip
def test_names_in_sentences_lead_to_source_table_and_chapter(text, expected):
    assert linked(text) == expected


@pytest.mark.long
def test_calls_in_a_cell_lead_to_the_source_and_attributes_of_the_same_name_do_not():
    def cell(*names):
        dotted = "<span class='o'>.</span>".join(f"<span class='n'>{name}</span>" for name in names)
        return f"<div class='cell_input'><pre>{dotted}</pre></div>"

    assert linked(cell("door", "load")) == {"load": "../source/lib.model.loading.html#load"}
    assert linked(cell("run", "effects", "measure")) == {} == linked(cell("torch", "load"))


def test_every_chapter_calls_the_library_by_names_that_are_known():
    for chapter in book.chapters():
        aliases = links.aliases(notebook.read(book.NOTEBOOKS / f"{chapter}.ipynb"))
        assert "book" in aliases and all(module in library.addresses() for module in aliases.values()), chapter


def test_a_source_page_has_an_anchor_at_every_definition_and_takes_no_markup_from_a_docstring():
    code = library.modules()["lib.book.library"].read_text()
    shown = parsed(listing.body("lib.book.library", code, f"<div><pre>{code.replace('<', '&lt;')}</pre></div>"))
    lines = str(shown.pre).splitlines()
    assert set(library.definitions("lib.book.library")) == {anchor["id"] for anchor in shown.select("span.definition")}
    assert any('id="modules"' in line and "@cache" in line for line in lines)
    odd = listing.body("lib.text", '"""A <b>."""', f"<div><pre>{chr(10) * 200}</pre></div>")
    assert "<p>A &lt;b&gt;.</p>" in odd


def test_the_code_of_a_module_stays_as_it_is_while_its_page_is_finished(tmp_path):
    code = "".join(
        f'<span class="n">effect{at}</span> chapter 02, &lt;table&gt; &#39;entropy&#39;\n' for at in range(400)
    )
    listed = listing.body("lib.text", '"""An idea of chapter 02."""', f"<div><pre>{code}</pre></div>")
    text = f"<title>x</title><body><article>{listed}</article><div class='math'>x</div></body>"
    runs = {"02_b": run_of("a", "2026-01-01")}
    shared = pages.Book("A book", tmp_path, {"chapters": runs}, {"02_b": {"cells": []}})
    (tmp_path / "_static/scripts").mkdir(parents=True)
    path = tmp_path / "source/lib.text.html"
    found = pages.finished(text, path, shared)
    kept, other = library.parted(found)[1], library.parted(listed)[1]
    assert kept == other and "effect399" in kept and 'aria-label="formula"' in found
    assert 'An idea of <a class="reference internal" href="../notebooks/02_b.html">' in found
    prose = pages.finished(
        f"<body><article><p>{library.LISTING} <pre>chapter 02</pre></p></article></body>", path, shared
    )
    assert "<pre>chapter 02</pre>" in prose


def test_an_icon_is_drawn_where_the_font_would_have_been_and_an_unknown_one_is_an_error(tmp_path):
    script = tmp_path / "fontawesome.js"
    script.write_text(
        'x={sun:[512,512,[],"f185","M1 1z"],"arrow-up":[4,5,[8],"f062","M2z"]};y={sun:[512,512,[],"f185","M3 3z"]}'
    )
    page = parsed('<i class="theme-switch fa-solid fa-sun fa-lg" data-mode="light" title="Light"></i>')
    icons.draw(page, script=script)
    assert page.path["d"] == "M3 3z" and page.svg["data-mode"] == "light" and page.svg["aria-hidden"] == "true"
    assert page.i is None and "title" not in page.svg.attrs
    with pytest.raises(KeyError, match="moon"):
        icons.draw(parsed('<i class="fas fa-moon"></i>'), script=script)
    (tmp_path / "empty.js").write_text("nothing")
    with pytest.raises(ValueError, match="no outline was found"):
        icons.draw(parsed('<i class="fas fa-sun"></i>'), script=tmp_path / "empty.js")


def run_of(model, date, **more):
    return {"model": model, "revision": "r1", "code": "c1", "versions": {"torch": "2"}, "date": date, "seconds": 7.2,
            "parameters": {"seed": 3}} | more  # fmt: skip


def test_a_chapter_has_its_own_card_other_pages_that_of_all_and_names_are_text(tmp_path):
    runs = {"01_a": run_of("a<b>&c", "2026-01-01"), "02_b": run_of("a<b>&c", "2026-01-02", code="c2")}
    shared = pages.Book("A <book>", tmp_path, {"chapters": runs}, {})
    (tmp_path / "_static/scripts").mkdir(parents=True)
    text = "<title>x &amp;amp; y</title><body><p class='run-card'></p></body>"
    found = pages.finished(text, tmp_path / "02_b.html", shared)
    assert "Run card: model a&lt;b&gt;&amp;c · revision r1 · code c2 · torch 2 · seed 3 · 7 s · 2026-01-02</p>" in found
    assert "<title>x &amp; y</title>" in found
    assert "code c1 and c2 · torch 2 · 2026-01-01 to 2026-01-02" in pages.finished(
        text, tmp_path / "intro.html", shared
    )


def test_the_card_of_a_pair_names_both_and_that_of_the_book_each_model_once():
    runs = {name: run_of(model, "2026-01-01") for name, model in (("01_a", "a"), ("08_b", "a + b"), ("09_c", "a + b"))}
    runs["08_b"] |= {"revision": "r1 + r2"}
    report = {"chapters": runs}
    assert pages.card(report, "08_b").startswith("Run card: model a + b · revision r1 + r2 · code c1")
    assert pages.card(report, "01_a").startswith("Run card: model a · revision r1 · code c1")
    assert pages.card(report, "intro").startswith("Run card: model a and b · revision r1 and r2 · code c1")


def test_the_card_says_which_text_was_read_and_nothing_of_a_chapter_that_read_none():
    texts = {"01_a": {"text": "the file a.txt"}, "02_b": {"text": "the file a.txt"}, "08_c": {}}
    report = {"chapters": {name: run_of("a", "2026-01-01", **text) for name, text in texts.items()}}
    assert "revision r1 · text the file a.txt · code c1" in pages.card(report, "01_a")
    assert "revision r1 · text the file a.txt · code c1" in pages.card(report, "intro")
    assert "text" not in pages.card(report, "08_c")


def test_the_card_says_in_how_many_bits_the_weights_were_kept_where_they_are_not_plain():
    few = "Q4_1: 4-bit weights, dequantised"
    runs = {"01_a": run_of("a", "2026-01-01", weights=few), "08_b": run_of("a", "2026-01-01", weights=few)}
    assert f"revision r1 · {few} · code c1" in pages.card({"chapters": runs}, "01_a")
    assert f"revision r1 · {few} · code c1" in pages.card({"chapters": runs}, "intro")
    for run, weights in zip(runs.values(), ("plain", f"plain + {few}"), strict=True):
        run["weights"] = weights
    assert "revision r1 · code c1" in pages.card({"chapters": runs}, "01_a")
    assert f"revision r1 · plain + {few} · code c1" in pages.card({"chapters": runs}, "08_b")
    assert f"revision r1 · {few} · code c1" in pages.card({"chapters": runs}, "intro")


def test_what_nobody_asked_for_is_not_loaded(tmp_path):
    scripts = '<script src="../_static/scripts/fontawesome.js?d=1"></script><script>const THEBE_JS_URL = 1</script>'
    kept = '<script src="../_static/doctools.js"></script><link href="../_static/sphinx-thebe.css" rel="stylesheet"/>'
    page = parsed(
        pages.finished(
            f"{scripts}{kept}<body></body>", tmp_path / "x.html", pages.Book("A <book>", tmp_path, {"chapters": {}}, {})
        )
    )
    assert [script["src"] for script in page.find_all("script")] == ["../_static/doctools.js"] and page.link is None


def test_excerpts_are_the_text_of_pages_and_of_their_sections(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "_static").mkdir()
    text = "<nav>no</nav><article><section id='a'><h1>One<a class='headerlink'>#</a></h1>"
    text += "<section id='b'>Two</section></section></article>"
    (tmp_path / "book/x.html").write_text(text)
    pages.write_texts(tmp_path)
    written = (tmp_path / pages.TEXTS).read_text().removeprefix("const PAGE_TEXTS = ").rstrip(";\n")
    assert json.loads(written) == {"book/x": {"": "One Two", "#a": "One Two", "#b": "Two"}}


def test_the_page_that_only_leads_on_can_be_read_too(tmp_path):
    bare = '<meta http-equiv="Refresh" content="0; url=book/intro.html" />'
    page = parsed(pages.finished(bare, tmp_path / "index.html", pages.Book("A <book>", tmp_path, {"chapters": {}}, {})))
    assert page.html["lang"] == "en" and page.main.h1.text == page.title.text == "A <book>"
    assert page.a["href"] == "book/intro.html" and page.meta and page.find("meta", attrs={"http-equiv": "Refresh"})


GLOSSARY = """<article><dl><dt id="term-effect">effect<a href="#term-effect">#</a></dt><dd>x</dd>
<dt id="term-total-effect">total effect</dt><dd>y</dd><dt id="term-W_U"><code>W_U</code></dt></dl></article>"""


def test_the_first_mention_of_a_term_leads_to_the_glossary_and_the_longest_term_wins():
    found = terms.entries(GLOSSARY)
    assert found == {"effect": "term-effect", "total effect": "term-total-effect"}
    page = parsed("<article><h1>Effect</h1><p>Total effects, an effect, no effect; <code>effect</code>.</p></article>")
    at = links.Names("notebooks/04_x.html", {}, {}, {})
    terms.link(page, at, found)
    assert [(a.text, a["href"]) for a in page.select("a.term")] == [
        ("Total effects", "../book/glossary.html#term-total-effect"),
        ("effect", "../book/glossary.html#term-effect"),
    ]
    assert page.p.get_text() == "Total effects, an effect, no effect; effect." and page.h1.a is None
    own = parsed("<article><p>An effect.</p></article>")
    terms.link(own, links.Names(terms.GLOSSARY, {}, {}, {}), found)
    assert own.a is None


def test_sentences_of_a_chapter_are_found_in_the_library():
    code = {"cell_type": "code", "source": "from lib import measures\nfrom lib.sentences import final_layer as says"}
    names = links.aliases({"cells": [code]})
    assert names == {"measures": "measures", "says": "sentences.final_layer"}
    assert library.addresses()["sentences.final_layer.climb"].endswith("lib.sentences.final_layer.html#climb")
