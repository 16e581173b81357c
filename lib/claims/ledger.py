"""The ledger: what a chapter found about each of its claims.

It opens with the claims that are given to the chapter only to say why none can test them, takes measurements and
judges them, shows a table, and leaves `claims.json`, whose entries say which model, at which revision and with which
parameters, was measured, so that the entries of many runs can be laid side by side. A chapter that passes over one
of its claims cannot be saved."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lib import identity
from lib.claims.names import CHAPTERS, known_as
from lib.claims.page import LedgerPage
from lib.claims.verdict import Finding, Measured
from lib.source import Source

COLUMNS = (
    "claim", "paper", "statement", "statistic", "published", "measured", "low", "high", "n", "verdict", "reason",
    "chapter", "model", "revision", "parameters",
)  # fmt: skip
BUT_COLUMNS = ("but_statistic", "but_measured", "but_low", "but_high", "but_n")
"""The second half, in the entries of claims that have one."""
SHOWN = ["statement", "statistic", "published", "measured", "n", "verdict", "reason"]
Found = Measured | tuple[Measured, Measured] | str


@runtime_checkable
class Sourced(Protocol):
    """A model that says what it is, such as `model.Model`."""

    name: str
    source: Source


def cautions(*cautions: str) -> str:
    """Several cautions as one; empty where none of them says anything."""
    return "; ".join(filter(None, cautions))


def load() -> dict[str, Any]:
    """Every claim of the book, by id; see `reading`, which is imported when the first ledger is opened."""
    from lib.claims import reading

    return reading.load()


class Ledger:
    """What one chapter found about one model, or about a pair (base, post-trained); `parameters` are the chapter's.

    Raises ValueError for a chapter that the book does not have."""

    def __init__(self, chapter: str, *, model: Sourced | tuple[Sourced, Sourced], parameters: Mapping[str, Any]):
        if chapter not in CHAPTERS:
            raise ValueError(f"a ledger needs a chapter of the book, {', '.join(CHAPTERS)}, got {chapter!r}")
        models = model if isinstance(model, tuple) else (model,)
        names, revisions = [each.name for each in models], [each.source.revision for each in models]
        self.chapter, self.model = chapter, known_as(*names)
        self._run = {
            "chapter": chapter,
            "model": names if len(names) > 1 else names[0],
            "revision": revisions if len(names) > 1 else revisions[0],
            "parameters": {name: value for name, value in identity.told(parameters).items() if name != "results"},
        }
        self.entries: list[dict[str, Any]] = []
        self._own = {claim.id: claim for claim in load().values() if claim.chapter == chapter}
        for claim in self._own.values():
            if claim.reason:
                self.not_tested(claim.id, claim.reason)

    def record(self, claim_id: str, measured: Measured, but: Measured | None = None, caution: str = "") -> None:
        """Judges a claim by a measurement (`but`: of its second half) and enters it; a `caution` about the
        measurement is added to the reason.

        Raises ValueError for a claim that is unknown, of another chapter, or said to be untestable, and as
        `Claim.judge` does."""
        claim = self._claim(claim_id)
        if claim.reason:
            raise ValueError(f"{claim_id} is said to be untestable ({claim.reason}); drop that reason to record it")
        verdict, reason = claim.judge(measured, model=self.model, but=but)
        self._enter(claim, (verdict, cautions(reason, caution)), measured, but)

    def not_tested(self, claim_id: str, reason: str) -> None:
        """Enters a claim that this run cannot test, with what it would need.

        Raises ValueError for a claim that is unknown or of another chapter, and for an empty reason."""
        if not reason:
            raise ValueError(f"{claim_id} needs a measurement, or a reason why there is none, got an empty text")
        self._enter(self._claim(claim_id), ("not tested", reason))

    def enter(self, paper: str, found: Mapping[str, Found], *, caution: Mapping[str, str] | None = None) -> None:
        """Enters claims of a paper by their short ids: a measurement is judged, two in a tuple are the halves of a
        claim, a text says why there is none.

        `caution` holds what is to be added to a claim's reason. Raises ValueError for a caution about a claim that
        is not entered here, and as `record` and `not_tested` do."""
        caution = caution or {}
        if stray := sorted(set(caution) - set(found)):
            raise ValueError(f"a caution needs a claim that is entered with it, got {', '.join(stray)} of {paper}")
        for name, measured in found.items():
            claim_id = f"{paper}.{name}"
            if isinstance(measured, str):
                self.not_tested(claim_id, measured)
            else:
                first, but = measured if isinstance(measured, tuple) else (measured, None)
                self.record(claim_id, first, but, caution.get(name, ""))

    def _claim(self, claim_id: str) -> Any:
        if claim_id in self._own:
            return self._own[claim_id]
        if claim_id in load():
            raise ValueError(f"{claim_id} belongs to chapter {load()[claim_id].chapter}, not to {self.chapter}")
        raise ValueError(f"there is no claim {claim_id!r}; those of chapter {self.chapter} are {', '.join(self._own)}")

    def _enter(
        self, claim: Any, finding: Finding, measured: Measured | None = None, but: Measured | None = None
    ) -> None:
        at = claim.published.get(self.model) or next(iter(claim.published.values()), None)
        published = f"{at.value:g} ({at.source})" if at else "not published"
        texts = (claim.id, claim.paper, claim.statement, claim.statistic, published)
        entry = dict(zip(COLUMNS, (*texts, *_numbers(measured), *finding), strict=False)) | self._run
        if claim.but:
            entry |= dict(zip(BUT_COLUMNS, (claim.but.statistic, *_numbers(but)), strict=True))
        self.entries.append(entry)

    def table(self) -> Any:
        """The entries as a pandas table, for the page: what was measured with its interval in one column, that of
        both halves where there are two, and a dash for what was not."""
        import pandas

        return pandas.DataFrame([_shown(entry) for entry in self.entries], columns=["claim", *SHOWN]).set_index("claim")

    def page(self) -> LedgerPage:
        """The same for reading, in a notebook or on a page: the verdict in colour, the rest folded."""
        return LedgerPage({entry["claim"]: _shown(entry) for entry in self.entries})

    def save(self, results: str) -> None:
        """Writes `claims.json` into the folder `results`; an empty name writes nothing.

        Raises ValueError for claims of the chapter that were not entered, or more than once."""
        times = Counter(entry["claim"] for entry in self.entries)
        missing, repeated = [name for name in self._own if name not in times], [n for n in times if times[n] > 1]
        if missing or repeated:
            wrong = [f"{', '.join(missing)} not at all"] * bool(missing)
            wrong += [f"{', '.join(repeated)} more than once"] * bool(repeated)
            raise ValueError(f"chapter {self.chapter} has to enter each of its claims once, got {' and '.join(wrong)}")
        if results:
            Path(results).mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.entries, indent=1, ensure_ascii=False, allow_nan=False)
            (Path(results) / "claims.json").write_text(text + "\n", encoding="utf-8")


def _numbers(measured: Measured | None) -> tuple[Any, ...]:
    return (measured.value, measured.low, measured.high, measured.n) if measured else (None,) * 4


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as the page shows it: both halves of a claim in one cell, the second behind a "but"."""
    first = {"statistic": entry["statistic"], "n": _number(entry["n"])}
    first["measured"] = _interval(entry["measured"], entry["low"], entry["high"])
    if entry.get("but_measured") is not None:
        numbers = [entry[name] for name in ("but_measured", "but_low", "but_high")]
        second = {"statistic": entry["but_statistic"], "n": _number(entry["but_n"]), "measured": _interval(*numbers)}
        first = {name: f"{first[name]}; but {second[name]}" for name in first}
    return entry | first


def _interval(value: float | int | None, low: float | int | None, high: float | int | None) -> str:
    return _number(value) if value is None else f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: float | int | None) -> str:
    """Three significant digits, or a whole number; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
