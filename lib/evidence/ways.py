"""The same neurons in several ways: beside several kinds of control, and with several values put in (chapter 04).

A conclusion that holds in one row of such a table only is a conclusion about that row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import ablation, controls, effects
from lib.controls import Against
from lib.effects import Effects
from lib.model import Model
from lib.resampling import Estimate


def contrasts(found: Mapping[str, Against]) -> Any:
    """A pandas table (value, low, high) of a statistic of chosen neurons beside that of each kind of control: a row for
    the chosen (as in the comparison that says least for them), one for each kind, and one for each difference."""
    import pandas

    rows = {"chosen": controls.weakest(*found.values()).chosen}
    for name, one in found.items():
        rows[f"matched on {name}"] = one.controls
        rows[f"chosen minus matched on {name}"] = one.difference
    return pandas.DataFrame(map(vars, rows.values()), index=list(rows))[["value", "low", "high"]]


def by_replacement(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    chosen: Bool[Tensor, " neuron"],
    *,
    activation: Float[Tensor, "sequence position neuron"],
    scored: Bool[Tensor, "sequence position"],
    draw: Callable[[str], torch.Generator],
) -> dict[str, Effects]:
    """The effects of each chosen neuron alone, with each of `ablation.KINDS` put in; a column for each neuron, in the
    order of their numbers. Raises ValueError as `effects.measure_sets` does."""
    single = torch.eye(len(chosen), dtype=torch.bool)[chosen.cpu()]
    values = {k: ablation.by_name(k, activation, generator=draw(f"{k} again")) for k in ablation.KINDS}
    return {
        kind: effects.measure_sets(model, tokens, sets=single, scored=scored, replacement=value)
        for kind, value in values.items()
    }


def mean_effects(found: Mapping[str, Effects], quantities: Sequence[str]) -> Any:
    """A pandas table with a row for each way of ablating and a column for each quantity: its mean over the neurons, or
    sets, of that row."""
    import pandas

    rows = {name: [one.mean(quantity).mean().item() for quantity in quantities] for name, one in found.items()}
    return pandas.DataFrame.from_dict(rows, orient="index", columns=list(quantities))


def shares_by_replacement(
    found: Mapping[str, Effects], *, draw: Callable[[str], torch.Generator]
) -> dict[str, Estimate]:
    """Norm-mediated share of the summed effects of all columns, with each value put in."""
    shares = {}
    for kind, effect in found.items():
        pooled = effect.pooled(torch.ones(effect.total.shape[1], dtype=torch.bool))
        shares[kind] = pooled.estimate("norm_mediated", 0, generator=draw(f"share by {kind}"))
    return shares
