"""What the papers claim, as data, and what a run has to say about it.

A claim lives in `book/claims/<paper>.yml`: its statement in our words, the statistic that tests it,
the direction that would support it, and the published values with the kind of source they come from.
A chapter measures the statistic and the claim judges: a published number can be *held* or missed only
by a model that the paper used; any other model tests the direction alone. Imports no torch."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import yaml

CLAIMS = Path(__file__).parents[1] / "book" / "claims"
COLUMNS = (
    "claim", "paper", "statement", "statistic", "published", "measured", "low", "high", "n", "verdict", "reason",
)  # fmt: skip
Verdict = Literal["held", "direction only", "differs", "not tested"]


@runtime_checkable
class Measured(Protocol):
    """A number with its interval, such as `resampling.Estimate`."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Published:
    """A published value of a claim's statistic."""

    value: float
    source: str
    """The kind of source: paper, authors' code, secondary, third party."""
    lowest: float
    highest: float
    """The measured values that count as the same result."""


@dataclass(frozen=True)
class Claim:
    """One falsifiable statement of a paper, or of this book."""

    id: str
    paper: str
    citation: str
    chapter: str
    statement: str
    statistic: str
    above: float | None
    """The direction: support means an interval wholly above this value. None where only a number is claimed."""
    published: dict[str, Published]
    """By model name; empty where no value was published."""

    def judge(self, measured: Measured, *, model: str) -> tuple[Verdict, str]:
        """The verdict on this claim of one measurement on one model, with its reason.

        A direction is supported when the whole interval lies beyond `above`; a published number is held when
        the measured value falls in its stated range as well."""
        published = self.published.get(model)
        if self.above is not None and not measured.low > self.above:
            side = "includes or lies below" if measured.high > self.above else "lies below"
            return "differs", f"the interval {side} {self.above:g}"
        if published:
            if published.lowest <= measured.value <= published.highest:
                return "held", f"within {published.lowest:g} … {published.highest:g} as published for {model}"
            return "differs", f"outside {published.lowest:g} … {published.highest:g}, the published range for {model}"
        if self.above is None:
            return "not tested", f"the number is claimed for {', '.join(self.published)}; this is {model}"
        where = f"published for {', '.join(self.published)}" if self.published else "no value is published"
        return "direction only", f"{where}; on {model} the direction holds"


@cache
def load() -> dict[str, Claim]:
    """Every claim of every file in `book/claims`, by id. Raises ValueError for an id given twice."""
    claims: dict[str, Claim] = {}
    for file in sorted(CLAIMS.glob("*.yml")):
        paper = yaml.safe_load(file.read_text(encoding="utf-8"))
        for entry in paper["claims"]:
            claim = _claim(paper, entry)
            if claim.id in claims:
                raise ValueError(f"{file.name} gives the claim {claim.id} a second time")
            claims[claim.id] = claim
    return claims


def _claim(paper: dict[str, Any], entry: dict[str, Any]) -> Claim:
    published = {model: _published(**value) for model, value in entry.get("published", {}).items()}
    fields = {name: entry[name] for name in ("chapter", "statement", "statistic")}
    return Claim(
        id=f"{paper['paper']}.{entry['id']}",
        paper=paper["paper"],
        citation=paper["citation"],
        above=entry.get("above"),
        published=published,
        **fields,
    )


def _published(*, value: float | int, source: str, lowest: float | int, highest: float | int) -> Published:
    return Published(float(value), source, float(lowest), float(highest))


class Ledger:
    """What one chapter found, claim by claim; shown as a table, kept as `claims.json`."""

    def __init__(self, *, chapter: str, model: str):
        self.chapter, self.model = chapter, model
        self.entries: list[dict[str, Any]] = []

    def record(self, claim_id: str, measured: Measured) -> None:
        """Judges a claim by a measurement and enters it.

        Raises KeyError for an unknown claim, ValueError for a claim that belongs to another chapter."""
        claim = load()[claim_id]
        if claim.chapter != self.chapter:
            raise ValueError(f"{claim_id} belongs to chapter {claim.chapter}, not to {self.chapter}")
        verdict, reason = claim.judge(measured, model=self.model)
        numbers = (measured.value, measured.low, measured.high, measured.n)
        self._enter(claim, numbers, verdict, reason)

    def not_tested(self, claim_id: str, reason: str) -> None:
        """Enters a claim that this run cannot test, with what it would need."""
        self._enter(load()[claim_id], (None,) * 4, "not tested", reason)

    def _enter(self, claim: Claim, numbers: tuple[Any, ...], verdict: Verdict, reason: str) -> None:
        at = claim.published.get(self.model) or next(iter(claim.published.values()), None)
        published = f"{at.value:g} ({at.source})" if at else "not published"
        texts = (claim.id, claim.paper, claim.statement, claim.statistic, published)
        self.entries.append(dict(zip(COLUMNS, (*texts, *numbers, verdict, reason), strict=True)))

    def table(self) -> Any:
        """The entries as a pandas table, for the page."""
        import pandas

        table = pandas.DataFrame(self.entries, columns=list(COLUMNS))
        return table.drop(columns=["paper"]).set_index("claim").round(3)

    def save(self, results: str) -> None:
        """Writes `claims.json` into the folder `results`; an empty name writes nothing."""
        if results:
            Path(results).mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.entries, indent=1, ensure_ascii=False, allow_nan=False)
            (Path(results) / "claims.json").write_text(text + "\n", encoding="utf-8")
