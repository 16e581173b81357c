"""What chapter 10 finds: which directions were chosen, what they do at home and abroad, how alike they are."""

from collections.abc import Collection, Sequence
from typing import Any

from pandas import DataFrame

from lib.refusal import NONE, Choice, first_told, second_direction
from lib.resampling import Estimate
from lib.sentences.wording import apart, counted, listed, measured, number, of, share, side

CALLED = {"base": "the base model", "sft": "the fine-tuned model", "post": "the post-trained model"}


def rows(
    found: dict[str, Choice], scores: dict[str, DataFrame], places: dict[str, Sequence[str]], strength: dict[str, float]
) -> DataFrame:
    """The chosen directions as a table: a row for each model, with where it was read, its scores, and its strength."""
    table = {}
    for name, one in found.items():
        row = scores[name][(scores[name].depth == one.depth) & (scores[name].place == one.place)].iloc[0]
        numbers = {column: round(float(row[column]), 2) for column in ("bypass", "induce", "kl")}
        where = {"depth": one.depth, "read at": places[name][one.place]}
        table[name] = where | numbers | {"strength": round(strength[name], 2), "given up": one.reason or "nothing"}
    return DataFrame.from_dict(table, orient="index")


def choices(found: dict[str, Choice], places: dict[str, Sequence[str]], strength: dict[str, float]) -> str:
    """Where each model's direction was read, how long it is, and which condition of the rule was given up."""
    told = [
        f"{CALLED[name]}, at depth {one.depth} on {_place(places[name], one.place)}, "
        f"{share(strength[name])} of the residual stream's length"
        for name, one in found.items()
    ]
    given_up = [f"{CALLED[name]}: {one.reason}" for name, one in found.items() if one.reason]
    rest = f" No direction passes every condition in {'; in '.join(given_up)}." if given_up else ""
    kept = [CALLED[name] for name, one in found.items() if not one.reason]
    passed = f" The rule is kept in full for {listed(kept)}." if kept else ""
    return f"The rule takes, for {'; for '.join(told)}.{passed}{rest}"


def _place(places: Sequence[str], place: int) -> str:
    return "the instruction's last token" if place == 0 else f"the template's token {places[place]!r}"


def baseline(table: DataFrame) -> str:
    """How often each model refuses harmful and harmless requests when nothing is done to it."""
    told = []
    for name in table.model.unique():
        rows = table[(table.model == name) & (table.intervention == NONE)].set_index("prompts")
        counts = [
            of(int(rows.refusals[kind]), int(rows.n[kind]), f"{kind} request") for kind in ("harmful", "harmless")
        ]
        told.append(f"{CALLED[name]} refuses {counts[0]} and {counts[1]}")
    return f"Untouched, {'; '.join(told)}."


def _row(table: DataFrame, **wanted: str) -> dict[str, Any]:
    for name, value in wanted.items():
        table = table[table[name] == value]
    return table.iloc[0].to_dict()


def at_home(table: DataFrame, model: str) -> str:
    """What a model's own direction does in it, beside random ones: refusals of harmful requests without and with it
    taken out, of harmless requests without and with it added."""
    told = []
    for kind, prompts, done in (("ablation", "harmful", "taken out"), ("addition", "harmless", "added")):
        clean = _row(table, model=model, intervention=NONE, prompts=prompts)
        steered = _row(table, model=model, intervention=kind, direction_from=model)
        drawn = table[(table.model == model) & (table.intervention == kind) & table.random].refusals
        beside = f", with a random one {_span(drawn)}" if len(drawn) else ""
        told.append(
            f"with it {done} {of(int(steered['refusals']), int(steered['n']), f'{prompts} request')} "
            f"{'is' if steered['refusals'] == 1 else 'are'} refused ({int(clean['refusals'])} without{beside})"
        )
    return f"The direction of {CALLED[model]} at home: {told[0]}; {told[1]}."


def _span(counts: Collection[int]) -> str:
    low, high = int(min(counts)), int(max(counts))
    return str(low) if low == high else f"{low} to {high}"


def transfer(table: DataFrame, forward: dict[str, Estimate | str], backward: dict[str, Estimate | str]) -> list[str]:
    """What each model does untouched, what the post-trained model's direction does at home, and what carries over."""
    there = carried(forward, direction_from="base", model="post")
    back = carried(backward, direction_from="post", model="base")
    return [baseline(table), at_home(table, "post"), there, back]


