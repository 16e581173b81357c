"""The figures of the page: one panel for each model, or both in one.

Each takes the run of the book and the kept one, and returns the figure. A table that a run does not have is a KeyError
with its name."""

import textwrap

import matplotlib.pyplot as plt
import pandas
from matplotlib.figure import Figure

from lib import claims, plots
from lib.claims.carrying import Carried, Entry, measurement
from lib.plots import real_model as drawn
from lib.real_model import measured
from lib.real_model.measured import Pair

TAIL = 30
"""Directions of the spectrum that the closer look shows, at most."""
WIDE = 36
"""Letters of a row's name on a line."""


def spectrum(pair: Pair) -> Figure:
    """Both spectra: whole, and their ends."""
    parts = []
    for run in pair:
        table = run.table("spectrum.csv")
        table = table[table.singular_value > 1e-9 * table.singular_value.max()]
        own = {"relative": table.singular_value / table.singular_value.median(), "model": run.name}
        place = {"share": 100 * (table["index"] + 1) / len(table), "from_end": len(table) - table["index"]}
        parts.append(pandas.DataFrame(own | place))
    both = pandas.concat(parts)
    figure, (whole, end) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    drawn.singular_value_against_place(both, place="share", label="place in the spectrum (%)", ax=whole)
    last = both[both.from_end <= TAIL]
    drawn.singular_value_against_place(last, place="from_end", label="directions from the end", ax=end)
    end.invert_xaxis()
    whole.legend(loc="lower left")
    return figure


def rho(pair: Pair) -> Figure:
    """Rho of the chosen neurons and of all others, in units of chance."""
    parts = []
    for run in pair:
        table = run.table("neurons.csv")
        own = {"over_chance": table.rho / measured.chance(run), "chosen": table.stolfo, "model": run.name}
        parts.append(pandas.DataFrame(own))
    figure, ax = plt.subplots(figsize=(9, 2.6), layout="constrained")
    second = claims.load()["stolfo2024.C4"].but
    assert second and second.below
    drawn.rho_beside_chance(pandas.concat(parts), bound=second.below, ax=ax)
    return figure


def logit_variance(pair: Pair) -> Figure:
    """LogitVar against norm, a panel for each model."""
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4), layout="constrained")
    for run, ax in zip(pair, axes, strict=True):
        plots.logit_variance_against_norm(run.table("neurons.csv"), chosen="stolfo", ax=ax)
        ax.set_title(run.name)
    return figure


def mediation(pair: Pair) -> Figure:
    """Norm-mediated share against rho, a panel for each model."""
    figure, axes = plt.subplots(2, 1, figsize=(6.6, 9), layout="constrained")
    for run, ax in zip(pair, axes, strict=True):
        plots.norm_mediated_against_rho(run.table("effects.csv"), chance=measured.chance(run), ax=ax)
        ax.set_title(run.name, loc="right")
    return figure


def rules(pair: Pair) -> Figure:
    """Overlap of every pair of rules, a panel for each model."""
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    for run, ax in zip(pair, axes, strict=True):
        chosen = measured.rules(run)
        shares = [[measured.selection.overlap(one, other) for one in chosen.values()] for other in chosen.values()]
        table = pandas.DataFrame(shares, index=[*chosen], columns=[*chosen])
        sizes = {name: int(some.sum()) for name, some in chosen.items()}
        plots.overlap_of_rules(table, sizes=sizes, ax=ax)
        ax.set_title(run.name)
    return figure


def frequency(pair: Pair) -> Figure:
    """KL change against frequency-mediated share, a panel for each model."""
    figure, axes = plt.subplots(2, 1, figsize=(6.6, 8), layout="constrained")
    for run, ax in zip(pair, axes, strict=True):
        table, top = run.table("frequency.csv"), run.number("05", "top")
        least = table.abs_kl_change.quantile(1 - top)
        plots.kl_change_against_share(table, min_share=run.number("05", "min_share"), least=least, ax=ax)
        ax.set_title(run.name, pad=26)
    return figure


def induction(pair: Pair) -> Figure:
    """Induction score of every head, a panel for each model."""
    threshold = claims.load()["stolfo2024.C21"].above
    assert threshold
    figure, axes = plt.subplots(2, 1, figsize=(8, 7), layout="constrained")
    for run, ax in zip(pair, axes, strict=True):
        plots.induction_score_against_layer(run.table("heads.csv"), threshold=threshold, ax=ax)
        ax.set_title(run.name, pad=26)
    return figure


def conflicts(pair: Pair) -> Figure:
    """Whose answer is given, clean and ablated, a panel for each model."""
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
    for run, ax in zip(pair, axes, strict=True):
        plots.answers_before_and_after(measured.answers(run), ax=ax)
        ax.set_title(run.name)
    return figure


def of_claims(found: dict[str, Carried], pair: Pair) -> Figure:
    """What several claims rest on, by what they measure; where both runs measured nothing a claim is left out."""
    rows = []
    for what, one in found.items():
        region = one.claim.region
        bounds = [end for end in (one.claim.above, one.claim.below) if end is not None] if region else []
        for run, entry in zip(pair, (one.here, one.there), strict=True):
            rows.append(
                (
                    f"{textwrap.fill(what, WIDE)}\n{textwrap.fill(f'({_side(one)}{_outcome(one)})', WIDE)}",
                    run.name,
                    *_ends(entry),
                    next(iter(bounds), float("nan")),
                )
            )
    table = pandas.DataFrame(rows, columns=["label", "model", "value", "low", "high", "bound"])
    figure, ax = plt.subplots(figsize=(9, 1.2 + 0.8 * len(found)), layout="constrained")
    drawn.claims_of_models(table, ax=ax)
    return figure


def _ends(entry: Entry) -> tuple[float, float, float]:
    found = measurement(entry)
    return (found.value, found.low, found.high) if found else (float("nan"),) * 3


def _side(one: Carried) -> str:
    """On which side of its bound a claim wants its number, for who sees the bound alone."""
    return f"claimed {one.claim.region.name}: " if one.claim.region else ""


def _outcome(one: Carried) -> str:
    """The outcome of a claim in a row's name: what of it carries over, where that is a failure or one half."""
    here, there = one.decided[0]
    failed = [half[0] for half in one.decided].count("contradicted")
    if one.outcome == "carries over" and failed:
        return "its failure carries over" if failed == len(one.halves) else "carries over, one half as a failure"
    if one.outcome == "cannot be told" and len(one.halves) > 1 and here and here == there:
        return f"first half {here} on both, second open"
    return one.outcome
