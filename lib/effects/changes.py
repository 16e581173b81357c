"""The ten quantities that an ablation is described by, each stated once.

Every road to them finds out the same few things about each token and edit: how much the log-sum-exp of the logits
grows (`PER_PAIR`), and how much single logits and their means grow (`Shift`). A loss is a log-sum-exp less a logit, a
KL from the unigram distribution is one less a mean of logits, and so are their changes."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib.effects.clean import Block
from lib.effects.edits import Edits

PER_PAIR = ("free", "frozen", "frequency", "entropy", "reciprocal_rank", "prediction_change")
"""What is found out for each token and edit: how much the log-sum-exp of the logits grows with the norm free, frozen,
and with the token-frequency projection frozen (0 without a unigram distribution); and of the run with the norm free the
entropy, the reciprocal rank of the next token, and whether the most likely token is another one."""
Found = dict[str, Float[Tensor, "token edit"]]
"""By the names of `PER_PAIR`."""
Change = dict[str, Float[Tensor, "token edit"]]
"""Ablated less clean, by the names of `FrequencyTokenEffects`."""


@dataclass(frozen=True)
class FrequencyShift:
    """The same of what needs a unigram distribution."""

    target: Float[Tensor, "token edit"]
    """Of the next token's logit with the token-frequency projection frozen."""
    unigram: Float[Tensor, "token edit"]
    """Of the mean logit under the unigram distribution, norm free."""


@dataclass(frozen=True)
class Shift:
    """Growth of what is linear in the logits, in nats."""

    free: Float[Tensor, "token edit"]
    """Of the next token's logit, norm free."""
    frozen: Float[Tensor, "token edit"]
    still: Bool[Tensor, "token edit"]
    """Where nothing is written: rounding is no effect."""
    frequency: FrequencyShift | None


def shift(block: Block, edit: Edits) -> Shift:
    """By the closed form, without the vocabulary."""
    free = edit.shrink * block.z_target[:, None] + edit.free * edit.U_target
    of_frequency = None
    if block.frequency and edit.frequency:
        back = edit.frequency.back * block.frequency.direction[block.clean.target][:, None]
        seen = edit.shrink * block.frequency.z_unigram[:, None] + edit.free * edit.frequency.U_unigram
        of_frequency = FrequencyShift(free + back, seen)
    return Shift(free, edit.frozen * edit.U_target, edit.frozen == 0, of_frequency)


def of(block: Block, found: Found, shift: Shift) -> Change:
    """At every token; what needs a unigram distribution only where there is one, and nothing else where `found` holds
    "frequency" alone."""
    change: Change = {}
    if "free" in found:
        change = {
            "loss_change": found["free"] - shift.free,
            "direct_loss_change": found["frozen"] - shift.frozen,
            "entropy_change": found["entropy"] - block.entropy[:, None],
            "reciprocal_rank_change": found["reciprocal_rank"] - block.reciprocal_rank[:, None],
            "prediction_change": found["prediction_change"],
        }
    if shift.frequency:
        change["frequency_loss_change"] = found["frequency"] - shift.frequency.target
        change |= {"kl_change": found["free"] - shift.frequency.unigram} if "free" in found else {}
    return {name: value.masked_fill(shift.still, 0) for name, value in change.items()}


def quantities(change: Change) -> Float[Tensor, "quantity token edit"]:
    """The quantities of effects (see `result`), in their order; those whose change is there."""
    quantity = {
        "total": ("loss_change", True),
        "direct": ("direct_loss_change", True),
        "direct_frequency": ("frequency_loss_change", True),
        "loss_change": ("loss_change", False),
        "entropy_change": ("entropy_change", False),
        "abs_entropy_change": ("entropy_change", True),
        "prediction_change": ("prediction_change", False),
        "kl_change": ("kl_change", False),
        "abs_kl_change": ("kl_change", True),
        "reciprocal_rank_change": ("reciprocal_rank_change", False),
    }
    kept = [(change[of], absolute) for of, absolute in quantity.values() if of in change]
    return torch.stack([value.abs() if absolute else value for value, absolute in kept])
