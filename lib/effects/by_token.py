"""Effects of a few sets of neurons with every token kept: for scatter plots and for single stories.

`by_token` keeps all that `measure_sets` has the means of. `readings` keeps only what it is asked for by name, read off
the logits, and `as_temperature` the temperature that comes nearest to an ablation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import measures, memory, temperature
from lib.effects import edits, measuring
from lib.effects.clean import Block, Clean, clean_run
from lib.effects.edits import Replacement
from lib.effects.result import Unmeasured
from lib.model import Model

CELLS = 2**20
"""Logits of a block of tokens: few enough to stay in the processor's cache."""
Read = Callable[[Float[Tensor, "token d_vocab"], Int[Tensor, " token"]], Float[Tensor, " token"]]
"""From logits and the tokens that come next to one number for each token."""


@dataclass(frozen=True, kw_only=True)
class TokenEffects(Unmeasured):
    """The clean run at every scored token, and what ablating each set changes there; nats throughout.

    What needs a unigram distribution is in `FrequencyTokenEffects`."""

    loss: Float[Tensor, " token"]
    entropy: Float[Tensor, " token"]
    reciprocal_rank: Float[Tensor, " token"]
    """1 / rank of the true next token; 1 where the model's best guess is right."""
    scale: Float[Tensor, " token"]
    """What the final norm divides by."""
    target: Int[Tensor, " token"]
    """The token that comes next."""
    sequence: Int[Tensor, " token"]
    position: Int[Tensor, " token"]
    loss_change: Float[Tensor, "set token"]
    direct_loss_change: Float[Tensor, "set token"]
    """With the norm frozen."""
    entropy_change: Float[Tensor, "set token"]
    reciprocal_rank_change: Float[Tensor, "set token"]
    prediction_change: Bool[Tensor, "set token"]
    """Whether the most likely next token is another one."""


@dataclass(frozen=True, kw_only=True)
class FrequencyTokenEffects(TokenEffects):
    """The same beside a unigram distribution."""

    kl: Float[Tensor, " token"]
    """KL(unigram || model)."""
    kl_change: Float[Tensor, "set token"]
    frequency_loss_change: Float[Tensor, "set token"]
    """With the token-frequency projection frozen, the norm free."""


def by_token(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"] | None = None,
    replacement: Replacement | None = None,
) -> TokenEffects:
    """Ablates all neurons of a set together, by the mean over all positions unless `replacement` is given; without
    `log_unigram` nothing is measured that needs it. What is found lies on the CPU.

    Raises ValueError as `clean_run` does."""
    clean = clean_run(model, tokens, scored)
    value = edits.mean_activation(model, tokens) if replacement is None else replacement
    parts, kind = [], TokenEffects if log_unigram is None else FrequencyTokenEffects
    way = measuring.way_of(model, sets, scored, log_unigram)
    for at in torch.arange(len(clean.target)).split(way.block_size()):
        block = Block(model, clean.part(at), log_unigram)
        columns, changes = zip(*way.parts(block, edits.difference(block.clean, value)), strict=True)
        order = torch.cat(columns).argsort()
        parts.append({name: torch.cat([change[name] for change in changes], 1)[:, order].mT for name in changes[0]})
        parts[-1] |= {"loss": -block.own, "entropy": block.entropy, "reciprocal_rank": block.reciprocal_rank}
        parts[-1] |= {"kl": block.frequency.kl} if block.frequency else {}
    joined = {name: torch.cat([part[name] for part in parts], -1) for name in parts[0]}
    joined |= {"prediction_change": joined["prediction_change"].bool()}
    joined |= {field.name: getattr(clean, field.name) for field in fields(kind) if hasattr(clean, field.name)}
    return kind(**{name: value.cpu() for name, value in joined.items()})


def read_entropy(logits: Float[Tensor, "token d_vocab"], target: Int[Tensor, " token"]) -> Float[Tensor, " token"]:
    """Entropy in nats, whatever comes next."""
    return measures.entropy(logits)


def read_loss(logits: Float[Tensor, "token d_vocab"], target: Int[Tensor, " token"]) -> Float[Tensor, " token"]:
    """Loss in nats."""
    return measures.loss(logits, target)


@dataclass(frozen=True)
class Readings:
    """What was read of every scored token, clean and ablated, by name; on the CPU."""

    clean: dict[str, Float[Tensor, " token"]]
    ablated: dict[str, Float[Tensor, "set token"]]
    sequence: Int[Tensor, " token"]
    position: Int[Tensor, " token"]


def readings(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    replacement: Replacement,
    read: dict[str, Read],
) -> Readings:
    """Ablates all neurons of a set together, one set after another. Raises ValueError as `clean_run` does."""
    clean, parts = clean_run(model, tokens, scored), []
    for target, before, ablated in _logits(model, clean, sets, replacement):
        logits = (before, *ablated)
        parts.append(torch.stack([torch.stack([f(z, target) for f in read.values()]) for z in logits], dim=1))
    found = dict(zip(read, torch.cat(parts, dim=-1).cpu(), strict=True))
    ours, theirs = ({name: part(value) for name, value in found.items()} for part in (lambda v: v[0], lambda v: v[1:]))
    return Readings(ours, theirs, clean.sequence.cpu(), clean.position.cpu())


def _logits(
    model: Model, clean: Clean, sets: Bool[Tensor, "set d_mlp"], replacement: Replacement
) -> Iterator[tuple[Tensor, Tensor, Iterator[Tensor]]]:
    """Block after block the tokens that come next, the clean logits, and those of each set with the norm free."""
    for at in torch.arange(len(clean.target)).split(memory.rows(model.final_layer.d_vocab, cells=CELLS)):
        block = Block(model, clean.part(at))
        pairs = edits.logits(model, block, edits.difference(block.clean, replacement), sets)
        yield block.clean.target, block.logits, (free for free, _ in pairs)


@dataclass(frozen=True)
class AsTemperature:
    """What a single temperature explains of the ablation of each set, token by token."""

    temperature: Float[Tensor, "set token"]
    """The temperature of the clean logits that mimics the ablation best; no unit, 1 for no change."""
    kl_from_clean: Float[Tensor, "set token"]
    """KL(ablated || clean), in nats."""
    kl_left: Float[Tensor, "set token"]
    """KL(ablated || clean at that temperature), in nats: what no temperature explains."""
    sequence: Int[Tensor, " token"]


def as_temperature(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    replacement: Replacement | None = None,
) -> AsTemperature:
    """Ablates all neurons of a set together, by the mean over all positions unless `replacement` is given.

    Raises ValueError as `clean_run` does."""
    clean, parts = clean_run(model, tokens, scored), []
    value = edits.mean_activation(model, tokens) if replacement is None else replacement
    for _, before, ablated in _logits(model, clean, sets, value):
        parts.append(torch.stack([_explained(before, free) for free in ablated], dim=1))
    nearest, whole, left = torch.cat(parts, dim=-1).cpu()
    return AsTemperature(nearest, whole, left, clean.sequence.cpu())


def _explained(clean: Float[Tensor, "token d_vocab"], free: Float[Tensor, "token d_vocab"]) -> Float[Tensor, "3 token"]:
    nearest = temperature.best(clean, free)
    left = measures.kl_divergence(free, clean / nearest[:, None])
    return torch.stack([nearest, measures.kl_divergence(free, clean), left])
