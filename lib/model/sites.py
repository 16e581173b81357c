"""A place inside a model: a layer, and where in it.

    resid_pre ─┬─ norm ─ attention ── attn_out ─(+)─ resid_mid ─┬─ norm ─ MLP ── mlp_out ─(+)─ resid_post
               └─────────────────────────────────┘              └──────────────────────────┘

The three streams are the model's own, not centred. `attn_out` and `mlp_out` are what is *added* to the stream: where
attention and MLP have a norm or a factor behind them (Gemma 2 and 3), they are what comes out of it. So on every
architecture

    resid_pre + attn_out + mlp_out = resid_post,     resid_pre + attn_out = resid_mid,

and a model that the first does not hold for is refused when one of these is asked for (`prove_sums`). In a block whose
attention and MLP both read `resid_pre` (Pythia, Phi) nothing flows between the two, so there is no `resid_mid`.

`neurons` are the numbers that `W_out` is multiplied with: after the nonlinearity, and in a gated MLP after the product
with the gate. `heads` are what the attention heads hand to the output projection, one head after another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lib.checkpoint import ModelError
from lib.model.hooks import points

WHERE = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "neurons", "heads")
HOOKS = {
    "resid_pre": "hook_resid_pre",
    "resid_post": "hook_resid_post",
    "attn_out": "hook_attn_out",
    "mlp_out": "hook_mlp_out",
    "neurons": "mlp.hook_post",
    "heads": "attn.hook_z",
}
"""Where a value passes in one piece. `resid_mid` is not among them: what TransformerLens calls so is the copy that the
MLP reads, and a write there leaves the stream itself as it was."""


@dataclass(frozen=True)
class Site:
    """A place: `Site(3, "resid_post")` is the residual stream after layer 3, layers counted from 0."""

    layer: int
    where: str
    """One of `WHERE`."""

    def __post_init__(self) -> None:
        if self.where not in WHERE:
            raise ValueError(f"a site is one of {', '.join(WHERE)}, got {self.where!r}")
        if self.layer < 0:
            raise ValueError(f"the layer of a site counts from 0, got {self.layer}")

    def __str__(self) -> str:
        return f"{self.where} of layer {self.layer}"

    @property
    def parts(self) -> tuple[str, ...]:
        """The hooks whose values, added up, are the value of the site: one, or for `resid_mid` two."""
        wheres = ("resid_pre", "attn_out") if self.where == "resid_mid" else (self.where,)
        return tuple(f"blocks.{self.layer}.{HOOKS[where]}" for where in wheres)


def check(bridge: Any, sites: list[Site]) -> None:
    """Raises ValueError for a layer that the model does not have, ModelError for a place that its blocks lack."""
    name, n_layers = bridge.cfg.architecture, bridge.cfg.n_layers
    for site in sites:
        if site.layer >= n_layers:
            raise ValueError(f"{name} has layers 0 … {n_layers - 1} here, got {site}")
        if site.where == "resid_mid" and bridge.cfg.parallel_attn_mlp:
            raise ModelError(
                f"attention and MLP of {name} both read resid_pre, so that no stream flows between them; "
                "ask for resid_pre or resid_post"
            )
        missing = [hook for hook in site.parts if hook not in points(bridge)]
        if missing:
            raise ModelError(f"{name} has no {site.where} in layer {site.layer} that could be read or written")


def output_weights(block: Any, where: str) -> Float[Tensor, "d_mlp d_model"]:
    """What each neuron of a block writes when its activation is 1.

    Raises ModelError where there is not one MLP: a mixture of experts has many, a recurrent layer none."""
    W_out = getattr(getattr(block, "mlp", None), "W_out", None)
    if not isinstance(W_out, Tensor) or W_out.ndim != 2:
        raise ModelError(
            f"{where} has no single MLP with output weights, as in a mixture of experts or a recurrent layer, "
            "so there are no neurons to analyse; choose a dense model"
        )
    return W_out.detach()


def prove_sums(n_layers: int, record: Callable[[list[Site]], dict[Site, Tensor]]) -> None:
    """Checks that every layer's stream grows by `attn_out` and `mlp_out`; `record` runs a few tokens.

    Raises ModelError where one of the two is something else than what is added to the stream."""
    wheres = ("resid_pre", "attn_out", "mlp_out", "resid_post")
    kept = record([Site(layer, where) for layer in range(n_layers) for where in wheres])
    for layer in range(n_layers):
        pre, attention, mlp, post = (kept[Site(layer, where)].double() for where in wheres)
        eps = torch.finfo(kept[Site(layer, "resid_post")].dtype).eps
        if not (pre + attention + mlp - post).abs().max() <= 8 * eps * (pre.abs() + attention.abs() + mlp.abs()).max():
            raise ModelError(
                f"layer {layer} adds something else to the residual stream than its attn_out and mlp_out, so neither "
                "can be read or edited; resid_pre and resid_post can"
            )
