"""What a page needs so that everybody can read it, and the theme or pandas leave out.

Each function mends one kind of fault that axe-core finds in a page of the theme: tables whose headers say
nothing, buttons called something else than what stands on them, formulas that keys cannot scroll, a sidebar that
is no landmark, references whose roles contradict each other. Each leaves a page alone that does not have the fault."""

import re

from bs4 import BeautifulSoup, Tag

Page = BeautifulSoup
NUMBER = re.compile(r"[-−+]?[\d.,]+(e[-+]?\d+)?%?|NaN|inf|[-–]?")


def mend(page: Page) -> None:
    """All of it, in place."""
    for table in page.find_all("table"):
        one_header(table)
        headers(table)
        numbers(table)
        caption(page, table)
    names(page)
    formulas(page)
    landmarks(page)
    references(page)


def one_header(table: Tag) -> None:
    """Joins pandas' two header rows, columns above and the index's name below, into one; drops its styles."""
    for style in table.find_previous_siblings("style", attrs={"scoped": True}):
        style.decompose()
    for styled in [table, *table.find_all(["tr", "th", "td"], style="text-align: right;")]:
        styled.attrs.pop("style", None)
        styled.attrs.pop("border", None)
    rows = table.select("thead > tr")
    if len(rows) == 2:
        upper, lower = (row.find_all(["th", "td"], recursive=False) for row in rows)
        texts = [
            (above.get_text(strip=True), below.get_text(strip=True)) for above, below in zip(upper, lower, strict=False)
        ]
        if len(upper) == len(lower) and all(not above or not below for above, below in texts):
            for above, below in zip(upper, lower, strict=True):
                if below.get_text(strip=True):
                    above.string = below.get_text(strip=True)
            rows[1].decompose()


def headers(table: Tag) -> None:
    """Says of every header cell whether it heads its column or its row; one that holds no text is no header."""
    for cell in table.find_all("th"):
        if not cell.get_text(strip=True) and not cell.find("img"):
            cell.name = "td"
            cell.attrs.pop("scope", None)
        elif cell.find_parent("thead"):
            cell["scope"] = "colgroup" if int(str(cell.get("colspan", "1"))) > 1 else "col"
        else:
            cell["scope"] = "rowgroup" if int(str(cell.get("rowspan", "1"))) > 1 else "row"


def numbers(table: Tag) -> None:
    """Marks the columns that hold nothing but numbers, to be set right under right.

    Columns are counted from the last: a row below a header that spans several has fewer cells before them."""
    rows = [row.find_all(["th", "td"], recursive=False) for row in table.select("tbody > tr")]
    width = max((len(row) for row in rows), default=0)
    heads = [row.find_all(["th", "td"], recursive=False) for row in table.select("thead > tr")]
    for column in range(-width, 0):
        cells = [row[column] for row in rows if len(row) >= -column]
        texts = [cell.get_text(strip=True) for cell in cells if cell.name == "td"]
        if any(texts) and all(NUMBER.fullmatch(text) for text in texts):
            for cell in [*cells, *(row[column] for row in heads if len(row) == width)]:
                cell["class"] = " ".join([*cell.get_attribute_list("class"), "number"])


def caption(page: Page, table: Tag) -> None:
    """Names a table that has no caption by the heading above it, for those who cannot see where it stands."""
    heading = table.find_previous(["h1", "h2", "h3"])
    if table.find("caption") or not isinstance(heading, Tag):
        return
    text = "".join(heading.find_all(string=True, recursive=False)).strip() or heading.get_text(strip=True)
    others = [found for found in table.find_all_previous("table") if found.find_previous(["h1", "h2", "h3"]) is heading]
    count = f", table {len(others) + 1}" if others else ""
    table.insert(0, page.new_tag("caption", attrs={"class": "visually-hidden"}, string=f"{text}{count}"))


def names(page: Page) -> None:
    """A control is called what stands on it: a label that leaves its text out goes."""
    for control in page.select("[aria-label]"):
        text = " ".join(control.get_text(" ").split())
        if (
            control.name in ("button", "a", "summary")
            and text
            and text.lower() not in str(control["aria-label"]).lower()
        ):
            del control["aria-label"]


def formulas(page: Page) -> None:
    """A displayed formula can be wider than a narrow screen: keys can reach it to scroll it."""
    for formula in page.select("div.math"):
        formula.attrs |= {"tabindex": "0", "role": "group", "aria-label": "formula"}


def landmarks(page: Page) -> None:
    """Every part of a page lies in a landmark that has a name: the sidebars, the way on, the search."""
    for place, role, label in (
        ("div#pst-primary-sidebar", "complementary", "Book"),
        ("div#pst-secondary-sidebar", "complementary", "This page"),
    ):
        for part in page.select(place):
            part["role"], part["aria-label"] = role, label


def references(page: Page) -> None:
    """A list of references is a list of items, without the role that each of them once had."""
    for entry in page.select("[role=doc-biblioentry]"):
        in_list = isinstance(entry.parent, Tag) and entry.parent.get("role") == "list"
        del entry["role"]
        if in_list:
            entry["role"] = "listitem"
