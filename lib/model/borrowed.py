"""Last-layer neurons of another model, put to work inside this one.

A neuron is what it reads (its input weights), how it answers, and what it writes (its output weights). Neurons of a
partner, the same in number and width, can be put in the place of a model's own. In the last layer nothing upstream
notices, so their answers to what this model's last MLP reads are all that has to be computed: one more pass, in which
the partner is handed that, serves any number of sets of neurons."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.checkpoint import ModelError
from lib.model import sites
from lib.model.hooks import attaching, forward, recording
from lib.model.language_model import Model

READS, ANSWERS = "mlp.hook_in", "mlp.hook_post"


def answers(
    model: Model, other: Model, tokens: Int[Tensor, "sequence position"], *, batch_size: int = 8
) -> Float[Tensor, "sequence position d_mlp"]:
    """What the last layer's neurons of `other` answer where they read what this model's last MLP reads.

    Raises ModelError for models of another depth, width or number of neurons."""
    one, two = ((m.n_layers, m.final_layer.d_model, len(m.W_out)) for m in (model, other))
    if one != two:
        raise ModelError(f"to borrow neurons takes as many layers, coordinates and neurons, got {one} and {two}")
    last = f"blocks.{model.n_layers - 1}."
    found = []
    for batch in tokens.split(batch_size):
        kept: dict[str, Tensor] = {}
        with recording(model.bridge, {"read": last + READS}, kept):
            forward(model.bridge, batch, logits=False)
        read = kept["read"]
        handed = [(last + READS, lambda value, hook, read=read: read.view_as(value))]
        with attaching(other.bridge, handed), recording(other.bridge, {"answer": last + ANSWERS}, kept):
            forward(other.bridge, batch, logits=False)
        found.append(kept["answer"].view(*batch.shape, -1))
    return torch.cat(found)


def writes(model: Model) -> Float[Tensor, "d_mlp d_model"]:
    """Output weights of the last layer's neurons as the checkpoint has them, not centred."""
    return sites.output_weights(model.bridge.blocks[model.n_layers - 1], f"the last layer of {model.name}")
