"""What the papers claim, as data, and what a run has to say about it.

A claim lives in `book/claims/<paper>.yml`: its statement in our words, the statistic that tests it, and where
the statistic has to lie. `reading` lets in no file with a fault (`claim` is the schema), a chapter measures, the
whole interval is judged (`verdict`), and the `ledger` keeps what was found. Imports no torch."""

from lib.claims.claim import ALSO_CALLED, CHAPTERS, Claim, known_as
from lib.claims.ledger import BUT_COLUMNS, COLUMNS, Ledger, cautions
from lib.claims.page import SYMBOLS, LedgerPage
from lib.claims.reading import CLAIMS, ClaimsError, load, named_neurons, read
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
