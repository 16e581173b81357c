"""What a model says about a statement: the probabilities of TRUE and FALSE after "This statement is:".

A model that was never taught the form may need judged statements in front of it (Du et al. 2025 have four lines, two of
them true); one that was taught it alone is put off by them. Which suits a model is tried on facts that nothing else is
measured on. The two words are compared by the first token that they do not share, as the tokenizer writes it there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import prompts
from lib.model import Edit, Model, Site, Tokenizer
from lib.prompts import Prompts
from lib.resampling import Estimate
from lib.truthfulness.reading import BATCH, wide
from lib.truthfulness.statements import Claimed, Statements

QUESTION, WORDS = "This statement is:", ("TRUE", "FALSE")
N_LINES = 4
"""Judged statements in front, as published: half of them true."""
JUDGES = 0.5
"""The least probability of the two words together, at which a model counts as answering at all."""


@dataclass(frozen=True)
class Asked:
    """Statements with the question for a verdict behind them, and perhaps judged ones before them."""

    texts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    """The characters of each statement itself."""


@runtime_checkable
class Shift(Protocol):
    """What is done to the residual stream on the way to a verdict, for some of the statements."""

    def edits(self, group: Prompts, asked: Asked) -> list[Edit]:
        """The edits of one group of prompts."""
        ...


def ask(about: Statements, lines: Sequence[Claimed] = (), *, generator: torch.Generator) -> Asked:
    """Asks for the verdict of every statement, the judged `lines` of its topic in front, if there are any.

    Of each topic's lines the first half is told rightly and the rest wrongly; their order is drawn for every fact and
    is the same for its two statements."""
    texts, spans, orders = [], [], {}
    for text, topic, fact in zip(about.texts, about.topic.tolist(), about.fact.tolist(), strict=True):
        ours = [line for line in lines if line.topic == topic]
        judged = [_line(line, rightly=place < len(ours) / 2) for place, line in enumerate(ours)]
        if fact not in orders:
            orders[fact] = torch.randperm(len(judged), generator=generator).tolist()
        before = "".join(judged[place] for place in orders[fact])
        texts.append(f"{before}{text} {QUESTION}")
        spans.append((len(before), len(before) + len(text)))
    return Asked(tuple(texts), tuple(spans))


def _line(claimed: Claimed, *, rightly: bool) -> str:
    word = WORDS[0] if rightly else WORDS[1]
    return f"{claimed.told('statement', rightly=rightly)} {QUESTION} {word}\n"


def words(tokenizer: Tokenizer, text: str) -> Int[Tensor, "2"]:
    """The first tokens of TRUE and of FALSE behind a text, as they are written there.

    Raises ValueError where the two begin with one token, or where a word changes the tokens of the text before it."""
    before = tokenizer.encode(text)
    after = [tokenizer.encode(f"{text} {word}") for word in WORDS]
    if any(ids[: len(before)] != before or len(ids) == len(before) for ids in after):
        raise ValueError(f"the tokens of {QUESTION!r} change when a verdict follows, so none can be read behind them")
    true, false = (ids[len(before)] for ids in after)
    if true == false:
        raise ValueError(f"{' and '.join(WORDS)} begin with one token here, {true}, so one cannot tell them apart")
    return torch.tensor([true, false])


def probabilities(
    model: Model, asked: Asked, *, shift: Shift | None = None, batch_size: int = BATCH
) -> Float[Tensor, "statement 2"]:
    """The probabilities of TRUE and of FALSE for every statement, with the residual stream shifted on the way or not.

    Raises ValueError as `words` does, and for prompts longer than the model has positions."""
    ids, stream, final = (
        words(model.tokenizer, asked.texts[0]),
        Site(model.n_layers - 1, "resid_post"),
        model.final_layer,
    )
    parts = []
    for group in prompts.encode(model.tokenizer, [*asked.texts]):
        edits = shift.edits(group, asked) if shift else []
        last: dict[str, Any] = {"positions": slice(-1, None), "edits": edits, "batch_size": batch_size}
        resid = model.record(group.tokens, [stream], **last)[stream][:, 0].to(final.W_U.dtype)
        chosen = [final.logits(some).softmax(-1)[:, ids.to(some.device)] for some in resid.split(batch_size)]
        parts.append((group, wide(torch.cat(chosen))))
    return prompts.in_order(parts)


def difference(probability: Float[Tensor, "statement 2"]) -> Float[Tensor, " statement"]:
    """P(TRUE) - P(FALSE), in [-1, 1], for every statement."""
    return (probability[:, 0] - probability[:, 1]).double()


def accuracy(probability: Float[Tensor, "statement 2"], about: Statements) -> Float[Tensor, " statement"]:
    """1 where the likelier of the two words is right, else 0."""
    return ((probability[:, 0] > probability[:, 1]) == about.true).double()


def silence(said: Mapping[str, Float[Tensor, "statement 2"]], sure: Mapping[str, Estimate]) -> str:
    """Why nothing can be said about what moves the verdicts of some models; empty where all of them judge.

    A model has to say one of the two words more likely than not, and to tell true from false statements (`sure`: half
    the difference of PD between the two kinds)."""
    for name, probability in said.items():
        mass = probability.sum(1).mean().item()
        if mass <= JUDGES:
            return (
                f"asked for a verdict, the {name} model says {' or '.join(WORDS)} with a probability of {mass:.2f} only"
            )
        if not sure[name].low > 0:
            return f"asked for a verdict, the {name} model does not tell true from false statements"
    return ""


def better_lines(
    model: Model, pilot: Statements, lines: Sequence[Claimed], *, generator: torch.Generator
) -> Sequence[Claimed]:
    """The judged lines if the model judges the pilot's statements better behind them, else none; where it judges both
    ways equally often, what makes it surer of one of the two words. Lines that the model has no room for are none."""
    found, behind = {}, ask(pilot, lines, generator=generator)
    if max(len(model.tokenizer.encode(text)) for text in behind.texts) >= model.n_positions:
        return ()
    for place, asked in enumerate((ask(pilot, generator=generator), behind)):
        probability = probabilities(model, asked)
        found[place] = (accuracy(probability, pilot).mean().item(), probability.sum(1).mean().item())
    return lines if found[1] > found[0] else ()
