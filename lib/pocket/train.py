"""Trains the base model from nothing: tokenizer, then a small GPT-2, with checkpoints along the way.

The seed, the corpus and the recipe are all that decides the weights. An interrupted run resumes at its
last saved state and sees the same batches as a run that was never interrupted."""

import copy
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from lib import checkpoint
from lib.pocket.corpus import HELD_OUT_SEED, TRAINING_SEED, document, documents

END_OF_TEXT = "<|endoftext|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes a base model besides the corpus."""

    d_vocab: int = 2560
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    d_mlp: int = 128
    n_positions: int = 512
    reserved: int = 4
    """Coordinates of the embedding that are never trained and stay near zero, so that the unembedding, which is
    the same matrix, does not read them: room for a null space. 0 for a plain model."""
    mimetic: bool = True
    """Whether attention begins with queries equal to keys and output weights along the transposed value weights
    (Trockman and Kolter 2023), so that heads begin by looking for what is alike and by passing on what they see."""
    embedding_std: float = 0.1
    """Of the token embedding, and of the sinusoids that the position embedding begins as."""
    weight_std: float = 0.09
    """Of every other matrix: one over the root of the width, so that attention is selective from the first step."""
    dropout: float = 0.0
    steps: int = 5500
    tokens_per_step: int = 4096
    short: int = 256
    """Positions of most training sequences; every `long`-th step uses all `n_positions`."""
    long: int = 8
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 1e-2
    """Of Muon, which trains the matrices inside the blocks; 0 leaves them to AdamW like all the rest."""
    warmup_steps: int = 100
    weight_decay: float = 0.1
    mlp_weight_decay: float = 0.5
    """Stronger on the MLPs, which keeps a neuron from writing what it has no use for."""
    seed: int = 0

    def sequence_length(self, step: int) -> int:
        """Positions of the sequences of a training step."""
        return self.n_positions if step % self.long == self.long - 1 else self.short

    def checkpoints(self) -> list[int]:
        """Steps after which the weights are kept: none, then powers of two, then the last."""
        powers = [2**k for k in range(3, 20) if 2**k <= 0.75 * self.steps]
        return [0, *powers, self.steps]


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
    narrator is always introduced before he is quoted."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    for at in itertools.count(step):
        length, rows = recipe.sequence_length(at), []
        pending: list[list[int]] = []
        while len(rows) < recipe.tokens_per_step // length:
            row = [end]
            while len(row) < length:
                if not pending:
                    texts = [document(index, seed=TRAINING_SEED)[0] for index in range(start, start + 16)]
                    start += 16
                    pending = [encoded.ids for encoded in tokenizer.encode_batch(texts)]
                row += [*pending.pop(0), end]
            rows.append(row[:length])
        yield torch.tensor(rows), start


def schedule(step: int, recipe: Recipe) -> float:
    """Share of the peak learning rate: linear warm-up, then a straight line to a twentieth."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return warm * (1 - 0.95 * step / recipe.steps)


def new_model(recipe: Recipe, tokenizer: Tokenizer) -> torch.nn.Module:
    """An untrained GPT-2 of the recipe's size, the reserved coordinates of its embedding close to zero."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    model = checkpoint.untrained(
        "gpt2",
        vocab_size=tokenizer.get_vocab_size(),
        n_embd=recipe.d_model,
        n_layer=recipe.n_layers,
        n_head=recipe.n_heads,
        n_inner=recipe.d_mlp,
        n_positions=recipe.n_positions,
        resid_pdrop=recipe.dropout,
        embd_pdrop=recipe.dropout,
        attn_pdrop=recipe.dropout,
        initializer_range=recipe.weight_std,
        activation_function="gelu_pytorch_tanh",  # the same function as gelu_new, in one fused kernel
        bos_token_id=end,
        eos_token_id=end,
    )
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight.normal_(std=recipe.embedding_std)
        embedding[:, : recipe.reserved] *= 0.01
        positions = model.transformer.wpe.weight
        positions.copy_(sinusoids(*positions.shape) * recipe.embedding_std * 2**0.5)
        for block in model.transformer.h:  # writes begin at zero, so that the embeddings are not drowned
            block.mlp.c_proj.weight.zero_()
            block.attn.c_proj.weight.zero_()
            if recipe.mimetic:
                mimetic(block.attn, recipe)
    return model


def mimetic(attention: torch.nn.Module, recipe: Recipe) -> None:
    """Lets an attention layer begin as `Recipe.mimetic` tells, its writes about as long as an embedding."""
    query, key, value = attention.c_attn.weight.split(recipe.d_model, dim=1)
    key.copy_(query)
    attention.c_proj.weight.copy_(0.3 * value.mT * recipe.embedding_std)


