"""One page of the built site, from what Jupyter Book wrote to what a reader gets."""

import html
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

from lib.book import icons, library, links, mend, terms
from lib.source import PLAIN

NOT_LOADED = re.compile(r"fontawesome\.js|thebe", flags=re.IGNORECASE)
TEXTS = Path("_static/page_texts.js")


@dataclass(frozen=True)
class Book:
    """What the pages of one run have in common."""

    title: str
    built: Path
    report: dict[str, Any]
    """As in `run.json`."""
    notebooks: dict[str, dict[str, Any]]
    """The staged chapters, by name."""

    @property
    def chapters(self) -> dict[str, str]:
        """The page of each chapter, by its number."""
        return {name.split("_")[0]: f"notebooks/{name}.html" for name in self.notebooks}

    @cached_property
    def terms(self) -> dict[str, str]:
        """The glossary's terms, with the ids of their entries; none in a book without a glossary."""
        glossary = self.built / terms.GLOSSARY
        return terms.entries(glossary.read_text(encoding="utf-8")) if glossary.exists() else {}

    def names(self, path: Path) -> links.Names:
        """What the names on a page stand for."""
        notebook = self.notebooks.get(path.stem)
        tables = {
            table.name: f"tables/{path.stem}/{table.name}" for table in self.built.glob(f"tables/{path.stem}/*.csv")
        }
        at = path.relative_to(self.built).as_posix()
        return links.Names(at, links.aliases(notebook) if notebook else {}, tables, self.chapters)


def finished(text: str, path: Path, book: Book) -> str:
    """A page's HTML after all steps; what is right already stays as it is.

    The code of a module's page is set aside meanwhile: no step has anything to do there, and nine tenths of the page
    are its highlighting."""
    if f'{library.LISTING}">' not in text:
        return _finished(text, path, book)
    before, code, after = library.parted(text)
    before, _, after = library.parted(_finished(before + after, path, book))
    return before + code + after


def _finished(text: str, path: Path, book: Book) -> str:
    page = BeautifulSoup(text, "html.parser")
    if page.body is None:
        return _forwarding(page, book)
    links.link(page, book.names(path))
    terms.link(page, book.names(path), book.terms)
    mend.mend(page)
    icons.draw(page, script=book.built / "_static/scripts/fontawesome.js")
    _unload(page)
    for place in page.select("p.run-card"):
        place.string = card(book.report, path.stem)
    if page.title and page.title.string:
        page.title.string = html.unescape(page.title.string)  # the theme escapes what we escaped for its logo
    if path.name == "search.html":
        for script in (TEXTS.as_posix(), "_static/search.js"):
            page.body.append(page.new_tag("script", attrs={"src": script}))
    return str(page)


def _forwarding(page: BeautifulSoup, book: Book) -> str:
    """The bare line by which Jupyter Book leads on to the first page, as a page that a reader can also read."""
    first = str(page.meta["content"]).partition("url=")[2] if page.meta else ""
    title, target = html.escape(book.title, quote=False), html.escape(first)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><title>{title}</title>{page}</head>
<body><main><h1>{title}</h1><p><a href="{target}">Open the book</a></p></main></body></html>
"""


def _unload(page: BeautifulSoup) -> None:
    """Takes out scripts and styles that the book has no use for."""
    for element in page.find_all(["script", "link"]):
        if NOT_LOADED.search(str(element)):
            element.decompose()


def card(report: dict[str, Any], chapter: str) -> str:
    """The line at the foot of a page: of its own run where it is a chapter, else of all chapters' runs."""
    runs = [report["chapters"][chapter]] if chapter in report["chapters"] else list(report["chapters"].values())
    parts = [f"{label} {_each(_models(runs, label))}" for label in ("model", "revision")]
    parts += [_each([found for found in _models(runs, "weights") if found != PLAIN])]
    given = ((label, [run[label] for run in runs if label in run]) for label in ("text", "code"))
    parts += [f"{label} {_each(found)}" for label, found in given if found]
    parts.append(f"torch {_each([run['versions']['torch'] for run in runs])}")
    if len(runs) == 1:
        parts += [f"seed {runs[0]['parameters']['seed']}", f"{runs[0]['seconds']:.0f} s", runs[0]["date"]]
    else:
        parts.append(" to ".join(dict.fromkeys((min(run["date"] for run in runs), max(run["date"] for run in runs)))))
    return f"Run card: {' · '.join(filter(None, parts))}"


def _models(runs: list[dict[str, Any]], key: str) -> list[str]:
    """What cards say of their models: of one run as it stands there, of all runs the base first, then the partner."""
    said = [run[key] for run in runs if key in run]
    return [*said[:1], *(value.removeprefix(f"{said[0]} + ") for value in said[1:])]


def _each(values: list[str]) -> str:
    return " and ".join(dict.fromkeys(values))


def write_texts(built: Path) -> None:
    """Writes the text of every page and section as a script, from which the search page takes its excerpts:
    opened from the file system it may not fetch another page."""
    texts = {}
    for path in sorted([*built.glob("book/*.html"), *built.glob("notebooks/*.html"), *built.glob("index.html")]):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for sign in page.select("a.headerlink"):
            sign.replace_with(" ")
        article = page.find("article")
        if isinstance(article, Tag):
            parts = {f"#{part['id']}": _text(part) for part in article.find_all(["section", "div"], id=True)}
            texts[path.relative_to(built).with_suffix("").as_posix()] = {"": _text(article)} | parts
    (built / TEXTS).write_text(f"const PAGE_TEXTS = {json.dumps(texts, ensure_ascii=False)};\n", encoding="utf-8")


def _text(part: Tag) -> str:
    return " ".join(part.get_text().split())
