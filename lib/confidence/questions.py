"""Facts asked as questions, with the true answer behind them: how sure is a model of the words that make it true?

A question is written under a chat template, the model's own or a plain one, and the answer follows as a whole sentence.
Scored is only what stands for the object of the fact; everything before it is as given as the question is. Under one
template all models read the very same tokens. Texts are padded at their end, where nothing that is scored looks."""

from dataclasses import dataclass

import torch

from lib import facts, prompts
from lib.confidence.reading import Text
from lib.facts import Fact, Relation
from lib.model import Tokenizer


@dataclass(frozen=True)
class Question:
    """A fact, and the relation that asks for it."""

    relation: Relation
    fact: Fact

    @property
    def asked(self) -> str:
        """The question."""
        return self.relation.question.format(subject=self.fact.subject)

    @property
    def answered(self) -> str:
        """The whole answer, the object of the fact last."""
        return self.relation.state(self.fact.subject, self.fact.object)


def draw(n: int, *, generator: torch.Generator) -> list[Question]:
    """Questions about `n` facts, drawn from all relations without replacement; all that there are when `n` is more.

    Raises ValueError for fewer than one."""
    if n < 1:
        raise ValueError(f"at least 1 question has to be asked, got {n}")
    every = [Question(relation, fact) for relation in map(facts.relation, facts.RELATIONS) for fact in relation.facts]
    order = torch.randperm(len(every), generator=generator)[:n]
    return [every[place] for place in order.tolist()]


def written(tokenizer: Tokenizer, question: Question, *, template: str) -> str:
    """Question and answer as a model reads them. Raises as `Tokenizer.chat` does."""
    before = tokenizer.chat(question.asked, template=template)
    return f"{before}{'' if before[-1].isspace() else ' '}{question.answered}"


def own_template(tokenizer: Tokenizer) -> str:
    """The template that a model is asked under when each has its own: the plain one where it has none."""
    return "own" if tokenizer.has_chat_template else "plain"


def ask(tokenizer: Tokenizer, questions: list[Question], *, template: str) -> Text:
    """The questions with their answers, a row for each; scored are the predictions of the objects' tokens.

    Raises as `written` and `prompts.encode` do."""
    texts = [written(tokenizer, question, template=template) for question in questions]
    groups = prompts.encode(tokenizer, texts)
    width = max(group.tokens.shape[1] for group in groups)
    tokens = torch.full((len(texts), width), tokenizer.eos)
    scored = torch.zeros(len(texts), width, dtype=torch.bool)
    for group in groups:
        objects = [questions[row].fact.object for row in group.index.tolist()]
        spans = [prompts.span(text, part, occurrence=-1) for text, part in zip(group.texts, objects, strict=True)]
        for row, ids, at in zip(group.index.tolist(), group.tokens, group.positions(spans), strict=True):
            tokens[row, : len(ids)] = ids
            scored[row, torch.tensor(at) - 1] = True  # the prediction of a token is made one before it
    return Text(tokens, scored)
