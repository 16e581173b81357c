r"""What a model would have written without some of its last-layer neurons, from the state kept along its path.

A neuron of the last layer changes the residual stream where it stands and nothing that a later position reads. So with
the residual stream r and the activations a of a step, values c in the place of those of the set N give the logits

.. math:: \mathrm{logits}\Big(r + \sum_{i \in N} (c_i - a_i)\, w_i\Big),

the very ones that an edited model has there, as long as what was written so far is the same. So nothing is run: all
sets at all steps are two products, one with the output weights and one with the unembedding (in tiles that fit into
memory). Where the most likely token changes, the path ends, and only from there on the model writes anew."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory
from lib.model import edits, generating
from lib.model.language_model import Model
from lib.model.path import Path
from lib.model.sites import Site


@dataclass(frozen=True)
class Without:
    """The most likely token at every step of a path, for every set of neurons."""

    ids: Int[Tensor, "set prompt step"]
    """After the first change no longer what the edited model writes: it would be further along another text."""
    top_logit: Float[Tensor, "set prompt step"]
    """The logit of that token."""
    first_change: Int[Tensor, "set prompt"]
    """The first step at which another token is the likeliest; the path's `n_steps` where there is none."""


def along(model: Model, path: Path, sets: Bool[Tensor, "set d_mlp"], value: Float[Tensor, " d_mlp"]) -> Without:
    """The path told again with `value` in the place of the activations of each set.

    A step counts as changed when its likeliest token is another than that of the same formula without a set, so that
    the rounding of a model in few bits changes nothing."""
    device, dtype = model.W_out.device, model.W_out.dtype
    resid, activation = (state.flatten(0, 1).to(dtype) for state in (path.resid, path.activation))
    nobody = torch.zeros_like(sets[:1])
    given = torch.cat([nobody, sets]).to(device), value.to(device, dtype)
    n_tokens = memory.rows(len(given[0]) * model.final_layer.d_vocab)
    tiles = resid.split(n_tokens), activation.split(n_tokens)
    parts = [_largest(model, *state, *given) for state in zip(*tiles, strict=True)]
    top_logit, top_id = (torch.cat(part, 1).unflatten(1, path.ids.shape) for part in zip(*parts, strict=True))
    changed = top_id[1:] != top_id[:1]
    steps = torch.arange(path.ids.shape[1], device=device)
    first = torch.where(changed, steps, path.n_steps.to(device)[:, None]).amin(-1)
    return Without(torch.where(changed, top_id[1:], path.ids.to(device)), top_logit[1:], first)


def _largest(
    model: Model,
    resid: Float[Tensor, "token d_model"],
    activation: Float[Tensor, "token d_mlp"],
    sets: Bool[Tensor, "set d_mlp"],
    value: Float[Tensor, " d_mlp"],
) -> tuple[Float[Tensor, "set token"], Int[Tensor, "set token"]]:
    """The largest logit of every token and set, and whose it is."""
    delta = (value - activation) * sets[:, None]
    if "a norm after the last MLP" in model.not_exact:
        write = model.write(activation + delta) - model.write(activation)
        write = write * (delta != 0).any(-1, keepdim=True)
    else:
        write = delta @ model.W_out
    best = model.final_layer.logits(model.final_layer.centre(resid) + write).max(-1)
    return best.values, best.indices


def rewritten(
    model: Model,
    tokens: Int[Tensor, "prompt position"],
    path: Path,
    sets: Bool[Tensor, "set d_mlp"],
    value: Float[Tensor, " d_mlp"],
    *,
    n_tokens: int,
    stops: Collection[int],
) -> list[list[list[int]]]:
    """For each set and prompt the ids that the edited model writes, up to its first stop and without it.

    `path` is the model's own after these prompts, with the same `n_tokens` and `stops`. Only what changes is run."""
    found, last = along(model, path, sets, value), Site(model.n_layers - 1, "neurons")
    texts = [path.written(stops) for _ in sets]
    ids, n_steps, prompts = path.ids.cpu(), path.n_steps.cpu(), tokens.cpu()
    first, members = found.first_change.cpu(), sets.cpu()
    for step in range(ids.shape[1]):
        which, row = ((first == step) & (step < n_steps)).nonzero(as_tuple=True)
        if len(row):
            kept = ids[row, :step]
            edit = edits.replace(last, value, units=members[which])
            rest: dict[str, Any] = {"n_tokens": n_tokens - step, "stops": stops, "edits": [edit]}
            again = model.path(torch.cat([prompts[row], kept], 1), **rest)
            written = torch.cat([kept, again.ids.cpu()], 1).tolist()
            for one, at, whole in zip(which.tolist(), row.tolist(), written, strict=True):
                texts[one][at] = generating.upto(whole, stops)
    return texts
