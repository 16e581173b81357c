"""Two ledgers side by side, claim by claim, as HTML: verdicts and numbers as they stand in both."""

import html
from typing import get_args

from lib.claims.carrying import Carried, Entry, Group, measurement
from lib.claims.page import badge, legend
from lib.real_model.measured import Pair
from lib.sentences.real_model import on_both, told

ORDER: tuple[Group, ...] = get_args(Group)
UNTESTED: Group = "not tested"


def table(found: dict[str, Carried], pair: Pair) -> str:
    """The claims in both ledgers in the order of their groups; those that one could not test are folded."""
    ordered = sorted(found.values(), key=lambda one: ORDER.index(one.group))
    tested = [one for one in ordered if one.group != UNTESTED]
    others = [one for one in ordered if one.group == UNTESTED]
    names = [run.name for run in pair]
    parts = [_rows(tested, names, caption="Claims that both runs tested")] if tested else []
    if others:
        rows = _rows(others, names, caption="Claims that one run could not test, or neither")
        count = f"{len(others)} claims that one run could not test, or neither"
        parts.append(f"<details><summary>{count}</summary>{rows}</details>")
    return "".join([*parts, legend()])


def _rows(found: list[Carried], names: list[str], *, caption: str) -> str:
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("claim", *names, "together"))
    body = "".join(map(_row, found))
    head = f"<caption>{caption}</caption><thead><tr>{heads}</tr></thead>"
    return f'<table class="dataframe ledger">{head}<tbody>{body}</tbody></table>'


def _row(one: Carried) -> str:
    reasons = (f"<dt>{which}</dt><dd>{html.escape(entry['reason'])}</dd>" for which, entry in _entries(one).items())
    statistic = f"<dt>statistic</dt><dd>{html.escape(one.claim.statistic)}</dd>"
    fold = f"<details><summary>how {one.claim.id} was judged</summary><dl>{statistic}{''.join(reasons)}</dl></details>"
    claim = f'<th scope="row">{html.escape(one.claim.statement)}{fold}</th>'
    cells = "".join(f"<td>{badge(entry['verdict'])}<br>{_numbers(entry)}</td>" for entry in (one.here, one.there))
    halves = [
        f"{which} half {html.escape(said)}" for which, said in zip(("first", "second"), on_both(one), strict=False)
    ]
    together = f"{one.group}; {one.outcome}" if len(one.halves) == 1 else f"{one.outcome}: {', '.join(halves)}"
    return f"<tr>{claim}{cells}<td>{together}</td></tr>"


def _entries(one: Carried) -> dict[str, Entry]:
    return {"here": one.here, "kept run": one.there}


def _numbers(entry: Entry) -> str:
    """What both halves of a claim measured, with how many cases."""
    halves = [found for found in (measurement(entry), measurement(entry, half="but_")) if found]
    return "; but ".join(f"{told(found)}, n {found.n:,}" for found in halves) or "–"
