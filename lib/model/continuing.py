"""Prompts written on as text, those of one length together; `model` is a `language_model.Model` throughout."""

from collections.abc import Collection, Sequence
from typing import Any

import torch

from lib.model import editing, generating
from lib.model.edits import Edit


def texts(
    model: Any,
    prompts: list[str],
    *,
    n_tokens: int,
    stops: Collection[int],
    edits: Sequence[Edit],
    batch_size: int,
) -> list[str]:
    """What the model writes after each prompt; see `Model.continuations`."""
    encoded = [model.tokenizer.encode(prompt) for prompt in prompts]
    stops = {model.tokenizer.eos, *stops}
    if not all(encoded):
        raise ValueError("a prompt is empty; there is nothing to continue")
    longest = 1 + max(map(len, encoded), default=0)
    check(model, longest, n_tokens, stops)
    for edit in edits:
        edit.check(len(prompts), longest + n_tokens)
    chosen = {"n_tokens": n_tokens, "stops": stops, "d_vocab": model.final_layer.d_vocab}
    written: dict[int, str] = {}
    for length in sorted({len(ids) for ids in encoded}):
        same = [index for index, ids in enumerate(encoded) if len(ids) == length]
        for batch in torch.tensor(same).split(batch_size):
            rows = torch.tensor([[model.tokenizer.bos, *encoded[index]] for index in batch.tolist()])
            with editing.under_way(model.bridge, [edit.rows(batch) for edit in edits]):
                grown = generating.greedy(model.bridge, rows, **chosen)
            for index, new in zip(batch.tolist(), grown, strict=True):
                written[index] = model.tokenizer.backend.decode(new, clean_up_tokenization_spaces=False)
    return [written[index] for index in range(len(prompts))]


def check(model: Any, longest: int, n_tokens: int, stops: set[int]) -> None:
    """Raises ValueError for fewer tokens than none or more than there is room for, and for a stop that is no token."""
    if n_tokens < 0:
        raise ValueError(f"n_tokens must be 0 or more, got {n_tokens}")
    strange = sorted(id for id in stops if not 0 <= id < model.final_layer.d_vocab)
    if strange:
        raise ValueError(f"stops must be token ids in 0 … {model.final_layer.d_vocab - 1}, got {strange[0]}")
    if longest + n_tokens > model.n_positions:
        raise ValueError(
            f"{model.name} has room for {model.n_positions} tokens, got a prompt of {longest} (BOS included) and "
            f"{n_tokens} to write; shorten the prompt or ask for fewer"
        )
