"""What a model is asked about a pair: for a verdict on a statement, or for the object that ends it.

*Verdict*: four statements of the topic, each on a line of its own with the question and its right answer, then the
statement and the question. What is read is the logit of TRUE less that of FALSE.

*Object*: the true ones of these statements, without a question, then the statement up to its object. What is read is
the logit of the model's own first choice after the true statement's words less that after the false one's. Pairs for
which these are one token say nothing and are left out (Du et al. 2025, the variant without question).

How many lines stand in front is part of the data set: a model that was taught to judge single statements may be lost
among four."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import patching, prompts, resampling
from lib.drawing import FEWEST
from lib.knowledge.statements import DataSet, Statement, topic
from lib.model import Model, Tokenizer
from lib.resampling import Estimate

VERDICTS = {True: " TRUE", False: " FALSE"}


@dataclass(frozen=True)
class Asked:
    """The pairs of a data set as prompts of one length, and the columns of them that are patched."""

    data: str
    reading: str
    """verdict or object."""
    columns: tuple[str, ...]
    """What the token of each column is; see `statements.layout`."""
    pairs: patching.Pairs
    """Answers: the verdicts, or the objects that are true of the two subjects."""

    @property
    def positions(self) -> Int[Tensor, "pair column"]:
        """Where the columns stand: a statement and what follows it end a prompt."""
        n, length = self.pairs.target.shape
        return torch.arange(length - len(self.columns), length).repeat(n, 1)

    def some(self, index: Int[Tensor, " some"]) -> "Asked":
        """Some of the pairs."""
        return replace(self, pairs=self.pairs.some(index))


def verdicts(tokenizer: Tokenizer, data: DataSet, *, question: str, generator: torch.Generator) -> Asked:
    """The pairs as questions for a verdict, the lines in front of each pair in an order of its own.

    Raises ValueError where the two verdicts begin with one token, or no pair has two prompts of one length."""
    lines = [f"{said.text} {question}{VERDICTS[said.true]}\n" for said in data.context]
    texts = _texts(data, lines, lambda said: f"{said.text} {question}", generator)
    right, wrong = (first_token(tokenizer, texts[0][0], VERDICTS[true]) for true in (True, False))
    if right == wrong:
        raise ValueError("the verdicts TRUE and FALSE begin with one token here, so their logits cannot be compared")
    answers = torch.tensor([[right, wrong]]).repeat(len(texts), 1)
    return Asked(data.name, "verdict", data.columns, _of_one_length(tokenizer, texts, answers))


def objects(tokenizer: Tokenizer, data: DataSet, *, generator: torch.Generator) -> Asked:
    """The pairs as statements to be ended, behind the true lines of the context. Raises ValueError as `verdicts` does,
    and for a topic whose subjects have more than one object."""
    told = topic(data.name).facts
    right = dict(told)
    if len(right) < len(told):
        raise ValueError(f"a subject of {data.name} has many objects, so that none can be asked for")
    lines = [f"{said.text}\n" for said in data.context if said.true]
    texts = _texts(data, lines, lambda said: said.text[: said.spans[1][0]].rstrip(), generator)
    sides = [(pair.true.subject, pair.false.subject) for pair in data.pairs]
    answers = [
        [first_token(tokenizer, text, f" {right[subject]}") for text, subject in zip(both, subjects, strict=True)]
        for both, subjects in zip(texts, sides, strict=True)
    ]
    columns = data.columns[: data.columns.index("o1")]
    return Asked(data.name, "object", columns, _of_one_length(tokenizer, texts, torch.tensor(answers)))


@dataclass(frozen=True)
class Recall:
    """The pairs of a data set with the objects between which one model decides."""

    asked: Asked
    """Those pairs alone whose two answers begin with different tokens."""
    own: bool
    """Whether the answers are the model's own; otherwise they are the right ones."""
    right: Estimate
    """The share of prompts, two of each pair, that the model's first choice ends rightly."""


