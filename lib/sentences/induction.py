"""What chapter 06 finds: which heads continue a repeat, what confidence does there, and which neurons and heads act."""

from pandas import DataFrame, Series

from lib.controls import Against
from lib.induction import WHOLE, Changes
from lib.resampling import Estimate
from lib.sentences.wording import counted, listed, measured, neurons, number, of, share, side

IDLE = 0.25
"""The share of a reaction up to which heads at rest count as having no part in it."""


def heads(table: DataFrame, best: Estimate, *, threshold: float) -> str:
    """How many heads (layer, head, induction_score, shuffled) score above the threshold, and the best head's score,
    chosen on one half of the sequences and measured on the other."""
    order = table.sort_values("induction_score", ascending=False)
    above = order[order.induction_score > threshold]
    shown = (above if len(above) else order)[:10]
    named = [f"L{row.layer:.0f}H{row['head']:.0f} ({number(row.induction_score)})" for _, row in shown.iterrows()]
    if len(above):
        rest = f" (the first ten: {listed(named)})" if len(above) > 10 else f": {listed(named)}"
        told = f"{len(above)} of {counted(len(table), 'head')} score above {threshold:g}{rest}. "
        told += f"With the order gone they keep {number(above.shuffled.max())} at most."
    else:
        told = f"None of {counted(len(table), 'head')} scores above {threshold:g}; the highest is {named[0]}. "
        told += "The highest stand in for induction heads below, and what such heads drive is not tested."
        if table.layer.nunique() == 1:
            told += " That is to be expected of one layer: nothing tells its heads what came before a token."
    verdict = side(
        best,
        above="above the threshold with its whole interval",
        below="below the threshold with its whole interval",
        neither="so that its interval holds the threshold",
        bound=threshold,
    )
    return f"{told} Chosen on one half of the sequences, the best head scores {measured(best)} on the other, {verdict}."


def change(found: Changes, text: str) -> str:
    """What entropy and loss do from first pass to repeat of a text (nats), and what of it is due to its order."""
    entropy, loss = found[text, "entropy"].own, found[text, "loss"].own
    beyond, of_loss = found[text, "entropy"].minus_shuffled, found[text, "loss"].minus_shuffled
    surer = side(entropy, above="becomes less sure", below="becomes surer", neither="is not seen to become surer")
    costs = side(loss, above="pays more", below="pays less", neither="pays about as much")
    worth = side(
        beyond,
        above="There it is less sure than on the same tokens in another order",
        below="There it is surer than on the same tokens in another order",
        neither="Whether it is surer there than on the same tokens in another order cannot be told",
    )
    return (
        f"From first pass to repeat of {text} the model {surer} (entropy {measured(entropy)} nats) and {costs} (loss "
        f"{measured(loss)}). {worth}: minus the shuffled control, whose own changes are "
        f"{number(entropy.value - beyond.value)} and {number(loss.value - of_loss.value)}, the changes are "
        f"{measured(beyond)} in entropy and {measured(of_loss)} in loss."
    )


def reaction(found: Against, moved: dict[str, float], *, neuron: str) -> str:
    """How a neuron reacts on random tokens and on text (`moved`, activation times norm), and whether its reaction on
    text minus the shuffled control, in the direction of random tokens, goes beyond that of others like it."""
    by = listed([f"{number(value)} on {name}" for name, value in moved.items()])
    own = side(
        found.chosen,
        above="the same way",
        below="the other way",
        neither="in no direction that could be told",
    )
    more = side(
        found.difference,
        above="more than single neurons of like effect",
        below="less than single neurons of like effect",
        neither="not distinguishably more than single neurons of like effect",
    )
    return (
        f"From first pass to repeat neuron {neuron} changes by {by}. Counted in the direction that it takes on random "
        f"tokens, it moves by {measured(found.chosen)} on text, minus the shuffled control: {own}; that is {more} "
        f"({number(found.controls.value)}; difference {measured(found.difference)})."
    )


