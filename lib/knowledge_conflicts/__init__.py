"""Context against memory: what a model says when a prompt contradicts what it knows.

A model is asked what it knows (`base`, `answers`), what can be told apart is kept (`filters`), and each fact is
contradicted (`conflict`; `gather` does all of this). What the model says then is from the context or from memory
(`labels`), and the `scores` count how often that changes. After Tighidet et al. (2025).

Some neurons are `chosen` and taken away (`ask`, `values`), many others beside them (`sets`), at the price of running
each text once (`writing`, `screening`). What they change is counted by fact (`tallies`), by the road that it took
(`mechanism`), in log-odds (`odds`), with other values put in (`valued`) and at other doses (`dose`), and laid out in
`tables`. What that says about the claims is in `findings`, what the printed numbers say by themselves in `audit`."""

from lib.knowledge_conflicts import findings, mechanism, sets, tables, valued, values
from lib.knowledge_conflicts.ablating import Asked, ask, flips, of_true_facts, texts_changed
from lib.knowledge_conflicts.choosing import BY_EFFECT, chosen
from lib.knowledge_conflicts.conflict import Conflict
from lib.knowledge_conflicts.dose import response
from lib.knowledge_conflicts.gathering import Gathered, gather
from lib.knowledge_conflicts.labels import CK, EITHER, LABELS, NAMED_LABELS, ND, PK
from lib.knowledge_conflicts.scores import Share
from lib.knowledge_conflicts.tallies import Tallies
from lib.knowledge_conflicts.writing import Writer

__all__ = [
    "BY_EFFECT",
    "CK",
    "EITHER",
    "LABELS",
    "NAMED_LABELS",
    "ND",
    "PK",
    "Asked",
    "Conflict",
    "Gathered",
    "Share",
    "Tallies",
    "Writer",
    "ask",
    "chosen",
    "findings",
    "flips",
    "gather",
    "mechanism",
    "of_true_facts",
    "response",
    "sets",
    "tables",
    "texts_changed",
    "valued",
    "values",
]