def carried(found: dict[str, Estimate | str], *, direction_from: str, model: str) -> str:
    """Of the answers that a model's own direction turns, how many another's turns as well (by intervention)."""
    told = []
    for kind, one in found.items():
        if isinstance(one, str):
            told.append(f"{kind} says little, since {one}")
            continue
        verdict = side(
            one,
            above="so it carries over",
            below="so it does not carry over",
            neither="which leaves it open",
            bound=0.5,
        )
        hits = round(one.value * one.n)
        told.append(f"under {kind} it turns {hits} of the {one.n} that the own direction turns, {verdict}")
    return f"The direction of {CALLED[direction_from]} in {CALLED[model]}: {'; '.join(told)}."


def judges(table: DataFrame, words: Sequence[str]) -> str:
    """How often the two judges disagree (both, opener_only, log_odds_only, neither), and on what."""
    only = {"opener": int(table.opener_only.sum()), "log-odds": int(table.log_odds_only.sum())}
    n = int(table[["both", "opener_only", "log_odds_only", "neither"]].to_numpy().sum())
    apart_ = sum(only.values())
    tokens = listed([repr(word) for word in words])
    if not int(table.both.sum()) + apart_:
        return f"Neither judge sees a single refusal among {counted(n, 'answer')} (tokens {tokens})."
    if not apart_:
        return f"On {counted(n, 'answer')} the two judges never disagree (tokens {tokens})."
    rows = table.assign(apart=table.opener_only + table.log_odds_only)
    worst = rows.loc[rows["apart"].idxmax()]
    return (
        f"The judges (openers, and the log-odds of {tokens}) disagree on {of(apart_, n, 'answer')}: {only['opener']} "
        f"are refusals by the opener alone, {only['log-odds']} by the log-odds alone. Most of it, {worst['apart']}, "
        f"is in {CALLED[worst['model']]} under {_done(worst)}."
    )


def _done(row: Any) -> str:
    if row["intervention"] == NONE:
        return f"no intervention on {row['prompts']} requests"
    return f"{row['intervention']} of the direction from {row['direction_from']}"


def strengths(table: DataFrame, model: str) -> str:
    """From which strength on a direction makes refusal more likely than not in a model, and whether a random one ever
    does."""
    random = table[table.random]
    reached, never = [], []
    for name in table.direction_from[~table.random].unique():
        rows = table[(table.direction_from == name) & (table.log_odds_low > 0)]
        if len(rows):
            reached.append(f"that of {CALLED[name]} from a strength of {number(rows.strength.min())} on")
        else:
            never.append(CALLED[name])
    likelier = f"In {CALLED[model]} refusal of harmless requests becomes likelier than not"
    with_it = f" with {listed(reached)}" if reached else ""
    without = f" with no strength tried of that of {listed(never)}" if never else ""
    ever, n = random[random.log_odds > 0].direction_from.nunique(), random.direction_from.nunique()
    beside = f"; of {counted(n, 'random direction')}, {ever or 'none'} ever makes it so" if n else ""
    return f"{likelier}{with_it}{',' if reached and never else ''}{without}{beside}."


def cosine(own: Estimate, matched: Estimate | str, *, one_template: bool) -> str:
    """How alike the directions of base and post-trained model are: as the paper compares them, and at one template,
    depth and place as a share of what is possible."""
    first = (
        f"Read as in the paper, each model in its own template at its own place, the directions have a cosine of "
        f"{measured(own)}."
    )
    same = " (The templates are one here, so that only the place differs.)" if one_template else ""
    if isinstance(matched, str):
        return f"{first}{same} At one template and place nothing can be said: {matched}."
    told = side(
        matched,
        bound=0.5,
        above="more alike than not",
        below="less than half as alike as they could be",
        neither="about half as alike as they could be, on neither side for sure",
    )
    return f"{first}{same} At one template, depth and place they reach {measured(matched)} of the ceiling: {told}."


def truth(found: Estimate | str, shares: Sequence[Estimate | str], *, depth: int) -> str:
    """Whether the direction of truth is more alike between the models than that of refusal, at one depth; `shares` are
    those of their ceilings that truth and refusal reach."""
    if isinstance(found, str):
        return f"Truth and refusal cannot be set side by side at depth {depth}: {found}."
    told = side(
        found,
        above="truth is more alike between the models than refusal",
        below="refusal is more alike between the models than truth",
        neither="neither is more alike for sure",
    )
    of_truth, of_refusal = (one if isinstance(one, str) else measured(one) for one in shares)
    return (
        f"At depth {depth}, where both are read best, the direction of truth reaches {of_truth} of its "
        f"ceiling and that of refusal {of_refusal}: {told} (difference {measured(found)})."
    )


