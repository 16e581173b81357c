"""Confidence on text that repeats itself: induction heads, and the neurons that react to a repeat.

Repeats are made (`of_text`, `of_random_tokens`, with `shuffled` as their control) or found (`natural_repeats`); every
token of a repeat stands beside the same token of the first pass. Heads that continue a repeat have a high
`induction_score`; what they drive shows when they rest (`Resting`). After Stolfo et al. (2024),
section 6."""

from lib.induction.bos_ablation import WHOLE, Rest, Resting, rest
from lib.induction.clipping import TOGETHER, Clipped, clip_away
from lib.induction.heads import (
    Head,
    best_score,
    best_score_risen,
    head_scores,
    induction_score,
    mask,
    matched_heads,
    matched_sets,
    n_above,
    ranking,
    repeat_attention,
    strongest,
    subsets,
)
from lib.induction.natural import natural_repeats
from lib.induction.reaction import (
    EntropyRatio,
    as_before,
    entropy_ratio,
    follow,
    largest_reduction,
    reaction_beyond,
    standing,
    standing_beyond,
    standings,
)
from lib.induction.reading import Reading, read
from lib.induction.repeats import Repeats, of_random_tokens, of_text, shuffled
from lib.induction.tables import (
    Change,
    Changes,
    binned,
    change_table,
    changes,
    curves,
    head_table,
    outside,
    pushes,
    ratio_by_position,
    ratio_table,
    reaction_table,
)

__all__ = [
    "TOGETHER",
    "WHOLE",
    "Change",
    "Changes",
    "Clipped",
    "EntropyRatio",
    "Head",
    "Reading",
    "Repeats",
    "Rest",
    "Resting",
    "as_before",
    "best_score",
    "best_score_risen",
    "binned",
    "change_table",
    "changes",
    "clip_away",
    "curves",
    "entropy_ratio",
    "follow",
    "head_scores",
    "head_table",
    "induction_score",
    "largest_reduction",
    "mask",
    "matched_heads",
    "matched_sets",
    "n_above",
    "natural_repeats",
    "of_random_tokens",
    "of_text",
    "outside",
    "pushes",
    "ranking",
    "ratio_by_position",
    "ratio_table",
    "reaction_beyond",
    "reaction_table",
    "read",
    "repeat_attention",
    "rest",
    "shuffled",
    "standing",
    "standing_beyond",
    "standings",
    "strongest",
    "subsets",
]
