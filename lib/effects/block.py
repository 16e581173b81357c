"""What the fast gears need of the clean run at a block of tokens, and of one neuron's write there.

All of them follow from two rows per token and one per neuron: the logits less their bias z, the clean log
probabilities, and U = w W_U. With s' the ablated scale (see the package's formula) the ablated logits are

    clean logits + shrink * z + free * U       norm free, shrink = s / s' - 1, free = delta / s'
    clean logits + frozen * U                  norm frozen, frozen = delta / s

and what else is asked of them (the next token's logit, the projection on the unigram and on the token-frequency
direction) is as linear, so it needs no vocabulary."""

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
frozen, and with the token-frequency projection frozen; and of the run with the norm free the entropy, the
reciprocal rank of the next token, and whether the most likely token is another one."""


class Block:
    """The clean run at some tokens, their distributions held at once."""

    def __init__(self, layer: FinalLayer, clean: Clean, log_unigram: Float[Tensor, " d_vocab"]) -> None:
        self.clean, self.layer = clean, layer
        self.z: Float[Tensor, "token d_vocab"] = clean.resid / clean.scale[:, None] @ (layer.multiplier * layer.W_U)
        self.log_p = (self.z + layer.multiplier * layer.b_U).log_softmax(-1)
        self.log_total = self.log_p.exp().sum(-1).log()
        """0 but for rounding, and subtracted so that an ablation without effect has none."""
        self.unigram = log_unigram.to(self.z).exp()
        self.direction = token_frequency.direction(log_unigram.to(self.z))
        self.entropy = measures.entropy(self.log_p)
        self.best = self.log_p.argmax(-1)
        own = self.log_p.gather(-1, clean.target[:, None])
        self.reciprocal_rank = 1 / (1 + (self.log_p > own).sum(-1)).to(self.z)
        self.z_target = self.z.gather(-1, clean.target[:, None])[:, 0]
        self.z_unigram, self.z_direction = self.z @ self.unigram, self.z @ self.direction

    @property
    def n_tokens(self) -> int:
        """Tokens in the block."""
        return len(self.z)


@dataclass(frozen=True)
class Writes:
    """The writes of some neurons at the tokens of a block, in logits."""

    U: Float[Tensor, "*neuron d_vocab"]
    """w W_U, less its mean under the block's mean distribution (which changes no probability). For a set of
    neurons, whose write has another direction at each token, one row for each token."""
    shrink: Float[Tensor, "token neuron"]
    free: Float[Tensor, "token neuron"]
    frozen: Float[Tensor, "token neuron"]
    back: Float[Tensor, "token neuron"]
    """How far along the token-frequency direction the norm-free run has to go back."""
    U_target: Float[Tensor, "token neuron"]
    U_unigram: Float[Tensor, "#token neuron"]
    U_direction: Float[Tensor, "#token neuron"]


def writes(model: Model, block: Block, delta: Float[Tensor, "token d_mlp"], neurons: Int[Tensor, " neuron"]) -> Writes:
    """The writes of some neurons when `delta` is added to their activations."""
    layer, scale = model.final_layer, block.clean.scale[:, None]
    w, delta = model.W_out[neurons], delta[:, neurons]
    U = w @ (layer.multiplier * layer.W_U)
    U -= (U @ block.log_p.exp().mean(0))[:, None]
    grown = (2 * delta * (block.clean.resid @ w.mT) + delta.square() * w.square().sum(-1)) / layer.d_model
    ablated = (scale.square() + grown).sqrt()
    shrink, free = -grown / (ablated * (ablated + scale)), delta / ablated
    U_direction = (U @ block.direction)[None]
    return Writes(
        U=U,
        shrink=shrink,
        free=free,
        frozen=delta / scale,
        back=-(shrink * block.z_direction[:, None] + free * U_direction),
        U_target=U[:, block.clean.target].mT,
        U_unigram=(U @ block.unigram)[None],
        U_direction=U_direction,
    )


def quantities(
    block: Block, write: Writes, found: dict[str, Float[Tensor, "token neuron"]]
) -> Float[Tensor, "quantity token neuron"]:
    """The quantities of `Effects` at every token, from what a gear found (see `PER_PAIR`)."""
    own = write.shrink * block.z_target[:, None] + write.free * write.U_target
    put_back = write.back * block.direction[block.clean.target][:, None]
    change = {
        "loss_change": found["free"] - own,
        "direct_loss_change": found["frozen"] - write.frozen * write.U_target,
        "frequency_loss_change": found["frequency"] - own - put_back,
        "entropy_change": found["entropy"] - block.entropy[:, None],
        "kl_change": found["free"] - write.shrink * block.z_unigram[:, None] - write.free * write.U_unigram,
        "reciprocal_rank_change": found["reciprocal_rank"] - block.reciprocal_rank[:, None],
        "prediction_change": found["prediction_change"],
    }
    return stacked(change).masked_fill(write.frozen == 0, 0)  # nothing is written there: rounding is no effect
