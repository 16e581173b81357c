"""What the measurements of this package look like as tables: a row per head, per neuron, per position, per bin."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import resampling
from lib.induction.reaction import FLOOR


def head_table(
    score: Float[Tensor, "sequence layer head"],
    shuffled: Float[Tensor, "sequence layer head"],
    *,
    generator: torch.Generator,
) -> Any:
    """Every head (layer, head) with its induction score, the score's interval, and its score on the control."""
    import pandas

    n_heads = score.shape[2]
    low, high = resampling.intervals(score.flatten(1), generator=generator)
    place = [divmod(index, n_heads) for index in range(len(low))]
    table = pandas.DataFrame(place, columns=["layer", "head"])
    table["induction_score"] = score.mean(0).flatten()
    table["induction_score_low"], table["induction_score_high"] = low, high
    return table.assign(shuffled=shuffled.mean(0).flatten())


def reaction_table(
    changes: dict[str, Float[Tensor, "_ neuron"]],
    *,
    layer: int,
    kinds: dict[str, Bool[Tensor, " neuron"]],
    generator: torch.Generator,
) -> Any:
    """Every last-layer neuron (layer, unit) with its kind and its change by kind of repeat, with intervals.

    The columns of a change are `activation_change_<repeat>`, and `activation_change` alone for `text`."""
    import pandas

    n_neurons = next(iter(changes.values())).shape[1]
    kind = ["other"] * n_neurons
    for name, members in kinds.items():
        for unit in members.nonzero()[:, 0].tolist():
            kind[unit] = name
    table: dict[str, Any] = {"layer": layer, "unit": range(n_neurons), "kind": kind}
    for repeat, change in changes.items():
        name = "activation_change" if repeat == "text" else f"activation_change_{repeat.replace(' ', '_')}"
        low, high = resampling.intervals(change, generator=generator)
        table |= {name: change.mean(0), f"{name}_low": low, f"{name}_high": high}
    return pandas.DataFrame(table)


def ratio_table(
    clean: Float[Tensor, "sequence pair"], ablated: Float[Tensor, "neuron sequence pair"], *, generator: torch.Generator
) -> Any:
    """Every neuron's entropy ratio on the repeat: ratio of means with its interval, and mean of ratios."""
    import pandas

    evenly = clean.mean(1).clamp(min=FLOOR)[:, None].expand(-1, len(ablated))
    low, high = resampling.intervals(ablated.mean(2).mT, evenly, generator=generator)
    of_means = ablated.mean((1, 2)) / evenly.mean(0)
    ratio = (ablated / clean.clamp(min=FLOOR)).mean((1, 2))
    name = "entropy_ratio_at_repeat"
    columns = {name: of_means, f"{name}_low": low, f"{name}_high": high, "mean_of_entropy_ratios": ratio}
    return pandas.DataFrame({column: value.double().numpy() for column, value in columns.items()})


def ratio_by_position(
    clean: Float[Tensor, "sequence pair"],
    ablated: dict[str, Float[Tensor, "sequence pair"]],
    *,
    start: int,
) -> Any:
    """Both entropy ratios at every position of the repeat, from `start` on, for some series by name."""
    import pandas

    floor = clean.mean(0).clamp(min=FLOOR)
    parts = [
        pandas.DataFrame(
            {
                "series": name,
                "position": range(start, start + clean.shape[1]),
                "ratio_of_means": value.mean(0) / floor,
                "mean_of_ratios": (value / clean.clamp(min=FLOOR)).mean(0),
            }
        )
        for name, value in ablated.items()
    ]
    return pandas.concat(parts, ignore_index=True)


def binned(
    loss: Float[Tensor, " token"],
    loss_change: Float[Tensor, " token"],
    sequence: Int[Tensor, " token"],
    *,
    n_bins: int,
    generator: torch.Generator,
) -> Any:
    """Mean loss and mean loss change, with its interval, of the tokens in bins of equal mass by loss."""
    import pandas

    bins = resampling.binned(loss, loss_change, sequence, n_bins=n_bins, generator=generator)
    return pandas.DataFrame(bins, columns=["loss", "loss_change", "low", "high"])
