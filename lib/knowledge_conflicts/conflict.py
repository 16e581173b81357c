"""A prompt that contradicts the model: "France has the capital Lima. France has the capital".

The false object is an answer that the model gave to another fact of the relation, so that it is of the right kind and
one that the model can say. Of those the paper takes the three that are least likely after the bare question, by the
likelihood of their first token (Tighidet et al. 2025, section 4.1), so that a model that copies does it for no other
reason than that it was told so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from lib.knowledge_conflicts.answers import Answer
from lib.knowledge_conflicts.filters import Step
from lib.knowledge_conflicts.labels import begins_with, confusable
from lib.model import Model

FEWEST_OBJECTS = 4
"""Different answers that a relation needs for three false objects of each fact: those and its own."""


@dataclass(frozen=True)
class Conflict:
    """A prompt whose context says one thing and the model another."""

    fact: str
    """What it is about, the same for all prompts about one fact: statistics over facts count it once."""
    relation: str
    start: str
    """The statement up to its object."""
    context: str
    """The false object that the prompt states."""
    known: str
    """What the model says without it."""
    right: bool
    """Whether that is true."""

    @property
    def prompt(self) -> str:
        """The statement with the false object, and its beginning again (Tighidet et al. 2025, section 4.2)."""
        return f"{self.start} {self.context}. {self.start}"


def conflicts(
    model: Model,
    answers: Sequence[Answer],
    resid: Float[Tensor, "answer d_model"],
    *,
    per_fact: int,
) -> tuple[list[Conflict], Step]:
    """For each answer the prompts with the `per_fact` least likely other answers of its relation, and what was left.

    `resid` is the residual stream where the answer's first token was predicted. Objects that could be taken for the
    model's own are no candidates. Of objects that share a first token the one that was answered first comes first.
    Raises ValueError unless `per_fact` is positive."""
    if per_fact < 1:
        raise ValueError(f"a conflict needs a false object, got per_fact={per_fact}")
    pools: dict[str, dict[str, int]] = {}
    for answer in answers:
        pools.setdefault(answer.question.relation, {}).setdefault(answer.text, answer.first)
    found = []
    for answer, logit in zip(answers, _at_first_tokens(model, answers, resid, pools), strict=True):
        others = [text for text in logit if not confusable(text, answer.text)]
        others = sorted(others, key=logit.__getitem__)  # those that are equally likely stay in their order
        found += [_conflict(answer, other) for other in others[:per_fact]]
    few = sorted(relation for relation, pool in pools.items() if len(pool) < FEWEST_OBJECTS)
    note = (
        f"fewer than {FEWEST_OBJECTS} different answers about {', '.join(few)}, so fewer false objects" if few else ""
    )
    kept = len({conflict.fact for conflict in found})
    return found, Step("another object to state", len(answers), kept, note)


def _at_first_tokens(
    model: Model, answers: Sequence[Answer], resid: Float[Tensor, "answer d_model"], pools: dict[str, dict[str, int]]
) -> list[dict[str, float]]:
    """For each answer the logit, where its first token was predicted, of the first token of every answer to its
    relation. Only these columns of the unembedding are read."""
    found: list[dict[str, float]] = [{} for _ in answers]
    for relation, pool in pools.items():
        rows = [row for row, answer in enumerate(answers) if answer.question.relation == relation]
        token, place = torch.tensor([*pool.values()]).unique(return_inverse=True)
        token, final = token.to(model.W_out.device), model.final_layer
        some = replace(final, W_U=final.W_U[:, token], b_U=final.b_U[token])
        logits = some.logits(resid[rows].to(model.W_out.dtype))[:, place.to(token.device)]
        for row, logit in zip(rows, logits.tolist(), strict=True):
            found[row] = dict(zip(pool, logit, strict=True))
    return found


def _conflict(answer: Answer, context: str) -> Conflict:
    asked = answer.question
    return Conflict(asked.fact, asked.relation, asked.start, context, answer.text, is_right(answer))


def is_right(answer: Answer) -> bool:
    """Whether an answer begins with the true object, however that is written."""
    return begins_with(answer.text, answer.question.object)
