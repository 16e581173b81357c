"""Context against memory: what a model says when a prompt contradicts what it knows.

A model is asked what it knows (`base`, `answers`), what can be told apart is kept (`filters`), and each fact is
contradicted (`conflict`; `gather` does all of this). What the model says then is from the context or from memory
(`labels`), and the `scores` count how often that changes. After Tighidet et al. (2025)."""

from lib.knowledge_conflicts.conflict import Conflict
from lib.knowledge_conflicts.gathering import Gathered, gather, said
from lib.knowledge_conflicts.labels import CK, EITHER, LABELS, NAMED_LABELS, ND, PK
from lib.knowledge_conflicts.scores import Share

__all__ = [
    "CK",
    "EITHER",
    "LABELS",
    "NAMED_LABELS",
    "ND",
    "PK",
    "Conflict",
    "Gathered",
    "Share",
    "gather",
    "said",
]