def sinusoids(n_positions: int, d_model: int) -> Float[Tensor, "position d_model"]:
    """Sines and cosines of the position at frequencies from pi down to pi / 1000, evenly spaced in their logarithm
    for one half and evenly for the other, so that both near and far positions can be told apart."""
    near = torch.pi * (torch.arange(d_model // 4) + 0.5) / (d_model // 4)
    far = torch.pi / 1000 ** (torch.arange(d_model // 4) / (d_model // 4))
    angle = torch.arange(n_positions)[:, None] * torch.cat([near, far])
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def reserve(model: torch.nn.Module, count: int) -> None:
    """Keeps gradients away from the first `count` coordinates of the embedding."""
    embedding = model.get_input_embeddings().weight
    trained = torch.arange(embedding.shape[1]) >= count
    embedding.register_hook(lambda gradient: gradient * trained)


class Optimizer:
    """Muon for the matrices inside the blocks but for the MLPs' output weights, AdamW for those and for the rest.

    Muon moves every direction of a matrix alike; a neuron's output weight is to keep to the directions that it
    has a use for. Matrices decay, those of the MLPs at a rate of their own, vectors do not."""

    def __init__(self, model: torch.nn.Module, recipe: Recipe) -> None:
        matrices: dict[float, list[Tensor]] = {}
        rest: dict[float, list[Tensor]] = {}
        for name, weight in model.named_parameters():
            by_muon = recipe.matrix_learning_rate > 0 and ".h." in name and "mlp.c_proj" not in name
            decay = recipe.mlp_weight_decay if ".mlp." in name else recipe.weight_decay
            if weight.dim() == 1:
                by_muon, decay = False, 0.0
            (matrices if by_muon else rest).setdefault(decay, []).append(weight)
        self.parts = [
            torch.optim.AdamW(_groups(rest), lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True),
        ]
        if matrices:
            rate, adjust = recipe.matrix_learning_rate, "match_rms_adamw"
            self.parts.append(torch.optim.Muon(_groups(matrices), lr=rate, adjust_lr_fn=adjust))
        self.peaks = [part.defaults["lr"] for part in self.parts]

    def step(self, share: float) -> None:
        """One step at a share of the peak learning rates; clears the gradients."""
        for part, peak in zip(self.parts, self.peaks, strict=True):
            for group in part.param_groups:
                group["lr"] = peak * share
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        """The state of each part."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        """Takes up the state of each part."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def _groups(weights: dict[float, list[Tensor]]) -> list[dict]:
    return [{"params": some, "weight_decay": decay} for decay, some in weights.items()]


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


def train(
    recipe: Recipe,
    tokenizer: Tokenizer,
    *,
    name: str,
    state: Path,
    keep: Path | None = None,
    save_every: int = 100,
) -> torch.nn.Module:
    """The trained model; continues from the file `state` when a run of the same recipe left one.

    The state is written every `save_every` steps and at the end. With `keep`, the weights at
    `recipe.checkpoints()` are saved there, one half-precision model directory each.
    Raises ValueError when `state` is of another recipe or cannot be read."""
    torch.manual_seed(recipe.seed)
    model = new_model(recipe, tokenizer)
    reserve(model, recipe.reserved)
    optimizer, done, start = Optimizer(model, recipe), 0, 0
    if state.exists():
        done, start = _resume(state, recipe, model, optimizer)
    elif keep is not None:
        keep_checkpoint(model, tokenizer, recipe, keep, name, 0)
    progress, kept = Progress(name, done=done, steps=recipe.steps), set(recipe.checkpoints())
    model.train()
    for tokens, following in itertools.islice(batches(tokenizer, recipe, step=done, start=start), recipe.steps - done):
        torch.manual_seed(1_000_003 * recipe.seed + done)  # dropout, the same after a resume
        loss = model(tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(schedule(done, recipe))
        done += 1
        progress.step(done, loss.item())
        if done in kept and keep is not None:
            keep_checkpoint(model, tokenizer, recipe, keep, name, done)
        if done % save_every == 0 or done == recipe.steps:
            saved = {"recipe": asdict(recipe), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            part = state.with_suffix(".part")
            torch.save(saved | {"done": done, "start": following}, part)
            part.replace(state)
    return model.eval()


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


def keep_checkpoint(
    model: torch.nn.Module, tokenizer: Tokenizer, recipe: Recipe, models: Path, name: str, step: int
) -> None:
    """Saves the weights after a step as `pocket-step-00064` in half precision, and in `training.json` how far
    training had come."""
    folder = models / f"{name}-step-{step:05d}"
    save(model, tokenizer, folder, dtype=torch.float16)
    seen = {"step": step, "tokens_seen": step * recipe.tokens_per_step}
    (folder / "training.json").write_text(json.dumps(seen) + "\n")


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Writes model and tokenizer as a Hugging Face directory, the weights in `dtype`."""
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).to(dtype).save_pretrained(folder)  # as a model, so that tied weights are stored once
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT}
    (folder / "tokenizer_config.json").write_text(
        json.dumps(special | {"chat_template": CHAT_TEMPLATE}, indent=2) + "\n"
    )


def held_out_sample(tokenizer: Tokenizer, *, n_tokens: int = 200_000) -> list[str]:
    """Held-out documents, `n_tokens` in all and one document more."""
    texts, seen = [], 0
    for text in documents(seed=HELD_OUT_SEED):
        if seen >= n_tokens:
            return texts
        texts.append(text)
        seen += len(tokenizer.encode(text).ids) + 1
    raise AssertionError("the stream of documents is endless")
