"""One direction for truth: found on all topics but one, in one model, and tried on the topic left out, in any model.

The direction is the difference between the mean of the true and of the false statements. A statement counts as true
where it lies beyond the cut halfway between the two. Two models may hold the same thing at different places of the
residual stream, so a direction that is carried from one into the other may point the right way and cut in the wrong
place. Three ways to set the origin tell the two apart (`Centring`)."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import directions, measures, resampling
from lib.directions import Direction
from lib.resampling import Estimate
from lib.truthfulness.statements import TOPICS, Statements

Centring = Literal["none", "others", "topic"]
"""The origin: that of the residual stream; each model's mean over the topics that the direction is found on; or each
topic's own mean in each model (Du et al. 2025, section 4), which looks at the statements to be judged."""
CENTRINGS: tuple[Centring, ...] = get_args(Centring)


def centred(
    resid: Float[Tensor, "text layer d_model"], topic: Int[Tensor, " text"], *, by: Centring, left_out: int
) -> Float[Tensor, "text layer d_model"]:
    """The residual stream from one of the three origins, for directions that one topic is left out of."""
    if by == "none":
        return resid
    if by == "others":
        return resid - resid[topic != left_out].mean(0)
    return resid - torch.stack([resid[topic == one].mean(0) for one in range(int(topic.max()) + 1)])[topic]


def found_without(
    resid: Float[Tensor, "text layer d_model"], about: Statements, *, left_out: int, by: Centring = "none"
) -> Direction:
    """The directions after every layer, found on all topics but one. Raises ValueError where no other topic is left."""
    others = about.topic != left_out
    if not others.any():
        raise ValueError("to leave a topic out and find a direction on the others takes two topics or more, got one")
    x = centred(resid, about.topic, by=by, left_out=left_out)[others]
    return directions.difference_of_means(x, about.true[others])


def scores(
    source: Float[Tensor, "text layer d_model"],
    target: Float[Tensor, "text layer d_model"],
    about: Statements,
    *,
    by: Centring = "none",
) -> Float[Tensor, "text layer"]:
    """How far beyond the cut each statement of the target lies along the direction that the source gives for the other
    topics, in units of the residual stream.

    `source` and `target` hold the same statements, in two models or in two wordings; `about` tells the source's truth.
    Raises ValueError as `found_without` does, and for a direction without length."""
    found = torch.zeros(target.shape[:2], dtype=target.dtype)
    for one in about.topic.unique().tolist():
        here = about.topic == one
        there = centred(target, about.topic, by=by, left_out=one)[here]
        found[here] = found_without(source, about, left_out=one, by=by).projection(there)
    return found


def right(score: Float[Tensor, "text layer"], true: Bool[Tensor, " text"]) -> Bool[Tensor, "text layer"]:
    """Which statements lie on the side of the cut that they belong to."""
    return (score > 0) == true[:, None]


def layers(read: Sequence[Float[Tensor, "text layer d_model"]], about: Statements) -> Int[Tensor, " topic"]:
    """For each topic the layer at which directions sort the other topics best, in the mean over some models.

    Neither the choice nor the directions that it rests on have seen the topic that the layer is for, so that what is
    then measured on that topic is no choice among many."""
    chosen = []
    for one in about.topic.unique().tolist():
        others = about.topic != one
        some = subset(about, others)
        hits = [right(scores(x[others], x[others], some, by="topic"), some.true) for x in read]
        chosen.append(torch.stack(hits).double().mean((0, 1)).argmax())
    return torch.stack(chosen)


def subset(about: Statements, some: Bool[Tensor, " statement"]) -> Statements:
    """Some of the statements, their topics and facts numbered as before."""
    texts = tuple(text for text, is_kept in zip(about.texts, some.tolist(), strict=True) if is_kept)
    return Statements(texts, about.true[some], about.topic[some], about.fact[some])


def at(score: Float[Tensor, "text layer"], layer: Int[Tensor, " topic"], about: Statements) -> Float[Tensor, " text"]:
    """Each statement's score at its topic's layer."""
    return score.gather(1, layer[about.topic][:, None])[:, 0]


def by_topic(value: Float[Tensor, " text"], about: Statements) -> Float[Tensor, " topic"]:
    """The mean over the statements of each topic."""
    return torch.stack([value[about.topic == one].double().mean() for one in about.topic.unique()])


def over_topics(value: Float[Tensor, " topic"], *, n: int, generator: torch.Generator) -> Estimate:
    """Mean over topics with its interval: what another topic would give. `n` statements are behind it."""
    return resampling.mean_of_sequences(value, n=n, generator=generator)


