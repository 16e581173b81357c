"""The built book: it asks no other host for anything, names no machine, all can read it. Needs `make book`."""

import json
import re
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pandas
import pytest
from bs4 import BeautifulSoup

from lib import book
from lib.book import library, notebook, paths

pytestmark = pytest.mark.long

SITE = book.REPOSITORY / "site" / "pocket"
PAGES = sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)
LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
LOADING_LINKS = {"stylesheet", "preload", "icon", "shortcut", "modulepreload", "preconnect", "dns-prefetch", "manifest"}


class Page(HTMLParser):
    """What a page loads, shows and links to."""

    def __init__(self, path):
        super().__init__()
        self.loads, self.images, self.links, self.ids = [], [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found.get("id"), found.get("name")}
        if tag in LOADS and found.get(LOADS[tag]):
            self.loads.append(found[LOADS[tag]])
        if tag == "link" and LOADING_LINKS & set((found.get("rel") or "").split()):
            self.loads.append(found["href"])
        if tag == "img":
            self.images.append((found.get("src", ""), found.get("alt") or ""))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])


page_of = cache(Page)


@cache
def soup(path):
    """A page's elements; of a module's page without its code, which is nine tenths of it."""
    text = path.read_text(encoding="utf-8")
    if path.parent.name == "source":
        before, _, after = library.parted(text)
        text = before + after
    return BeautifulSoup(text, "html.parser")


def chapter_page(chapter):
    return SITE / "notebooks" / f"{chapter}.html"


def test_the_book_was_built():
    assert (SITE / "index.html").exists() and len(PAGES) > 5, "run `make book` first"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_loads_nothing_from_another_host_and_everything_it_loads_is_there(path):
    for address in page_of(path).loads:
        parts = urlsplit(address)
        assert not parts.netloc, f"{path.name} loads {address}"
        if parts.scheme != "data":
            assert (path.parent / unquote(parts.path)).exists(), f"{path.name} loads {address}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_image_has_a_real_alternative_text(path):
    for address, alternative in page_of(path).images:
        assert len(alternative) > 20 and not re.search(r"\.(png|svg|jpe?g)$", alternative), address


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_internal_link_is_broken(path):
    for address in page_of(path).links:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        assert target.exists(), f"{path.name} links to {address}"
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in page_of(target).ids, f"{path.name} links to {address}"


def test_every_page_carries_a_run_card_and_every_chapter_its_own():
    cards = json.loads((book.REPOSITORY / "runs/pocket/run.json").read_text())["chapters"]
    for path in (path for path in PAGES if path.name != "index.html"):  # which only leads on to the first page
        line = soup(path).select_one("p.run-card").text
        assert re.match(r"Run card: model pocket( (and|\+) pocket-chat)? · revision ", line), path.name
    for chapter, card in cards.items():
        line = soup(chapter_page(chapter)).select_one("p.run-card").text
        models = "pocket + pocket-chat" if book.is_of_a_pair(chapter) else "pocket"
        assert line.startswith(f"Run card: model {models} · revision {card['revision']} · ")
        assert line.endswith(f" · {card['seconds']:.0f} s · {card['date']}") and f" · code {card['code']} · " in line


TEXTS = sorted(
    path for path in SITE.rglob("*") if path.suffix in {".html", ".ipynb", ".js", ".json", ".csv", ".txt", ".md"}
)
OWN = [path for path in TEXTS if "_static" not in path.parts or path.name == "page_texts.js"]


def test_no_file_of_the_site_names_a_folder_of_this_machine():
    assert {path.suffix for path in OWN} >= {".html", ".ipynb", ".js", ".csv"}
    here = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, paths.places()))})(?![\w-])")
    for path in TEXTS:
        assert not here.search(path.read_text(encoding="utf-8")), path


def test_no_file_of_the_book_names_a_folder_of_any_machine():
    anywhere = re.compile(r"(?<![\w.:/-])/(home|root|Users|tmp|var|opt|mnt|work)/[\w.~-]")
    for path in (path for path in OWN if path.parent.name != "source"):  # the code that removes paths has to name them
        found = anywhere.search(path.read_text(encoding="utf-8"))
        assert not found, (path, found)


@pytest.mark.parametrize("chapter", book.chapters())
def test_a_downloaded_chapter_has_one_cell_of_parameters_and_writes_nowhere(chapter):
    page = notebook.read(SITE / "_sources/notebooks" / f"{chapter}.ipynb")
    given = [cell for cell in page["cells"] if "parameters" in "".join(cell["metadata"].get("tags", ()))]
    assert len(given) == 1 and 'results: str = ""' in "".join(given[0]["source"])
    assert 'model: str = "pocket"' in "".join(given[0]["source"]) and "papermill" not in page["metadata"]


