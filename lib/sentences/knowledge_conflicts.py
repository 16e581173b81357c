"""What chapter 07 finds: whose answers a model gives, what changes when neurons are ablated, and by which road."""

from collections.abc import Mapping

from pandas import DataFrame

from lib.controls import Against
from lib.paired import SignTest, Transitions
from lib.resampling import Estimate
from lib.sentences.beside import finely, small
from lib.sentences.wording import counted, listed, measured, number, of, share, side

NAMES = {"CK": "the context", "PK": "what it knows", "ND": "neither"}
LEAST_CLAIMED = 95.0
"""The percentile among random sets that the claim asks for."""


def answers(counts: Mapping[str, int], *, n_facts: int, disagree: int, unknown: str = "") -> str:
    """How many answers come from where, and of how many two ways of reading them disagree; `unknown` says why the
    prompts are not about what the model knows."""
    n = sum(counts.values())
    parts = listed([f"{of(count, n, 'answer')} from {NAMES[label]} ({label})" for label, count in counts.items()])
    most = max(counts, key=counts.__getitem__)
    told = (
        f"To {counted(n, 'prompt')} about {counted(n_facts, 'fact')} the model takes {parts}; most from {NAMES[most]}."
    )
    told += f" Read as names and not letter by letter, {counted(disagree, 'answer')} would have another label."
    return told if not unknown else f"{told} No claim is tested on them, since {unknown}."


def moves(found: Transitions, test: SignTest, *, label: str = "CK") -> str:
    """How many answers change, in which directions, and whether facts move toward a label more than away from it."""
    changed = {pair: n for pair, n in found.counts.items() if pair[0] != pair[1] and n}
    if not changed:
        return f"Not one of {counted(found.n, 'answer')} changes its label."
    ways = listed([f"{n:,} from {one} to {to}" for (one, to), n in sorted(changed.items(), key=lambda item: -item[1])])
    into = sum(n for (_, to), n in changed.items() if to == label)
    out = sum(n for (one, _), n in changed.items() if one == label)
    if test.p > 0.05:
        so = "so no direction can be told"
    else:
        so = f"more {'toward it than away from it' if test.up > test.down else 'away from it than toward it'}"
    return (
        f"{of(sum(changed.values()), found.n, 'answer')} change: {ways}. {into:,} go into {label} and {out:,} out of "
        f"it. Taken by facts, {test.up:,} move toward {label} on balance and {test.down:,} away "
        f"(exact sign test, p = {_p(test.p)}), {so}."
    )


def place(
    percentiles: Mapping[str, Estimate], scores: Mapping[str, tuple[int, int]], *, own: float, noise: float
) -> str:
    """Where the global transition score lies among those of random sets, by what they are, with how many of how many
    sets reach it, and whether it exceeds what batch and precision change by themselves."""
    parts: list[str] = []
    judged: dict[str, list[str]] = {"above": [], "below": [], "not decidedly on either side of": []}
    for kind, found in percentiles.items():
        reach, n = scores[kind]
        parts.append(f"{measured(found)} among sets {kind} ({reach:,} of {n:,} reach it)")
        way = side(found, above="above", below="below", neither=[*judged][-1], bound=LEAST_CLAIMED)
        judged[way].append(kind)
    by = listed([f"{way} {LEAST_CLAIMED:g} among sets {listed(kinds)}" for way, kinds in judged.items() if kinds])
    floor = "more than" if own > noise else "no more than"
    return (
        f"Ablation changes {share(own)} of the labels, {floor} the {share(noise)} that batch and precision change "
        f"alone. Its percentile is {listed(parts)}. By the whole interval it lies {by}."
    )


def beside(found: Against | str, *, what: str, others: str) -> str:
    """A share of prompts beside that under control sets; a text says why there is none."""
    if isinstance(found, str):
        return f"Of {what} nothing can be said: {found}."
    told = side(
        found.difference,
        above="more than",
        below="less than",
        neither="not distinguishably another than",
    )
    chosen, usual = 100 * found.chosen.value, 100 * found.controls.value
    apart = found.difference
    gap = Estimate(100 * apart.value, 100 * apart.low, 100 * apart.high, 0, 0)
    return (
        f"{what[:1].upper()}{what[1:]} is {small(chosen)} % with the chosen neurons and {small(usual)} % with "
        f"{others}: {told} theirs (difference {finely(gap)} points)."
    )


