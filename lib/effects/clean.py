"""The run that an ablation is compared with: what the last layer sees at the scored tokens, and what it predicts.

`Clean` holds what enters the final norm, small enough to keep for many tokens. A `Block` of it holds distributions
over the vocabulary too, for as many tokens as fit in memory at once."""

from dataclasses import dataclass, fields
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory, token_frequency
from lib.model import Model

TILE = 2**20
"""Logits that are gone through together: 4 MiB in float32."""


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
    position: Int[Tensor, " token"]
    """Where in its sequence each token is; the BOS is at 0."""

    def part(self, token: Int[Tensor, " some"] | slice) -> "Clean":
        """Some of the tokens."""
        return Clean(*(getattr(self, field.name)[token] for field in fields(self)))


def clean_run(
    model: Model, tokens: Int[Tensor, "sequence position"], scored: Bool[Tensor, "sequence position"]
) -> Clean:
    """The clean run at the scored positions.

    Raises ValueError when nothing is scored, or when a weight or a value of the run is not finite."""
    if not scored.any():
        raise ValueError("no position is scored, so there is nothing to average over")
    final = model.final_layer
    run = model.run(tokens, "resid", "scale", "activation")
    device = run.resid.device
    tokens, scored = tokens.to(device), scored.to(device)
    check_finite({"W_U": final.W_U, "b_U": final.b_U, "W_out": model.W_out, **run})
    index = torch.meshgrid(*(torch.arange(n, device=device) for n in tokens.shape), indexing="ij")
    sequence, position = index
    return Clean(
        resid=final.centre(run.resid[scored].to(final.W_U.dtype)),
        scale=run.scale[scored],
        activation=run.activation[scored].to(final.W_U.dtype),
        target=tokens.roll(-1, 1)[scored],
        sequence=sequence[scored],
        position=position[scored],
    )


def check_finite(tensors: dict[str, Tensor]) -> None:
    """Raises ValueError naming the first tensor that holds an infinity or a NaN."""
    for name, value in tensors.items():
        if not value.isfinite().all():
            bad = int((~value.isfinite()).sum())
            raise ValueError(
                f"{name} holds {bad:,} entries of {value.numel():,} that are not finite; "
                "load the model in float32, or look for a damaged weight"
            )


@dataclass(frozen=True)
class Frequency:
    """The unigram distribution, and the clean run at a block's tokens as it sees it."""

    unigram: Float[Tensor, " d_vocab"]
    direction: Float[Tensor, " d_vocab"]
    """The token-frequency direction."""
    z_unigram: Float[Tensor, " token"]
    z_direction: Float[Tensor, " token"]
    kl: Float[Tensor, " token"]
    """KL(unigram || model), in nats."""


class Block:
    """The clean run at some tokens, and its distributions there; without `log_unigram`, `frequency` is None."""

    def __init__(self, model: Model, clean: Clean, log_unigram: Float[Tensor, " d_vocab"] | None = None) -> None:
        final = model.final_layer
        self.clean, self.final, self.capped = clean, final, final.soft_cap is not None
        self.z: Float[Tensor, "token d_vocab"] = final.multiplier * clean.resid / clean.scale[:, None] @ final.W_U
        """Logits less their bias, before a soft cap."""
        self._log_unigram = log_unigram

    @property
    def n_tokens(self) -> int:
        """Tokens in the block."""
        return len(self.z)

    @property
    def logits(self) -> Float[Tensor, "token d_vocab"]:
        """The model's own, made anew whenever they are asked for."""
        if self.capped:
            return self.final.logits(self.clean.resid, scale=self.clean.scale)
        return self.z + self.final.multiplier * self.final.b_U

    @cached_property
    def log_p(self) -> Float[Tensor, "token d_vocab"]:
        """Log probabilities."""
        return self.logits.log_softmax(-1)

    @cached_property
    def log_sum_exp(self) -> Float[Tensor, " token"]:
        """Of the logits."""
        return self.logits.logsumexp(-1)

    @cached_property
    def _sums(self) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"], Float[Tensor, " d_vocab"]]:
        """Every probability is taken once, on tiles that fit the cache."""
        total, entropy, of_all = [], [], torch.zeros_like(self.log_p[0])
        for log_p in self.log_p.split(memory.rows(self.log_p.shape[1], cells=TILE)):
            p = log_p.exp()
            total.append(p.sum(-1).log())
            of_all += p.sum(0)
            entropy.append(-p.mul_(log_p).sum(-1))
        return torch.cat(total), torch.cat(entropy), of_all / self.n_tokens

    @property
    def log_total(self) -> Float[Tensor, " token"]:
        """0 but for rounding, and subtracted so that an ablation without effect has none."""
        return self._sums[0]

    @property
    def entropy(self) -> Float[Tensor, " token"]:
        """In nats."""
        return self._sums[1]

    @property
    def mean_p(self) -> Float[Tensor, " d_vocab"]:
        """The distributions of the block's tokens on average."""
        return self._sums[2]

    @cached_property
    def own(self) -> Float[Tensor, " token"]:
        """Log probability of the token that comes next."""
        return self.log_p.gather(-1, self.clean.target[:, None])[:, 0]

    @cached_property
    def best(self) -> Int[Tensor, " token"]:
        """The most likely next token."""
        return self.log_p.argmax(-1)

    @cached_property
    def n_above(self) -> Int[Tensor, " token"]:
        """How many tokens are more likely than the one that comes next."""
        return (self.log_p > self.own[:, None]).sum(-1)

    @property
    def reciprocal_rank(self) -> Float[Tensor, " token"]:
        """1 / rank of the true next token, in (0, 1]: 1 where it is the most likely."""
        return 1 / (1 + self.n_above).to(self.z)

    @cached_property
    def z_target(self) -> Float[Tensor, " token"]:
        """z of the token that comes next."""
        return self.z.gather(-1, self.clean.target[:, None])[:, 0]

    @cached_property
    def frequency(self) -> Frequency | None:
        """What is about the unigram distribution, where there is one."""
        if self._log_unigram is None:
            return None
        log_unigram = self._log_unigram.to(self.z)
        unigram, direction = log_unigram.exp(), token_frequency.direction(log_unigram)
        kl = -(self.log_p @ unigram) - torch.special.entr(unigram).sum()
        return Frequency(unigram, direction, self.z @ unigram, self.z @ direction, kl)
