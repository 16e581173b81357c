"""What chapter 12 finds: what rises in training, from when on it is there, in which order, and what dropout did."""

from pandas import DataFrame, Series, isna

from lib.controls import Against
from lib.emergence import EMERGES, FINAL, FROM_THE_START, LAYERS, NOT_REACHED, growth
from lib.resampling import Estimate
from lib.sentences.wording import apart, counted, listed, measured, number, share, side

NOTHING = "No checkpoints lie beside this model or were named, so this run saw nothing of its training."
CLIFF = 2.0
"""A drop by this factor from one singular value to the next is called a cliff."""
SUBJECT = {
    "null space": "The null space, in decades,",
    "rho": "The entropy neurons' rho",
    "norm-mediated": "Their norm-mediated share",
    "induction": "The best head's induction score",
    "frequency-mediated": "The token-frequency neurons' mediated share",
    "loss": "The loss, in nats,",
}


def checkpoints(trace: DataFrame) -> str:
    """How many checkpoints a trace holds, and whether the model grows on the way."""
    points = trace[trace.checkpoint != FINAL]
    if points.empty:
        return NOTHING
    steps = sorted({*points.step})
    told = f"This run measured {counted(len(steps), 'checkpoint')}, from step {steps[0]:,} to step {steps[-1]:,}."
    return f"{told} {grown(trace)}"


def grown(trace: DataFrame) -> str:
    """Whether a model has more layers at work from some checkpoint on, or goes on without text."""
    steps = growth(trace)
    if not steps:
        return "All of them are stages of one training on text, in one shape."
    layers = trace[(trace.statistic == LAYERS) & (trace.checkpoint != FINAL)].set_index("step").sort_index().value
    before = layers[layers.index < steps[0]]
    told = f"step {before.index[-1]:,} ({counted(int(before.iloc[-1]), 'layer')} at work)"
    return (
        f"After {told} the model grows: {counted(int(layers.loc[steps[0]]), 'layer')} at work at step {steps[0]:,}. "
        f"The last {counted(len(steps), 'checkpoint')} are stages of that growth: what changes there may be due to it, "
        "and not to more text."
    )


def course(trace: DataFrame, *statistics: str) -> str:
    """How statistics go from the first checkpoint that has them to the final weights, each beside its control where
    there is one."""
    told = [_course(trace[trace.statistic == name]) for name in statistics if len(_own(trace, name)) > 1]
    return " ".join(told) or NOTHING


def _own(trace: DataFrame, name: str) -> DataFrame:
    """A statistic's rows without those of its controls."""
    return trace[(trace.statistic == name) & (trace.control == "")]


def _course(rows: DataFrame) -> str:
    """Of one statistic, with the rows of its control."""
    name, control = rows.statistic.iloc[0], rows[rows.control != ""]
    first, final = _ends(_own(rows, name))
    way = {1: "rises", -1: "falls", 0: "does not clearly change"}[apart(final, first)]
    told = f"{SUBJECT.get(name, name)} {way}, from {_shown(first)} to {_shown(final)}"
    if control.empty:
        return f"{told}."
    start, end = _ends(control)
    beside = {1: "higher", -1: "lower", 0: "not clearly another"}[apart(final, end)]
    matched = f"that of the matched neurons drawn here goes from {number(start.value)} to {_shown(end)}"
    return f"{told}; {matched}, so that of the followed ones is {beside} in the end."


def _shown(found: Estimate) -> str:
    """With its interval, unless that misses the number: halves of a vocabulary may all lie to one side of the whole."""
    return measured(found) if found.low <= found.value <= found.high else number(found.value)


def _ends(rows: DataFrame) -> tuple[Estimate, Estimate]:
    """The first and the last row of a statistic."""
    first, final = (Estimate(row.value, row.low, row.high, int(row.n), 1) for row in rows.iloc[[0, -1]].itertuples())
    return first, final


def onsets(table: DataFrame) -> str:
    """From when on each statistic is there (status, earliest, step, latest, level, first, final)."""
    if table.empty:
        return NOTHING
    dated = table[table.status == EMERGES].sort_values("step")
    told = [f"{name} at step {row.step:,}{_range(row)}" for name, row in dated.iterrows()]
    emerging = f"Each passes its level: {listed(told)}." if told else "Nothing is seen to pass its level."
    start, never = (table[table.status == status] for status in (FROM_THE_START, NOT_REACHED))
    already = [f"{name} ({number(row['first'])}, level {number(row.level)})" for name, row in start.iterrows()]
    short = [f"{name} ({number(row.final)}, level {number(row.level)})" for name, row in never.iterrows()]
    there = (
        f"Beyond the level from the first checkpoint on, and so without a date: {listed(already)}." if already else ""
    )
    missing = f"Not beyond its level at the end: {listed(short)}." if short else ""
    return " ".join(filter(None, (emerging, there, missing)))


def _range(row: Series) -> str:
    """The other steps at which a statistic may have come, in brackets."""
    if isna(row.latest):
        return f" ({row.earliest:,} or later, if at all)"
    return "" if row.earliest == row.latest else f" ({row.earliest:,} to {row.latest:,})"


