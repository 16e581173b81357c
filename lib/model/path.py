"""A greedy path: what a model writes after a prompt, and the state of its last layer at every step of it.

The last layer's neurons act on nothing but the logits of their own position. So this state, kept once along the path,
is enough to say what the model would have written at each step without some of them (see `path_without`)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.model import editing, generating
from lib.model.edits import Edit
from lib.model.hooks import keeping
from lib.model.running import Recording
from lib.model.sites import Site


@dataclass(frozen=True)
class Path:
    """The most likely tokens after some prompts of one length, step by step, on the model's device.

    A prompt that has come to a stop may be written on as long as another has not, or be filled up with zeros; what lies
    behind `n_steps` is no part of its path."""

    ids: Int[Tensor, "prompt step"]
    """The token written at each step, the stop included."""
    n_steps: Int[Tensor, " prompt"]
    """Steps of each prompt, the one that writes its stop included."""
    top_id: Int[Tensor, "prompt step top"]
    """The most likely tokens of each step, the likeliest first."""
    top_logit: Float[Tensor, "prompt step top"]
    resid: Float[Tensor, "prompt step d_model"]
    """The residual stream entering the final norm where the token is predicted."""
    activation: Float[Tensor, "prompt step d_mlp"]
    """The last layer's neurons there, after the nonlinearity."""
    in_prompt: Float[Tensor, "prompt position d_mlp"] | None = None
    """The same at every position of the prompts, where that was asked for."""

    def written(self, stops: Collection[int]) -> list[list[int]]:
        """The ids of each prompt up to its first stop and without it."""
        rows = zip(self.ids.tolist(), self.n_steps.tolist(), strict=True)
        return [generating.upto(row[:n], stops) for row, n in rows]


def follow(
    bridge: Any,
    tokens: Int[Tensor, "prompt position"],
    *,
    n_tokens: int,
    stops: Collection[int],
    d_vocab: int,
    n_top: int,
    edits: Sequence[Edit],
    with_cache: bool | None,
    whole: bool = False,
    at_most: Int[Tensor, " prompt"] | None = None,
) -> Path:
    """The path of prompts of one length, edits done; `Model.path` says what is asked of the numbers."""
    last = bridge.cfg.n_layers - 1
    resid, activation = Site(last, "resid_post"), Site(last, "neurons")
    recording, steps = Recording([resid, activation], slice(None) if whole else slice(-1, None)), []
    in_prompt: Tensor | None = None
    leave_out = not edits and not editing.are_under_way(bridge)
    with editing.under_way(bridge, edits), keeping(bridge, recording.keepers):
        asked: dict[str, Any] = {"n_tokens": n_tokens, "stops": stops, "d_vocab": d_vocab, "with_cache": with_cache}
        for rows, logits in generating.steps(bridge, tokens, leave_out=leave_out, at_most=at_most, **asked):
            top, state = logits.topk(n_top), recording.found()
            in_prompt = state[activation] if whole and in_prompt is None else in_prompt
            found = logits.argmax(-1), top.indices, top.values, state[resid][:, -1], state[activation][:, -1]
            steps.append([_in_rows(one, rows, len(tokens)) for one in found])
    ids, top_id, top_logit, resids, activations = (torch.stack(one, 1) for one in zip(*steps, strict=True))
    stopped = torch.isin(ids, torch.tensor(sorted(stops), dtype=torch.long, device=ids.device))
    n_steps = 1 + (~stopped).cumprod(1)[:, :-1].sum(1)
    n_steps = n_steps if at_most is None else n_steps.minimum(at_most.to(n_steps.device))
    return Path(ids, n_steps, top_id, top_logit, resids, activations, in_prompt)


def _in_rows(found: Tensor, rows: Int[Tensor, " running"], n: int) -> Tensor:
    """What was found of some of `n` rows, with zeros in the others, whose paths have ended."""
    return found if len(rows) == n else found.new_zeros(n, *found.shape[1:]).index_copy_(0, rows, found)


def joined(paths: Sequence[Path]) -> Path:
    """Paths of more prompts in one; shorter ones are filled up with zeros, which are no part of them."""
    longest = max(path.ids.shape[1] for path in paths)

    def filled(value: Tensor) -> Tensor:
        return torch.cat([value, value.new_zeros(len(value), longest - value.shape[1], *value.shape[2:])], 1)

    parts = {field.name: [getattr(path, field.name) for path in paths] for field in fields(Path)}
    together = {name: torch.cat([filled(value) for value in parts[name]]) for name in STEPPED}
    in_prompt = None if paths[0].in_prompt is None else torch.cat(parts["in_prompt"])
    return Path(**together, n_steps=torch.cat(parts["n_steps"]), in_prompt=in_prompt)


STEPPED = ("ids", "top_id", "top_logit", "resid", "activation")
"""What a path has for every step."""