@pytest.mark.parametrize("chapter", book.chapters())
def test_every_table_of_a_chapter_is_in_the_site_and_linked_from_its_page(chapter):
    left = sorted((book.REPOSITORY / "runs/pocket/results" / chapter).glob("*.csv"))
    linked = {anchor["href"] for anchor in soup(chapter_page(chapter)).select("#tables-of-this-chapter a.csv")}
    assert linked == {f"../tables/{chapter}/{table.name}" for table in left}
    for table in left:
        header = table.read_text().splitlines()[0]
        assert (SITE / "tables" / chapter / table.name).read_text().startswith(header)


def outside(table):
    """Numbers of a table that lie outside the intervals beside them, but for rounding."""
    ends = [("value", "low", "high"), *((name, f"{name}_low", f"{name}_high") for name in table)]
    for name, low, high in ends:
        if {name, low, high} <= {*table}:
            slack = 1e-6 * table[name].abs().max()
            apart = table[(table[name] < table[low] - slack) | (table[name] > table[high] + slack)]
            yield from apart[[name, low, high]].itertuples(index=False, name=None)


PRINTED = re.compile(r"([−-]?[\d.,]*\d)(?: \S+)? \[([−-]?[\d.,]+)(?: %)?, ([−-]?[\d.,]+)(?: %)?\]")


def number(text):
    return float(text.replace("−", "-").replace(",", ""))


@pytest.mark.parametrize("chapter", book.chapters())
def test_no_number_lies_outside_its_own_interval(chapter):
    left = book.REPOSITORY / "runs/pocket/results" / chapter
    found = [each for table in sorted(left.glob("*.csv")) for each in outside(pandas.read_csv(table))]
    for entry in json.loads((left / "claims.json").read_text()):
        if entry["low"] is not None and not entry["low"] <= entry["measured"] <= entry["high"]:
            found.append((entry["claim"], entry["measured"], entry["low"], entry["high"]))
    for one in PRINTED.finditer(soup(chapter_page(chapter)).article.text):
        value, low, high = map(number, one.groups())
        if not low <= value <= high:
            found.append(one[0])
    assert not found, found[:3]


@pytest.mark.parametrize("chapter", book.chapters())
def test_a_chapters_number_is_in_its_title_in_the_sidebar_and_in_every_reference(chapter):
    number = chapter.split("_")[0]
    title = soup(chapter_page(chapter)).h1.find(string=True)
    assert title.startswith(f"{number} · ") and soup(chapter_page(chapter)).title.text.startswith(title)
    for path in (SITE / "book/intro.html", SITE / "book/glossary.html"):
        named = {anchor.text.strip() for anchor in soup(path).select(f'nav.bd-links a[href$="{chapter}.html"]')}
        assert named == {title}, path.name
    listed = soup(SITE / "book/intro.html").select_one(f'article table a[href$="{chapter}.html"]')
    assert listed.text == title


def test_names_in_every_chapter_lead_to_the_source_and_the_source_has_them():
    for chapter in book.chapters():
        sources = [anchor["href"] for anchor in soup(chapter_page(chapter)).select("div.cell_input a.source")]
        assert len(sources) > 3 and "../source/lib.book.request.html#parameters" in sources, chapter
    shown = SITE / "source/lib.effects.measuring.html"
    _, code, _ = library.parted(shown.read_text(encoding="utf-8"))
    of_code = BeautifulSoup(code, "html.parser")
    assert "def measure(" in of_code.text and of_code.find(id="measure") and len(of_code.select("span.k")) > 5


# What axe-core finds in a page of the theme, as far as it stands in the HTML; tests/axe.mjs is the whole of it.


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_tables_have_captions_and_headers_that_say_what_they_head(path):
    for table in soup(path).find_all("table"):
        assert table.caption and table.caption.text.strip()
        for header in table.find_all("th"):
            assert header.text.strip() and header.get("scope") in {"col", "row", "colgroup", "rowgroup"}, str(header)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_controls_are_called_what_stands_on_them_and_each_is_called_something(path):
    for control in soup(path).find_all(["button", "a", "summary"], href=True) + soup(path).find_all(
        ["button", "summary"]
    ):
        text, label = " ".join(control.get_text(" ").split()), control.get("aria-label")
        assert text or label or control.get("title") or control.find("img"), str(control)
        assert not label or text.lower() in label.lower(), str(control)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_lies_in_landmarks_and_its_lists_hold_items(path):
    page = soup(path)
    for place in page.select("#pst-primary-sidebar, #pst-secondary-sidebar"):
        assert place["role"] == "complementary" and place["aria-label"]
    assert len(page.find_all("main")) == 1 and len(page.find_all("h1")) >= 1 and page.html["lang"] == "en"
    assert not page.select("[role=doc-biblioentry]")
    for listed in page.select("[role=list]"):
        assert all(item.get("role") == "listitem" for item in listed.find_all(recursive=False))


