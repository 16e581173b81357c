"""What a run left behind, whether it is kept in the book or still lies where it was made.

A kept run is a folder with `run.json`, `claims.json` and its tables. The run of a book has a folder of these for each
chapter. Both are read into the same shape, so that the page cannot treat them differently."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lib import documents

RUN, CLAIMS = "run.json", "claims.json"
SIZES = "layers, d_model, d_mlp, d_vocab"
Entry = dict[str, Any]


class ResultsError(ValueError):
    """A kept run that cannot be read; its message is one sentence for the reader."""


@dataclass(frozen=True)
class Results:
    """One run about one model."""

    report: dict[str, Any]
    """As `report` makes it."""
    claims: dict[str, Entry]
    """The entries of all its ledgers, by claim."""
    files: dict[str, Path]
    """Its tables, by file name."""

    @property
    def name(self) -> str:
        """The model, as pages show it."""
        return str(self.report["model"])

    def named(self, name: str) -> "Results":
        """The same run under another name, where another model has its own."""
        return replace(self, report=self.report | {"model": name})

    def table(self, name: str) -> Any:
        """One of its tables with pandas. Raises KeyError for one that it does not have."""
        import pandas

        return pandas.read_csv(self.files[name])

    def number(self, chapter: str, parameter: str) -> Any:
        """The value of a parameter of the chapter of that number. Raises KeyError where the run does not have it."""
        found = {name.split("_")[0]: card for name, card in self.report["chapters"].items()}
        return found[chapter]["parameters"][parameter]


OF_A_CHAPTER = ("parameters", "seconds", "processor_seconds", "peak_gib", "threads")
"""What a report holds of each chapter's card."""


def report(cards: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a run was made of, from the run cards of its chapters with their `seconds`, by chapter.

    Of a pair the base model; the text is that of the first chapter that reads any."""
    first = next(iter(cards.values()))
    texts = [text for text in map(_text, cards.values()) if text]
    shared = ("source", "revision", "architecture", "device", "versions", "code", "date", SIZES, "coordinates")
    return {
        "model": first["model"],
        "weights": first.get("weights", "plain"),
        "text": next(iter(texts), "none"),
        **{name: first[name] for name in shared if name in first},
        "fingerprint": {name: value for card in cards.values() for name, value in card["fingerprint"].items()},
        "seconds": round(sum(card["seconds"] for card in cards.values()), 1),
        "chapters": {name: {part: card[part] for part in OF_A_CHAPTER if part in card} for name, card in cards.items()},
    }


def _text(card: Mapping[str, Any]) -> str:
    """The running text of a chapter in words; empty where it reads none."""
    if "text" in card or "text" not in card["parameters"]:
        return str(card.get("text", ""))
    return documents.described(documents.suiting(card["parameters"]["text"], kind=card["source"]))


def of_run(results: Path, cards: Mapping[str, Mapping[str, Any]]) -> Results:
    """The run of a book: `results` has a folder for each chapter of `cards`."""
    folders = [results / chapter for chapter in cards]
    ledgers = [folder / CLAIMS for folder in folders if (folder / CLAIMS).is_file()]
    entries = [entry for ledger in ledgers for entry in _read(ledger)]
    return Results(report(cards), _by_claim(entries), _by_name(folders))


def of_kept(folder: Path) -> Results:
    """A run that is kept. Raises ResultsError unless its report and its ledger can be read."""
    try:
        return Results(_read(folder / RUN), _by_claim(_read(folder / CLAIMS)), _by_name([folder]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"the kept run {folder.name} needs {RUN} and {CLAIMS} as make book SAVE=1 leaves them, got "
            f"{type(error).__name__}; make it again, or remove its folder"
        ) from None


def kept(models: Path) -> list[Results]:
    """Every run that is kept in a folder of such folders, by name. Raises ResultsError as `of_kept` does."""
    return [of_kept(folder) for folder in sorted(models.glob("[!.]*")) if folder.is_dir()]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _by_claim(entries: list[Entry]) -> dict[str, Entry]:
    return {entry["claim"]: entry for entry in entries}


def _by_name(folders: list[Path]) -> dict[str, Path]:
    return {path.name: path for folder in folders for path in sorted(folder.glob("*.csv"))}
