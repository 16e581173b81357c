r"""What ablating one last-layer neuron does to loss and entropy, exactly, without running the model again.

Replacing a last-layer activation moves the final residual stream by \(\delta w\) at its own position only.
With w centred as the norm centres, \(a = x \cdot w\) for the centred residual x, \(q = w \cdot w\), s the clean
scale and z the clean logits less their bias,

.. math::
    s'^2 = s^2 + (2 \delta a + \delta^2 q) / d_\mathrm{model}, \qquad
    z' = \frac{s}{s'} z + \frac{\delta}{s'} w W_U + b_U

is the ablated run with the norm free; with s in place of s' the norm is frozen and only the neuron's direct
write remains (total and direct effect, Stolfo et al. 2024, section 3.2). Projecting z' back onto the clean
run's value along the token-frequency direction gives the frequency-frozen variant (section 4.2)."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import measures, token_frequency
from lib.final_layer import FinalLayer
from lib.model import Model

TOKEN_BLOCK = 256


@dataclass(frozen=True)
class Clean:
    """The run without an ablation at the scored tokens."""

    resid: Float[Tensor, "token d_model"]
    """Centred residual stream entering the final norm."""
    scale: Float[Tensor, " token"]
    activation: Float[Tensor, "token d_mlp"]
    target: Int[Tensor, " token"]
    """The token that comes next."""
    sequence: Int[Tensor, " token"]
    """The sequence that each token is in, numbered from 0."""


@dataclass(frozen=True)
class Effects:
    """Mean effects by sequence and neuron; the mean over `n` tokens is the estimand, a sequence its unit."""

    total: Float[Tensor, "sequence neuron"]
    """Absolute loss change with the norm free, in nats."""
    direct: Float[Tensor, "sequence neuron"]
    """Absolute loss change with the norm frozen, in nats."""
    direct_frequency: Float[Tensor, "sequence neuron"]
    """Absolute loss change with the token-frequency projection frozen, the norm free, in nats."""
    entropy_change: Float[Tensor, "sequence neuron"]
    """Signed entropy change, in nats."""
    abs_entropy_change: Float[Tensor, "sequence neuron"]
    """Absolute entropy change, in nats."""
    prediction_change: Float[Tensor, "sequence neuron"]
    """Share of tokens whose most likely next token changes."""
    abs_kl_change: Float[Tensor, "sequence neuron"]
    """Absolute change of KL(unigram || model), in nats."""
    n: Int[Tensor, " sequence"]
    """Scored tokens of each sequence."""

    def mean(self, name: str) -> Float[Tensor, " neuron"]:
        """Mean of one quantity over all scored tokens."""
        weight = self.n / self.n.sum()
        return (getattr(self, name) * weight[:, None]).sum(0)

    @property
    def norm_mediated(self) -> Float[Tensor, " neuron"]:
        """1 - mean direct / mean total effect: the share that acts through the final norm; at most 1."""
        return 1 - self.mean("direct") / self.mean("total")

    @property
    def frequency_mediated(self) -> Float[Tensor, " neuron"]:
        """1 - mean frequency-frozen / mean total effect; at most 1."""
        return 1 - self.mean("direct_frequency") / self.mean("total")


def clean_run(
    model: Model, tokens: Int[Tensor, "sequence position"], scored: Bool[Tensor, "sequence position"]
) -> tuple[Clean, Float[Tensor, " d_mlp"]]:
    """The clean run at the scored positions, and each neuron's mean activation over all positions.

    Raises ValueError when nothing is scored, or when the architecture bends a neuron's write."""
    if model.not_exact:
        raise ValueError(f"the closed form does not hold for {model.name}: it has {', '.join(model.not_exact)}")
    if not scored.any():
        raise ValueError("no position is scored, so there is nothing to average over")
    run, layer = model.run(tokens, "resid", "scale", "activation"), model.final_layer
    dtype = layer.W_U.dtype
    sequence = torch.arange(len(tokens))[:, None].expand_as(tokens)
    clean = Clean(
        resid=layer.centre(run.resid[scored].to(dtype)),
        scale=run.scale[scored],
        activation=run.activation[scored].to(dtype),
        target=tokens.roll(-1, 1)[scored],
        sequence=sequence[scored],
    )
    return clean, run.activation.to(dtype).flatten(0, 1).mean(0)


