"""What it costs to gather the last layer's activations and residual stream, beside the plain forward pass.

Gathering needs no unembedding, so the pass that it is set beside ends before it too. What a reader of logits pays is
told by a second pair, both with the unembedding."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from lib.bench import telling
from lib.bench.case import random_model
from lib.model import Recorded


def overhead(*, n_sequences: int = 4, sequence_length: int = 256, rounds: int = 5, **shape: int) -> dict[str, Any]:
    """Seconds of plain Hugging Face passes and of `Model.run`, in turns; medians over rounds.

    `plain` and `gather` end before the unembedding, `plain_logits` and `gather_logits` run it; `overhead` and
    `overhead_logits` are what gathering adds to the plain pass of its own kind, as a share of it."""
    telling.step(f"what gathering adds to a plain pass, {rounds} rounds")
    model = random_model(**shape)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(model.final_layer.d_vocab, (n_sequences, sequence_length), generator=generator)
    plain: Any = model.bridge.original_model
    names: tuple[Recorded, ...] = ("resid", "scale", "activation")

    def gathered(*more: Recorded) -> Any:
        model.forget()  # or nothing would run
        return model.run(tokens, *names, *more)

    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: plain.base_model(input_ids=tokens, use_cache=False),
        "gather": gathered,
        "plain_logits": lambda: plain(input_ids=tokens, use_cache=False),
        "gather_logits": lambda: gathered("logits"),
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
        **{f"{name}_seconds": seconds for name, seconds in took.items()},
        "overhead": took["gather"] / took["plain"] - 1,
        "overhead_logits": took["gather_logits"] / took["plain_logits"] - 1,
    }
