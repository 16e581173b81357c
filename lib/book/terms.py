"""The first mention of a term on a page leads to its entry in the glossary.

Authors write plain words. A term is found in running text whatever its first letter and in the singular as in the
plural; the longest term that fits is taken, and each is linked once."""

import re

from bs4 import BeautifulSoup, NavigableString, Tag

from lib.book.links import QUIET, Names

GLOSSARY = "book/glossary.html"
PROSE = "p, li, dd, figcaption"


def entries(glossary: str) -> dict[str, str]:
    """The terms of a built glossary page in lower case, with the ids of their entries; names of code are left out."""
    page = BeautifulSoup(glossary, "html.parser")
    named = [entry for entry in page.select("dt[id^=term-]") if not entry.find("code")]
    return {_text(entry).lower(): str(entry["id"]) for entry in named}


def _text(entry: Tag) -> str:
    return "".join(part for part in entry.find_all(string=True) if not part.find_parent("a")).strip()


def link(page: BeautifulSoup, names: Names, terms: dict[str, str]) -> None:
    """Links the first mention of every term in a page's article; the glossary itself is left as it is."""
    article = page.find("article")
    if names.at == GLOSSARY or not terms or not isinstance(article, Tag):
        return
    left, longest_first = dict(terms), sorted(terms, key=len, reverse=True)
    mention = re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})(s?)\b", flags=re.IGNORECASE)
    for text in [found for block in article.select(PROSE) for found in block.find_all(string=mention)]:
        if text.parent is not None and not text.find_parent([*QUIET, "table", "dt"]):
            _link_first(text, mention, left, names)


def _link_first(text: NavigableString, mention: re.Pattern[str], left: dict[str, str], names: Names) -> None:
    parts: list[NavigableString | Tag] = []
    end = 0
    for found in mention.finditer(str(text)):
        place = left.pop(found[1].lower(), None)
        if place:
            link_to = names.link(f"{GLOSSARY}#{place}", "term")
            link_to.string = found[0]
            parts += [NavigableString(text[end : found.start()]), link_to]
            end = found.end()
    if parts:
        text.replace_with(*parts, NavigableString(text[end:]))
