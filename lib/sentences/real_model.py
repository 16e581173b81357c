"""What the page on a real model finds: of each claim and each measurement, whether it carries over, and why.

Nothing is said that verdicts and intervals do not say: what one run leaves open is open here, however alike the two
numbers look."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod

from lib.claims.carrying import Carried, Entry, Group, Measurement, Outcome, measurement
from lib.sentences.beside import small
from lib.sentences.wording import counted, listed, number, share

LEADS: dict[Outcome, str] = {
    "carries over": "Carries over.",
    "does not carry over": "Does not carry over.",
    "cannot be told": "Cannot be told.",
}
"""How a finding begins, in bold on the page."""


def told(found: Measurement | None) -> str:
    """A measurement with its interval, or a dash."""
    return "–" if found is None else f"{small(found.value)} [{small(found.low)}, {small(found.high)}]"


def claim(found: Carried, *, what: str, here: str, there: str) -> str:
    """Whether one claim carries over from the model `here` to that `there`; `what` it measures, as a noun phrase."""
    lead, silent = f"**{LEADS[found.outcome]}**", _silent(found, here, there)
    if silent:
        return f"{lead} {_capital(what)} was not measured on {silent}."
    numbers = f"{told(measurement(found.here))} on {here} and {told(measurement(found.there))} on {there}"
    return f"{lead} {_capital(what)} is {numbers}. {_why(found, here, there)}."


def second_half(found: Carried, *, what: str, here: str, there: str) -> str:
    """What the second half of a claim measured on both models (`what`, where there are words for it), and where it was
    to lie; empty where it has none, or one of them none."""
    both = [measurement(entry, half="but_") for entry in (found.here, found.there)]
    if None in both or not found.claim.but or not found.claim.but.region:
        return ""
    half = f"The claim's second half, {what}," if what else "Its second half"
    wanted = found.claim.but.region.name
    return f"{half} is {told(both[0])} on {here} and {told(both[1])} on {there}, and claimed {wanted}."


def _silent(found: Carried, here: str, there: str) -> str:
    """The models on which a claim's first half was not measured, or on which it was not tested."""
    entries: dict[str, Entry] = {here: found.here, there: found.there}
    silent = [name for name, entry in entries.items() if entry["verdict"] == "not tested" or entry["measured"] is None]
    return listed(silent) if silent else ""


def _why(found: Carried, here: str, there: str) -> str:
    """The verdicts behind an outcome, as a sentence without its full stop."""
    kinds = {half[0] for half in found.decided}
    if found.outcome == "carries over":
        if len(kinds) > 1:
            return "Both runs support one half of the claim and contradict the other"
        return f"Both runs {'support' if 'supported' in kinds else 'contradict'} the claim"
    if not found.claim.but:
        return f"The claim is {_on_both(found.halves[0], here, there)}"
    first, second = (_on_both(half, here, there) for half in found.halves)
    return f"The claim's first half is {first}, its second {second}"


def on_both(found: Carried) -> list[str]:
    """The verdicts of every half of a claim, in a word or two."""
    return [one if one == other else f"{one} here, {other} there" for one, other in found.halves]


def _on_both(verdicts: tuple[str, str], here: str, there: str) -> str:
    if verdicts[0] == verdicts[1]:
        return f"{verdicts[0]} on both"
    return f"{verdicts[0]} on {here} and {verdicts[1]} on {there}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def counts(outcomes: Sequence[Outcome], *, n_failed: int) -> str:
    """How many of several claims carry over, `n_failed` of them as a failure: `Of 6 claims …`."""
    over, not_over, open_ = (outcomes.count(outcome) for outcome in LEADS)
    carried = f"{over} {'carries' if over == 1 else 'carry'} over"
    failed = f", {n_failed} of them as a failure," if n_failed else ""
    others = f"{not_over} {'does' if not_over == 1 else 'do'} not; of {open_} it cannot be told"
    return f"Of {counted(len(outcomes), 'claim')} {carried}{failed} and {others}."


def dims(cut: Mapping[str, tuple[int, int]]) -> str:
    """How many directions lie below the drop, of how many, by model."""
    parts = [f"{dim:,} of {d_model:,} on {name} ({share(dim / d_model)})" for name, (dim, d_model) in cut.items()]
    return f"The directions below the drop are {listed(parts)}."


def above_chance(found: Mapping[str, tuple[tuple[int, int], tuple[int, int], float]]) -> str:
    """How many of the chosen neurons and of the others have more rho than chance, each of how many, and the mean of the
    chosen in units of chance, by model."""
    parts = [
        f"{above:,} of {n:,} chosen neurons and {over:,} of {m:,} others on {name}"
        for name, ((above, n), (over, m), _) in found.items()
    ]
    means = [f"{number(mean)} times chance on {name}" for name, (*_, mean) in found.items()]
    return f"More rho than chance have {listed(parts)}. The mean of all chosen neurons is {listed(means)}."


