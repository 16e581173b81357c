"""Icons drawn in the page.

The theme brings all of Font Awesome, a script of 1.5 MB and webfonts that some browsers refuse to load
from the file system, for a dozen icons. So each icon's outline is looked up in that script once, when the
site is made, and stands in the page; the script is left out."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

STYLES = {"fa-solid", "fas", "fa-regular", "far", "fa-brands", "fab"}
HELPERS = {"fa-lg", "fa-fw", "fa-sm", "fa-xs"}


@cache
def outlines(script: Path) -> dict[str, tuple[int, int, str]]:
    """Width, height and path of every icon in the theme's copy of Font Awesome; the solid ones where styles differ.

    Raises ValueError for a file that holds none."""
    entry = re.compile(r'[{,]"?([a-z][a-z0-9-]*)"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","(M[^"]+)"\]')
    found = {}
    for name, width, height, path in entry.findall(script.read_text(encoding="utf-8")):
        found[name] = (int(width), int(height), path)  # brands and regular come first, solid last
    if not found:
        raise ValueError(f"{script.name} should hold Font Awesome's icons, but no outline was found in it")
    return found


def draw(page: BeautifulSoup, *, script: Path) -> None:
    """Puts an outline in the place of every `<i class="fa-solid fa-…">`; decoration, which screen readers skip.

    Raises KeyError for an icon that Font Awesome does not have."""
    for icon in page.find_all(["i", "span"], class_=list(STYLES)):
        classes = [name for name in icon["class"] if name not in STYLES]
        name = next(name for name in classes if name.startswith("fa-") and name not in HELPERS)
        width, height, path = outlines(script)[name.removeprefix("fa-")]
        icon.replace_with(_svg(page, [*classes, "drawn"], (width, height, path), icon.get("data-mode")))


def _svg(page: BeautifulSoup, classes: list[str], outline: tuple[int, int, str], mode: Any) -> Tag:
    width, height, path = outline
    shown = {"class": " ".join(classes), "viewBox": f"0 0 {width} {height}", "aria-hidden": "true"}
    drawn = page.new_tag("svg", attrs=shown | ({"data-mode": mode} if mode else {}))
    drawn.append(page.new_tag("path", attrs={"fill": "currentColor", "d": path}))
    return drawn
