"""What chapter 04 finds: entropy without prediction, the two roads, what rho foretells, what one neuron is for."""

from pandas import DataFrame

from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences import beside
from lib.sentences.beside import difference, finely, small
from lib.sentences.wording import counted, listed, measured, number, side

CANNOT = "cannot be told from this text"


def quiet(line: Estimate, found: Against | str) -> str:
    """Whether changing entropy and changing predictions is one thing (rank correlation over neurons), and whether the
    norm carries the effect of neurons that do the first without the second; a text says why that was not measured."""
    goes = side(
        line,
        above="Neurons that move entropy more tend to change more predictions",
        below="Neurons that move entropy more tend to change fewer predictions",
        neither="Moving entropy and changing predictions do not go together",
    )
    first = f"{goes}: the rank correlation over the layer is {measured(line)}."
    if isinstance(found, str):
        return f"{first} What carries the effect of those that move entropy alone was not measured: {found}."
    told = difference(
        found,
        more="the norm carries more of it",
        less="the norm carries less of it",
        neither=f"whether the norm carries more of it {CANNOT}",
    )
    return (
        f"{first} Where a neuron moves entropy much and predictions little, the median norm-mediated share is "
        f"{measured(found.chosen)}, against {measured(found.controls)} for neurons of as large an effect; {told}."
    )


def roads(share: dict[str, Against], *, bound: float) -> str:
    """The norm's share of the chosen neurons' effect beside that of control sets (by what they are matched on); the
    claim wants the controls below `bound`."""
    return beside.roads(share, road="The norm", who="the chosen neurons", bound=bound)


def foretold(found: dict[str, Against]) -> str:
    """Whether rho goes with the norm-mediated share, over `all` neurons and, where there are enough, the `settled`."""
    every = found["all"]
    goes = side(
        every.difference,
        above="More rho goes with a larger share",
        below="More rho goes with a smaller share",
        neither=f"Whether rho goes with the share {CANNOT}",
    )
    told = (
        f"{goes}: over all neurons the rank correlation is {measured(every.chosen)}, against "
        f"{measured(every.controls)} with rho in random spaces, a difference of {measured(every.difference)}."
    )
    if "settled" not in found:
        return f"{told} Too few neurons have a settled share to ask them alone."
    settled = found["settled"]
    return (
        f"{told} Over the settled ones alone it is {measured(settled.chosen)}, against {measured(settled.controls)}, a "
        f"difference of {measured(settled.difference)}."
    )


def largest(found: Against | str) -> str:
    """The largest share among the neurons of largest rho beside that of control sets; a text says why there is none."""
    if isinstance(found, str):
        return f"The largest share was not measured: {found}."
    told = difference(
        found,
        more="the neurons of largest rho reach higher than others do",
        less="the neurons of largest rho do not reach as high as others do",
        neither=f"whether the neurons of largest rho reach higher than others {CANNOT}",
    )
    return (
        f"The largest share, on sequences that did not choose it, is {measured(found.chosen)}, against "
        f"{measured(found.controls)} in sets of as large an effect; {told}."
    )


def ways(shares: dict[str, Estimate], joint: Estimate) -> str:
    """Whether a set's norm-mediated share depends on what is put in its place (by kind of ablation), and whether its
    neurons act independently (`joint`: what they do together over what their single changes add up to)."""
    low, high = (pick(shares, key=lambda name: shares[name].value) for pick in (min, max))
    apart = max(one.low for one in shares.values()) > min(one.high for one in shares.values())
    told = "it depends on the way of ablating" if apart else "no way of ablating stands apart from all others"
    helps = side(
        joint,
        bound=1.0,
        above="they help each other",
        below="one stands in for another",
        neither="as far as can be told, they act independently",
    )
    return (
        f"The norm-mediated share of the chosen lies between {measured(shares[low])} ({low}) and "
        f"{measured(shares[high])} ({high}): {told}. Ablated together they do {measured(joint)} times what "
        f"their single changes add up to: {helps}."
    )


