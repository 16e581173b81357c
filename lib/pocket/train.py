"""Trains the base model from nothing: tokenizer, then a small GPT-2, with checkpoints along the way.

The seed, the corpus and the recipe are all that decides the weights. An interrupted run resumes at its
last saved state and sees the same batches as a run that was never interrupted."""

import copy
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from lib.pocket import truths
from lib.pocket.corpus import HELD_OUT_SEED, TRAINING_SEED, document, documents
from lib.pocket.draw import Draw
from lib.pocket.growth import freeze_old, graft, silent
from lib.pocket.lists import token_lists
from lib.pocket.optimizer import Optimizer, schedule
from lib.pocket.recipe import Recipe
from lib.pocket.start import END_OF_TEXT, new_model, reserve

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def train_tokenizer(recipe: Recipe, *, n_documents: int = 20_000) -> Tokenizer:
    """Byte-level byte-pair encoding of the corpus; token 0 is the end of text, BOS and EOS in one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.d_vocab,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    corpus = itertools.islice(documents(seed=TRAINING_SEED), n_documents)
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def batches(
    tokenizer: Tokenizer, recipe: Recipe, *, step: int, start: int
) -> Iterator[tuple[Int[Tensor, "batch position"], int]]:
    """Training batches from a step and a document on, each with the number of the next unused document.

    A sequence is BOS and then whole documents parted by EOS, the last one cut where the sequence ends: a
    narrator is always introduced before he is quoted. The last ones of some batches are lists of random tokens. A
    recipe without text has empty batches."""
    end, d_vocab = tokenizer.token_to_id(END_OF_TEXT), tokenizer.get_vocab_size()
    for at in itertools.count(step):
        if not recipe.tokens_per_step:
            yield torch.empty(0, 0, dtype=torch.long), start
            continue
        length, n_lists = recipe.sequence_length(at), recipe.n_token_lists(at)
        rows: list[list[int]] = []
        pending: list[list[int]] = []
        while len(rows) < recipe.tokens_per_step // length - n_lists:
            row: list[Any] = [end]
            while len(row) < length:
                if not pending:
                    texts = [document(index, seed=TRAINING_SEED)[0] for index in range(start, start + 16)]
                    start += 16
                    pending = [encoded.ids for encoded in tokenizer.encode_batch(texts)]
                row += [*pending.pop(0), end]
            rows.append(row[:length])
        for number in range(n_lists):
            draw = Draw(random.Random(f"token lists {at} {number}"))
            rows.append(token_lists(draw, length=length, d_vocab=d_vocab))
        yield torch.tensor(rows), start


class Progress:
    """Reports step, loss and time left on standard error, at most every ten seconds."""

    def __init__(self, name: str, *, done: int, steps: int) -> None:
        self.name, self.steps, self.first = name, steps, done
        self.begun = self.told = time.monotonic()
        self.loss = float("nan")

    def step(self, done: int, loss: float) -> None:
        """Notes that step number `done` is over."""
        self.loss = loss if done == self.first + 1 else 0.95 * self.loss + 0.05 * loss
        now = time.monotonic()
        if now - self.told > 10 or done == self.steps:
            self.told = now
            left = (now - self.begun) / (done - self.first) * (self.steps - done) / 60
            line = f"{self.name}: step {done}/{self.steps}  loss {self.loss:.3f}  {left:.0f} min left"
            print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Kept:
    """Where checkpoints go, under which name and in how many layers."""

    models: Path
    name: str
    n_layers: int
    """Of every checkpoint: one from before growth holds silent parts (see `growth`)."""

    def weights(self, model: torch.nn.Module, tokenizer: Tokenizer, recipe: Recipe, step: int) -> None:
        """Saves the weights after a step of a stage as `pocket-step-00064` in half precision, and in `training.json`
        how far training had come; steps are counted over the stages."""
        step_of_all = recipe.earlier_steps + step
        folder = self.models / f"{self.name}-step-{step_of_all:05d}"
        save(silent(model, n_layers=self.n_layers), tokenizer, folder, dtype=torch.float16)
        seen = {"step": step_of_all, "tokens_seen": recipe.tokens_seen(step)}
        (folder / "training.json").write_text(json.dumps(seen) + "\n")


def step_loss(
    model: Any, tokenizer: Tokenizer, recipe: Recipe, tokens: Int[Tensor, "batch position"], step: int
) -> float:
    """Adds the gradients of one step: of the text and, where the recipe has statements, of their answers; each loss is
    a mean over its tokens. That of the text in nats a token, or where there is none, of the answers."""
    losses = []
    if len(tokens):
        losses.append(model(tokens, labels=tokens, use_cache=False).loss)
        losses[0].backward()
    if recipe.statements:
        rows, learned = truths.rows(
            tokenizer,
            n_statements=recipe.statements,
            corrected=recipe.corrected,
            whole=recipe.whole_answers,
            seed=f"statements {step}",
            truthful=recipe.truthful,
        )
        read = model.transformer(rows, use_cache=False)[0][:, :-1][learned[:, 1:]]
        logits = read @ model.get_output_embeddings().weight.T
        losses.append(F.cross_entropy(logits, rows[:, 1:][learned[:, 1:]]))
        losses[-1].backward()
    return losses[0].item()


def train(
    recipe: Recipe,
    tokenizer: Tokenizer,
    *,
    name: str,
    state: Path,
    earlier: torch.nn.Module | None = None,
    keep: Kept | None = None,
    save_every: int = 100,
) -> torch.nn.Module:
    """The trained model, from nothing or grown from an `earlier` one; continues from the file `state` when a run of the
    same recipe left one.

    The state is written every `save_every` steps and at the end. With `keep`, the weights at
    `recipe.checkpoints()` are saved there, one half-precision model directory each.
    Raises ValueError when `state` is of another recipe or cannot be read."""
    torch.manual_seed(recipe.seed)
    model = new_model(recipe, tokenizer)
    reserve(model, recipe.untrained)
    if earlier is not None:
        _take_over(earlier, model, recipe)
    optimizer, done, start = Optimizer(model, recipe), 0, recipe.first_document
    kept = set(recipe.checkpoints()) if keep is not None else set()
    if state.exists():
        done, start = _resume(state, recipe, model, optimizer)
    elif keep and 0 in kept:
        keep.weights(model, tokenizer, recipe, 0)
    progress = Progress(name, done=done, steps=recipe.steps)
    model.train()
    for tokens, following in itertools.islice(batches(tokenizer, recipe, step=done, start=start), recipe.steps - done):
        torch.manual_seed(1_000_003 * recipe.seed + done)  # dropout, the same after a resume
        loss = step_loss(model, tokenizer, recipe, tokens, done)
        torch.nn.utils.clip_grad_norm_([weight for weight in model.parameters() if weight.requires_grad], 1.0)
        optimizer.step(schedule(done, recipe))
        done += 1
        progress.step(done, loss)
        if keep and done in kept:
            keep.weights(model, tokenizer, recipe, done)
        if done % save_every == 0 or done == recipe.steps:
            _suspend(state, recipe, model, optimizer, done, following)
    return model.eval()


def _take_over(earlier: Any, model: torch.nn.Module, recipe: Recipe) -> None:
    """Begins a stage with the weights of the one before, in the same layers or, after growth, in more."""
    n_old = len(earlier.transformer.h)
    if n_old == recipe.n_layers:
        model.load_state_dict(earlier.state_dict())
    else:
        graft(earlier, model)
    if recipe.new_alone:
        freeze_old(model, n_old=n_old)


def _suspend(state: Path, recipe: Recipe, model: torch.nn.Module, optimizer: Optimizer, done: int, start: int) -> None:
    saved = {"recipe": asdict(recipe), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    part = state.with_suffix(".part")
    torch.save(saved | {"done": done, "start": start}, part)
    part.replace(state)


def _resume(state: Path, recipe: Recipe, model: torch.nn.Module, optimizer: Optimizer) -> tuple[int, int]:
    try:
        saved = torch.load(state, weights_only=True)
    except Exception as error:
        raise ValueError(f"the saved training state {state} cannot be read; delete it to start from scratch") from error
    if saved["recipe"] != asdict(recipe):
        raise ValueError(f"the saved training state {state} is of another recipe; delete it to start from scratch")
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["done"], saved["start"]


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Writes model and tokenizer as a Hugging Face directory, the weights in `dtype`."""
    folder.mkdir(parents=True, exist_ok=True)
    own: Any = copy.deepcopy(model).to(dtype)
    own.save_pretrained(folder)  # as a model, so that tied weights are stored once
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT}
    (folder / "tokenizer_config.json").write_text(
        json.dumps(special | {"chat_template": CHAT_TEMPLATE}, indent=2) + "\n"
    )


def held_out_sample(tokenizer: Tokenizer, *, n_tokens: int = 200_000) -> list[str]:
    """Held-out documents, `n_tokens` in all and one document more."""
    texts: list[str] = []
    seen = 0
    for text in documents(seed=HELD_OUT_SEED):
        if seen >= n_tokens:
            return texts
        texts.append(text)
        seen += len(tokenizer.encode(text).ids) + 1
    raise AssertionError("the stream of documents is endless")