def growing(back: list[tuple[str, int, float]], grown: list[int]) -> str:
    """What growth throws back behind its level (statistic, step, value)."""
    if not grown:
        return "No checkpoint is one of growth, so all of them count for the dates below."
    if not back:
        return "What was beyond its level before the model grew stays there while it grows."
    told = listed([f"{name} ({number(value)} at step {step:,})" for name, step, value in back])
    lasts = sorted({name for name, step, _ in back if step == grown[-1]})
    end = f"; {listed(lasts)} to the end" if lasts else ", from where it returns before the end"
    return (
        f"Growth throws {told} back behind the level{end}. Its checkpoints therefore have no part in the dates below."
    )


def order(table: DataFrame) -> str:
    """Which of the statistics that emerge do so one before another (`before`, `after`, `open`)."""
    names = [str(name) for name in table.index]
    if len(names) < 2:
        return "Fewer than two statistics emerge in the course of the checkpoints, so there is no order to speak of."
    pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    known = [(one, other) for one, other in pairs if table.loc[one, other] == "before"]
    known += [(other, one) for one, other in pairs if table.loc[one, other] == "after"]
    if not known:
        return f"In none of {counted(len(pairs), 'pair')} one comes first: their ranges of steps overlap."
    later = {one: [other for first, other in known if first == one] for one in names}
    told = "; ".join(f"{one} before {listed(others)}" for one, others in later.items() if others)
    n_open = len(pairs) - len(known)
    left = f"; {n_open} stay{'s' * (n_open == 1)} open" if n_open else ""
    return f"In {len(known)} of {counted(len(pairs), 'pair')} one comes first: {told}{left}."


def drift(table: DataFrame) -> str:
    """How far the final weights are from the last checkpoint (control, difference, width of the interval)."""
    if table.empty:
        return NOTHING
    width = table["width of the interval"]
    moved = table[table.difference.abs() > width]
    if len(moved):
        which = listed([_of(*one) for one in moved.control.items()])
        return (
            f"The final weights differ from the last checkpoint by more than an interval's width in {which}: that is "
            "rounding, or something was done to the model afterwards."
        )
    most = (table.difference.abs() / width.where(width > 0, 1)).max()
    if most < 0.0005:
        return "The final weights give the numbers of the last checkpoint."
    return (
        f"In no statistic do the final weights differ from the last checkpoint by more than {share(most)} of its "
        "interval: they are one model but for precision."
    )


def _of(statistic: str, control: str) -> str:
    """A statistic, and what its neurons are where these are controls."""
    return f"{statistic} ({control})" if control else statistic


def rise(found: Against | Estimate | str, what: str) -> str:
    """Whether something of chosen neurons rises in training, and whether it rises more than that of matched ones."""
    if not isinstance(found, Against):
        why = found if isinstance(found, str) else "it has no control"
        return f"Whether {what} rises was not tested: {why}."
    own = side(found.chosen, above="rises by", below="falls by", neither="is not seen to change:")
    more = side(
        found.difference,
        above="it goes beyond theirs",
        below="it stays behind theirs",
        neither="whether it goes beyond theirs cannot be told",
    )
    return (
        f"From the first to the final weights {what} {own} {measured(_size(found.chosen))}. That of matched neurons "
        f"changes by {number(found.controls.value)}; {more} (difference {measured(found.difference)})."
    )


def _size(found: Estimate) -> Estimate:
    """A fall as a positive number."""
    falls = found.high < 0
    ends = (-found.value, -found.high, -found.low) if falls else (found.value, found.low, found.high)
    return Estimate(*ends, found.n, found.n_sequences)


def twins(ratio: Estimate | str, table: DataFrame | None) -> str:
    """The end of the spectrum without dropout over that with it, beside the same ratio of all other singular values
    (table: plain, dropout)."""
    if isinstance(ratio, str) or table is None:
        return f"The claim about dropout was not tested: {ratio}."
    told = side(
        ratio,
        above="with dropout the end is quieter",
        below="with dropout the end is louder",
        neither="whether dropout changes the end cannot be told",
        bound=1.0,
    )
    body = table[: len(table) - max(1, len(table) // 20)]
    others = (body.plain / body.dropout).median()
    beyond = side(
        ratio,
        above="the end falls further than the rest does",
        below="the end falls less than the rest does",
        neither="the end changes about as the rest does",
        bound=others,
    )
    return (
        f"The last 5 % of the singular values are {measured(ratio)} times as large without dropout as with it: {told}. "
        f"Of all the others the median ratio is {number(others)}, so {beyond}. {_cliffs(table)}"
    )


def _cliffs(table: DataFrame) -> str:
    """How far the values of both models drop from one to the next within the last 5 %, exact zeros left out."""
    drops = []
    for name in ("plain", "dropout"):
        value = table[name][table[name] > 0]
        end = value.iloc[-max(2, len(value) // 20) :]
        drops.append(float((end.shift() / end).max()))
    which = {(True, True): "both have", (True, False): "only the model without dropout has"}
    which |= {(False, True): "only the model with dropout has", (False, False): "neither has"}
    told = which[drops[0] >= CLIFF, drops[1] >= CLIFF]
    return (
        f"There the largest drop from one value to the next is by a factor of {number(drops[0])} without dropout and "
        f"{number(drops[1])} with it: {told} a cliff."
    )
