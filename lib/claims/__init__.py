"""What the papers claim, as data, and what a run has to say about it.

A claim lives in `book/claims/<paper>.yml`: its statement in our words, the statistic that tests it, and where
the statistic has to lie. `reading` lets in no file with a fault (`claim` is the schema), a chapter measures, the
whole interval is judged (`verdict`), and the `ledger` keeps what was found. Imports no torch."""

from typing import Any

from lib.claims.ledger import BUT_COLUMNS, COLUMNS, Ledger, cautions
from lib.claims.names import ALSO_CALLED, CHAPTERS, known_as
from lib.claims.page import SYMBOLS, LedgerPage
from lib.claims.verdict import VERDICTS, Measured, Verdict

__all__ = [
    "ALSO_CALLED",
    "BUT_COLUMNS",
    "CHAPTERS",
    "CLAIMS",
    "COLUMNS",
    "SYMBOLS",
    "VERDICTS",
    "Claim",
    "ClaimsError",
    "Ledger",
    "LedgerPage",
    "Measured",
    "Verdict",
    "cautions",
    "known_as",
    "load",
    "named_neurons",
    "read",
]


def __getattr__(name: str) -> Any:
    """What reads the files: its schema needs pydantic, which takes long to import, and is brought when asked for."""
    from lib.claims.claim import Claim
    from lib.claims.reading import CLAIMS, ClaimsError, load, named_neurons, read

    read_by = {part.__name__: part for part in (Claim, ClaimsError, load, named_neurons, read)} | {"CLAIMS": CLAIMS}
    if name not in read_by:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return read_by[name]
