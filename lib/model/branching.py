"""Several ways to go on from one beginning: the beginning is run once, and every way from its key-value cache."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import checkpoint
from lib.model.hooks import keeping, plainly
from lib.model.running import Recording
from lib.model.sites import Site

Way = tuple[int, Sequence[int]]
"""The row of a beginning, and the token ids behind it, none or more."""
Left = tuple[Float[Tensor, "place d_model"], Float[Tensor, "place d_mlp"]]
"""The residual stream that enters the final norm, and the last layer's activations."""


def states(bridge: Any, tokens: Int[Tensor, "row position"], ways: Sequence[Way]) -> list[Left]:
    """For each way what is left of its last layer where a beginning ends, and at every token behind it.

    `tokens` are the beginnings, of one length. Raises ModelError as `hooks.keeping` does."""
    cache = checkpoint.empty_cache()
    ends = _pass(bridge, tokens, cache)
    pieces = [(layer.keys, layer.values) for layer in cache.layers]
    found: list[Left] = [(ends[0][row, -1:], ends[1][row, -1:]) for row, _ in ways]
    for length in sorted({len(behind) for _, behind in ways} - {0}):
        same = [at for at, (_, behind) in enumerate(ways) if len(behind) == length]
        row = torch.tensor([ways[at][0] for at in same], device=pieces[0][0].device)
        copied = checkpoint.filled_cache([(key[row], value[row]) for key, value in pieces])
        resid, activation = _pass(bridge, torch.tensor([[*ways[at][1]] for at in same]), copied)
        for place, at in enumerate(same):
            found[at] = torch.cat([found[at][0], resid[place]]), torch.cat([found[at][1], activation[place]])
    return found


def _pass(bridge: Any, tokens: Int[Tensor, "row new"], cache: Any) -> tuple[Tensor, Tensor]:
    """The two sites at all new positions."""
    last = bridge.cfg.n_layers - 1
    resid, activation = Site(last, "resid_post"), Site(last, "neurons")
    recording, model = Recording([resid, activation], slice(None)), bridge.original_model
    with keeping(bridge, recording.keepers), plainly():
        model.base_model(input_ids=tokens.to(model.device), past_key_values=cache, use_cache=True)
    found = recording.found()
    return found[resid], found[activation]
