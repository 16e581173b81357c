"""When in training do the measurements of this book come about?

What is followed is chosen once, on the final weights, and then measured at every checkpoint: how much quieter the end
of the spectrum is, the rho of the final entropy neurons, the shares of effects that the norm and the token-frequency
direction mediate. A statistic emerges at the first checkpoint from which on it stays beyond a level stated beforehand,
unless it was beyond it from the start. Measures of other case studies are handed in as functions."""

from lib.emergence.onsets import (
    EMERGES,
    FINAL,
    FROM_THE_START,
    LEVELS,
    NOT_REACHED,
    Level,
    before_growth,
    drift,
    growth,
    onsets,
    order,
    thrown_back,
    trace,
)
from lib.emergence.points import Checkpoint, checkpoints, loader, step_of
from lib.emergence.rises import first_that_writes, halves, rho_risen, share_risen
from lib.emergence.statistics import (
    LAYERS,
    MATCHED,
    Followed,
    effect_statistics,
    layers_that_write,
    weight_statistics,
)
from lib.emergence.twins import named_twins, tail_ratio, tail_size, twin_spectra

__all__ = [
    "EMERGES",
    "FINAL",
    "FROM_THE_START",
    "LAYERS",
    "LEVELS",
    "MATCHED",
    "NOT_REACHED",
    "Checkpoint",
    "Followed",
    "Level",
    "before_growth",
    "checkpoints",
    "drift",
    "effect_statistics",
    "first_that_writes",
    "growth",
    "halves",
    "layers_that_write",
    "loader",
    "named_twins",
    "onsets",
    "order",
    "rho_risen",
    "share_risen",
    "step_of",
    "tail_ratio",
    "tail_size",
    "thrown_back",
    "trace",
    "twin_spectra",
    "weight_statistics",
]
