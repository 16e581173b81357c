"""Loss, entropy, KL and reciprocal ranks of the clean run at some tokens, and how far the ablated run is from them."""

import torch
from jaxtyping import Float
from torch import Tensor

from lib import measures, token_frequency
from lib.effects.clean import Clean
from lib.final_layer import FinalLayer


class Distributions:
    """The clean distributions of some tokens, all of them held at once."""

    def __init__(self, layer: FinalLayer, clean: Clean, log_unigram: Float[Tensor, " d_vocab"] | None) -> None:
        self.target = clean.target
        self.logits = layer.logits(clean.resid, scale=clean.scale)
        self.loss, self.entropy = measures.loss(self.logits, clean.target), measures.entropy(self.logits)
        self.best, self.reciprocal_rank = self.logits.argmax(-1), self.one_over_rank(self.logits)
        self.has_unigram = log_unigram is not None
        if log_unigram is not None:
            self.log_unigram = log_unigram.to(layer.W_U)
            self.direction = token_frequency.direction(self.log_unigram)
            self.kl, self.projection = self.unigram_kl(self.logits), self.logits @ self.direction

    def unigram_kl(self, logits: Float[Tensor, "token d_vocab"]) -> Float[Tensor, " token"]:
        """KL(unigram || model), in nats."""
        unigram = self.log_unigram.exp()
        return logits.logsumexp(-1) - logits @ unigram - torch.special.entr(unigram).sum()

    def one_over_rank(self, logits: Float[Tensor, "token d_vocab"]) -> Float[Tensor, " token"]:
        """Reciprocal rank of the next token, in (0, 1]: 1 where it is the most likely."""
        above = logits > logits.gather(-1, self.target[:, None])
        return 1 / (1 + above.sum(-1)).to(logits.dtype)

    def frequency_frozen(self, logits: Float[Tensor, "token d_vocab"]) -> Float[Tensor, "token d_vocab"]:
        """The logits with their projection on the token-frequency direction put back to the clean run's."""
        return logits + torch.outer(self.projection - logits @ self.direction, self.direction)

    def changes(
        self, free: Float[Tensor, "token d_vocab"], frozen: Float[Tensor, "token d_vocab"]
    ) -> dict[str, Float[Tensor, " token"]]:
        """Ablated less clean, from the logits with the norm free and with the norm frozen; what is about the unigram
        distribution only where there is one."""
        change = {
            "loss_change": measures.loss(free, self.target) - self.loss,
            "direct_loss_change": measures.loss(frozen, self.target) - self.loss,
            "entropy_change": measures.entropy(free) - self.entropy,
            "reciprocal_rank_change": self.one_over_rank(free) - self.reciprocal_rank,
            "prediction_change": (free.argmax(-1) != self.best).to(free.dtype),
        }
        if self.has_unigram:
            change["frequency_loss_change"] = measures.loss(self.frequency_frozen(free), self.target) - self.loss
            change["kl_change"] = self.unigram_kl(free) - self.kl
        return change


def stacked(change: dict[str, Float[Tensor, "..."]]) -> Float[Tensor, "quantity ..."]:
    """Signed changes as quantities of effects (see `result`), in their order; those whose change is there."""
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
