"""The book's figures: a table in, Axes out. Nothing here loads, computes, saves or shows.

Colour means one thing in the whole book: entropy (`ENTROPY`), token frequency (`FREQUENCY`), and
everything random or unselected (`OTHER`). A module for each chapter's figures; call them as `plots.<figure>`."""

from lib.plots.coloured import ColouredText, coloured_text
from lib.plots.confidence import confidence_of_models, overlap_against_k, reliability_of_models, shift_of_sets
from lib.plots.conflicts import (
    answers_before_and_after,
    change_against_dose,
    conversion_by_label,
    flips_by_mechanism,
    log_odds_shift_by_label,
    scores_of_sets,
)
from lib.plots.effects import (
    correlation_against_rho,
    entropy_change_against_prediction_change,
    loss_change_against_loss,
    loss_change_boxes,
    norm_mediated_against_rho,
)
from lib.plots.emergence import (
    onset_of_statistics,
    statistic_against_training,
    twins_against_index,
)
from lib.plots.final_layer import (
    accuracy_against_confidence,
    entropy_against_scale,
    loss_against_entropy,
    probability_against_rank,
)
from lib.plots.induction import (
    activation_change_against_position,
    activation_change_against_rank,
    confidence_against_position,
    entropy_ratio_against_position,
    fall_by_heads,
    induction_score_against_layer,
    loss_change_on_repeat,
)
from lib.plots.knowledge import (
    correlation_by_topic,
    logit_difference_by_topic,
    recovery_across_against_own,
    recovery_by_layer_and_token,
)
from lib.plots.neurons import logit_variance_against_norm, overlap_of_rules, rho_against_dim, share_against_index
from lib.plots.null_space import (
    direct_change_against_dim,
    probability_of_tokens,
    singular_value_against_index,
    write_in_the_plane,
)
from lib.plots.refusal import (
    cosine_against_depth,
    log_odds_against_strength,
    refusals_by_direction,
    score_against_depth,
    sorted_against_depth,
)
from lib.plots.style import ENTROPY, FREQUENCY, OTHER, use_style
from lib.plots.token_frequency import (
    count_against_rank,
    entropy_against_kl,
    entropy_change_against_kl_change,
    kl_change_against_share,
    loss_change_by_group,
    share_against_share,
)
from lib.plots.truthfulness import (
    cosine_against_layer,
    effect_by_direction,
    probe_transfer,
    truth_against_layer,
    truth_against_training,
    verdict_against_strength,
)

__all__ = [
    "ENTROPY",
    "FREQUENCY",
    "OTHER",
    "ColouredText",
    "accuracy_against_confidence",
    "activation_change_against_position",
    "activation_change_against_rank",
    "answers_before_and_after",
    "change_against_dose",
    "coloured_text",
    "confidence_against_position",
    "confidence_of_models",
    "conversion_by_label",
    "correlation_against_rho",
    "correlation_by_topic",
    "cosine_against_depth",
    "cosine_against_layer",
    "count_against_rank",
    "direct_change_against_dim",
    "effect_by_direction",
    "entropy_against_kl",
    "entropy_against_scale",
    "entropy_change_against_kl_change",
    "entropy_change_against_prediction_change",
    "entropy_ratio_against_position",
    "fall_by_heads",
    "flips_by_mechanism",
    "induction_score_against_layer",
    "kl_change_against_share",
    "log_odds_against_strength",
    "log_odds_shift_by_label",
    "logit_difference_by_topic",
    "logit_variance_against_norm",
    "loss_against_entropy",
    "loss_change_against_loss",
    "loss_change_boxes",
    "loss_change_by_group",
    "loss_change_on_repeat",
    "norm_mediated_against_rho",
    "onset_of_statistics",
    "overlap_against_k",
    "overlap_of_rules",
    "probability_against_rank",
    "probability_of_tokens",
    "probe_transfer",
    "recovery_across_against_own",
    "recovery_by_layer_and_token",
    "refusals_by_direction",
    "reliability_of_models",
    "rho_against_dim",
    "score_against_depth",
    "scores_of_sets",
    "share_against_index",
    "share_against_share",
    "shift_of_sets",
    "singular_value_against_index",
    "sorted_against_depth",
    "statistic_against_training",
    "truth_against_layer",
    "truth_against_training",
    "twins_against_index",
    "use_style",
    "verdict_against_strength",
    "write_in_the_plane",
]
