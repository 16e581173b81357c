"""What two ledgers say about one claim: does what one run found carry over to the model of another?

It does where both runs decide the claim, and decide it alike; it does not where one supports what the other
contradicts. A run that leaves a claim open says neither, so nothing carries over because two numbers look alike. Of a
claim in two halves each half is asked by itself, since "in part" on both may be about different halves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lib.claims.claim import Claim
from lib.claims.verdict import Verdict

Outcome = Literal["carries over", "does not carry over", "cannot be told"]
Group = Literal["supported on both", "supported on one", "contradicted on both", "open", "not tested"]
Entry = Mapping[str, Any]
"""What a ledger says about a claim, as `claims.json` has it."""
DECIDED: dict[str, Verdict] = {"reproduced": "supported", "supported": "supported", "contradicted": "contradicted"}
"""The verdicts that decide a claim, and what they say of its direction."""


@dataclass
class Measurement:
    """A number with its interval, as an entry has it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Carried:
    """One claim on two models."""

    claim: Claim
    here: Entry
    there: Entry
    halves: tuple[tuple[str, str], ...]
    """The verdict of every half of the claim, here and there."""

    @property
    def decided(self) -> list[tuple[str, str]]:
        """Of every half what its verdicts say of its direction, here and there; empty where one says nothing."""
        return [(DECIDED.get(here, ""), DECIDED.get(there, "")) for here, there in self.halves]

    @property
    def outcome(self) -> Outcome:
        """Whether what was found here was found there."""
        if any(set(half) == {"supported", "contradicted"} for half in self.decided):
            return "does not carry over"
        return "carries over" if all(here and here == there for here, there in self.decided) else "cannot be told"

    @property
    def group(self) -> Group:
        """The verdicts of the two ledgers in a word or two; `open` is what neither supports and one leaves open."""
        found = self.here["verdict"], self.there["verdict"]
        if "not tested" in found:
            return "not tested"
        decided = [DECIDED.get(verdict, "") for verdict in found]
        if "supported" in decided:
            return "supported on both" if decided[0] == decided[1] else "supported on one"
        return "contradicted on both" if decided == ["contradicted"] * 2 else "open"


def carried(claim: Claim, here: Entry, there: Entry) -> Carried:
    """One claim in two ledgers. Raises ValueError for an entry that is about another claim."""
    for entry in (here, there):
        if entry["claim"] != claim.id:
            raise ValueError(f"{claim.id} is carried over by its own entries, got one of {entry['claim']}")
    return Carried(claim, here, there, tuple(zip(_verdicts(claim, here), _verdicts(claim, there), strict=True)))


def measurement(entry: Entry, *, half: str = "") -> Measurement | None:
    """What an entry's first half (`half` empty) or second half (`but_`) measured; None for nothing."""
    value = entry.get(f"{half}measured")
    return None if value is None else Measurement(value, *(entry[f"{half}{name}"] for name in ("low", "high", "n")))


def _verdicts(claim: Claim, entry: Entry) -> list[str]:
    """The verdict of each half; that of a claim with one half as its ledger has it."""
    if not claim.but:
        return [entry["verdict"]]
    if entry["verdict"] == "not tested":
        return ["not tested"] * 2
    found: list[str] = []
    for condition, half in ((claim, ""), (claim.but, "but_")):
        measured = measurement(entry, half=half)
        found.append(condition.region.judge(measured)[0] if condition.region and measured else "not tested")
    return found
