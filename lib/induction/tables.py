"""What the measurements of this package look like as tables: a row per head, per neuron, per position, per bin."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import resampling
from lib.induction.reaction import FLOOR, entropy_ratio


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

    rows = []
    for value in ablated:
        ratio = entropy_ratio(clean, value, generator=generator)
        of_means = ratio.ratio_of_means
        rows.append((of_means.value, of_means.low, of_means.high, ratio.mean_of_ratios.value))
    name = "entropy_ratio_at_repeat"
    return pandas.DataFrame(rows, columns=[name, f"{name}_low", f"{name}_high", "mean_of_entropy_ratios"])


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

    rows = []
    for bin_ in loss.argsort(stable=True).tensor_split(n_bins):
        mean = resampling.mean(loss_change[bin_], sequence[bin_], generator=generator, n_resamples=300)
        rows.append({"loss": loss[bin_].mean().item(), "loss_change": mean.value, "low": mean.low, "high": mean.high})
    return pandas.DataFrame(rows)
