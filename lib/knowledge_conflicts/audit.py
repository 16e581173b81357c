"""What the published numbers say by themselves: counts against percentages, percentages against the words around them.

The paper prints percentages. How many prompts each label has can be read off its figure 5, and with that only one table
of whole counts fits all the percentages; so a score of 6.2 % turns out to be 2 prompts of 32. No weights are needed for
this, and every run says the same. All numbers are in `published.csv`: the printed ones, and the counts that follow."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jaxtyping import Bool
from torch import Tensor

from lib import paired, selection
from lib.knowledge_conflicts import scores
from lib.knowledge_conflicts.labels import CK, LABELS, ND, PK
from lib.knowledge_conflicts.scores import Share
from lib.paired import Transitions
from lib.resampling import Estimate

FILE = Path(__file__).with_name("published.csv")
CAUTION = "judged from the published numbers alone, whatever the model at hand"
N_SETS = 100
"""Random sets of the paper, for each model."""


@dataclass(frozen=True)
class Published:
    """What is published about one model, percentages as printed."""

    number: dict[str, float]
    """By quantity, where there is one of a kind."""
    score: dict[tuple[str, str], float]
    """Transition scores in %, by clean and ablated label."""
    conversion: dict[str, float]
    """Conversion ratios in %, by label."""
    counts: Transitions
    """The whole counts behind them."""


@cache
def published() -> dict[str, Published]:
    """What is published, by the names under which claims know the models."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {model: _of([row for row in rows if row["model"] == model]) for model in {row["model"]: 0 for row in rows}}


def _of(rows: list[dict[str, str]]) -> Published:
    def pairs(quantity: str) -> dict[tuple[str, str], float]:
        return {(r["clean"], r["ablated"]): float(r["value"]) for r in rows if r["quantity"] == quantity}

    counts = {pair: int(count) for pair, count in pairs("count").items()}
    return Published(
        number={row["quantity"]: float(row["value"]) for row in rows if not row["clean"] and not row["ablated"]},
        score=pairs("transition score"),
        conversion={label: value for (_, label), value in pairs("conversion ratio").items()},
        counts=Transitions(LABELS, counts),
    )


Sampler = Callable[..., Bool[Tensor, "set neuron"]]
"""Of a mask of chosen neurons, and `n_sets`: the random sets that they are held against."""


def measured(named: Mapping[str, Sequence[int]], *, sampler: Sampler) -> dict[str, Estimate]:
    """The claims that need no weights, by their short ids in `book/claims`: counts of models, cells and sets, and one
    distance. Nothing is sampled, so every interval is its value.

    `named` holds the units that the authors name in each of the five models; `sampler` draws their random sets anew.
    Raises ValueError when the neurons of a model are missing."""
    missing = [model for model in published() if model not in named]
    if missing:
        raise ValueError(f"the audit needs the named neurons of all five models, and has none of {missing[0]}")
    models, own = published().values(), {model: len(named[model]) for model in published()}
    counts = {
        "C1": sum(own[name] / it.number["d_mlp"] < 0.002 for name, it in published().items()),
        "C2": sum(2 <= round(100 * it.number["dim"] / it.number["d_model"]) <= 5 for it in models),
        "C12": sum(it.number["percentile at the mean"] >= 99 for it in models),
        "C15": sum(_printed_as(it.conversion[ND], scores.conversion(it.counts, ND), digits=2) for it in models),
        "C20.print": sum(map(_beyond_random, models)),
        "C21.print": sum(map(_flows_to_the_context, models)),
        "C22.print": sum(it.counts.counts[PK, CK] > it.counts.counts[CK, PK] for it in models),
        "C28.print": sum(min(it.number[f"percentile at the {at}"] for at in ("mean", "median")) >= 90 for it in models),
        "C30": sum(it.number["percentile at the mean"] < 100 for it in models),
    }
    found = {claim: _exactly(count, n=len(models)) for claim, count in counts.items()}
    return found | {
        "C16": _exactly(sum(map(n_returned, models)), n=sum(len(it.score) for it in models)),
        "C27": _exactly(_from_all_neither(published()["gpt2"]), n=published()["gpt2"].counts.n),
        "C32": _exactly(sum(n_overlapping(named, sampler=sampler).values()), n=N_SETS * len(models)),
    }


def n_returned(it: Published) -> int:
    """How many of a model's printed transition scores its counts return, to the printed digit."""
    return sum(
        _printed_as(printed, scores.transition(it.counts, *pair), digits=1) for pair, printed in it.score.items()
    )


def n_overlapping(named: Mapping[str, Sequence[int]], *, sampler: Sampler) -> dict[str, int]:
    """For each model, how many of the hundred random sets of the authors' sampler hold a neuron that they name."""
    found = {}
    for model, it in published().items():
        chosen = selection.mask_of(named[model], d_mlp=int(it.number["d_mlp"]))
        found[model] = int((sampler(chosen, n_sets=N_SETS) & chosen).any(1).sum())
    return found


def _printed_as(printed: float, share: Share, *, digits: int) -> bool:
    """Whether a share, in %, is printed so; a half may go either way."""
    return abs(100 * share.value - printed) <= 0.5 * 10**-digits + 1e-9


def _beyond_random(it: Published) -> bool:
    """Whether ND becomes CK more often than under random sets on average, by the exact interval."""
    return 100 * scores.transition(it.counts, ND, CK).low > it.number["transition score of random sets, ND to CK"]


def _flows_to_the_context(it: Published) -> bool:
    """Whether more prompts go into CK than out of it, by a two-sided exact sign test at 5 %."""
    return scores.net_flow(it.counts, CK) > 0 and flow_p(it) < 0.05


def flow_p(it: Published) -> float:
    """The two-sided p of the exact sign test of prompts into CK against prompts out of it."""
    into, out = (
        sum(it.counts.counts[pair] for pair in pairs) for pairs in (((ND, CK), (PK, CK)), ((CK, ND), (CK, PK)))
    )
    return paired.sign_test([1] * into + [-1] * out, range(into + out)).p


def _from_all_neither(it: Published) -> float:
    """Distance, in percentage points, of the score at the mode from that of a model whose every answer is ND."""
    changed = it.counts.n - sum(it.counts.counts[ND, label] for label in LABELS)
    return abs(it.number["global transition score at the mode"] - 100 * changed / it.counts.n)


def _exactly(value: int | float, *, n: int) -> Estimate:
    return Estimate(float(value), float(value), float(value), n, 1)
