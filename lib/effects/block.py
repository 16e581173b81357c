"""What the fast gears need of the clean run at a block of tokens, and of one neuron's write there.

All of them follow from two rows per token and one per neuron: the logits less their bias z, the clean log
probabilities, and U = w W_U. With s' the ablated scale (see the package's formula) the ablated logits are

    clean logits + shrink * z + free * U       norm free, shrink = s / s' - 1, free = delta / s'
    clean logits + frozen * U                  norm frozen, frozen = delta / s

and what else is asked of them (the next token's logit, the projection on the unigram and on the token-frequency
direction) is as linear, so it needs no vocabulary. The unigram distribution comes in through `Frequency` and
`FrequencyWrites` alone, which are None where none was given."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from lib import measures, token_frequency
from lib.effects.clean import Clean
from lib.effects.distributions import stacked
from lib.final_layer import FinalLayer
from lib.model import Model

HEAD = 128
"""Most likely tokens among which a change of prediction is looked for."""
PER_PAIR = ("free", "frozen", "frequency", "entropy", "reciprocal_rank", "prediction_change")
"""What a gear finds out for each token and neuron: how much the log-sum-exp of the logits grows with the norm free,
frozen, and with the token-frequency projection frozen (0 without a unigram distribution); and of the run with the norm
free the entropy, the reciprocal rank of the next token, and whether the most likely token is another one."""


@dataclass(frozen=True)
class Frequency:
    """The unigram distribution, and the clean run at a block's tokens as it sees it."""

    unigram: Float[Tensor, " d_vocab"]
    direction: Float[Tensor, " d_vocab"]
    """The token-frequency direction."""
    z_unigram: Float[Tensor, " token"]
    z_direction: Float[Tensor, " token"]


class Block:
    """The clean run at some tokens, their distributions held at once."""

    def __init__(self, layer: FinalLayer, clean: Clean, log_unigram: Float[Tensor, " d_vocab"] | None) -> None:
        self.clean, self.layer = clean, layer
        self.z: Float[Tensor, "token d_vocab"] = clean.resid / clean.scale[:, None] @ (layer.multiplier * layer.W_U)
        self.log_p = (self.z + layer.multiplier * layer.b_U).log_softmax(-1)
        self.log_total = self.log_p.exp().sum(-1).log()
        """0 but for rounding, and subtracted so that an ablation without effect has none."""
        self.entropy = measures.entropy(self.log_p)
        self.best = self.log_p.argmax(-1)
        own = self.log_p.gather(-1, clean.target[:, None])
        self.reciprocal_rank = 1 / (1 + (self.log_p > own).sum(-1)).to(self.z)
        self.z_target = self.z.gather(-1, clean.target[:, None])[:, 0]
        self.frequency = None if log_unigram is None else self._frequency(log_unigram.to(self.z))

    @property
    def n_tokens(self) -> int:
        """Tokens in the block."""
        return len(self.z)

    def _frequency(self, log_unigram: Float[Tensor, " d_vocab"]) -> Frequency:
        unigram, direction = log_unigram.exp(), token_frequency.direction(log_unigram)
        return Frequency(unigram, direction, self.z @ unigram, self.z @ direction)


@dataclass(frozen=True)
class FrequencyWrites:
    """What the writes of some neurons do along the unigram distribution and the token-frequency direction."""

    back: Float[Tensor, "token neuron"]
    """How far along the token-frequency direction the norm-free run has to go back."""
    U_unigram: Float[Tensor, "#token neuron"]
    U_direction: Float[Tensor, "#token neuron"]


@dataclass(frozen=True)
class Writes:
    """The writes of some neurons at the tokens of a block, in logits."""

    U: Float[Tensor, "*neuron d_vocab"]
    """w W_U, less its mean under the block's mean distribution (which changes no probability). For a set of
    neurons, whose write has another direction at each token, one row for each token."""
    shrink: Float[Tensor, "token neuron"]
    free: Float[Tensor, "token neuron"]
    frozen: Float[Tensor, "token neuron"]
    U_target: Float[Tensor, "token neuron"]
    frequency: FrequencyWrites | None


def writes(model: Model, block: Block, delta: Float[Tensor, "token d_mlp"], neurons: Int[Tensor, " neuron"]) -> Writes:
    """The writes of some neurons when `delta` is added to their activations."""
    layer, scale = model.final_layer, block.clean.scale[:, None]
    w, delta = model.W_out[neurons], delta[:, neurons]
    U = w @ (layer.multiplier * layer.W_U)
    U -= (U @ block.log_p.exp().mean(0))[:, None]
    grown = (2 * delta * (block.clean.resid @ w.mT) + delta.square() * w.square().sum(-1)) / layer.d_model
    ablated = (scale.square() + grown).sqrt()
    shrink, free = -grown / (ablated * (ablated + scale)), delta / ablated
    along = None if block.frequency is None else _along(block.frequency, U, shrink, free)
    return Writes(U, shrink, free, delta / scale, U[:, block.clean.target].mT, along)


def _along(frequency: Frequency, U: Float[Tensor, "neuron d_vocab"], shrink: Tensor, free: Tensor) -> FrequencyWrites:
    U_direction = (U @ frequency.direction)[None]
    back = -(shrink * frequency.z_direction[:, None] + free * U_direction)
    return FrequencyWrites(back, (U @ frequency.unigram)[None], U_direction)


def quantities(
    block: Block, write: Writes, found: dict[str, Float[Tensor, "token neuron"]]
) -> Float[Tensor, "quantity token neuron"]:
    """The quantities of effects at every token, from what a gear found (see `PER_PAIR`)."""
    own = write.shrink * block.z_target[:, None] + write.free * write.U_target
    change = {
        "loss_change": found["free"] - own,
        "direct_loss_change": found["frozen"] - write.frozen * write.U_target,
        "entropy_change": found["entropy"] - block.entropy[:, None],
        "reciprocal_rank_change": found["reciprocal_rank"] - block.reciprocal_rank[:, None],
        "prediction_change": found["prediction_change"],
    }
    if block.frequency and write.frequency:
        put_back = write.frequency.back * block.frequency.direction[block.clean.target][:, None]
        seen = write.shrink * block.frequency.z_unigram[:, None]
        change["frequency_loss_change"] = found["frequency"] - own - put_back
        change["kl_change"] = found["free"] - seen - write.free * write.frequency.U_unigram
    return stacked(change).masked_fill(write.frozen == 0, 0)  # nothing is written there: rounding is no effect
