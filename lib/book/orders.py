"""An order: one model, and what each chapter of a run is to be made of.

For every chapter it leaves a small file, `runs/<model>/asked/<chapter>.json`: the parameters, and by content the
notebook, models, text, library and environment. The file is written anew only when something in it is another, and
the graph hangs on it, so a chapter is stale exactly when it would be made of something else."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import admission, documents, fingerprint, identity, source
from lib.book import machine
from lib.book.request import NOTEBOOKS, BookError, absolute, checked, chosen
from lib.source import Source

SHARED = ("model", "library", "environment", "post_trained", "sft")
"""What all chapters of one book have to share that read it."""


@dataclass(frozen=True)
class Order:
    """One model, and what each chapter is to be made of."""

    model: str
    """As a kernel finds it: a name, or an absolute path."""
    slug: str
    """The name of its folders in `runs` and `site`."""
    asked: dict[str, dict[str, Any]]
    """Of each chapter its `parameters`, `made_of` by content, and the `fingerprint` of both."""
    memory: dict[str, int]
    """Megabytes that each chapter takes at its peak."""
    cards: int
    """Graphics cards that one chapter takes."""

    def write(self, run: Path) -> None:
        """Leaves in the folder `run` what each chapter is asked for, where that differs from what lies there.

        Where only the place is another that the same content lies at, the file keeps its age: nothing is stale."""
        for chapter, asked in self.asked.items():
            text, file = json.dumps(asked, indent=1, ensure_ascii=False) + "\n", asked_file(run, chapter)
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                file.parent.mkdir(parents=True, exist_ok=True)
                age = file.stat().st_mtime_ns if _fingerprint_in(file) == asked["fingerprint"] else None
                file.write_text(text, encoding="utf-8")
                if age is not None:
                    os.utime(file, ns=(age, age))


def order(model: str, parameters: Mapping[str, Any], *, wanted: list[str]) -> Order:
    """What is asked for, checked before a kernel starts.

    Raises BookError for parameters that cannot be met and for a text that cannot be had, SourceError for a model."""
    given = chosen(parameters, wanted=wanted)
    revision = str(next((own["revision"] for own in given.values() if "revision" in own), ""))
    main = source.resolve(model, revision=revision)
    model = absolute(model)
    whole = {chapter: checked(chapter, {"model": model} | own) for chapter, own in given.items()}
    for one in dict.fromkeys([main, *(other for own in whole.values() for other in identity.others(own).values())]):
        if one.kind in ("pocket", "directory"):
            admission.files(Path(one.location), one.name)
    partner = next((own[identity.PAIRED] for own in whole.values() if identity.PAIRED in own), "")
    return Order(
        model=model,
        slug=source.slug_of_pair(model, partner, revision=revision),
        asked={chapter: _asked(chapter, {"model": model} | own, main) for chapter, own in given.items()},
        memory={chapter: _memory(main, own) for chapter, own in whole.items()},
        cards=int(any(own["device"].startswith("cuda") for own in whole.values())),
    )


def _memory(main: Source, parameters: Mapping[str, Any]) -> int:
    """Megabytes for the model of a chapter, or for all of a pair, which are held at once."""
    pair = {name: other for name, other in identity.others(parameters).items() if name in SHARED}
    return machine.needed(main, *pair.values(), dtype=parameters["dtype"])


def _asked(chapter: str, given: dict[str, Any], main: Source) -> dict[str, Any]:
    parts = identity.made_of(checked(chapter, given), loaded=main)
    if parts.get("text") == "":
        raise BookError(
            f"the text {given.get('text')!r} is neither 'pocket' nor 'python', not a file or folder, and not a data "
            f"set that the hub tells of ({documents.refusal(given['text'])}); correct the name, or connect"
        )
    parts["notebook"] = fingerprint.of_file(NOTEBOOKS / f"{chapter}.ipynb")[: fingerprint.DIGITS]
    by_content = {"parameters": identity.told(given), "made_of": parts}
    return {"parameters": given, "made_of": parts, "fingerprint": fingerprint.of(by_content)}


def _fingerprint_in(file: Path) -> str:
    """What a file of this kind says; empty where there is none or it says something else."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def asked_file(run: Path, chapter: str) -> Path:
    """The file that says what a chapter of a run is asked for."""
    return run / "asked" / f"{chapter}.json"


def refuse_other(run: Path, chapter: str, notebook: Mapping[str, Any]) -> None:
    """Raises BookError unless an executed chapter is what its run is asked for now, where that is written down."""
    file = asked_file(run, chapter)
    if file.is_file():
        asked = json.loads(file.read_text(encoding="utf-8"))["fingerprint"]
        if notebook["metadata"].get("asked") != asked:
            raise BookError(f"chapter {chapter} in {run} was made of something else than is asked for; make it again")


def refuse_mixture(cards: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises BookError unless all chapters' run cards are about the same model, library and environment."""
    for part in SHARED:
        read = {chapter: card["fingerprint"] for chapter, card in cards.items() if part in card["fingerprint"]}
        found = {chapter: made_of[part] for chapter, made_of in read.items()}
        first, *others = found or [""]
        other = next((chapter for chapter in others if found[chapter] != found[first]), None)
        if other:
            raise BookError(
                f"the {part} of chapter {first} is {found[first]} and that of {other} is {found[other]}, and one book "
                "is about one; make it again"
            )
