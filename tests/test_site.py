"""The built book: it asks no other host for anything, and nothing in it is broken. Needs `make book`."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from lib import book

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


def test_the_book_was_built():
    assert (SITE / "index.html").exists() and len(PAGES) > 5, "run `make book` first"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_loads_nothing_from_another_host_and_everything_it_loads_is_there(path):
    for address in Page(path).loads:
        parts = urlsplit(address)
        assert not parts.netloc, f"{path.name} loads {address}"
        if parts.scheme != "data":
            assert (path.parent / unquote(parts.path)).exists(), f"{path.name} loads {address}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_image_has_a_real_alternative_text(path):
    for address, alternative in Page(path).images:
        assert len(alternative) > 20 and not re.search(r"\.(png|svg|jpe?g)$", alternative), address


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_internal_link_is_broken(path):
    for address in Page(path).links:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        assert target.exists(), f"{path.name} links to {address}"
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in Page(target).ids, f"{path.name} links to {address}"


def test_every_page_of_the_book_carries_its_run_card():
    for path in [*SITE.glob("notebooks/*.html"), *SITE.glob("book/*.html")]:
        assert "Run card: model pocket" in path.read_text(encoding="utf-8"), path.name


def test_a_run_leaves_its_tables_claims_and_report():
    run = book.REPOSITORY / "runs" / "pocket"
    report = json.loads((run / "run.json").read_text())
    assert set(report["chapters"]) == set(book.chapters()) and report["versions"]["torch"]
    for chapter in book.chapters():
        assert json.loads((run / "results" / chapter / "claims.json").read_text())
    assert (run / "results/02_null_space/spectrum.csv").read_text().startswith("index,singular_value\n")