def punctuation(table: DataFrame) -> str:
    """What becomes of a direction when the two kinds of request end in different marks (rows: model, place; columns
    matched, mark: cosines of the unmatched direction with the matched one and with that of the mark)."""
    told = [
        f"{CALLED[row.model]}, read at the {row.place}, {number(row.matched)} with the matched one's and "
        f"{number(row.mark)} with the mark's"
        for row in table.itertuples()
    ]
    taken = table[table.mark > table.matched]
    rest = (
        f"In {of(len(taken), len(table), 'reading')} it is nearer to the mark than to the harm."
        if len(taken)
        else "It is nearer to the harm in every reading."
    )
    return f"The direction from unmatched sets has these cosines: in {'; in '.join(told)}. {rest}"


def sorting(tables: dict[str, DataFrame]) -> str:
    """From which depth on harm is told at the instruction's end and where the answer begins, in each model."""
    told = []
    for place, where in {"instruction": "At the instruction's last token", "answer": "Where the answer begins"}.items():
        models = []
        for name, table in tables.items():
            depth = first_told(table, place)
            most = share(table[table.place == place].share.max())
            when = "does not tell harm by its end" if depth is None else f"tells harm from depth {depth} on"
            models.append(f"{CALLED[name]} {when} ({most} at best)")
        told.append(f"{where} {listed(models)}.")
    return " ".join(told)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def two_places(cosines: dict[str, Estimate | str], depth: int) -> str:
    """How alike, within a model, the direction at the instruction's end is to that where the answer begins, as a share
    of the ceiling."""
    told = [f"{CALLED[name]} {one if isinstance(one, str) else measured(one)}" for name, one in cosines.items()]
    return f"At depth {depth} the cosine of the directions at the two places, over its ceiling: {'; '.join(told)}."


def second(table: DataFrame, found: Choice) -> str:
    """Whether a second direction carries refusal too (rows of `outcome.table`, named as in `second_direction`)."""
    rows = table.set_index(["intervention", "direction_from"])

    def estimate(kind: str, name: str) -> Estimate:
        row = rows.loc[(kind, name)]
        return Estimate(float(row["share"]), float(row.share_low), float(row.share_high), int(row.n), int(row.n))

    kind, added, clean = "ablation", estimate("addition", second_direction.ALONE), _clean(table, "harmless")
    first, both = estimate(kind, second_direction.FIRST), estimate(kind, second_direction.BOTH)
    beside = table[table.random].share
    counts = [f"{round(one.value * one.n)} of {one.n}" for one in (first, both, added)]
    less = "fewer than" if apart(both, first) < 0 else "not clearly fewer than"
    random = (
        f" (with a random one beside the first {share(beside.min())} to {share(beside.max())})" if len(beside) else ""
    )
    enough = (
        "The model refuses what harms no more than what does not, so that this says nothing."
        if apart(_clean(table, "harmful"), clean) <= 0
        else "Refusal does not lie in the first direction alone."
        if apart(both, first) < 0 or apart(added, clean) > 0
        else "Nothing here asks for a second direction."
        if first.high < 0.5
        else "What refuses without the first direction is not in the second either."
    )
    return (
        f"Without the first direction {counts[0]} harmful requests are still refused, without both {counts[1]}, "
        f"{less} before{random}. Added where the first is missing, the second (depth {found.depth}) makes the model "
        f"refuse {counts[2]} harmless ones. {enough}"
    )


def _clean(table: DataFrame, prompts: str) -> Estimate:
    """Refusals of one kind of request when nothing is done."""
    row = _row(table, intervention=NONE, prompts=prompts)
    value, low, high = (float(row[name]) for name in ("share", "share_low", "share_high"))
    return Estimate(value, low, high, int(row["n"]), int(row["n"]))


def cost(table: DataFrame) -> str:
    """What the interventions cost on text (loss_change, low, high in nats): the dearest, and which cost nothing."""
    real = table[~table.random]
    worst = real.sort_values("loss_change").iloc[-1]
    free = real[(real.low <= 0) & (real.loss_change < 0.01)]
    found = Estimate(float(worst.loss_change), float(worst.low), float(worst.high), 0, 0)
    random = table[table.random].loss_change
    beside = f" Random directions cost {number(random.min())} to {number(random.max())} nats." if len(random) else ""
    return (
        f"On text the dearest intervention is {worst.intervention} of the direction from {worst.direction_from} in "
        f"{CALLED[worst.model]}, {measured(found)} nats a token. "
        f"{_capital(of(len(free), len(real), 'intervention'))} cost less than a hundredth of a nat.{beside}"
    )
