"""The run that an ablation is compared with: what the last layer sees at the scored tokens."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.model import Model


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
    layer = model.final_layer
    run = model.run(tokens, "resid", "scale", "activation")
    device = run.resid.device
    tokens, scored = tokens.to(device), scored.to(device)
    check_finite({"W_U": layer.W_U, "b_U": layer.b_U, "W_out": model.W_out, **run})
    index = torch.meshgrid(*(torch.arange(n, device=device) for n in tokens.shape), indexing="ij")
    sequence, position = index
    return Clean(
        resid=layer.centre(run.resid[scored].to(layer.W_U.dtype)),
        scale=run.scale[scored],
        activation=run.activation[scored].to(layer.W_U.dtype),
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


def difference(
    clean: Clean, replacement: Float[Tensor, " d_mlp"] | Float[Tensor, "sequence place d_mlp"]
) -> Float[Tensor, "token d_mlp"]:
    """Replacement less clean activation, at the tokens of a clean run."""
    value = replacement.to(clean.activation)
    return (value if value.ndim == 1 else value[clean.sequence, clean.position]) - clean.activation
