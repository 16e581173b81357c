"""When in training do the measurements of this book come about?

What is followed is chosen once, on the final weights, and then measured at every checkpoint: how much quieter the end
of the spectrum is, the rho of the final entropy neurons, the shares of effects that the norm and the token-frequency
direction mediate. A statistic emerges at the first checkpoint from which on it stays beyond halfway between its first
and its final value. Measures of other case studies are handed in as functions."""

from lib.emergence.onsets import FINAL, drift, onsets, order, trace
from lib.emergence.points import Checkpoint, checkpoints, step_of
from lib.emergence.rises import first_that_writes, rho_risen, share_risen
from lib.emergence.statistics import Followed, effect_statistics, weight_statistics
from lib.emergence.twins import named_twins, tail_ratio, tail_size

__all__ = [
    "FINAL",
    "Checkpoint",
    "Followed",
    "checkpoints",
    "drift",
    "effect_statistics",
    "first_that_writes",
    "named_twins",
    "onsets",
    "order",
    "rho_risen",
    "share_risen",
    "step_of",
    "tail_ratio",
    "tail_size",
    "trace",
    "weight_statistics",
]