def odds(found: Against, roads: Mapping[str, float], *, clean: float) -> str:
    """The mean log-odds of the context's answer against the known one, their shift, and what each road alone does."""
    way = side(
        found.chosen,
        above="toward the context, so the neurons held copying back",
        below="away from the context, so the neurons helped copying",
        neither="in no direction that could be told",
    )
    more = side(
        found.difference,
        above="further toward the context than",
        below="less far toward the context than",
        neither="not distinguishably otherwise than",
    )
    alone = listed([f"{small(value)} {name}" for name, value in roads.items()])
    return (
        f"The log-odds of the context's answer, {number(clean)} nats on average, move by {finely(found.chosen)}: "
        f"{way}; {more} under sets matched on effect ({small(found.controls.value)}; difference "
        f"{finely(found.difference)}). "
        f"One road alone moves them by {alone}."
    )


def roads(counts: Mapping[str, int], *, n: int, has_bias: bool) -> str:
    """By which road the answers changed that did; whether the model's logits have a bias at all."""
    total = sum(counts.values())
    head = (
        "The logits of this model have a bias that the norm does not divide, so that a temperature can reorder them."
        if has_bias
        else "The logits of this model have no bias, so that no temperature can reorder them."
    )
    if not total:
        return f"{head} No answer of {n:,} changed, so there is no road to tell."
    parts = listed([f"{name} {count:,}" for name, count in counts.items()])
    scale = sum(count for name, count in counts.items() if name in ("scale alone", "either alone"))
    told = "none" if not scale else "all" if scale == total else f"{scale:,}"
    return f"{head} Of {counted(total, 'changed answer')} what sufficed was: {parts}. The scale suffices for {told}."


def without_bias(changed: Mapping[str, int], *, n: int) -> str:
    """What ablations change in a model whose logits have no bias, by road."""
    scale = changed["scale"]
    ways = {"both": "as it is", "direct": "with the scale frozen"}
    others = listed([f"{changed[road]:,} {way}" for road, way in ways.items()])
    alone = f"but {scale:,} through the scale alone, which is a fault"
    told = alone if scale else "and not one through the scale alone"
    return f"Of {counted(n, 'text')} that the random Llama wrote, ablation changes {others}, {told}."


def dose(table: DataFrame, *, own: str) -> str:
    """What a larger deviation than the clean one does to the labels, and to the flow into the context."""
    rows = table[table.set == own].set_index("dose")
    highest = float(rows.index.max())
    flow = {
        at: side(_estimate(rows, at, "net_flow"), above="toward the context", below="away from it", neither="nowhere")
        for at in (0.0, highest)
    }
    return (
        f"Taken away, the deviation changes {share(rows.score[0.0])} of the labels and moves answers {flow[0.0]}; "
        f"{number(highest)} times as large it changes {share(rows.score[highest])} and moves them {flow[highest]}. "
        + _mirrored(flow[0.0], flow[highest])
    )


def _mirrored(taken: str, enlarged: str) -> str:
    if "nowhere" in (taken, enlarged):
        return "A direction that both share, or in which they are opposed, cannot be told."
    opposed = taken != enlarged
    return (
        "More and less of the neurons do opposite things, as a regulator's would."
        if opposed
        else "More and less of the neurons do the same: what acts is the disturbance and not its direction."
    )


def _estimate(rows: DataFrame, at: float, column: str) -> Estimate:
    row = rows.loc[at]
    return Estimate(row[column], row[f"{column}_low"], row[f"{column}_high"], 0, 0)


def values(table: DataFrame) -> str:
    """Between which shares the labels that change lie, over values put in (index) by their `score`, and between which
    percentiles."""
    low, high = table.score.idxmin(), table.score.idxmax()
    return (
        f"By the value that is put in, between {share(table.score[low])} ({low}) and {share(table.score[high])} "
        f"({high}) of the labels change; the percentile among random sets runs from {number(table.percentile.min())} "
        f"to {number(table.percentile.max())}."
    )


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.2g}"
