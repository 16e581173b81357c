"""Writing on: the most likely token, again and again.

The loop is ours and knows one rule. A checkpoint's own `generate` obeys the `generation_config` that lies beside the
weights: penalties, forbidden, forced or shortest outputs, sampling. Two models would then differ in their settings
where they are meant to differ in their weights. What a checkpoint says about where its answers end is worth knowing
and is read as information (`stops_of`); whoever asks decides whether to stop there."""

import inspect
import warnings
from collections.abc import Collection, Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.model import editing, widening

SOME_RUN = 7 / 8
"""Share of the rows of a pass below which those that have stopped are left out: it takes a copy of the cache."""


def greedy(
    bridge: Any,
    tokens: Int[Tensor, "batch position"],
    *,
    n_tokens: int,
    stops: Collection[int],
    d_vocab: int,
) -> list[list[int]]:
    """New token ids after each row, up to its first stop id and without it, `n_tokens` at most.

    Only the `d_vocab` ids that have a token are written. With a key-value cache unless an edit under way does not
    fit one (`editing.fits_cache`); the rows are all of one length, so that no position is ever padded."""
    passes = steps(bridge, tokens, n_tokens=n_tokens, stops=stops, d_vocab=d_vocab)
    written = [logits.argmax(-1) for _, logits in passes]
    rows = torch.stack(written, 1).tolist() if written else [[] for _ in tokens]
    return [upto(row, stops) for row in rows]


def upto(row: list[int], stops: Collection[int]) -> list[int]:
    """The ids before the first stop."""
    return row[: next((at for at, new in enumerate(row) if new in stops), len(row))]


def steps(
    bridge: Any,
    tokens: Int[Tensor, "batch position"],
    *,
    n_tokens: int,
    stops: Collection[int],
    d_vocab: int,
    with_cache: bool | None = None,
    leave_out: bool = False,
    at_most: Int[Tensor, " batch"] | None = None,
) -> Iterator[tuple[Int[Tensor, " running"], Float[Tensor, "running d_vocab"]]]:
    """The logits that each new token is the largest of, with the rows that they are of, until all have come to a stop.

    `with_cache` says whether earlier positions are kept or run anew for every token; None keeps them where every edit
    under way allows it. With `leave_out` and a cache, rows that have come to a stop are left out of later passes once
    there are some of them; an edit that counts rows does not fit that. `at_most` stops each row after its own number of
    tokens."""
    device = bridge.original_model.device
    stopping = torch.tensor(sorted(stops), dtype=torch.long, device=device)
    with_cache = editing.fits_cache(bridge) if with_cache is None else with_cache
    cache: Any = None
    seen = tokens.to(device)
    fresh, running, rows = seen, seen.new_ones(len(seen), dtype=torch.bool), torch.arange(len(seen), device=device)
    last = seen.new_full((len(seen),), n_tokens) if at_most is None else at_most.to(device)
    for n_written in range(n_tokens):
        if not running.any():
            return
        if leave_out and hasattr(cache, "batch_select_indices") and running.double().mean() <= SOME_RUN:
            cache.batch_select_indices(running.nonzero()[:, 0])
            fresh, rows, running = fresh[running], rows[running], running[running]
        logits, cache = _last_logits(bridge, seen if cache is None else fresh, cache, with_cache=with_cache)
        logits = logits[:, :d_vocab]
        yield rows, logits
        fresh = logits.argmax(-1, keepdim=True)
        seen = torch.cat([seen, fresh], 1) if cache is None else seen
        running &= ~torch.isin(fresh[:, 0], stopping) & (last[rows] > n_written + 1)


def _last_logits(
    bridge: Any, tokens: Int[Tensor, "batch new"], cache: Any, *, with_cache: bool
) -> tuple[Float[Tensor, "batch padded_vocab"], Any]:
    """The logits after the last of the new tokens, and the cache that now holds these tokens (None without one)."""
    model = bridge.original_model
    last_only = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    with torch.inference_mode(), warnings.catch_warnings(), widening.products(model):
        warnings.simplefilter("ignore")
        out = model(input_ids=tokens, past_key_values=cache, use_cache=with_cache, **last_only)
    return out.logits[:, -1].float(), getattr(out, "past_key_values", None) if with_cache else None


def stops_of(loaded: Any) -> tuple[int, ...]:
    """The ids at which a checkpoint says that its texts end, each once: those of its generation settings first, then
    those of its configuration. Either may name one, several or none."""
    settings = getattr(loaded, "generation_config", None), loaded.config
    named = [getattr(one, "eos_token_id", None) for one in settings]
    ids = [id for one in named if one is not None for id in (one if isinstance(one, list | tuple) else [one])]
    return tuple(dict.fromkeys(ids))
