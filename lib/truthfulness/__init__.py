"""One direction for truth, before and after post-training (Du et al. 2025, section 4).

True and false `statements` of ten topics; what the residual stream holds where they end (`reading`); the direction
between their means, found without a topic and tried on it, in its own model and in the other (`probes`); how alike the
models' directions are (`likeness`); whether `verdicts` follow it when it is added (`steering`, `grid`, `sweeping`), at
what `cost`; and when in `training` it appears."""

from lib.truthfulness import cost, grid, likeness, probes, statements, steering, sweeping, training, verdicts
from lib.truthfulness.likeness import Cosines, compare, differences
from lib.truthfulness.reading import ends
from lib.truthfulness.statements import FRAMES, TOPICS, Claimed, Statements, choose, stated
from lib.truthfulness.steering import Effect, Shifted, toward_the_other
from lib.truthfulness.verdicts import Asked, ask, probabilities

__all__ = [
    "FRAMES",
    "TOPICS",
    "Asked",
    "Claimed",
    "Cosines",
    "Effect",
    "Shifted",
    "Statements",
    "ask",
    "choose",
    "compare",
    "cost",
    "differences",
    "ends",
    "grid",
    "likeness",
    "probabilities",
    "probes",
    "stated",
    "statements",
    "steering",
    "sweeping",
    "toward_the_other",
    "training",
    "verdicts",
]