def colours(theme):
    """The theme's colours as the style sheets set them, later ones over earlier ones."""
    found = {}
    for sheet in ("styles/pydata-sphinx-theme.css", "styles/sphinx-book-theme.css", "book.css"):
        text = re.sub(r"/\*.*?\*/", "", (SITE / "_static" / sheet).read_text(), flags=re.S)
        for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", text):
            if any(re.fullmatch(rf'html\[data-theme="?{theme}"?\]', one.strip()) for one in selectors.split(",")):
                found |= dict(re.findall(r"(--pst-color-[a-z-]+)\s*:\s*([^;]+)", body))
    return found


def luminance(colour):
    whole = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(whole[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ink", ["link", "primary", "text-muted", "text-base", "inline-code"])
def test_ink_stands_out_from_every_ground(theme, ink):
    known = colours(theme)

    def value(name):
        given = known[f"--pst-color-{name}"].strip()
        inner = re.fullmatch(r"var\(--pst-color-([a-z-]+)\)", given)
        return value(inner[1]) if inner else given

    for ground in ("background", "surface", "on-background"):
        dark, light = sorted((luminance(value(ink)), luminance(value(ground))))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} {value(ink)} on {ground} {value(ground)}"


MATHJAX = SITE / "_static/vendor/mathjax"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_weighs_less_than_two_and_a_half_megabytes_and_brings_no_kernel(path):
    loaded = {(path.parent / unquote(urlsplit(address).path)).resolve() for address in page_of(path).loads}
    icons = sorted((SITE / "_static/vendor/fontawesome/webfonts").glob("fa-solid*.woff2"))
    fonts = icons if soup(path).select("div.admonition, a.download") else []  # icons that a style sheet brings
    if MATHJAX / "startup.js" in loaded:
        parts = ("core.js", "input/tex.js", "output/chtml.js", "output/chtml/fonts/tex.js", "a11y/assistive-mml.js")
        loaded |= {MATHJAX / part for part in parts}
        fonts = fonts + sorted(MATHJAX.glob("output/chtml/fonts/woff-v2/*.woff"))  # at most all of them
    weight = sum(file.stat().st_size for file in [path, *loaded, *fonts])
    assert weight < 2.5e6, f"{weight:,} bytes"
    scripts = [str(script) for script in soup(path).find_all(["script", "link"])]
    assert not re.search("thebe|fontawesome\\.js", "".join(scripts), flags=re.I)


def test_a_search_finds_every_page_and_takes_its_excerpts_from_no_fetch():
    index = (SITE / "searchindex.js").read_text(encoding="utf-8")
    names = json.loads(re.search(r'"docnames": ?(\[[^\]]*\])', index)[1])
    texts = json.loads(
        (SITE / "_static/page_texts.js").read_text("utf-8").removeprefix("const PAGE_TEXTS = ").rstrip(";\n")
    )
    assert len(names) > len(book.chapters())
    for name in names:
        assert len(texts[name][""]) > 100, name
        anchors = {f"#{section['id']}" for section in soup(SITE / f"{name}.html").select("article section[id]")}
        assert anchors <= set(texts[name]), name
    scripts = [address.split("?")[0] for address in page_of(SITE / "search.html").loads]
    order = [scripts.index(f"_static/{name}.js") for name in ("searchtools", "page_texts", "search")]
    assert order == sorted(order) and "window.fetch = " in (SITE / "_static/search.js").read_text()


def test_a_run_leaves_its_tables_claims_and_report():
    run = book.REPOSITORY / "runs" / "pocket"
    report = json.loads((run / "run.json").read_text())
    assert set(report["chapters"]) == set(book.chapters()) and report["versions"]["torch"]
    for chapter in book.chapters():
        assert json.loads((run / "results" / chapter / "claims.json").read_text())
    assert (run / "results/02_null_space/spectrum.csv").read_text().startswith("index,singular_value\n")


def test_the_chapters_are_about_the_layer_that_their_claims_are_about():
    """By default, that is: a name used twice in a chapter once made its neurons another layer's, its claims idle."""
    left = json.loads((book.REPOSITORY / "runs/pocket/results/03_entropy_neurons/claims.json").read_text())
    idle = {entry["claim"]: entry["reason"] for entry in left if "this is layer" in entry["reason"]}
    assert left and idle == {}
