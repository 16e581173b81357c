"""What chapter 08 finds: what the models know, where a fact is carried, how alike two maps are, what crosses over."""

from collections.abc import Sequence

from pandas import DataFrame

from lib.knowledge import CARRIES, Alike, Crossing, Grid, Recall, Relay, knowing, knows
from lib.sentences.wording import apart, counted, listed, measured, number, of, share, side

EQUAL = 0.1
"""A recovery that differs by less counts as about as much."""
NEAR = 0.05
"""A correlation that falls short of the ceiling by less counts as reaching it."""


def known(grids: Sequence[Grid]) -> str:
    """Of which data sets a model judges more pairs rightly on both sides than coins would, and of which it does not."""
    reader = grids[0].reader
    right, n = sum(int(grid.right.sum()) for grid in grids), sum(len(grid.right) for grid in grids)
    fails = [f"{grid.data} ({share(knowing(grid).value)})" for grid in grids if not knows(grid)]
    told = f"{reader} judges {of(right, n, 'pair')} rightly on both sides"
    if not fails:
        return f"{told}, and more of every topic than two coins would."
    return f"{told}; not seen to do better than two coins: {listed(fails)}."


def gaps(answers: DataFrame, first: str, second: str) -> str:
    """How far apart true and false statements are answered by two models (rows of `answers`: model, true, false)."""
    wide = {name: rows.true.mean() - rows.false.mean() for name, rows in answers.groupby("model")}
    return (
        f"On average a true statement's logit difference lies {number(wide[first])} nats above a false one's in "
        f"{first} and {number(wide[second])} in {second}."
    )


def excluded(data: Sequence[str], why: str) -> str:
    """The topics that are left out, and why; `all topics are kept` where none is."""
    return f"Left out, {why}: {listed(data)}." if data else "All topics are kept."


def peaks(grid: Grid) -> str:
    """At which layer each site of a map recovers most, in the order of the sites."""
    told = []
    for site, at in grid.sites.items():
        layer = int(grid.recovery[:, at].argmax())
        told.append(f"{number(grid.recovery[layer, at].item())} at the {site}'s token after layer {layer}")
    name = told[-1].replace("the last's token", "the last token")
    return f"In {grid.name}, on {grid.data}, the recovery is largest with {listed([*told[:-1], name])}."


def relay(found: Relay, *, model: str) -> str:
    """In which order the three sites carry a fact, and how much the object's token carries at its best."""
    steps = found.to_object, found.to_last
    if all(step.low > 0 for step in steps):
        told = "in this order, as in a relay"
    elif any(step.high < 0 for step in steps):
        told = "not in this order"
    else:
        told = "in an order that cannot be told"
    depth = [f"{number(at.value)} at the {site}" for site, at in found.depth.items()]
    carries = side(
        found.at_object,
        above="more than half of what parts the two statements",
        below="less than half of what parts the two statements",
        neither="about half of what parts the two statements",
        bound=CARRIES,
    )
    return (
        f"In {model} the mean layer of the recovery is {listed(depth)}: {told} (steps of {measured(steps[0])} and "
        f"{measured(steps[1])} layers). The object's last token, at its best layer, carries "
        f"{measured(found.at_object)}: {carries}."
    )


def alike(found: Alike, first: str, second: str) -> str:
    """How alike the maps of two models are, beside the cartoon and beside two halves of one model's pairs."""
    more = side(
        found.beyond_cartoon,
        above="more than three blocks of the one map would reach with the other",
        below="less than three blocks of the one map would reach with the other",
        neither="not distinguishably more than three blocks of the one map would reach with the other",
    )
    ceiling = side(
        found.below_ceiling,
        below="as alike as two halves of one model's pairs",
        above="less alike than two halves of one model's pairs",
        neither="whether as alike as two halves of one model's pairs cannot be told",
        bound=NEAR,
    )
    return (
        f"The normalised maps of {first} and {second} correlate at {measured(found.correlation)}, {more} "
        f"({number(found.cartoon.value)}). Taken from different halves of the pairs they are {ceiling} "
        f"({measured(found.below_ceiling)} below a ceiling of {number(found.ceiling.value)}). The mean logit "
        f"differences themselves correlate in rank at {measured(found.rank_correlation)}."
    )


def differences(found: Alike, first: str, second: str) -> str:
    """How far single cells of two normalised maps are apart, beside two halves of one model's pairs."""
    noise = apart(found.of_knowledge, found.of_halves)
    told = {1: "more than", 0: "no more than", -1: "less than"}[noise]
    return (
        f"The largest difference between {first} and {second} is {measured(found.of_knowledge)} among subject and "
        f"object and {measured(found.at_last)} at the last token. Among subject and object that is {told} two halves "
        f"of the pairs differ within one model ({measured(found.of_halves)})."
    )


def crossing(found: Crossing, *, writer: str, reader: str) -> str:
    """Whether one model's streams do in the other's run what the reader's own do."""
    low, high = found.difference.low, found.difference.high
    if low >= -EQUAL and high <= EQUAL:
        told = f"about as much as the streams of {reader} itself"
    else:
        told = side(
            found.difference,
            above=f"more than the streams of {reader} itself",
            below=f"less than the streams of {reader} itself",
            neither=f"not distinguishably less or more than the streams of {reader} itself",
        )
    return (
        f"At {counted(found.n_cells, 'cell')} that carry a fact within {reader}, streams of {writer} recover "
        f"{measured(found.other)}, {told} ({measured(found.own)}; difference {measured(found.difference)})."
    )


def both_ways(forward: Crossing | str, backward: Crossing | str) -> str:
    """What crosses from base to post-trained model and back; a text says why one is not known."""
    ways = (forward, "base", "post"), (backward, "post", "base")
    return " ".join(
        f"Whether {reader} reads {writer} is not tested, since {way}."
        if isinstance(way, str)
        else crossing(way, writer=writer, reader=reader)
        for way, writer, reader in ways
    )


def recalled(asked: dict[str, Recall]) -> str:
    """How often each model's first choice of an object is right, and which answers are compared for how many pairs."""
    told = [f"{name} at {measured(one.right)} of the prompts" for name, one in asked.items()]
    own = [f"{len(one.asked.pairs.target)} ({name})" for name, one in asked.items() if one.own]
    kept = f" Pairs with two different choices: {listed(own)}." if own else ""
    stand_in = [name for name, one in asked.items() if not one.own]
    if stand_in:
        kept += f" In {listed(stand_in)} the choices hardly ever differ, and the right objects stand in for them."
    return f"Asked for the object, the first choice is right in {listed(told)}.{kept}"


def lines(table: DataFrame, chosen: int) -> str:
    """With how many lines in front each model judges which share of pairs rightly (rows: lines; columns: models)."""
    told = [f"{share(row['mean'])} with {counted(int(count), 'line')} in front" for count, row in table.iterrows()]
    taken = counted(chosen, "line")
    return f"The share of pairs judged rightly on both sides, averaged over models: {listed(told)}. Taken: {taken}."