def band(outside: dict[str, tuple[float, float]], *, neuron: str) -> str:
    """At which share of the positions of the first pass and of the repeat a neuron lies outside the range of others."""
    told = [f"at {share(one)} and {share(other)} on {text}" for text, (one, other) in outside.items()]
    return f"Of the positions of first pass and repeat neuron {neuron} lies outside the grey band {listed(told)}."


def natural(n_found: int, *, n_gram: int, fewest: int) -> str:
    """How many documents have a natural repeat, and whether they suffice."""
    enough = "" if n_found >= fewest else f"; an interval needs {fewest}, so natural repeats are left out below"
    return f"This text has {counted(n_found, 'document')} with a natural repeat of {n_gram} tokens{enough}."


def standing(found: Against, *, text: str) -> str:
    """Whether the entropy neurons' reaction to a text stands higher in the layer than that of matched sets."""
    told = side(
        found.difference,
        above="so they react more than others like them",
        below="so they react less than others like them",
        neither="so whether they react more than others like them cannot be told",
    )
    return (
        f"On {text} the entropy neurons react more strongly than {share(found.chosen.value)} of the other neurons, and "
        f"matched sets than {share(found.controls.value)}; the difference is {measured(found.difference)}, {told}."
    )


def ranks(table: DataFrame, columns: dict[str, str]) -> str:
    """At which ranks by size of change the entropy neurons (layer, unit, kind) stand, for each text by its column, and
    how many of them change sign from the first text to the second."""
    some = table.kind == "entropy"
    sentences = [_ranked(table[column].abs(), some, text) for text, column in columns.items()]
    if len(columns) > 1:
        one, other = (table[column][some] for column in [*columns.values()][:2])
        turned = table.unit[some][one * other < 0].tolist()
        named = f": {neurons(turned, layer=int(table.layer.iloc[0]))}" if turned else ""
        sentences.append(f"{of(len(turned), int(some.sum()), 'entropy neuron')} change sign between the two{named}.")
    return " ".join(sentences)


def _ranked(size: Series, some: Series, text: str) -> str:
    rank = size.rank(ascending=False, method="first")[some].astype(int).sort_values()
    bigger = int(rank.min()) - 1
    told = "no other neuron reacts" if bigger == 0 else f"{counted(bigger, 'neuron')} react{'s' * (bigger == 1)}"
    all_of = (
        f"{listed([*rank])} of {len(size):,}" if len(rank) <= 10 else f"{rank.min()} to {rank.max()} of {len(size):,}"
    )
    return f"On {text} the entropy neurons rank {all_of} by size, and {told} more strongly than all of them."


def clipped(ratios: DataFrame, controls: dict[str, list[str]]) -> str:
    """What clipping does to the entropy of the repeat, for some sets of neurons each beside its controls (rows of
    `ratios`: entropy_ratio_at_repeat with _low and _high)."""
    return " ".join(_clipped(ratios, name, others) for name, others in controls.items())


def _clipped(ratios: DataFrame, name: str, others: list[str]) -> str:
    column = "entropy_ratio_at_repeat"
    low, value, high = (ratios.loc[name, column + end] for end in ("_low", "", "_high"))
    told = side(
        Estimate(value, low, high, 0, 0),
        above="adds to the entropy on the repeat, so that the reaction held it down",
        below="takes from the entropy on the repeat, so that the reaction held it up",
        neither="is not seen to change the entropy on the repeat",
        bound=1.0,
    )
    ends = f"{share(value - 1)} [{share(low - 1)}, {share(high - 1)}]"
    beside = listed([f"{share(ratios.loc[other, column] - 1)} for {other}" for other in others])
    return f"Clipping {name} {told}: {ends}, against {beside}."


