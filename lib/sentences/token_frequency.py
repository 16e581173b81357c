"""What chapter 05 finds: how frequent tokens are, whether models fall back on it, and the neurons that act along it."""

from collections.abc import Sequence

from pandas import DataFrame

from lib import kinds
from lib.controls import Against
from lib.resampling import Estimate
from lib.sentences import beside
from lib.sentences.beside import difference, finely
from lib.sentences.wording import counted, listed, measured, neurons, number, of, share, side

CANNOT = "cannot be told from this text"


def counts(tokens: DataFrame) -> str:
    """How unevenly tokens occur (column count, one row for each token of the vocabulary)."""
    seen = tokens["count"][tokens["count"] > 0]
    unseen = len(tokens) - len(seen)
    most, least = int(seen.max()), int(seen.min())
    if most == least:
        told = f"All {len(seen):,} tokens that occur are equally frequent, so that frequency has nothing to offer"
    else:
        told = (
            f"The most frequent token occurs {most:,} times, {share(most / seen.sum())} of the text, and "
            f"the rarest of the {len(seen):,} tokens that occur {least:,}"
        )
    return f"{told}; {of(unseen, len(tokens), 'token')} of the vocabulary never {'occurs' if unseen == 1 else 'occur'}."


def fallback(found: Against) -> str:
    """Whether sure predictions are far from the unigram distribution, and farther than from permuted ones."""
    goes = side(
        found.chosen,
        above="Predictions far from the unigram distribution are less sure",
        below="Predictions far from the unigram distribution are surer",
        neither="Whether predictions far from the unigram distribution are surer cannot be told",
    )
    told = difference(
        found,
        more="any spread-out distribution is followed more closely still, and the fall says nothing about frequency",
        less="the fall is followed more closely than a spread-out distribution alone explains",
        neither="the fall is followed no more closely than with any spread-out distribution, as far as can be told",
    )
    return (
        f"{goes}: the rank correlation of entropy and distance is {measured(found.chosen)}. With permuted unigrams it "
        f"is {measured(found.controls)}; {told}."
    )


def followed(table: DataFrame, *, layer: int, rule: str, conditions: tuple[float, float]) -> str:
    """Which neurons are followed and by which rule (as `kinds` names it), and which of them fail the conditions of
    `frequency_neurons` where they are tested (columns unit, testing: the share there; passes).

    The `conditions` are the smallest share, and the part of the layer, by KL change, that a neuron has to be in."""
    units, failing = table.unit.tolist(), table[~table.passes]
    names = neurons(units, layer=layer)
    if rule == kinds.NEAREST:
        first = f"The rule `frequency_neurons` finds no neuron here; followed are the nearest to it, {names}"
    elif rule == kinds.BY_THE_PAPER:
        first = f"Followed: {names}, {rule}"
    else:
        first = f"The rule `{rule}` finds {names}"
    passing = len(units) - len(failing)
    again = f"{first}. On the other sequences {passing} of {len(units)} meet its conditions"
    if not len(failing):
        return f"{again}."
    at_fault = [
        f"share {number(row.testing)}" if row.testing < conditions[0] else "KL change" for row in failing.itertuples()
    ]
    low = [f"{layer}.{unit} ({why})" for unit, why in zip(failing.unit, at_fault, strict=True)]
    return (
        f"{again}; {listed(low)} {'does' if len(low) == 1 else 'do'} not. The share has to be at least "
        f"{number(conditions[0])}, and the KL change in the upper {share(conditions[1])} of the layer."
    )


def marked(units: Sequence[int], *, layer: int, rule: str, both: int) -> str:
    """Which neurons are the entropy neurons, by which rule (as `kinds` names it), and how many are followed as well."""
    how = rule if rule == kinds.BY_THE_PAPER else f"by the rule `{rule}`"
    return (
        f"Entropy neurons are {neurons(units, layer=layer)}, {how}; {counted(both, 'neuron')} "
        f"{'are' if both > 1 else 'is'} on both lists."
    )


