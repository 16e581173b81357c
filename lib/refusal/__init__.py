"""Refusal before and after post-training: a direction, what it does at home, and what it does in the other model.

Requests come in pairs that differ in the harm alone (`requests`) and are read in a template (`asking`). The difference
of the means is a direction at every depth and place, of which a rule takes one (`choice`); what models answer with it
taken out or added (`answers`) is judged in two ways (`judges`) and compared between models (`outcome`, `transfer`).
`cosines` says how alike two directions are and how alike they could be, `depths` where harm is told and where refusal
begins, `second` whether one direction is enough, `cost` what else an intervention destroys. After Arditi et al. (2024)
and Du et al. (2025, section 5)."""

from lib.refusal import cost, marks, requests, truth
from lib.refusal import second as second_direction
from lib.refusal.answers import Answers, Intervention, answer, edits
from lib.refusal.asking import INSTRUCTION, LAST, Asked, Reading, Template, are_one, ask, own, plain, read
from lib.refusal.choice import Choice, candidates, choose, scores
from lib.refusal.cosines import Cosines, between, common_depth, compare, difference, rows, whole
from lib.refusal.depths import PLACES, first_told, sorting
from lib.refusal.judges import Refusing, log_odds, refuses, refusing
from lib.refusal.outcome import NONE, RANDOM, Outcome, carried, disagreement, examples, of, outcomes, silent, table
from lib.refusal.requests import Requests, split
from lib.refusal.transfer import Push, interventions, pushes, pushes_for_each, random, strength, sweep

__all__ = [
    "INSTRUCTION",
    "LAST",
    "NONE",
    "PLACES",
    "RANDOM",
    "Answers",
    "Asked",
    "Choice",
    "Cosines",
    "Intervention",
    "Outcome",
    "Push",
    "Reading",
    "Refusing",
    "Requests",
    "Template",
    "answer",
    "are_one",
    "ask",
    "between",
    "candidates",
    "carried",
    "choose",
    "common_depth",
    "compare",
    "cost",
    "difference",
    "disagreement",
    "edits",
    "examples",
    "first_told",
    "interventions",
    "log_odds",
    "marks",
    "of",
    "outcomes",
    "own",
    "plain",
    "pushes",
    "pushes_for_each",
    "random",
    "read",
    "refuses",
    "refusing",
    "requests",
    "rows",
    "scores",
    "second_direction",
    "silent",
    "sorting",
    "split",
    "strength",
    "sweep",
    "table",
    "truth",
    "whole",
]
