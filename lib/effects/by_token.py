"""Effects of a few sets of neurons with every token kept: for scatter plots and for single stories."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.effects import ablated
from lib.effects.clean import clean_run, difference
from lib.effects.distributions import Distributions
from lib.effects.measuring import Replacement, mean_activation
from lib.effects.result import Unmeasured
from lib.model import Model

CELLS = 2**22
"""Logits that a block of tokens may hold."""


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
    if replacement is None:
        replacement = mean_activation(model, tokens)
    parts, kind = [], TokenEffects if log_unigram is None else FrequencyTokenEffects
    for block in torch.arange(len(clean.target)).split(max(1, CELLS // model.final_layer.d_vocab)):
        part = clean.part(block)
        before = Distributions(model.final_layer, part, log_unigram)
        pairs = ablated.logits(model, part, difference(part, replacement), sets)
        changes = [before.changes(free, frozen) for free, frozen in pairs]
        parts.append({name: torch.stack([change[name] for change in changes]) for name in changes[0]})
        parts[-1]["prediction_change"] = parts[-1]["prediction_change"].bool()
        own = {"loss", "entropy", "kl", "reciprocal_rank"}
        parts[-1] |= {name: getattr(before, name) for name in own & {field.name for field in fields(kind)}}
    joined = {name: torch.cat([part[name] for part in parts], -1) for name in parts[0]}
    joined |= {field.name: getattr(clean, field.name) for field in fields(kind) if hasattr(clean, field.name)}
    return kind(**{name: value.cpu() for name, value in joined.items()})
