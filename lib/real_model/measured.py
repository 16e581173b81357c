"""What two runs measured alike: chance levels, rules that agree, answers that change, claims in both ledgers."""

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from pandas import DataFrame
from scipy.stats import fisher_exact

from lib import claims, null_space, selection
from lib.claims.carrying import Carried, Outcome, carried
from lib.knowledge_conflicts import audit
from lib.neuron_weights import NeuronWeights
from lib.real_model.results import SIZES, Results

Pair = tuple[Results, Results]
"""The run of the book, and the kept one of a real model."""
LEVEL = 0.05


OF_THE_MODEL = ("model", "revision", "post_trained", "text", "results", "plain", "dropout", "control", "checkpoints")
"""Parameters that name what a run is about, which the page tells in other words."""


def otherwise(pair: Pair) -> dict[str, list[str]]:
    """Parameters that have other values in the two runs, with both, and the chapters that both ran with them."""
    here, there = (run.report["chapters"] for run in pair)
    found: dict[str, list[str]] = {}
    for chapter in sorted(set(here) & set(there)):
        one, other = (chapters[chapter]["parameters"] for chapters in (here, there))
        for name in sorted(set(one) & set(other) - set(OF_THE_MODEL)):
            if one[name] != other[name]:
                found.setdefault(f"`{name}` ({one[name]} and {other[name]})", []).append(chapter.split("_")[0])
    return found


def seconds(pair: Pair) -> tuple[float, float]:
    """What the chapters that both ran took, here and there."""
    here, there = (run.report["chapters"] for run in pair)
    both = set(here) & set(there)
    own, others = (sum((float(run[name]["seconds"]) for name in both), start=0.0) for run in (here, there))
    return own, others


def in_both(pair: Pair) -> dict[str, Carried]:
    """Every claim that both ledgers speak of and that a model can bear on, by id, in the order of the book."""
    here, there = (run.claims for run in pair)
    known = claims.load()
    both = [name for name in known if name in here and name in there]
    return {name: carried(known[name], here[name], there[name]) for name in both if not _is_of_paper(here[name])}


def _is_of_paper(entry: Any) -> bool:
    """Whether a claim is judged from what is published alone, so that every run says the same of it."""
    return audit.CAUTION in entry["reason"]


def cut(run: Results) -> int:
    """Directions below the drop of the spectrum, by the rule of chapter 02. Raises KeyError without its ledger."""
    return int(run.claims["stolfo2024.C3.dim"]["measured"])


def dim(run: Results) -> int:
    """Directions of the effective null space, as chapter 03 used it. Raises KeyError where the run does not have it."""
    return int(run.number("03", "dim") or cut(run))


def n_zero(run: Results) -> int:
    """Directions that the final norm removes by centring: 1 with LayerNorm, 0 with RMSNorm."""
    return int("not centred over d_model" not in run.report["coordinates"])


def chance(run: Results) -> float:
    """Rho of a random write."""
    return null_space.chance(dim=dim(run), d_model=run.report[SIZES][1], centres=bool(n_zero(run)))


def answers(run: Results, *, neurons: str = "chosen") -> DataFrame:
    """Prompts by clean and ablated label, when the chosen neurons or sets of others are ablated."""
    table = run.table("transitions.csv")
    return table[table.set == neurons]


def flipped(run: Results, *, neurons: str = "chosen") -> tuple[int, int]:
    """Prompts whose label changes when neurons are ablated, of how many; those of several sets added up."""
    table = answers(run, neurons=neurons)
    return int(table["count"][table.clean != table.ablated].sum()), int(table["count"].sum())


def rules(run: Results) -> dict[str, Any]:
    """The neurons that each rule chose, as masks; a rule that could not be asked is left out."""
    table = run.table("neurons.csv")
    return {name: torch.tensor(table[name].astype(bool)) for name in selection.NAMES if table[name].notna().all()}


def passing(run: Results) -> dict[str, Any]:
    """The neurons among which each rule could choose, its own among them, however their numbers were rounded."""
    table, effects = run.table("neurons.csv"), run.table("effects.csv")
    numbers = (torch.tensor(table[name]) for name in ("norm", "logit_variance", "rho"))
    able = selection.passing(NeuronWeights(*numbers), rho_floor=run.number("03", "rho_floor"))
    able["causal"] = torch.tensor(effects.total > effects.direct)
    return {name: able[name] | chosen for name, chosen in rules(run).items()}


@dataclass(frozen=True)
class Agreement:
    """Which pairs of rules share more neurons than chance, on two models."""

    n: int
    """Pairs of rules that sort by different numbers and were asked on both."""
    beyond: tuple[list[str], list[str]]
    """The pairs that share more than chance, here and there."""
    apart: list[str]
    """Those that do so on one model, and whose overlaps differ more than chance would have it."""

    @property
    def both(self) -> list[str]:
        """Those that do so on both models."""
        return [pair for pair in self.beyond[0] if pair in self.beyond[1]]

    @property
    def outcomes(self) -> dict[Outcome, list[str]]:
        """The pairs whose agreement carries over, and those whose does not; where there are neither, that it cannot be
        told, of no pair."""
        found: dict[Outcome, list[str]] = {"carries over": self.both, "does not carry over": self.apart}
        return {outcome: pairs for outcome, pairs in found.items() if pairs} or {"cannot be told": []}


def agreement(pair: Pair) -> Agreement:
    """Agreement of rules on two models: by the hypergeometric distribution on each, and where it is there on one alone
    by Fisher's exact test between the two, at a level that all pairs share."""
    chosen, able = [rules(run) for run in pair], [passing(run) for run in pair]
    names = [name for name in selection.NAMES if all(name in some for some in chosen)]
    asked = [
        (one, other)
        for one, other in itertools.combinations(names, 2)
        if selection.SORTED_BY[one] != selection.SORTED_BY[other]
    ]
    level = LEVEL / max(len(asked), 1)
    beyond: tuple[list[str], list[str]] = [], []
    apart = []
    for one, other in asked:
        name, parts, found = f"`{one}` with `{other}`", [], []
        for masks, among in zip(chosen, able, strict=True):
            sizes = int(masks[one].sum()), int(masks[other].sum())
            shared = int((masks[one] & masks[other]).sum())
            _, probability = selection.shared_by_chance(masks[one], masks[other], among=(among[one], among[other]))
            parts.append((shared, min(sizes) - shared))
            found.append(probability < level)
        for some, is_beyond in zip(beyond, found, strict=True):
            some += [name] * is_beyond
        if found[0] != found[1] and fisher_exact(parts).pvalue < level:
            apart.append(name)
    return Agreement(len(asked), beyond, apart)
