"""Confidence on text that repeats itself: induction heads, and the neurons that react to a repeat.

Repeats are made (`of_text`, `of_random_tokens`, with `shuffled` as their control) or found (`natural_repeats`); every
token of a repeat stands beside the same token of the first pass. Heads that continue a repeat have a high
`induction_score`; what they drive shows when they rest (`one_at_a_time`, `all_at_once`). After Stolfo et al. (2024),
section 6."""

from lib.induction.bos_ablation import all_at_once, one_at_a_time
from lib.induction.heads import (
    Head,
    finding,
    head_scores,
    induction_score,
    mask,
    matched_heads,
    ranking,
    repeat_attention,
    strongest,
    subsets,
)
from lib.induction.natural import natural_repeats
from lib.induction.reading import Reading, read
from lib.induction.repeats import Repeats, of_random_tokens, of_text, shuffled

__all__ = [
    "Head",
    "Reading",
    "Repeats",
    "all_at_once",
    "finding",
    "head_scores",
    "induction_score",
    "mask",
    "matched_heads",
    "natural_repeats",
    "of_random_tokens",
    "of_text",
    "one_at_a_time",
    "ranking",
    "read",
    "repeat_attention",
    "shuffled",
    "strongest",
    "subsets",
]
