"""Lays out the page that sets a kept run of a real model beside the run of the book.

It is there in every book. Where no run is kept it says how to keep one; in the book about the kept model itself it says
so, since a model beside itself shows nothing."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.book.request import MODELS, BookError
from lib.real_model.results import Results, ResultsError, kept, of_run

PAGE = "real_model"
NONE = """No run of a real model is kept here yet. To make one and keep it, as the book about another model that stays:

    make book MODEL=smollm2-135m-instruct SAVE=1

After that every book has the comparison on this page."""
ITSELF = """This book is about the kept model itself, `{name}`, and a model beside itself shows nothing. The book about
another model, made by `make book`, has the comparison on this page."""


def stage(run: Path, staged: Path, cards: Mapping[str, Mapping[str, Any]], *, models: Path = MODELS) -> None:
    """Fills in the staged page, and adds the tables of the kept run; a book without the page stays as it is.

    The first kept run by name is taken that is about another model. Raises BookError for one that cannot be read."""
    place = staged / "book" / f"{PAGE}.md"
    if not place.is_file():
        return
    try:
        runs = kept(models)
    except ResultsError as error:
        raise BookError(str(error)) from None
    place.write_text(_told(place.read_text(encoding="utf-8"), run, cards, runs, staged), encoding="utf-8")


def _told(text: str, run: Path, cards: Mapping[str, Mapping[str, Any]], runs: list[Results], staged: Path) -> str:
    from lib.real_model import page  # draws, which a book without a kept run need not

    here = of_run(run / "results", cards)
    others = [one for one in runs if one.report["fingerprint"]["model"] != here.report["fingerprint"]["model"]]
    if not others:
        return page.bare(text, ITSELF.format(name=runs[0].name) if runs else NONE)
    there = others[0] if others[0].name != here.name else others[0].named(f"{here.name}, kept")
    folder = staged / "tables" / PAGE
    folder.mkdir(parents=True)
    for table in there.files.values():
        shutil.copy(table, folder)
    return page.filled(text, (here, there), figures=staged / "book" / "figures", folder=PAGE)
