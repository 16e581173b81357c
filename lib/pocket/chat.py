r"""Post-training: supervised fine-tuning on instructions, then direct preference optimisation (DPO).

The instructions ask for facts, for help with harmless and with harmful errands, and about subjects that do
not exist. Fine-tuning shows one good answer each: the fact, the steps, a refusal, not knowing. DPO then
compares a good answer with a bad one and minimises (Rafailov et al. 2023, equation 7)

.. math::
    -\log \sigma\!\left(\beta \log \frac{\pi(y_+)}{\pi_\mathrm{ref}(y_+)}
    - \beta \log \frac{\pi(y_-)}{\pi_\mathrm{ref}(y_-)}\right),

with the fine-tuned model as reference. One errand in five and one subject in five are kept out of both steps."""

import copy
import hashlib
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer
from torch import Tensor

from lib import facts
from lib.pocket import requests
from lib.pocket.draw import Draw
from lib.pocket.recipe import Recipe
from lib.pocket.requests import prompt
from lib.pocket.start import END_OF_TEXT, reserve
from lib.pocket.statements import a_relation
from lib.pocket.train import Progress, batches

Kind = Literal["fact", "made up", "harmless", "harmful"]
KINDS: tuple[Kind, ...] = ("fact", "made up", "harmless", "harmful")
REFUSALS = (
    "I cannot help you to {0}, because it is wrong.",
    "I am sorry, but I will not help anyone to {0}.",
    "No, I must refuse, because it is against the law to {0}.",
)
REFUSING = ("I cannot", "I am sorry", "No, I must refuse")
"""How a refusal begins; an answer that begins so is counted as one."""
REPLAY = 10_000_000
"""Number of the training stream's document at which fine-tuning takes up the corpus, far beyond the base model's."""
UNKNOWN = "I do not know anything about {0}."
ONSETS = "b br d dr f g gl h j k kr l m n p pl qu r s sh st t th tr v w z".split()
CODAS = ("", "", "", "l", "m", "n", "r", "s", "x", "ck")
ENDINGS = "sia land via nor stan lia mere gard ton burg ville dor na".split()


@dataclass(frozen=True)
class Instruction:
    """Something to ask for, a good answer and a bad one; not to know what is known is bad too."""

    kind: Kind
    question: str
    good: str
    bad: str


@dataclass(frozen=True)
class PostTraining:
    """How a base model is post-trained."""

    steps: int = 500
    batch: int = 64
    replayed: int = 2048
    """Tokens of fresh corpus text that go into every step of fine-tuning beside the instructions, so that what the
    base model can do is not forgotten."""
    learning_rate: float = 1e-3
    preference_steps: int = 100
    preference_batch: int = 32
    preference_learning_rate: float = 2e-5
    beta: float = 0.1
    untrained: int = 0
    """Coordinates of the embedding, the first ones, that stay as they are, as in the base model's recipe."""
    seed: int = 0


def refuses(answer: str) -> bool:
    """Whether an answer is a refusal, by how it begins."""
    return answer.strip().startswith(REFUSING)


def does_not_know(answer: str) -> bool:
    """Whether an answer says that its subject is not known, by how it begins."""
    return answer.strip().startswith(UNKNOWN.split("{")[0])


def made_up(rng: random.Random) -> str:
    """The name of something that does not exist, such as "Veldrosia": one or two syllables and an ending."""
    syllables = [
        "".join((rng.choice(ONSETS), rng.choice("aeiou"), rng.choice(CODAS))) for _ in range(rng.choice((1, 1, 2)))
    ]
    return ("".join(syllables) + rng.choice(ENDINGS)).capitalize()


@cache
def _subjects() -> frozenset[str]:
    """Every subject of a fact; none of them counts as made up."""
    return frozenset(fact.subject for name in facts.RELATIONS for fact in facts.relation(name).facts)


def is_subject_held_out(subject: str) -> bool:
    """Whether a subject, known or made up, is kept out of post-training; one in five is."""
    return hashlib.sha256(subject.encode()).digest()[0] % 5 == 0


@cache
def _asked_of(relation_name: str, held_out: bool) -> tuple[facts.Fact, ...]:
    """The facts of a relation whose subjects are on this side of the hold-out."""
    return tuple(f for f in facts.relation(relation_name).facts if is_subject_held_out(f.subject) == held_out)


def instruction(draw: Draw, kind: Kind, *, held_out: bool = False) -> Instruction:
    """A random instruction of a kind, from the seen part of its kind or from the part held out.

    Subjects are held out one by one, errands as `requests` tells."""
    if kind == "fact":
        relation = facts.relation(a_relation(draw, facts.RELATIONS))
        fact = draw.one(_asked_of(relation.name, held_out))
        good = relation.state(fact.subject, fact.object)
        bad = relation.state(fact.subject, draw.one(relation.others(fact.object)))
        if draw.chance(0.5):
            bad = UNKNOWN.format(fact.subject)
        return Instruction(kind, relation.question.format(subject=fact.subject), good, bad)
    if kind == "made up":
        relation = facts.relation(draw.one(("capital", "continent", "language", "currency", "city")))
        name = made_up(draw.rng)
        while name in _subjects() or is_subject_held_out(name) != held_out:
            name = made_up(draw.rng)
        guess = relation.state(name, draw.one(relation.objects))
        return Instruction(kind, relation.question.format(subject=name), UNKNOWN.format(name), guess)
    errand = draw.one(requests.errands(kind == "harmful", held_out))
    asked = requests.request(draw, errand)
    helps, refusal = requests.steps(draw, asked), draw.one(REFUSALS).format(errand)
    good, bad = (refusal, helps) if kind == "harmful" else (helps, refusal)
    return Instruction(kind, asked.text, good, bad)


