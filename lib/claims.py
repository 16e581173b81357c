"""What the papers claim, as data, and what a run has to say about it.

A claim lives in `book/claims/<paper>.yml`: its statement in our words, the statistic that tests it,
the direction that would support it, and the published values with the kind of source they come from.
A chapter measures the statistic and the claim judges: a published number can be *held* or missed only
by a model that the paper used; any other model tests the direction alone. A claim that no chapter of this
book can test says why in its `reason`, and stands in the ledger all the same. Imports no torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import yaml

CLAIMS = Path(__file__).parents[1] / "book" / "claims"
COLUMNS = (
    "claim", "paper", "statement", "statistic", "published", "measured", "low", "high", "n", "verdict", "reason",
)  # fmt: skip
ALSO_CALLED = {"openai-community/gpt2": "gpt2"}
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
    """The direction: support means an interval wholly above this value."""
    below: float | None
    """The same for a claim that something falls. Both are None where only a number is claimed."""
    published: dict[str, Published]
    """By model name; empty where no value was published."""
    neurons: dict[str, tuple[str, ...]]
    """The neurons that the paper names, as `layer.unit`, by model name."""
    only: tuple[str, ...]
    """The models that the claim is about; empty where any model can speak to it."""
    reason: str
    """Why no chapter tests the claim; empty where one does."""

    def judge(self, measured: Measured, *, model: str) -> tuple[Verdict, str]:
        """The verdict on this claim of one measurement on one model, with its reason.

        A direction is supported when the whole interval lies beyond `above` or `below`; a published number
        is held when the measured value falls in its stated range as well.
        Raises ValueError for a measurement that is not finite."""
        if not all(map(math.isfinite, (measured.value, measured.low, measured.high))):
            raise ValueError(f"{self.id} needs a finite measurement with its interval, got {measured!r}")
        model = ALSO_CALLED.get(model, model)
        if self.only and model not in self.only:
            return "not tested", f"the claim is about {', '.join(self.only)}; this is {model}"
        against = self._against(measured)
        if against:
            return "differs", against
        published = self.published.get(model)
        if published:
            if published.lowest <= measured.value <= published.highest:
                return "held", f"within {published.lowest:g} … {published.highest:g} as published for {model}"
            return "differs", f"outside {published.lowest:g} … {published.highest:g}, the published range for {model}"
        if not self.has_direction:
            return "not tested", f"the number is claimed for {', '.join(self.published)}; this is {model}"
        where = f"published for {', '.join(self.published)}" if self.published else "no value is published"
        return "direction only", f"{where}; on {model} the direction holds"

    @property
    def has_direction(self) -> bool:
        """Whether the claim says on which side of a value its statistic lies."""
        return self.above is not None or self.below is not None

    def _against(self, measured: Measured) -> str:
        """What in the interval speaks against the claimed direction; empty when nothing does."""
        if self.above is not None and not measured.low > self.above:
            return f"the interval {'includes or ' if measured.high >= self.above else ''}lies below {self.above:g}"
        if self.below is not None and not measured.high < self.below:
            return f"the interval {'includes or ' if measured.low <= self.below else ''}lies above {self.below:g}"
        return ""


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
        below=entry.get("below"),
        published=published,
        neurons={model: tuple(ids) for model, ids in entry.get("neurons", {}).items()},
        only=tuple(entry.get("only", ())),
        reason=entry.get("reason", ""),
        **fields,
    )


def _published(*, value: float | int, source: str, lowest: float | int, highest: float | int) -> Published:
    return Published(float(value), source, float(lowest), float(highest))


def cautions(*cautions: str) -> str:
    """Several cautions as one; empty where none of them says anything."""
    return "; ".join(filter(None, cautions))


def named_neurons(claim_id: str, *, model: str) -> list[int]:
    """Units of the neurons that a claim names in a model, in the paper's order; empty where it names none."""
    named = load()[claim_id].neurons.get(ALSO_CALLED.get(model, model), ())
    return [int(neuron.split(".")[1]) for neuron in named]


class Ledger:
    """What one chapter found, claim by claim; shown as a table, kept as `claims.json`.

    It opens with the claims that are given to this chapter only to say why none can test them."""

    def __init__(self, *, chapter: str, model: str):
        self.chapter, self.model = chapter, model
        self.entries: list[dict[str, Any]] = []
        for claim in load().values():
            if claim.reason and claim.chapter == chapter:
                self.not_tested(claim.id, claim.reason)

    def record(self, claim_id: str, measured: Measured, *, caution: str = "") -> None:
        """Judges a claim by a measurement and enters it; a `caution` about the measurement is added to the reason.

        Raises KeyError for an unknown claim, ValueError for a claim that belongs to another chapter or that has
        a reason not to be tested, and as `Claim.judge` does."""
        claim = load()[claim_id]
        if claim.reason:
            raise ValueError(f"{claim_id} is said to be untestable ({claim.reason}); drop that reason to record it")
        if claim.chapter != self.chapter:
            raise ValueError(f"{claim_id} belongs to chapter {claim.chapter}, not to {self.chapter}")
        verdict, reason = claim.judge(measured, model=self.model)
        reason = cautions(reason, caution)
        numbers = (measured.value, measured.low, measured.high, measured.n)
        self._enter(claim, numbers, verdict, reason)

    def not_tested(self, claim_id: str, reason: str) -> None:
        """Enters a claim that this run cannot test, with what it would need."""
        self._enter(load()[claim_id], (None,) * 4, "not tested", reason)

    def enter(self, paper: str, found: Mapping[str, Measured | str], *, caution: Mapping[str, str]) -> None:
        """Enters claims of a paper by their short ids: a measurement is judged, a text says why there is none.

        `caution` holds what is to be added to a claim's reason. Raises as `record` and `not_tested` do."""
        for claim, measured in found.items():
            if isinstance(measured, str):
                self.not_tested(f"{paper}.{claim}", measured)
            else:
                self.record(f"{paper}.{claim}", measured, caution=caution.get(claim, ""))

    def _enter(self, claim: Claim, numbers: tuple[Any, ...], verdict: Verdict, reason: str) -> None:
        at = claim.published.get(ALSO_CALLED.get(self.model, self.model)) or next(iter(claim.published.values()), None)
        published = f"{at.value:g} ({at.source})" if at else "not published"
        texts = (claim.id, claim.paper, claim.statement, claim.statistic, published)
        self.entries.append(dict(zip(COLUMNS, (*texts, *numbers, verdict, reason), strict=True)))

    def table(self) -> Any:
        """The entries as a pandas table, for the page: what was measured with its interval in one column, and a dash
        for what was not."""
        import pandas

        rows = [entry | {"measured": _interval(entry), "n": _number(entry["n"])} for entry in self.entries]
        return pandas.DataFrame(rows, columns=list(COLUMNS)).drop(columns=["paper", "low", "high"]).set_index("claim")

    def save(self, results: str) -> None:
        """Writes `claims.json` into the folder `results`; an empty name writes nothing."""
        if results:
            Path(results).mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.entries, indent=1, ensure_ascii=False, allow_nan=False)
            (Path(results) / "claims.json").write_text(text + "\n", encoding="utf-8")


def _interval(entry: dict[str, Any]) -> str:
    value, low, high = map(_number, (entry["measured"], entry["low"], entry["high"]))
    return f"{value} [{low}, {high}]" if entry["measured"] is not None else value


def _number(value: float | int | None) -> str:
    """Three significant digits, or a whole number; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
