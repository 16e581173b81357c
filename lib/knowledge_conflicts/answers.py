"""What a model says without a context: the most likely words, up to where its answer ends.

The answer counts as the model's knowledge whether it is true or not (Tighidet et al. 2025, section 4.1). How a question
is put decides whether a model answers it at all: a plain model completes the bare statement, another needs to be told
what is asked for, a chat model expects a request. So the frame is a choice, and has a name."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lib import prompts
from lib.knowledge_conflicts.base import Question
from lib.model import Model, Tokenizer

N_TOKENS = 10
"""Tokens that are written for an answer, as in the paper."""
SEPARATORS = ('"', ".", "\n", "\\n", ",", "(", "[", "]", "<", ";")
"""An answer ends before the first of these; the fourth is a backslash and an n, as in the authors' code."""


@dataclass(frozen=True)
class Answer:
    """A question with what the model says to it."""

    question: Question
    text: str
    """Up to the first separator, stripped; may be empty."""
    first: int
    """The first token of what the model wrote, by which its likelihood after other questions is read."""


@dataclass(frozen=True)
class Answered:
    """The answers to some questions, and what the model holds likely at their first token."""

    answers: tuple[Answer, ...]
    resid: Float[Tensor, "answer d_model"]
    """The residual stream entering the final norm there."""


@dataclass(frozen=True)
class Written:
    """What a model writes after some texts."""

    ids: tuple[tuple[int, ...], ...]
    """Token ids up to the end of the answer."""
    first: tuple[int, ...]
    """The first token, be it the end or not."""
    resid: Float[Tensor, "text d_model"]
    """The residual stream entering the final norm where the first token is predicted."""


def bare(question: Question, tokenizer: Tokenizer) -> str:
    """The beginning of the statement and nothing else."""
    return question.start


def one_shot(question: Question, tokenizer: Tokenizer) -> str:
    """A fact of the same relation, told in full, before the statement to complete."""
    return f"{question.example.start} {question.example.object}. {question.start}"


def instruction(question: Question, tokenizer: Tokenizer) -> str:
    """What to do, what the answer is, an example, and the statement; as a request where the model takes requests."""
    asked = (
        f"Complete the last sentence with {question.description}. Answer in a few words and end with a period.\n\n"
        f"{question.example.start} {question.example.object}.\n{question.start}"
    )
    return tokenizer.chat(asked) if tokenizer.has_chat_template else asked


Frame = Callable[[Question, Tokenizer], str]
FRAMES: dict[str, Frame] = {"bare": bare, "one_shot": one_shot, "instruction": instruction}
"""Ways to put a question, by name."""
WITH_EXAMPLE = ("one_shot", "instruction")
"""The frames that show an example, which the answer must then not repeat."""


def framed(question: Question, frame: str, tokenizer: Tokenizer) -> str:
    """The text that puts a question. Raises ValueError for a frame that there is not."""
    if frame not in FRAMES:
        raise ValueError(f"frame must be one of {', '.join(FRAMES)}, got {frame!r}")
    return FRAMES[frame](question, tokenizer)


def answer(text: str, *, lower: bool = False, after: str = "") -> str:
    """What a text says before its first separator, stripped; `lower` takes it in lower case, as the authors do.

    A repetition of `after`, the beginning of the statement, is passed over: chat models like whole sentences."""
    said = text.strip().removeprefix(after) if after else text
    for separator in SEPARATORS:
        said = said.partition(separator)[0]
    return said.strip().lower() if lower else said.strip()


def stop_ids(model: Model, *, but: str = "") -> tuple[int, ...]:
    """Tokens with which an answer is over: those that begin with a separator, and the ends of text.

    A path that stops there costs a third of one of ten tokens and has the same answers. The separators in `but` are
    not counted: without the period, "U.K." is seen whole."""
    ends = tuple(separator for separator in SEPARATORS if separator not in but)
    texts = (model.tokenizer.decode(id) for id in range(model.final_layer.d_vocab))
    return tuple({*model.stop_ids, *(id for id, text in enumerate(texts) if text.lstrip(" ").startswith(ends))})


def written(
    model: Model, texts: list[str], *, stops: Collection[int], n_tokens: int = N_TOKENS, batch_size: int = 256
) -> Written:
    """What a model writes after each text, `n_tokens` at most, up to one of the `stops` and without it.

    Raises as `Model.path` and `prompts.encode` do."""
    ids: dict[int, tuple[int, ...]] = {}
    first: dict[int, int] = {}
    resid = []
    for group in prompts.encode(model.tokenizer, texts):
        for rows in torch.arange(len(group.tokens)).split(batch_size):
            path = model.path(group.tokens[rows], n_tokens=n_tokens, stops=stops)
            places = group.index[rows].tolist()
            ids |= dict(zip(places, map(tuple, path.written(stops)), strict=True))
            first |= dict(zip(places, path.ids[:, 0].tolist(), strict=True))
            resid.append((group.index[rows], path.resid[:, 0]))
    order = torch.cat([index for index, _ in resid]).argsort() if resid else torch.zeros(0, dtype=torch.long)
    found = torch.cat([rows for _, rows in resid]) if resid else model.W_out.new_zeros(0, model.W_out.shape[1])
    n = range(len(texts))
    return Written(tuple(ids[i] for i in n), tuple(first[i] for i in n), found[order.to(found.device)])


def decoded(model: Model, rows: Sequence[Sequence[int]]) -> list[str]:
    """Rows of token ids as texts."""
    return [model.tokenizer.backend.decode(list(row), clean_up_tokenization_spaces=False) for row in rows]


def ask(
    model: Model,
    questions: Sequence[Question],
    *,
    frame: str,
    lower: bool = False,
    stops: Collection[int],
    n_tokens: int = N_TOKENS,
) -> Answered:
    """What a model answers to each question in a frame; raises as `framed` and `written` do."""
    texts = [framed(question, frame, model.tokenizer) for question in questions]
    found = written(model, texts, stops=stops, n_tokens=n_tokens)
    said = [
        answer(text, lower=lower, after=question.start)
        for text, question in zip(decoded(model, found.ids), questions, strict=True)
    ]
    return Answered(tuple(map(Answer, questions, said, found.first)), found.resid)
