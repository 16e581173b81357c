"""What chapter 09 finds of verdicts: how well models judge, and whether verdicts obey a direction that is added."""

from collections.abc import Mapping

from pandas import DataFrame

from lib.resampling import Estimate
from lib.sentences.truthfulness import called
from lib.sentences.wording import apart, counted, listed, measured, number, percent, side

UNREAD = "the direction is found after the last layer, and no later token reads what is held there"


def judged(baseline: Mapping[str, Estimate], accuracy: Mapping[str, Estimate], *, n_lines: int) -> str:
    """How surely and how rightly models judge, behind so many judged lines."""
    told = [
        f"{called(name)} is right on {percent(accuracy[name])}, and sure to {measured(baseline[name])}"
        for name in accuracy
    ]
    lines = f"behind {counted(n_lines, 'judged line')}" if n_lines else "without judged lines in front"
    return f"Asked {lines}, {listed(told)}; 1 would be certainty and always right."


def steered(
    own: Mapping[str, tuple[Estimate, Estimate]],
    carried: Mapping[tuple[str, str], tuple[Estimate, Estimate]],
    *,
    place: str,
    strength: Mapping[str, float],
) -> str:
    """What the direction does to verdicts at a place: in its own model (its effect, and that less random directions of
    its length), and carried over (that less the other's own, at its own model's length and at the other's)."""
    told = []
    for model, (effect, beyond) in own.items():
        more = side(
            beyond,
            above="more than random directions of its length",
            below="less than random directions of its length",
            neither="not distinguishably more than random directions of its length",
        )
        told.append(
            f"In {called(model)} its own direction, {number(strength[model])} of the residual stream's norm, has an "
            f"indirect effect of {measured(effect)}, {more} (difference {measured(beyond)})."
        )
    for (one, into), (natural, scaled) in carried.items():
        told.append(
            f"That of {called(one)} does {_than_own(natural)} in {called(into)} than the one found there "
            f"({measured(natural)}), and at equal length {_than_own(scaled)} ({measured(scaled)})."
        )
    return f"Added at the {place}: {' '.join(told)}"


def _than_own(less: Estimate) -> str:
    return side(less, above="more", below="less", neither="nothing distinguishably other")


def unread(*, layer: int, n_layers: int) -> str:
    """What a direction at a statement's end can do at all, by where it is found."""
    if layer < n_layers - 1:
        readers = counted(n_layers - 1 - layer, "later layer")
        return f"The direction is found after layer {layer}, so that {readers} can read it."
    return (
        f"The direction is found after layer {layer}, the last one: no later token reads what is held there. So it can "
        "be read where the statement ends, and no verdict can rest on it."
    )


def sweep(table: DataFrame) -> str:
    """The strongest effect of strengths at each place (place, model, direction, multiple, strength, label, pd)."""
    told = []
    for (place, model), rows in table[table.direction == "own direction"].groupby(["place", "model"], sort=False):
        gap = rows.pivot(index="multiple", columns="label", values="pd")
        turned = gap.index[gap[True] < gap[False]]
        at = rows.drop_duplicates("multiple").set_index("multiple").strength
        if len(turned):
            first = f"{number(turned.min())} times the natural length on ({number(at[turned.min()])}"
            told.append(f"In {called(model)}, added at the {place}, true statements fall below false ones from {first}")
        else:
            told.append(
                f"In {called(model)}, added at the {place}, true statements stay above false ones at every length "
                f"tried (up to {number(at.max())}"
            )
    return " ".join(f"{sentence} of the residual stream's norm)." for sentence in told)


def cost(found: Mapping[str, Mapping[str, Estimate]]) -> str:
    """What shifts cost in loss on running text (nats): both ways along the direction, and random ones."""
    told = []
    for model, by_kind in found.items():
        one, other = by_kind["direction"], by_kind["random"]
        more = {1: "more than", -1: "less than", 0: "about as much as"}[apart(one, other)]
        told.append(
            f"In {called(model)} the direction changes the loss on running text by {measured(one)} nats, {more} random "
            f"directions of its length ({measured(other)})."
        )
    return " ".join(told)