def measure(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"],
) -> Effects:
    """Mean ablation of every last-layer neuron, one at a time, scored at the positions of `scored`.

    Raises ValueError as `clean_run` does, and when the scored positions leave a sequence without any."""
    clean, replacement = clean_run(model, tokens, scored)
    n = scored.sum(1)
    if not n.all():
        raise ValueError(f"sequence {int((n == 0).nonzero()[0])} has no scored position; drop it")
    log_unigram = log_unigram.to(clean.resid.dtype)
    direction = token_frequency.direction(log_unigram)
    sums = torch.zeros(7, len(tokens), model.W_out.shape[0], dtype=torch.float64)
    for block in torch.arange(len(clean.target)).split(TOKEN_BLOCK):
        part = Clean(*(getattr(clean, field.name)[block] for field in fields(Clean)))
        before = _Distributions(model.final_layer, part, log_unigram, direction)
        for neuron, w in enumerate(model.W_out):
            change = before.changes(w, replacement[neuron] - part.activation[:, neuron])
            sums[:, :, neuron].index_add_(1, part.sequence, change.double())
    return Effects(*(sums / n[:, None]), n=n)


class _Distributions:
    """The clean distributions of a block of tokens, and what a write changes about them."""

    def __init__(
        self,
        layer: FinalLayer,
        clean: Clean,
        log_unigram: Float[Tensor, " d_vocab"],
        direction: Float[Tensor, " d_vocab"],
    ) -> None:
        self.layer, self.clean, self.direction = layer, clean, direction
        self.unigram = log_unigram.exp()
        self.z = layer.multiplier * (clean.resid / clean.scale[:, None] @ layer.W_U)
        self.logits = self.z + layer.multiplier * layer.b_U
        self.loss, self.entropy, self.kl = self.read(self.logits)
        self.best = self.logits.argmax(-1)
        self.projection = self.logits @ direction

    def read(self, logits: Float[Tensor, "token d_vocab"]) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, entropy and KL(unigram || model) less the unigram's own entropy, by token."""
        kl = logits.logsumexp(-1) - logits @ self.unigram
        return measures.loss(logits, self.clean.target), measures.entropy(logits), kl

    def changes(self, w: Float[Tensor, " d_model"], delta: Float[Tensor, " token"]) -> Float[Tensor, "7 token"]:
        """The seven effects of adding `delta` times `w`, in the order of `Effects`."""
        clean, layer = self.clean, self.layer
        grown = (2 * delta * (clean.resid @ w) + delta**2 * (w @ w)) / layer.d_model
        scale = (clean.scale**2 + grown).sqrt()
        write, bias = layer.multiplier * (w @ layer.W_U), layer.multiplier * layer.b_U
        free = (clean.scale / scale)[:, None] * self.z + torch.outer(delta / scale, write) + bias
        loss, entropy, kl = self.read(free)
        frozen_loss = measures.loss(self.logits + torch.outer(delta / clean.scale, write), clean.target)
        back = torch.outer(self.projection - free @ self.direction, self.direction)
        frequency_loss = measures.loss(free + back, clean.target)
        return torch.stack(
            [
                (loss - self.loss).abs(),
                (frozen_loss - self.loss).abs(),
                (frequency_loss - self.loss).abs(),
                entropy - self.entropy,
                (entropy - self.entropy).abs(),
                (free.argmax(-1) != self.best).to(loss.dtype),
                (kl - self.kl).abs(),
            ]
        )
