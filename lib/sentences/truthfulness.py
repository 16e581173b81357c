"""What chapter 09 finds: where truth can be read, what the direction is about, whether it is carried over, and when
it appears. Whether verdicts obey it is told by `lib.sentences.steering`."""

from collections.abc import Mapping, Sequence

from pandas import DataFrame

from lib.resampling import Estimate
from lib.sentences.wording import listed, measured, number, percent, share, side
from lib.truthfulness import training
from lib.truthfulness.training import CHANCE, FOUND, JUDGED, RECALLED

CALLED = {"base": "the base model", "sft": "the fine-tuned model", "post": "the post-trained model"}
ORIGIN = {
    "none": "with the streams as they are",
    "others": "with each model centred by its mean",
    "topic": "with each topic centred by its mean",
}
SHARES = {FOUND: "statements sorted by the direction", RECALLED: RECALLED, JUDGED: JUDGED}


def called(model: str) -> str:
    """A model of the pair in words."""
    return CALLED[model]


def _row(row) -> Estimate:
    return Estimate(row.value, row.low, row.high, int(row.n), 2)


def legible(curves: DataFrame, *, layer: int) -> str:
    """How well directions sort topics that they have not seen after the layer chosen, and after which layers at all
    (curves: wording, model, layer, measure, value, low, high, n)."""
    rows = curves[(curves.wording == "statement") & (curves.measure == "accuracy")]
    at = rows[rows.layer == layer]
    told = listed([f"{percent(_row(row))} in {called(row.model)}" for row in at.itertuples()])
    above = sorted({row.layer for row in rows.itertuples() if row.low > CHANCE})
    where = (
        f"The whole interval lies above one half, in one model or more, after {_layers(above, rows.layer.nunique())}"
        if above
        else "After no layer does the whole interval of any model lie above one half"
    )
    return f"Of a topic that it has not seen the direction sorts, after layer {layer}, {told} rightly. {where}."


def _layers(above: Sequence[int], n_layers: int) -> str:
    if len(above) == n_layers:
        return "every layer"
    if len(above) == 1:
        return f"layer {above[0]} of 0 … {n_layers - 1} alone"
    return f"layers {listed([*above])} of 0 … {n_layers - 1}"


def wordings(curves: DataFrame, *, layer: int) -> str:
    """What directions from affirmative statements make of other wordings after a layer, by the area under the curve."""
    rows = curves[(curves.measure == "auroc") & (curves.layer == layer)]
    told = []
    for wording, name in (("paraphrase", "a second template"), ("negation", "negated statements")):
        of = rows[rows.wording == wording]
        phrases = [f"{measured(_row(row))} in {called(row.model)}" for row in of.itertuples()]
        told.append(f"On {name} its area under the curve is {listed(phrases)}.")
    sides = {side(_row(row), above="up", below="down", neither="", bound=CHANCE) for row in of.itertuples()}
    return f"{' '.join(told)} {MEANS.get(sides.pop() if len(sides) == 1 else '', MEANS[''])}"


MEANS = {
    "up": "It carries over to negations, as a direction of truth must.",
    "down": "It ranks negations the wrong way round in every model: what it tells is whether two things belong "
    "together, not whether the sentence is true.",
    "": "On negations it does not go one way in every model, so whether it is about truth cannot be told.",
}
"""What a direction of affirmative statements does to negated ones, and what that means."""


def carried(found: Mapping[tuple[str, str, str], tuple[Estimate, Estimate]]) -> str:
    """What a direction is worth in the other model, and that less the other's own, by direction, model and origin."""
    told = []
    for one, into in dict.fromkeys((one, into) for one, into, _ in found):
        parts = [
            f"{share(theirs.value)} {ORIGIN[by]} ({_points(less)} against its own)"
            for (source, model, by), (theirs, less) in found.items()
            if (source, model) == (one, into)
        ]
        told.append(f"The direction of {called(one)} sorts in {called(into)} {listed(parts)}.")
    worse = [key for key, (_, less) in found.items() if less.high < 0]
    told.append(
        "Nowhere does the interval say that a direction is worth less where it is carried than the one found there."
        if not worse
        else f"It is worth less than the one found there {listed([_of(key) for key in worse])}."
    )
    return " ".join(told)