def flipped(found: Mapping[str, tuple[tuple[int, int], tuple[int, int]]]) -> str:
    """How many prompts get an answer with another label once the chosen neurons are ablated, and once others that are
    matched on effect are, each of how many, by model."""
    parts = [
        f"{changed:,} of {n:,} prompts on {name} ({share(changed / n)})" for name, ((changed, n), _) in found.items()
    ]
    told = f"Ablation changes whose answer is given to {listed(parts)}."
    others = [f"{share(changed / n)} on {name}" for name, (_, (changed, n)) in found.items() if n]
    return f"{told} Of prompts with other neurons of like effect ablated it is {listed(others)}." if others else told


def agreement(pairs: Sequence[str]) -> str:
    """What is said in short of pairs of rules."""
    return f"agreement of {listed(pairs)}"


def overlap(shared: Mapping[str, int], *, both: Sequence[str], apart: Sequence[str], n: int) -> str:
    """Whether rules agree on both models: the number of pairs that share more neurons than chance on each model
    (`shared`), the names of those that do so on `both` and of those whose overlap differs (`apart`), of `n` pairs."""
    over, not_over, open_ = (f"**{lead}**" for lead in LEADS.values())
    parts = [f"{over} On both models {listed(both)} share more neurons than chance."] if both else []
    parts += [f"{not_over} On one alone, and too different for chance: {listed(apart)}."] if apart else []
    parts = parts or [f"{open_} No pair of rules does on both models, and none is too different for chance."]
    counts = listed([f"{pairs} on {name}" for name, pairs in shared.items()])
    of = f"Of {counted(n, 'pair')} of rules that sort by different numbers {counts} share more neurons than chance."
    return " ".join([*parts, of])


def missing(wanted: Mapping[str, Sequence[str]]) -> str:
    """Which tables a figure needs that a run does not have, by model."""
    parts = [f"the run of `{name}` has no {listed(what)}" for name, what in wanted.items() if what]
    return f"There is no figure here: {listed(parts)}."


def no_ledger(names: Sequence[str]) -> str:
    """That a question has no answer: the models whose run has none of its claims."""
    return (
        f"**{LEADS['cannot be told']}** Both ledgers need a claim of this question, the same one, and there is none "
        f"for {listed([f'`{name}`' for name in names])}."
    )


def ledgers(groups: Sequence[Group], alone: Mapping[str, int]) -> list[str]:
    """How two ledgers compare, claim by claim: the `groups` of the claims that both have, and how many of those that
    one supports are supported by each model `alone`."""
    n = Counter(groups)
    tested, both = len(groups) - n["not tested"], n["supported on both"]
    by_lot = prod(both + count for count in alone.values()) / max(tested, 1)
    return [
        f"Both ledgers speak of {counted(len(groups), 'claim')}; {n['not tested']} of these could not be tested on one "
        "of the models or on either.",
        f"The {tested} others: {both} supported on both, "
        f"{', '.join([f'{count} on {name} alone' for name, count in alone.items()])}, {n['contradicted on both']} "
        f"contradicted on both, and {n['open']} left open by one model or both, in one half at least.",
        f"Two ledgers that have nothing to do with each other would support {number(by_lot)} of them both.",
    ]


def findings(outcomes: Mapping[str, Outcome], *, first: Sequence[str]) -> list[str]:
    """What a page found, a line for each outcome, from that of all it asked: which have it; of what cannot be told
    those that were asked `first`, one for each question, and how many more."""
    lines = []
    for outcome, lead in LEADS.items():
        some = [asked for asked, found in outcomes.items() if found == outcome]
        named = some if outcome != "cannot be told" else [asked for asked in some if asked in first]
        others = f"{'; and ' if named else ''}{len(some) - len(named)} more" if len(some) > len(named) else ""
        told = _capital("; ".join(named)) + others if some else "Nothing"
        lines.append(f"**{lead}** {told}.")
    return lines


def other_code(here: str, there: str) -> str:
    """That two runs were made with different code, by the fingerprints of the library; empty where they were not."""
    if here == there:
        return ""
    return (
        f"The kept run was made with another state of the library ({there}) than this book ({here}), so a difference "
        "may also be one of method."
    )


def other_parameters(found: Mapping[str, Sequence[str]]) -> str:
    """Which parameters two runs have otherwise, by the chapters that have them; empty where none is."""
    if not found:
        return ""
    parts = [f"{name} in {'chapter' if len(at) == 1 else 'chapters'} {listed(at)}" for name, at in found.items()]
    return " ".join(f"The two runs differ in {part}." for part in parts)
