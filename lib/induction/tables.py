"""What the measurements of this package look like as tables: a row per head, per neuron, per position, per bin.

A text's control is its shuffled repeat; where controls are handed in, each has the name of its text."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import resampling
from lib.induction.reaction import FLOOR
from lib.induction.reading import Reading
from lib.induction.repeats import Repeats
from lib.resampling import Estimate

QUANTITIES = ("entropy", "loss")


@dataclass(frozen=True)
class Change:
    """How a quantity changes from first pass to repeat, in nats, mean over pairs."""

    own: Estimate
    """On the text."""
    minus_shuffled: Estimate
    """Minus the change on its shuffled control, sequence by sequence."""
    shuffled: Estimate
    """On the shuffled control."""


Changes = dict[tuple[str, str], Change]
"""By text and quantity."""


def changes(
    repeats: Mapping[str, Repeats],
    reading: Mapping[str, Reading],
    control: Mapping[str, Reading],
    *,
    generator: torch.Generator,
) -> Changes:
    """The change of entropy and loss of every text beside that of its `control`: what was read of the text's shuffled
    repeat, which has its pairs at the same positions. Raises ValueError as `resampling.mean_of_sequences` does."""
    found: Changes = {}
    for name, pairs in repeats.items():
        found |= _changes(name, pairs, reading[name], control[name], generator)
    return found


def _changes(name: str, pairs: Repeats, own: Reading, control: Reading, generator: torch.Generator) -> Changes:
    moved, other = ({q: pairs.change(getattr(read, q)) for q in QUANTITIES} for read in (own, control))
    each = {"own": moved, "minus_shuffled": {q: moved[q] - other[q] for q in QUANTITIES}, "shuffled": other}
    found = {
        part: {
            q: resampling.mean_of_sequences(value, n=pairs.n_pairs, generator=generator) for q, value in some.items()
        }
        for part, some in each.items()
    }
    return {(name, q): Change(**{part: some[q] for part, some in found.items()}) for q in QUANTITIES}


def change_table(found: Changes) -> Any:
    """A pandas table of changes (value, low, high), with a row for each text, quantity and part of a `Change`."""
    import pandas

    parts = [field.name for field in fields(Change)]
    rows = {(*about, part): getattr(change, part) for about, change in found.items() for part in parts}
    names = [tuple(part.replace("_", " ") for part in about) for about in rows]
    index = pandas.MultiIndex.from_tuples(names, names=["text", "quantity", "change"])
    return pandas.DataFrame(map(vars, rows.values()), index=index)[["value", "low", "high"]]


def curves(reading: dict[str, Reading], quantity: str, *, generator: torch.Generator) -> Any:
    """The mean of a quantity (`entropy`, `loss`, in nats) over the sequences at every position after the BOS, with its
    interval, for every text (the column `series`)."""
    import pandas

    parts = []
    for name, read in reading.items():
        value = getattr(read, quantity)[:, 1:]
        low, high = resampling.intervals(value, generator=generator)
        columns = {"position": range(1, 1 + value.shape[1]), "mean": value.mean(0), "low": low, "high": high}
        parts.append(pandas.DataFrame({"series": name} | columns))
    return pandas.concat(parts, ignore_index=True)


def pushes(repeats: Repeats, push: Float[Tensor, "sequence position neuron"]) -> Any:
    """How every neuron (a column) departs from its mean of the first pass at every position after the BOS (the index),
    mean over sequences."""
    import pandas

    moved = (push - repeats.at_first(push).mean(1, keepdim=True)).mean(0)[1:]
    return pandas.DataFrame(moved.numpy(), index=range(1, 1 + len(moved)))


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


def outside(push: Any, unit: int, *, shown: list[int], start: int) -> tuple[float, float]:
    """At which share of the positions before `start`, and from there on, a neuron lies outside the range of 95 % of the
    neurons that are not shown (`push`: as `pushes` gives it)."""
    low, high = push.drop(columns=shown).quantile([0.025, 0.975], axis=1).to_numpy()
    beyond = (push[unit] < low) | (push[unit] > high)
    return float(beyond[beyond.index < start].mean()), float(beyond[beyond.index >= start].mean())


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
