"""What it costs to gather the last layer's activations and residual stream, beside the plain forward pass."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from lib.bench.case import random_model


def overhead(*, n_sequences: int = 4, sequence_length: int = 256, rounds: int = 5, **shape: int) -> dict[str, Any]:
    """Seconds of the plain Hugging Face forward and of `Model.run`, in turns; medians over rounds."""
    model = random_model(**shape)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(model.final_layer.d_vocab, (n_sequences, sequence_length), generator=generator)
    plain = model.bridge.original_model
    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: plain(input_ids=tokens, use_cache=False),
        "gather": lambda: model.run(tokens, "resid", "scale", "activation"),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for _ in range(rounds + 1):
            for name, run in ways.items():
                start = time.perf_counter()
                run()
                spent[name].append(time.perf_counter() - start)
    took = {name: statistics.median(seconds[1:]) for name, seconds in spent.items()}
    return {
        "sequences": n_sequences,
        "sequence_length": sequence_length,
        "plain_seconds": took["plain"],
        "gather_seconds": took["gather"],
        "overhead": took["gather"] / took["plain"] - 1,
    }
