"""Trains the pocket model from nothing: tokenizer, then a small GPT-2, then its held-out sample.

`python -m lib.pocket.train` writes a Hugging Face model directory. The seed, the corpus and the
recipe below are all that decides the weights; an interrupted run resumes at its last checkpoint."""

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from lib import model as door
from lib.pocket.corpus import HELD_OUT_SEED, TRAINING_SEED, document, documents

END_OF_TEXT = "<|endoftext|>"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the trained model besides the corpus."""

    d_vocab: int = 2048
    """At most; byte-pair merging stops earlier when the corpus has no more pairs to merge."""
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    d_mlp: int = 256
    n_positions: int = 512
    embedding_std: float = 0.004
    """Small, so that directions of the embedding which training does not need stay small."""
    steps: int = 1500
    batch: int = 16
    """Sequences of `n_positions` tokens per step."""
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    weight_decay: float = 0.1
    seed: int = 0
    checkpoint_every: int = 100


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


def batches(tokenizer: Tokenizer, recipe: Recipe, *, start: int) -> Iterator[tuple[Int[Tensor, "batch position"], int]]:
    """Training batches from document `start` on: BOS, then running text, documents parted by EOS.

    Yields each batch with the number of the first document that it did not use; what is left of a
    document at the end of a batch is dropped, so that a resumed run sees the same batches."""
    end, n_text = tokenizer.token_to_id(END_OF_TEXT), recipe.batch * (recipe.n_positions - 1)
    while True:
        stream: list[int] = []
        while len(stream) < n_text:
            texts = [document(index, seed=TRAINING_SEED)[0] for index in range(start, start + 8)]
            start += 8
            stream += [token for encoded in tokenizer.encode_batch(texts) for token in (*encoded.ids, end)]
        text = torch.tensor(stream[:n_text]).view(recipe.batch, -1)
        yield torch.cat([torch.full((recipe.batch, 1), end), text], dim=1), start


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to a tenth of the peak."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return recipe.learning_rate * warm * (0.55 + 0.45 * math.cos(math.pi * step / recipe.steps))


def new_model(recipe: Recipe, tokenizer: Tokenizer) -> torch.nn.Module:
    """An untrained GPT-2 of the recipe's size, without dropout, its embedding drawn small."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    model = door.untrained(
        "gpt2",
        vocab_size=tokenizer.get_vocab_size(),
        n_embd=recipe.d_model,
        n_layer=recipe.n_layers,
        n_head=recipe.n_heads,
        n_inner=recipe.d_mlp,
        n_positions=recipe.n_positions,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
    )
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_(std=recipe.embedding_std)
    return model


def _optimizer(model: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))


def train(recipe: Recipe, tokenizer: Tokenizer, checkpoint: Path) -> torch.nn.Module:
    """The trained model; continues from `checkpoint` when a run of the same recipe left one."""
    torch.manual_seed(recipe.seed)
    model, step, start = new_model(recipe, tokenizer), 0, 0
    optimizer = _optimizer(model, recipe)
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["recipe"] != asdict(recipe):
            raise ValueError(f"{checkpoint} is of another recipe; delete it to start from scratch")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step, start = saved["step"], saved["start"]
    begun, first, mean_loss = time.monotonic(), step, float("nan")
    for tokens, following in itertools.islice(batches(tokenizer, recipe, start=start), recipe.steps - step):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        loss = model(tokens, labels=tokens).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        mean_loss = loss.item() if step == first + 1 else 0.95 * mean_loss + 0.05 * loss.item()
        if step % 20 == 0:
            left = (time.monotonic() - begun) / (step - first) * (recipe.steps - step)
            print(f"step {step}/{recipe.steps}  loss {mean_loss:.3f}  {left / 60:.0f} min left", file=sys.stderr)
        if step % recipe.checkpoint_every == 0:
            saved = {"recipe": asdict(recipe), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            part = checkpoint.with_suffix(".part")
            torch.save(saved | {"step": step, "start": following}, part)
            part.replace(checkpoint)
    return model.eval()


def save(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes model and tokenizer as a Hugging Face directory."""
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT}
    (folder / "tokenizer_config.json").write_text(json.dumps(special, indent=2) + "\n")


def held_out_sample(tokenizer: Tokenizer, *, n_tokens: int = 200_000) -> list[str]:
    """Held-out documents, `n_tokens` in all and one document more."""
    texts, seen = [], 0
    for text in documents(seed=HELD_OUT_SEED):
        if seen >= n_tokens:
            return texts
        texts.append(text)
        seen += len(tokenizer.encode(text).ids) + 1
    raise AssertionError("the stream of documents is endless")


def main() -> None:
    """Command line: trains by the recipe and writes the model and its held-out sample."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "models" / "pocket", help="model directory")
    parser.add_argument(
        "--sample", type=Path, default=HERE / "sample.txt", help="held-out text, documents parted by blank lines"
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/training/pocket.pt"))
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    arguments = parser.parse_args()
    recipe = Recipe(steps=arguments.steps)
    arguments.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(recipe)
    model = train(recipe, tokenizer, arguments.checkpoint)
    save(model, tokenizer, arguments.out)
    arguments.sample.write_text("\n\n".join(held_out_sample(tokenizer)) + "\n")


if __name__ == "__main__":
    main()
