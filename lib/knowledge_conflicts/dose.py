"""More and less of some neurons: their deviation from the value put in, taken away, kept, and made larger.

A neuron that regulates should do one thing when it is taken away and the opposite when there is more of it. What does
the same both ways is a disturbance."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib.knowledge_conflicts import tallies
from lib.knowledge_conflicts.ablating import Asked
from lib.knowledge_conflicts.tallies import Statistic, Tallies

STATISTICS: dict[str, Statistic] = {"score": tallies.CHANGES, "net_flow": tallies.NET_FLOW}
"""Global transition score, and what goes into CK less what goes out of it, as shares of the prompts."""


def response(
    asked: Asked,
    sets: Bool[Tensor, "set d_mlp"],
    value: Float[Tensor, "#prompt d_mlp"],
    *,
    doses: Sequence[float],
    names: tuple[str, str],
) -> Any:
    """A table of both statistics at each dose, a factor on the deviation from `value` (dose, set, score, net_flow, each
    with _low and _high): the first set with its exact interval, the others as the mean and the range of their
    own. `names` are those of the first and of the others. 0 is the ablation, 1 the clean model."""
    import pandas

    rows = []
    for dose in doses:
        tallied = asked.without(sets, value, strength=1 - dose)
        for name, read in zip(names, (_own, _others), strict=True):
            rows.append({"dose": dose, "set": name} | read(tallied))
    return pandas.DataFrame(rows)


def _own(tallied: Tallies) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, statistic in STATISTICS.items():
        one = tallied.exact(statistic)
        found |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    return found


def _others(tallied: Tallies) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, statistic in STATISTICS.items():
        each = torch.stack([statistic(tallied.by_fact(row).sum(0)) for row in range(1, len(tallied.ablated))])
        low, high = each.aminmax()
        found |= {name: each.mean().item(), f"{name}_low": low.item(), f"{name}_high": high.item()}
    return found