def temperature(found: dict[str, Against], *, median: float) -> str:
    """What a single temperature explains of the chosen set's ablation (its `median`), beside control sets by what they
    are matched on."""
    nearest = min(found, key=lambda name: found[name].difference.low)
    weakest = found[nearest]
    others = listed([f"{measured(one.controls)} for sets matched on {name}" for name, one in found.items()])
    told = difference(
        weakest,
        more="they come nearer to a pure temperature than others do",
        less="others come nearer to a pure temperature",
        neither=f"whether they come nearer to a pure temperature than others {CANNOT}",
    )
    return (
        f"A single temperature, {number(median)} in the median, explains {measured(weakest.chosen)} of what ablating "
        f"the chosen does, against {others}. Against sets matched on {nearest} {told}."
    )


def carried(found: Against, *, count: int, shared: int, expected: float, chance: float) -> str:
    """Whether neurons with much rho carry the entropy in their activation, and how many the two top lists of `count`
    share, beside what two random lists share (`expected`, and the `chance` of sharing as many)."""
    told = side(
        found.difference,
        above="on the whole, the more a neuron can act on entropy, the more closely its activation follows it",
        below="on the whole, the more a neuron can act on entropy, the less closely its activation follows it",
        neither=f"whether neurons that can act on entropy also carry it {CANNOT}",
    )
    luck = f", and as many with a probability of {small(chance)}" if shared else ""
    return (
        f"The rank correlation of rho and of how closely an activation follows the entropy is "
        f"{measured(found.chosen)}, against {measured(found.controls)} in random spaces, a difference of "
        f"{measured(found.difference)}: {told}. The {count} neurons of largest rho and the {count} whose activations "
        f"follow entropy most closely share {counted(shared, 'neuron')}; random lists share {number(expected)} on "
        f"average{luck}."
    )


def lone(name: str, entropy: Against | str, loss: Against | str) -> str:
    """What ablating one neuron does to entropy everywhere, and to the loss where the prediction is wrong (nats)."""
    parts = []
    for found, where, up, down in (
        (entropy, "entropy", "the model is less sure", "the model is surer"),
        (loss, "loss at wrong predictions", "they cost more", "they cost less"),
    ):
        if isinstance(found, str):
            parts.append(f"the {where} was not compared: {found}")
            continue
        told = difference(
            found,
            more=f"{up} without it than without them",
            less=f"{down} without it than without them",
            neither=f"whether it differs from them {CANNOT}",
            fine=True,
        )
        parts.append(
            f"the {where} changes by {finely(found.chosen)} nats, against {finely(found.controls)} for neurons of like "
            f"effect; {told}"
        )
    return " ".join(f"{_opened(part, name, first=not i)}." for i, part in enumerate(parts))


def _opened(part: str, name: str, *, first: bool) -> str:
    return f"Without neuron {name} {part}" if first else f"{part[0].upper()}{part[1:]}"


def hedges(name: str, slope: Against | str, right: Against | str, bins: DataFrame) -> str:
    """Whether one neuron hedges: the slope of its loss change on the clean loss (nats per nat), its mean loss change
    where predictions are right, and the line that is drawn (loss, change, low, high)."""
    below, above = int((bins.high < -beside.SMALLEST).sum()), int((bins.low > beside.SMALLEST).sum())
    last, lowest = bins.iloc[-1], bins.loc[bins.change.idxmin()]
    drawn = (
        f"The line of {name} is lowest, at {small(lowest.change)} nats, where predictions cost {number(lowest.loss)}, "
        f"and ends at {small(last.change)} in the dearest bin. Of {len(bins)} bins {below} lie below zero with their "
        f"intervals and {above} above."
    )
    if isinstance(slope, str):
        return f"{drawn} Its slope was not compared: {slope}."
    told = difference(
        slope,
        more="its line climbs more than theirs, as that of a hedging neuron does",
        less="its line climbs less than theirs, which speaks against hedging",
        neither=f"whether it hedges more than they do {CANNOT}",
        fine=True,
    )
    where = "" if isinstance(right, str) else f" {_where_right(right)}"
    return (
        f"{drawn} Its slope is {finely(slope.chosen)}, against {finely(slope.controls)} for neurons of like effect; "
        f"{told}.{where}"
    )


def _where_right(found: Against) -> str:
    told = difference(
        found,
        more="right predictions cost more without it than without them",
        less="right predictions cost less without it than without them, as a hedging neuron's do",
        neither=f"whether it differs from them there {CANNOT}",
        fine=True,
    )
    return (
        f"Where the prediction is right its ablation changes the loss by {finely(found.chosen)} nats, that of others "
        f"by {finely(found.controls)}; {told}."
    )