def accuracy(score: Float[Tensor, " text"], about: Statements) -> Float[Tensor, " topic"]:
    """The share of each topic's statements that are sorted rightly."""
    return by_topic(((score > 0) == about.true).double(), about)


def auroc(score: Float[Tensor, " text"], about: Statements) -> Float[Tensor, " topic"]:
    """How well the score ranks each topic's true statements above its false ones, wherever the cut is."""
    places = [about.topic == one for one in about.topic.unique()]
    found = [measures.auroc(score[here].double(), about.true[here]) for here in places]
    return torch.tensor(found, dtype=torch.float64)


def transfer(
    read: Mapping[str, Float[Tensor, "text layer d_model"]], about: Statements, *, layer: Int[Tensor, " topic"]
) -> dict[tuple[str, str, Centring], Float[Tensor, " text"]]:
    """Scores at each topic's layer, for directions from every model, read in every model, from every origin."""
    return {
        (one, other, by): at(scores(read[one], read[other], about, by=by), layer, about)
        for by in CENTRINGS
        for one in read
        for other in read
    }


def table(
    found: Mapping[tuple[str, str, Centring], Float[Tensor, " text"]],
    about: Statements,
    *,
    layer: Int[Tensor, " topic"],
    generator: torch.Generator,
) -> Any:
    """A row for each pair of models, origin and topic, with intervals over facts, and one for all topics, with an
    interval over topics: a pandas table."""
    import pandas

    rows = []
    for (one, other, by), score in found.items():
        hits, ranked = ((score > 0) == about.true).double(), auroc(score, about)
        for number in about.topic.unique().tolist():
            here = about.topic == number
            share = resampling.mean(hits[here], about.fact[here], generator=generator)
            rows.append((one, other, TOPICS[number], by, layer[number].item(), share, ranked[number].item()))
        share = over_topics(by_topic(hits, about), n=len(hits), generator=generator)
        rows.append((one, other, "all", by, layer.mode().values.item(), share, ranked.mean().item()))
    columns = ["direction_from", "read_in", "topic", "centring", "layer"]
    frame = pandas.DataFrame([row[:5] for row in rows], columns=columns)
    for name, value in (("accuracy", "value"), ("accuracy_low", "low"), ("accuracy_high", "high")):
        frame[name] = [getattr(row[5], value) for row in rows]
    return frame.assign(auroc=[row[6] for row in rows], n=[row[5].n for row in rows])


def by_layer(
    source: Mapping[str, Float[Tensor, "text layer d_model"]],
    target: Mapping[str, Mapping[str, Float[Tensor, "text layer d_model"]]],
    about: Mapping[str, Statements],
    *,
    generator: torch.Generator,
) -> Any:
    """Accuracy and AUROC after every layer, for directions of every model on that model's statements in every wording
    (each topic centred by its own mean), with intervals over topics: a pandas table.

    `source` holds the wording that directions are found on, the first of `about`; `target` all of them, by wording and
    model."""
    import pandas

    rows, first = [], next(iter(about.values()))
    for wording, of_models in target.items():
        for model, there in of_models.items():
            score = scores(source[model], there, first, by="topic")
            for layer in range(score.shape[1]):
                for name, value in (("accuracy", accuracy), ("auroc", auroc)):
                    topics = value(score[:, layer], about[wording])
                    found = over_topics(topics, n=len(score), generator=generator)
                    rows.append((wording, model, layer, name, found.value, found.low, found.high, found.n))
    return pandas.DataFrame(rows, columns=["wording", "model", "layer", "measure", "value", "low", "high", "n"])


def carried(
    found: Mapping[tuple[str, str, Centring], Float[Tensor, " text"]],
    about: Statements,
    *,
    one: str,
    into: str,
    by: Centring,
    generator: torch.Generator,
) -> tuple[Estimate, Estimate]:
    """The accuracy of one model's direction in another, and that less the other's own, with intervals over topics."""
    theirs, own = (accuracy(found[source, into, by], about) for source in (one, into))
    chosen: dict[str, Any] = {"n": len(about.true), "generator": generator}
    return over_topics(theirs, **chosen), over_topics(theirs - own, **chosen)


def ranked(
    read: Mapping[str, Mapping[str, Float[Tensor, "text layer d_model"]]],
    about: Mapping[str, Statements],
    layer: Int[Tensor, " topic"],
    *,
    wording: str,
    generator: torch.Generator,
) -> Estimate:
    """The area under the curve of the base model's direction from plain statements on those of a wording, at each
    topic's layer, with the interval over topics. `read` holds the residual streams by wording and model."""
    plain = about["statement"]
    score = at(scores(read["statement"]["base"], read[wording]["base"], plain, by="topic"), layer, plain)
    return over_topics(auroc(score, about[wording]), n=len(score), generator=generator)