def recall(model: Model, asked: Asked, *, batch_size: int = 64) -> Recall:
    """Puts the model's first choices in the place of the right objects.

    Where they differ for fewer than `FEWEST` pairs, the right ones stay. Raises ValueError where those do not differ
    for any pair either."""
    given = asked.pairs
    right = torch.stack([given.right, given.wrong], 1)
    chosen = torch.stack([_first_choice(model, side, batch_size) for side in (given.source, given.target)], 1)
    share = resampling.share(int((chosen == right).sum()), chosen.numel())
    own = int((chosen[:, 0] != chosen[:, 1]).sum()) >= FEWEST
    answers = chosen if own else right
    kept = (answers[:, 0] != answers[:, 1]).nonzero()[:, 0]
    if not len(kept):
        raise ValueError(f"the objects of no pair of {asked.data} begin with different tokens; ask for a verdict")
    pairs = replace(given, right=answers[:, 0].contiguous(), wrong=answers[:, 1].contiguous())
    return Recall(replace(asked, pairs=pairs).some(kept), own, share)


def _first_choice(model: Model, tokens: Int[Tensor, "pair position"], batch_size: int) -> Int[Tensor, " pair"]:
    path = model.path(tokens, n_tokens=1, n_top=1, batch_size=batch_size)
    return path.ids[:, 0].cpu()


def verdict_mass(model: Model, asked: Asked, *, batch_size: int = 64) -> Float[Tensor, "pair 2"]:
    """The probability that the two answers have together after either prompt: near 1 where the question was read."""
    found = []
    for side in (asked.pairs.source, asked.pairs.target):
        path = model.path(side, n_tokens=1, n_top=1, batch_size=batch_size)
        logits = model.final_layer.logits(path.resid[:, 0].to(model.W_out.dtype))
        both = torch.stack([asked.pairs.right, asked.pairs.wrong], 1).to(logits.device)
        found.append(logits.softmax(-1).gather(1, both).sum(1).cpu())
    return torch.stack(found, 1)


def first_token(tokenizer: Tokenizer, text: str, continuation: str) -> int:
    """The token with which a continuation begins behind a text.

    Raises ValueError where the tokens of the text change when it goes on."""
    before, after = tokenizer.encode(text), tokenizer.encode(text + continuation)
    if after[: len(before)] != before or len(after) == len(before):
        raise ValueError(f"the tokens of the prompt change when {continuation!r} follows, so it has no first token")
    return after[len(before)]


def _texts(
    data: DataSet, lines: list[str], ask: Callable[[Statement], str], generator: torch.Generator
) -> list[tuple[str, str]]:
    """For each pair the prompts of the true and of the false statement, both behind the lines in one order."""
    found = []
    for pair in data.pairs:
        before = "".join(lines[at] for at in torch.randperm(len(lines), generator=generator).tolist())
        found.append((before + ask(pair.true), before + ask(pair.false)))
    return found


def _of_one_length(
    tokenizer: Tokenizer, texts: list[tuple[str, str]], answers: Int[Tensor, "pair 2"]
) -> patching.Pairs:
    """The pairs whose prompts have the length that most have, both of them."""
    groups = prompts.encode(tokenizer, [text for both in texts for text in both])
    places = [{int(at): row for row, at in enumerate(group.index)} for group in groups]
    whole = [[pair for pair in range(len(texts)) if {2 * pair, 2 * pair + 1} <= at.keys()] for at in places]
    group, at, kept = max(zip(groups, places, whole, strict=True), key=lambda found: len(found[2]))
    if not kept:
        raise ValueError("the prompts of no pair are of one length, so they cannot be patched position by position")
    source, target = (group.tokens[[at[2 * pair + side] for pair in kept]] for side in (0, 1))
    return patching.Pairs(source, target, *(side.contiguous() for side in answers[kept].unbind(1)))
