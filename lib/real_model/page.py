"""Fills the page in: figures and findings in the place of its marks, `<!-- beside: spectrum -->`.

The page's own Markdown asks the questions, so that it reads well where nothing is filled in. Where no run is kept, or
only that of the book's own model, the questions are left out and one sentence says why."""

import re
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from lib import plots
from lib.claims.carrying import Outcome
from lib.real_model import drawing, ledger, measured
from lib.real_model.asking import Claims, Question
from lib.real_model.measured import Pair
from lib.real_model.questions import QUESTIONS
from lib.real_model.results import SIZES
from lib.sentences import real_model as says

MARK = re.compile(r"<!-- beside: ([\w-]+) -->")
PLAIN = re.compile(r"[*`]")


def filled(text: str, pair: Pair, *, figures: Path, folder: str) -> str:
    """The page's Markdown about the run of the book and a kept one; figures are written into a folder beside the page,
    and links to the tables of the kept run lead into the `folder` of the site's tables.

    Raises KeyError for a mark that stands for no question."""
    plots.use_style()
    figures.mkdir(parents=True, exist_ok=True)
    found = measured.in_both(pair)
    outcomes: dict[str, Outcome] = {}
    parts: dict[str, str] = {}
    first = []
    for name, question in QUESTIONS.items():
        parts[name], own = _answer(name, question, pair, found, figures)
        first += [*own][:1]
        outcomes |= own
    parts["ledger"] = _ledger(found, pair)
    parts["models"] = _models(pair)
    parts["tables"] = ", ".join(f"[{name}](table:{folder}/{name})" for name in sorted(pair[1].files))
    lines = "\n".join(f"- {line}" for line in says.findings(outcomes, first=first))
    parts["found"] = f":::{{admonition}} What this page finds\n:class: found\n{lines}\n:::"
    return MARK.sub(lambda mark: parts[mark[1]], text)


def bare(text: str, why: str) -> str:
    """The page without its questions: what stands before the first of them, and why there is no more."""
    head = text.partition("\n## ")[0]
    return f"{MARK.sub('', head).rstrip()}\n\n{why}\n"


def _answer(name: str, question: Question, pair: Pair, found: Claims, figures: Path) -> tuple[str, dict[str, Outcome]]:
    """Figures and findings of one question, and the outcomes that they are about."""
    told, outcomes = question.answered(pair, found)
    missing = question.missing(pair)
    pictures: list[tuple[str, Figure, str, str]] = []
    if any(missing.values()):
        told.append(says.missing(missing))
    else:
        pictures.append((name, question.draw(pair), question.alt, question.caption))
        more, others = question.more(pair) if question.more else ([], {})
        told, outcomes = told + more, outcomes | others
    if shown := question.shown(found):
        alt = "A row for each claim: what both models measured, with intervals, and the bound of the claim."
        caption = "What the claims rest on, with 95 % intervals, and whether each carries over."
        pictures.append((f"{name}-claims", drawing.of_claims(shown, pair), alt, caption))
    if question.claims and not outcomes:
        without = [run.name for run in pair if not set(question.claims) & set(run.claims)]
        told.insert(0, says.no_ledger(without or [run.name for run in pair]))
    outcomes = outcomes or question.open
    drawn = [_figure(*picture, told=[] if at else told, figures=figures) for at, picture in enumerate(pictures)]
    return "\n\n".join([*drawn, _found(told)]), outcomes


def _figure(name: str, figure: Figure, alt: str, caption: str, *, told: Iterable[str], figures: Path) -> str:
    """Writes a figure, and shows it with a description that ends in what the page says of it."""
    figure.savefig(figures / f"real-{name}.svg", metadata={"Date": None})
    plt.close(figure)
    words = PLAIN.sub("", " ".join((alt, *told)))
    return f":::{{figure}} {figures.name}/real-{name}.svg\n:alt: {words}\n\n{caption}\n:::"


def _found(told: Iterable[str]) -> str:
    return f":::{{container}} found\n{' '.join(told)}\n:::"


def _ledger(found: Claims, pair: Pair) -> str:
    """The sentences about both ledgers, and their claims one by one."""
    groups = [one.group for one in found.values()]
    alone = {
        f"`{run.name}`": sum(
            one.group == "supported on one" and (one.here, one.there)[at]["verdict"] in ("supported", "reproduced")
            for one in found.values()
        )
        for at, run in enumerate(pair)
    }
    return f"{_found(says.ledgers(groups, alone))}\n\n{ledger.table(found, pair)}"


def _models(pair: Pair) -> str:
    """What was measured with what, a column for each run."""
    here, there = (run.report for run in pair)
    rows = [
        ("architecture", "architecture"),
        ("weights", "weights"),
        (SIZES, SIZES),
        ("running text", "text"),
        ("made", "date"),
    ]
    lines = [f"| | {' | '.join(f'`{run.name}`' for run in pair)} |", "|---|---|---|"]
    lines += [f"| {label} | {_cell(here, key)} | {_cell(there, key)} |" for label, key in rows]
    taken = [f"{seconds:,.0f}" for seconds in measured.seconds(pair)]
    lines.append(f"| seconds, the chapters that both ran | {' | '.join(taken)} |")
    code = says.other_code(*(report["fingerprint"].get("library", "") for report in (here, there)))
    more = " ".join(filter(None, (code, says.other_parameters(measured.otherwise(pair)))))
    return "\n\n".join(filter(None, ("\n".join(lines), more)))


def _cell(report: dict[str, object], key: str) -> str:
    value = report.get(key, "–")
    return " · ".join(f"{size:,}" for size in value) if isinstance(value, list) else str(value)
