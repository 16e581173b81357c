"""What the measurements of a chapter say about its claims: each number with its interval and its controls.

A chapter measures, these functions compare. Every statistic that a claim rests on stands here, so that a page about
another model, a test on a model without any training, and the page on the embedded model ask the same question. Sets of
neurons are held against sets that are drawn anew with each resample (`controls`), one neuron against others like it,
directions and unigram distributions against random ones."""

from lib.evidence.ablation import (
    Lone,
    correlation_with_rho,
    entropy_alone,
    largest_share,
    lone,
    of_clipped,
    over,
    share_beyond,
)
from lib.evidence.frequency import apart, confirmed, correlation_beyond_permuted, kl_to_permuted, percentile_beyond
from lib.evidence.reading import Stretch, strongest_stretch
from lib.evidence.weights import inside, of_last_layer, of_named, outlying

__all__ = [
    "Lone",
    "Stretch",
    "apart",
    "confirmed",
    "correlation_beyond_permuted",
    "correlation_with_rho",
    "entropy_alone",
    "inside",
    "kl_to_permuted",
    "largest_share",
    "lone",
    "of_clipped",
    "of_last_layer",
    "of_named",
    "outlying",
    "over",
    "percentile_beyond",
    "share_beyond",
    "strongest_stretch",
]