def stand(ranks: Against | str, apart: Estimate | str) -> str:
    """Whether the followed neurons stand out on both axes beside others of their effect, and from entropy neurons. A
    text says why there is no measurement."""
    if isinstance(ranks, str) and ranks == apart:
        return f"Whether they stand out from others, and from the entropy neurons, was not tested: {ranks}."
    if isinstance(ranks, str):
        first = f"Whether token-frequency neurons stand out was not tested: {ranks}."
    else:
        told = difference(
            ranks,
            more="they stand out on both axes",
            less="they stand out less than others do",
            neither=f"whether they stand out on both axes {CANNOT}",
        )
        first = (
            f"The lower of their two percentile ranks is {measured(ranks.chosen)} in the median, against "
            f"{measured(ranks.controls)} for neurons of as large an effect; {told}."
        )
    if isinstance(apart, str):
        return f"{first} They were not held against the entropy neurons: {apart}."
    told = side(
        apart,
        above="the two kinds differ",
        below="the entropy neurons have the larger share",
        neither=f"whether the two kinds differ {CANNOT}",
    )
    return f"{first} Their share minus that of the entropy neurons is {measured(apart)}: {told}."


def unseen(found: dict[str, Estimate]) -> str:
    """What leaving the unseen tokens out does to the followed neurons' common share (all, seen, difference)."""
    told = side(
        found["difference"],
        above="without the unseen tokens the direction mediates more",
        below="part of the share is about tokens that never occur",
        neither="the unseen tokens make no difference that could be told",
    )
    return (
        f"Along the direction over all tokens the followed neurons' common share is {measured(found['all'])}, along "
        f"that over seen tokens {measured(found['seen'])}. The difference is {finely(found['difference'])}: {told}."
    )


def roads(found: dict[str, Against], *, bound: float) -> str:
    """The direction's share of the followed neurons' effect beside that of control sets (by what they are matched on);
    the claim wants the controls below `bound`."""
    return beside.roads(found, road="The token-frequency direction", who="the followed neurons", bound=bound)


def hardest(tokens: DataFrame, *, name: str) -> str:
    """What removing one neuron does where it fires hardest (columns entropy_change, kl_change, loss_change; nats, told
    apart from nought at three decimals, as the table shows them)."""
    n, table = len(tokens), tokens[["entropy_change", "kl_change", "loss_change"]].round(3)
    surer, farther, dearer = (
        int(some.sum()) for some in (table.entropy_change < 0, table.kl_change > 0, table.loss_change > 0)
    )
    return (
        f"Of the {n} tokens at which {name} fires hardest, the model without it is surer at {surer}, farther from the "
        f"unigram distribution at {farther}, and pays more at {dearer}."
    )


def quarters(tokens: DataFrame, tests: dict[str, Against | str], *, name: str, where: str) -> str:
    """Which way one neuron pulls: the quarters that its tokens lie in (columns kl_change, entropy_change), and its
    entropy and KL change and their correlation beside those of others (keys entropy, kl, opposed)."""
    n = len(tokens)
    tokens = tokens[["kl_change", "entropy_change"]].round(3)
    kl, entropy = tokens.kl_change, tokens.entropy_change
    sides = (kl > 0) & (entropy < 0), (kl < 0) & (entropy > 0)
    lower, upper = (share(some.mean() if n else 0.0) for some in sides)
    first = (
        f"Without {name}, {lower} of {n:,} tokens {where} lie lower right (surer, and farther from the unigram "
        f"distribution) and {upper} upper left."
    )
    reasons = set(tests.values()) if all(isinstance(found, str) for found in tests.values()) else set()
    if len(reasons) == 1:
        return f"{first} Its pull was not held against that of others: {reasons.pop()}."
    return f"{first} {' '.join(_pull(what, found) for what, found in tests.items())}"


def _pull(what: str, found: Against | str) -> str:
    names = {"entropy": "entropy change", "kl": "KL change", "opposed": "correlation of the two"}
    if isinstance(found, str):
        return f"The {names[what]} was not held against that of others: {found}."
    told = difference(
        found,
        more="it is higher than theirs",
        less="it is lower than theirs",
        neither=f"whether it differs from theirs {CANNOT}",
        fine=True,
    )
    values = f"{finely(found.chosen)}, against {finely(found.controls)} for neurons of like effect"
    return f"There the {names[what]} is {values}; {told}."