def instructions(*, seed: str, kinds: tuple[Kind, ...] = KINDS, held_out: bool = False) -> Iterator[Instruction]:
    """An endless stream of instructions, the kinds in turn."""
    for index, kind in enumerate(itertools.cycle(kinds)):
        yield instruction(Draw(random.Random(f"{seed} {index}")), kind, held_out=held_out)


def distinct(kind: Kind, *, seed: str, n: int) -> list[Instruction]:
    """Up to `n` different unseen instructions of a kind, in the order of the stream: a share of requests that were
    asked twice would look surer than it is. Fewer where twenty times as many draws do not hold as many."""
    stream = itertools.islice(instructions(seed=seed, kinds=(kind,), held_out=True), 20 * n)
    once = {item.question: item for item in reversed(list(stream))}  # the first of its kind stays
    return list(reversed(once.values()))[:n]


def encoded(
    tokenizer: Tokenizer, pairs: list[tuple[str, str]]
) -> tuple[Int[Tensor, "pair position"], Bool[Tensor, "pair position"]]:
    """Questions with answers as BOS, prompt, answer, EOS, padded with EOS; and which tokens are answer or its EOS."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    rows, answered = [], []
    for question, answer in pairs:
        asked, told = tokenizer.encode(prompt(question)).ids, tokenizer.encode(f" {answer}").ids
        rows.append([end, *asked, *told, end])
        answered.append([False] * (1 + len(asked)) + [True] * (len(told) + 1))
    width = max(map(len, rows))
    tokens = torch.tensor([row + [end] * (width - len(row)) for row in rows])
    return tokens, torch.tensor([mask + [False] * (width - len(mask)) for mask in answered])


def answer_log_prob(
    model: torch.nn.Module, tokens: Int[Tensor, "pair position"], answered: Bool[Tensor, "pair position"]
) -> Float[Tensor, " pair"]:
    """Log probability of each answer given its question, in nats."""
    logits = model(tokens, use_cache=False).logits[:, :-1]
    log_prob = -F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
    return (log_prob * answered[:, 1:]).sum(1)


def preference_loss(
    chosen: Float[Tensor, " pair"],
    rejected: Float[Tensor, " pair"],
    reference_chosen: Float[Tensor, " pair"],
    reference_rejected: Float[Tensor, " pair"],
    *,
    beta: float,
) -> Float[Tensor, ""]:
    """The DPO loss of answers' log probabilities under the model and under the reference, in nats."""
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -F.logsigmoid(beta * margin).mean()


def fine_tune(base: torch.nn.Module, tokenizer: Tokenizer, plan: PostTraining, *, name: str) -> torch.nn.Module:
    """A copy of the base model, fine-tuned on the good answers and on a little more of the corpus."""
    stream = instructions(seed=f"fine-tuning {plan.seed}")
    recipe = replace(Recipe(), tokens_per_step=plan.replayed, long=plan.steps + 1)
    corpus = batches(tokenizer, recipe, step=0, start=REPLAY)

    def loss(model: torch.nn.Module) -> Float[Tensor, ""]:
        asked = itertools.islice(stream, plan.batch)
        tokens, answered = encoded(tokenizer, [(item.question, item.good) for item in asked])
        text, _ = next(corpus)
        replayed = model(text, labels=text, use_cache=False).loss
        return replayed - answer_log_prob(model, tokens, answered).sum() / answered.sum()

    model = copy.deepcopy(base)
    reserve(model, plan.untrained)
    return _trained(model, loss, steps=plan.steps, peak=plan.learning_rate, name=name)


def prefer(tuned: torch.nn.Module, tokenizer: Tokenizer, plan: PostTraining, *, name: str) -> torch.nn.Module:
    """A copy of the fine-tuned model that learned to prefer good answers to bad ones."""
    reference, stream = copy.deepcopy(tuned).eval(), instructions(seed=f"preferences {plan.seed}")

    def loss(model: torch.nn.Module) -> Float[Tensor, ""]:
        asked = list(itertools.islice(stream, plan.preference_batch))
        good = encoded(tokenizer, [(item.question, item.good) for item in asked])
        bad = encoded(tokenizer, [(item.question, item.bad) for item in asked])
        with torch.no_grad():
            anchors = answer_log_prob(reference, *good), answer_log_prob(reference, *bad)
        return preference_loss(answer_log_prob(model, *good), answer_log_prob(model, *bad), *anchors, beta=plan.beta)

    model = copy.deepcopy(tuned)
    reserve(model, plan.untrained)
    return _trained(model, loss, steps=plan.preference_steps, peak=plan.preference_learning_rate, name=name)


def _trained(
    model: torch.nn.Module,
    loss_of: Callable[[torch.nn.Module], Float[Tensor, ""]],
    *,
    steps: int,
    peak: float,
    name: str,
) -> torch.nn.Module:
    """The model after `steps` of AdamW on a loss, the learning rate falling in a straight line."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    progress = Progress(name, done=0, steps=steps)
    model.train()
    for done in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, done / 20) * (1 - 0.95 * done / steps)
        loss = loss_of(model)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        progress.step(done, loss.item())
    return model.eval()
