"""What the measurements of a chapter say about its claims: each number with its interval and its controls.

A chapter measures, these functions compare. Every statistic that a claim rests on stands here, so that a page about
another model, a test on a model without any training, and the page on the embedded model ask the same question. Sets of
neurons are held against sets that are drawn anew with each resample (`controls`), one neuron against others like it,
directions and unigram distributions against random ones."""

from lib.evidence.ablation import (
    by_entropy_alone,
    correlation_with_rho,
    entropy_alone,
    entropy_with_predictions,
    explained_beside,
    explained_beyond,
    largest_share,
    of_clipped,
    over,
    share_beyond,
    shares_beyond,
    together,
)
from lib.evidence.carried import Carried, Shared, carried
from lib.evidence.frequency import (
    apart,
    binned_permuted,
    confirmed,
    correlation_beyond_permuted,
    kl_to_permuted,
    meeting,
    percentile_beyond,
    seen_alone,
)
from lib.evidence.lone import NOT_SEEN, Lone, hedging, lone
from lib.evidence.reading import Stretch, strongest_stretch
from lib.evidence.space import chosen_still, mean_rho, rho_by_dim, share_by_direction
from lib.evidence.spread import boxes, members
from lib.evidence.ways import by_replacement, contrasts, mean_effects, shares_by_replacement
from lib.evidence.weights import inside, of_last_layer, of_named, outlying
from lib.evidence.writes import divergences

__all__ = [
    "NOT_SEEN",
    "Carried",
    "Lone",
    "Shared",
    "Stretch",
    "apart",
    "binned_permuted",
    "boxes",
    "by_entropy_alone",
    "by_replacement",
    "carried",
    "chosen_still",
    "confirmed",
    "contrasts",
    "correlation_beyond_permuted",
    "correlation_with_rho",
    "divergences",
    "entropy_alone",
    "entropy_with_predictions",
    "explained_beside",
    "explained_beyond",
    "hedging",
    "inside",
    "kl_to_permuted",
    "largest_share",
    "lone",
    "mean_effects",
    "mean_rho",
    "meeting",
    "members",
    "of_clipped",
    "of_last_layer",
    "of_named",
    "outlying",
    "over",
    "percentile_beyond",
    "rho_by_dim",
    "seen_alone",
    "share_beyond",
    "share_by_direction",
    "shares_beyond",
    "shares_by_replacement",
    "strongest_stretch",
    "together",
]
