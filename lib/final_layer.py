r"""The last map of the network: residual stream -> final norm -> unembedding -> logits.

A write to the residual stream can move the logits in two ways: directly, through `W_U`, or by
changing the scale that the final norm divides by. `logits` is the only road from the residual
stream to logits in this library, and its `scale` argument is what tells the two ways apart.

With the norm's gain folded into `W_U` and its bias into `b_U`,

.. math:: z = \frac{\mathrm{centre}(x)}{s} W_U + b_U, \qquad s = \sqrt{\mathrm{mean}(\mathrm{centre}(x)^2) + \epsilon}

(Stolfo et al. 2024, section 2; LayerNorm centres, RMSNorm does not)."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from lib import memory


@dataclass(frozen=True)
class FinalLayer:
    """Final norm and unembedding, folded into one matrix, one bias and one scale."""

    W_U: Float[Tensor, "d_model d_vocab"]
    """Unembedding with the norm's gain folded in; with LayerNorm every column sums to zero.
    Columns that no token uses (a padded vocabulary) are left out."""
    b_U: Float[Tensor, " d_vocab"]
    """The head's own bias plus what the norm's bias adds to the logits."""
    eps: float
    """The norm's epsilon, inside the root."""
    centres: bool
    """True for LayerNorm, which subtracts the mean over d_model; False for RMSNorm."""
    multiplier: float = 1.0
    """Factor on the logits (Cohere, Granite); 1 almost everywhere."""
    soft_cap: float | None = None
    """c of the cap c tanh(z / c) on the logits (Gemma 2); None where there is no cap."""

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.W_U.shape[0]

    @property
    def d_vocab(self) -> int:
        """Tokens of the vocabulary."""
        return self.W_U.shape[1]

    def centre(self, resid: Float[Tensor, "*token d_model"]) -> Float[Tensor, "*token d_model"]:
        """The residual stream less its mean over d_model with LayerNorm, as it is with RMSNorm."""
        return resid - resid.mean(-1, keepdim=True) if self.centres else resid

    def scale(self, resid: Float[Tensor, "*token d_model"]) -> Float[Tensor, "*token"]:
        """What the final norm divides by: sqrt(mean(centre(resid)^2) + eps), positive."""
        return (self.centre(resid).square().mean(-1) + self.eps).sqrt()

    def logits(
        self, resid: Float[Tensor, "*token d_model"], *, scale: Float[Tensor, "*token"] | None = None
    ) -> Float[Tensor, "*token d_vocab"]:
        """Logits of the residual stream; `scale` freezes the norm at another run's scale.

        Without `scale` the norm is free: it divides by the scale of `resid` itself."""
        scale = self.scale(resid) if scale is None else scale
        return self._capped(self.multiplier * (self.centre(resid) / scale[..., None] @ self.W_U + self.b_U))

    def of_product(
        self, product: Float[Tensor, "*token d_vocab"], *, scale: Float[Tensor, "*token"]
    ) -> Float[Tensor, "*token d_vocab"]:
        """Logits from the product of the centred stream with `W_U`, for those who have it already; overwrites it."""
        return self._capped(product.div_(scale[..., None]).add_(self.b_U).mul_(self.multiplier))

    def _capped(self, logits: Float[Tensor, "*token d_vocab"]) -> Float[Tensor, "*token d_vocab"]:
        return logits if self.soft_cap is None else self.soft_cap * (logits / self.soft_cap).tanh()

    def over_logits(
        self,
        read: Callable[[Float[Tensor, "some d_vocab"]], Float[Tensor, " some"]],
        resid: Float[Tensor, "token d_model"],
        *,
        scale: Float[Tensor, " token"] | None = None,
    ) -> Float[Tensor, " token"]:
        """A number that `read` finds in the logits of each token, of which a few are made at a time.

        `scale` freezes the norm, as in `logits`."""
        scale = self.scale(resid) if scale is None else scale
        return memory.by_rows(lambda x, s: read(self.logits(x, scale=s)), resid, scale, width=self.d_vocab)

    def weight_coordinates(self) -> Float[Tensor, "d_model d_vocab"]:
        """`W_U` as weight statistics read it: also centred over the vocabulary, which moves every logit of a
        token alike and so changes no probability. Under a soft cap it would, so there `W_U` stays as it is."""
        return self.W_U if self.soft_cap is not None else self.W_U - self.W_U.mean(-1, keepdim=True)
