"""A chapter's ledger as its page shows it: claim, verdict, measured value; how each was judged is folded away."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from lib.claims.verdict import VERDICTS, Verdict

SYMBOLS: dict[Verdict, str] = {
    "reproduced": "✔",
    "supported": "✓",
    "in part": "◐",
    "inconclusive": "?",
    "contradicted": "✗",
    "not tested": "–",
}
"""A mark for each verdict, so that colour is never alone."""
FOLDED = ("statistic", "published", "n", "reason")


class LedgerPage:
    """Rows of `Ledger.table` for reading; the same facts in plain text where there is no HTML."""

    def __init__(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        return "\n".join(
            f"{SYMBOLS[row['verdict']]} {name}, {row['verdict']}: {row['statement']} "
            f"Measured {row['measured']} ({row['reason']})."
            for name, row in self.rows.items()
        )

    def _repr_html_(self) -> str:
        body = "".join(_row(name, row) for name, row in self.rows.items())
        head = "".join(f'<th scope="col">{name}</th>' for name in ("claim", "verdict", "measured"))
        caption = "<caption>The claims of this chapter, and what this run says about them</caption>"
        table = f'<table class="dataframe ledger">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        return f"{table}{legend()}"


def badge(verdict: Verdict) -> str:
    """A verdict as HTML: its mark and its name, in its colour."""
    return f'<span class="verdict {verdict.replace(" ", "-")}">{SYMBOLS[verdict]} {verdict}</span>'


def legend() -> str:
    """What the verdicts mean, as HTML, folded."""
    rows = "".join(f"<dt>{badge(verdict)}</dt><dd>{html.escape(text)}</dd>" for verdict, text in VERDICTS.items())
    return f'<details class="legend"><summary>What the verdicts mean</summary><dl>{rows}</dl></details>'


def _row(name: str, row: Mapping[str, Any]) -> str:
    told = "".join(f"<dt>{key}</dt><dd>{html.escape(str(row[key]))}</dd>" for key in FOLDED)
    fold = f"<details><summary>how {html.escape(name)} was judged</summary><dl>{told}</dl></details>"
    cells: Sequence[str] = (badge(row["verdict"]), html.escape(row["measured"]))
    claim = f'<th scope="row">{html.escape(row["statement"])}{fold}</th>'
    return f"<tr>{claim}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
