"""A fact before and after post-training: where a model keeps it, and whether another model of the family can read it.

Statements in pairs that differ in the subject alone (`statements`), asked for a verdict or up to their object
(`asking`); the residual stream of the true prompt put into the run of the false one, layer by layer and token by token,
within a model and across two (`measuring`). Maps of what that recovers (`maps`), how alike they are beside how alike
they could be (`comparing`), the stages that carry a fact and what of it another model reads (`carrying`), with facts
drawn anew (`resampled`). Du et al. 2025, section 3."""

from lib.knowledge.asking import Asked, Recall, first_token, objects, recall, verdict_mass, verdicts
from lib.knowledge.carrying import CARRIES, Crossing, Relay, crossing, crossings, no_crossing, relay, too_few
from lib.knowledge.comparing import Alike, compare
from lib.knowledge.maps import cartoon, correlation, largest_difference, normalised, ranks
from lib.knowledge.measuring import Grid, measure, sites
from lib.knowledge.statements import TOPICS, DataSet, Pair, Statement, Topic, data_set, data_sets, layout, topic
from lib.knowledge.tables import (
    CHANCE,
    across,
    answered,
    knowing,
    knowing_all,
    known_to_all,
    knows,
    of_answers,
    of_crossings,
    of_data,
    of_likeness,
    of_lines,
    of_patches,
    of_topics,
)

__all__ = [
    "CARRIES", "CHANCE", "TOPICS", "Alike", "Asked", "Crossing", "DataSet", "Grid", "Pair", "Recall", "Relay",
    "Statement", "Topic", "across", "answered", "cartoon", "compare", "correlation", "crossing", "crossings",
    "data_set", "data_sets", "first_token", "knowing", "knowing_all", "known_to_all", "knows", "largest_difference",
    "layout", "measure",
    "no_crossing", "normalised", "objects", "of_answers", "of_crossings", "of_data", "of_likeness", "of_lines",
    "of_patches", "of_topics", "ranks",
    "recall", "relay", "sites", "too_few", "topic", "verdict_mass", "verdicts",
]  # fmt: skip
