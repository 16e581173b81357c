"""What the book's chapters take of a real model: the runs that are kept in the repository, as they were timed when they
were made."""

from pathlib import Path
from typing import Any

from lib.real_model.results import kept

INTRODUCTION = """What each chapter took when the run that this book keeps was made (see {doc}`real_model`). A chapter
runs a text once for all its questions, measures every neuron once, and leaves that to the next chapter of the same run;
of two chapters that need it at once the second waits."""
NONE_YET = """No run of a real model is kept in this book yet, so there is nothing to show here;
`make book MODEL=smollm2-135m-instruct SAVE=1` keeps one, with what each chapter took."""


def taken(models: Path) -> list[dict[str, Any]]:
    """An entry for each chapter of each kept run: seconds, seconds of the processor (all its cores together), and the
    most memory that it held, in GiB. Raises ResultsError where a kept run cannot be read."""
    return [
        {"model": run.name, "chapter": chapter, "date": run.report.get("date", "")}
        | {part: value for part, value in card.items() if part != "parameters"}
        for run in kept(models)
        for chapter, card in run.report["chapters"].items()
    ]


def told(entries: list[dict[str, Any]]) -> str:
    """The page's section in Markdown, also where no run is kept."""
    return f"{INTRODUCTION}\n\n{table(entries)}" if entries else NONE_YET


def table(entries: list[dict[str, Any]]) -> str:
    """A Markdown table with a row for each chapter, and one for all chapters of a model."""
    head = ["model", "chapter", "made", "seconds", "processor seconds", "threads", "peak GiB"]
    rows = [head, ["---"] * 3 + ["---:"] * 4]
    for model in dict.fromkeys(entry["model"] for entry in entries):
        own = [entry for entry in entries if entry["model"] == model]
        rows += [_row(entry) for entry in own]
        rows.append(_row({"model": model, "chapter": "all together", "date": "", **_together(own)}))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _together(own: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {part: sum(entry.get(part, 0) for entry in own) for part in ("seconds", "processor_seconds")}
    return sums | {"peak_gib": max(entry.get("peak_gib", 0) for entry in own)}


def _row(entry: dict[str, Any]) -> list[str]:
    numbers = [_number(entry, "seconds", ",.0f"), _number(entry, "processor_seconds", ",.0f")]
    numbers += [_number(entry, "threads", "d"), _number(entry, "peak_gib", ".2f")]
    return [entry["model"], entry["chapter"], entry["date"], *numbers]


def _number(entry: dict[str, Any], part: str, form: str) -> str:
    return format(entry[part], form) if part in entry else ""
