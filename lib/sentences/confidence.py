"""What chapter 11 finds: whether two models have the same entropy neurons, are as sure, and what makes them differ."""

from collections.abc import Mapping

from pandas import DataFrame

from lib.confidence.account import Account, Shift, exists
from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences.wording import apart, counted, listed, measured, number, share, side


def same(table: DataFrame, *, rule: str, k: int, one: str = "base", other: str = "post") -> str:
    """What two models share of the `k` neurons that a rule chooses (as in `overlap.csv`), and what chance would."""
    row = table[(table.rule == rule) & (table.k == k) & (table.one == one) & (table.other == other)].iloc[0]
    told = "more than chance" if row.probability < 0.05 else "no more than chance would have it"
    random = f"random sets would share {number(row.by_chance)}, and as many with a probability of"
    return (
        f"Of the neurons that `{rule}` chooses, {k} at most, {one} and {other} share "
        f"{counted(int(row.shared), 'neuron')}, {told}: {random} {_probability(row.probability)}."
    )


def _probability(p: float) -> str:
    return number(p) if p >= 0.001 else "less than 0.001"


def rules(table: DataFrame, *, one: str = "base", other: str = "post") -> str:
    """Where over all rules and numbers of neurons two models share most and least, by the Jaccard index."""
    rows = table[(table.one == one) & (table.other == other)].dropna(subset="jaccard")
    if rows.empty:
        return "No rule chooses a neuron in either model, so there is nothing to share."
    most, least = rows.loc[rows.jaccard.idxmax()], rows.loc[rows.jaccard.idxmin()]
    beyond = int((rows.probability < 0.05 / len(rows)).sum())
    return (
        f"Over {counted(len(rows), 'choice')} of a rule and a number of neurons the Jaccard index goes from "
        f"{number(least.jaccard)} (`{least.rule}`, {least.k}) to {number(most.jaccard)} (`{most.rule}`, {most.k}); "
        f"{beyond} of them are beyond chance at a level that allows for so many looks."
    )


def kept(order: Mapping[str, Estimate], ratio: Estimate | str) -> str:
    """Rank correlations of norm, LogitVar and rho over all neurons, and how far the paper's ratio moved."""
    names = {"norm": "norm", "logit_variance": "LogitVar", "rho": "rho"}
    told = listed([f"{measured(order[name])} for {label}" for name, label in names.items()])
    change = (
        f"no ratio can be compared, since {ratio}"
        if isinstance(ratio, str)
        else f"the ratio of norm and LogitVar changes by {_percent(ratio)} on average over the shared ones"
    )
    return f"Over all neurons the rank correlation between the two models is {told}; {change}."


def _percent(found: Estimate) -> str:
    return f"{share(found.value)} [{share(found.low)}, {share(found.high)}]"


def surer(differences: Mapping[tuple[str, str], Estimate]) -> str:
    """By text and quantity (entropy, loss) the post-trained model minus the base, in nats."""
    told = []
    for text in dict.fromkeys(text for text, _ in differences):
        entropy, loss = differences[text, "entropy"], differences[text, "loss"]
        first = side(
            entropy,
            above="the post-trained model is less sure than the base",
            below="the post-trained model is surer than the base",
            neither="the two models are as sure as each other, as far as can be told",
        )
        second = side(loss, above="its loss is higher", below="its loss is lower", neither="its loss is about the same")
        told.append(
            f"On {text} {first}: entropy differs by {measured(entropy)} nats, and {second}, by {measured(loss)}."
        )
    return " ".join(told)


def earned(table: DataFrame) -> str:
    """Calibration errors by text and model (`confidence.csv`): whether base and post-trained are apart."""
    told = []
    for text, rows in table.groupby("text", sort=False):
        found = {row.model: _error(row) for row in rows.itertuples()}
        base, post = found["base"], found["post"]
        word = {1: "worse", -1: "better", 0: ""}[apart(post, base)]
        verdict = f"{word} after post-training" if word else "not told apart"
        told.append(f"On {text} it is {measured(base)} before and {measured(post)} after: {verdict}.")
    return f"Calibration error, without its noise. {' '.join(told)}"


def _error(row) -> Estimate:
    return Estimate(
        row.calibration_error, row.calibration_error_low, row.calibration_error_high, row.n, row.n_sequences
    )


def ablated(shifts: Mapping[str, Shift]) -> str:
    """What ablating the chosen neurons does to the mean entropy of each model, beside matched sets."""
    told = [f"{measured(one.chosen)} nats in {name} ({_beside(one.against)})" for name, one in shifts.items()]
    return f"Ablating the chosen neurons changes the mean entropy by {listed(told)}."


def _beside(against: Mapping[str, Against]) -> str:
    """Whether the chosen lie beyond all kinds of matched sets on the same side."""
    if all(one.difference.low > 0 for one in against.values()):
        return "more than any kind of matched set"
    if all(one.difference.high < 0 for one in against.values()):
        return "less than any kind of matched set"
    return "not told from matched sets of every kind"


def accounted(found: Account, *, text: str) -> str:
    """What of a difference goes with the chosen neurons, and what with the whole layer."""
    if isinstance(found.share, str) or isinstance(found.whole_share, str):
        return (
            f"On {text} there is no difference to account for: it is {measured(found.difference)} nats. The chosen "
            f"neurons, changing places, move the mean entropy by {measured(found.moved.chosen)} nats, "
            f"{_beside(found.moved.against)}."
        )
    told = side(
        found.share,
        above="The chosen neurons account for most of it",
        below="The chosen neurons account for less than half of it",
        neither="Whether the chosen neurons account for half of it cannot be told",
        bound=0.5,
    )
    if found.share.high < 0:
        told = "The chosen neurons do not account for it, they work against it"
    return (
        f"On {text} the difference is {measured(found.difference)} nats. {told}: when they change places, "
        f"{_percent(found.share)} of it moves along, {_beside(found.moved.against)}. Of all neurons of the last layer "
        f"together it is {_percent(found.whole_share)}."
    )


def cause(found: Mapping[str, Account]) -> str:
    """Of every text whether there is a difference, and how much of it goes with the chosen neurons, in one sentence."""
    told = []
    for text, one in found.items():
        if exists(one.difference) and not isinstance(one.share, str):
            told.append(f"{_percent(one.share)} of the difference on {text}")
        else:
            told.append(f"nothing on {text} (where there is no difference)")
    return f"The chosen neurons, changing places between the two models, take along {listed(told)}."