def curve(by_position: DataFrame, band: DataFrame, largest: Against, *, name: str) -> str:
    """Where a neuron's entropy ratio (series, position, ratio_of_means) lies by position, beside the range of others,
    and the largest reduction, its position chosen on one half of the sequences and measured on the other."""
    rows = by_position[by_position.series == name].set_index("position").ratio_of_means
    lowest = band.groupby("position").ratio_of_means.min()
    told = side(
        largest.difference,
        above="more than single neurons of like effect",
        below="less than single neurons of like effect",
        neither="not distinguishably more than single neurons of like effect",
    )
    below, lower = int((rows < 1).sum()), int((rows < lowest).sum())
    reduction = f"{share(largest.chosen.value)} [{share(largest.chosen.low)}, {share(largest.chosen.high)}]"
    return (
        f"The solid line of {name} lies below 1 at {of(below, len(rows), 'position')} and below the grey "
        f"band at {lower}. By the mean of ratios (dashed), at a position chosen on the other half of the sequences, "
        f"clipping lowers it most, by {reduction}: {told} ({share(largest.controls.value)})."
    )


def rest(falls: DataFrame, found: tuple[Against, Estimate] | str, *, heads: str, neuron: str) -> str:
    """How far a neuron falls back when heads rest (falls: fall, low, high, all_at_once), beside other heads."""
    rows = (falls.loc[name] for name in (WHOLE, heads))
    reacts, fall = (Estimate(row.fall, row.low, row.high, int(row.n), int(row.n_sequences)) for row in rows)
    if isinstance(found, str):
        return f"With {heads} at rest neuron {neuron} falls back by {measured(fall)}; no more is said, since {found}."
    told = side(
        fall,
        above="it falls back",
        below="it moves further from the first pass",
        neither="it is not seen to move",
    )
    beyond = side(
        found[0].difference,
        above="more than with other heads of the same layers at rest",
        below="less than with other heads of the same layers at rest",
        neither="not distinguishably more than with other heads of the same layers at rest",
    )
    return (
        f"At the positions looked at neuron {neuron} reacts to the repeat by {measured(reacts)}, its own direction "
        f"counted positive. With {heads} at rest {told} (fall "
        f"{measured(fall)}), {beyond} ({number(found[0].controls.value)}). {_idle(found[1])}"
    )


def _idle(moved: Estimate) -> str:
    """Whether heads that should have no part in a reaction leave it alone, within `IDLE` of it."""
    if max(abs(moved.low), abs(moved.high)) <= IDLE:
        return "Those leave the neuron alone."
    if moved.low <= IDLE and moved.high >= -IDLE:
        return "Whether those leave the neuron alone cannot be told."
    way = "back" if moved.value > 0 else "away"
    return f"Those move it too, {way} by {number(abs(moved.value))} times its reaction."


def at_once(falls: DataFrame) -> str:
    """How far resting at one position at a time (fall) and at all of them (all_at_once) are apart."""
    apart = (falls.fall - falls.all_at_once).abs()
    same = "The two ways of resting agree to three decimals, so the heads act on the neuron where it stands."
    return (
        same
        if apart.max() < 5e-4
        else (
            f"Resting at all positions at once differs from resting at one by {number(apart.max())} at most, with "
            f"{apart.idxmax()} at rest."
        )
    )


def slope(found: Against, bins: DataFrame, *, neuron: str, stands_in: bool) -> str:
    """How the loss change of a clipped neuron goes with the clean loss (bins: loss, loss_change)."""
    first, last = bins.iloc[0], bins.iloc[-1]
    told = side(
        found.difference,
        above="steeper upwards than that of single neurons of like effect, the opposite of the paper's shape",
        below="steeper downwards than that of single neurons of like effect, which is the paper's shape",
        neither="not distinguishable from that of single neurons of like effect",
    )
    whose = f"No token-frequency neuron was found; neuron {neuron} stands in. " if stands_in else ""
    return (
        f"{whose}Clipping neuron {neuron} changes the loss by {number(first.loss_change)} nats in the bin where it is "
        f"lowest and by {number(last.loss_change)} where it is highest. The slope, {measured(found.chosen)}, is {told} "
        f"({number(found.controls.value)}; difference {measured(found.difference)})."
    )