def _of(key: tuple[str, str, str]) -> str:
    return f"from {key[0]} into {key[1]}, {ORIGIN[key[2]]}"


def _points(less: Estimate) -> str:
    return f"{number(100 * less.value)} [{number(100 * less.low)}, {number(100 * less.high)}] points"


def alike(found: Mapping[tuple[str, str], tuple[Estimate | str, Estimate]], *, layer: int) -> str:
    """The corrected cosines of models' directions after a layer, and the plain ones less those of labels by lot."""
    told = []
    for (one, other), (corrected, beyond) in found.items():
        names = f"{called(one)} and {called(other)}"
        if isinstance(corrected, str):
            told.append(f"For {names} no cosine is corrected: {corrected}.")
            continue
        lot = side(
            beyond,
            above="more than labels told by lot would have it",
            below="less than labels told by lot would have it",
            neither="no more than labels told by lot may have it",
        )
        told.append(f"For {names} it is {measured(corrected)}, {lot} (difference {measured(beyond)}).")
    first = f"After layer {layer} the cosine of two directions is taken over what halves of the facts allow."
    return " ".join([first, *told])


def appears(trace: DataFrame, *, level: float, grown: Sequence[int]) -> str:
    """When facts are recalled, when the direction sorts and when verdicts are right beyond a level, by the checkpoints
    of a trace (checkpoint, step, statistic, value, low, high); at the steps `grown` the model has grown."""
    points = trace[trace.checkpoint != "final"].sort_values("step")
    if points.empty:
        return "No checkpoints lie beside this model or were named, so when the direction appears cannot be seen here."
    told = [f"{SHARES[name]} pass {share(level)} {_when(points, name, level)}" for name in (RECALLED, FOUND, JUDGED)]
    before = training.last_without(trace)
    known = trace[(trace.statistic == RECALLED) & (trace.checkpoint == before)]
    if before is None or known.empty:
        return f"{_sentence(told)} No checkpoint is without the direction, so nothing came before it."
    row = known.iloc[0]
    return (
        f"{_sentence(told)} At {before}, the last checkpoint at which the direction does not tell true from false, "
        f"{share(row.value)} [{share(row.low)}, {share(row.high)}] of the facts are recalled.{_stages(points, grown)}"
    )


def _sentence(told: Sequence[str]) -> str:
    text = listed(told)
    return f"{text[0].upper()}{text[1:]}."


def _when(points: DataFrame, name: str, level: float) -> str:
    """From which step on a share is beyond the level, and where it falls back."""
    rows = points[points.statistic == name]
    steps, passed = rows.step.tolist(), (rows.value > level).tolist()
    if not any(passed):
        return "at no checkpoint"
    first = passed.index(True)
    lost = [step for step, is_there in zip(steps[first:], passed[first:], strict=True) if not is_there]
    back = f", but not at {listed([f'{step:,}' for step in lost])}" if lost else ""
    return f"from step {steps[first]:,} on{', the first checkpoint' * (first == 0)}{back}"


def _stages(points: DataFrame, grown: Sequence[int]) -> str:
    """Where the direction comes as the model grows, that the order says less."""
    rows = points[(points.statistic == FOUND) & (points.low > CHANCE)]
    comes = not rows.empty and rows.step.iloc[0] in grown
    return f" {GROWN[0].upper()}{GROWN[1:]}." if comes else ""


GROWN = "the direction comes where the model grows, so that the order may be that of its lessons"


def lots(found: Estimate | None) -> str:
    """What the direction sorts in a model that learned verdicts by lot."""
    if found is None:
        return "No model whose verdicts were told by lot is at hand to hold this against."
    told = side(
        found,
        above="so that it does not take true verdicts to have it",
        below="the wrong way round",
        neither="as chance would have it",
        bound=CHANCE,
    )
    return f"In a model that learned verdicts by lot the direction sorts {percent(found)}, {told}."
