"""What a model is asked before it is handed out."""

import torch
from torch import Tensor

from lib import measures
from lib.checkpoint import ModelError
from lib.model.hooks import forward, recording
from lib.model.language_model import Model


def prove(model: Model) -> None:
    """The self-check at load, on 8 random tokens. Raises ModelError naming what does not add up.

    (1) The folded last layer gives the model's logits. (2) They depend on the scale. (3) The last MLP's
    activations times its output weights are what the residual stream receives."""
    final, block = model.final_layer, model.bridge.blocks[model.n_layers - 1]
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(final.d_vocab, (1, 8), generator=generator)
    run = model.run(tokens, "resid", "activation", "logits")
    resid, tolerance = run.resid.to(final.W_U.dtype), measures.rounding(run.resid.dtype)
    own, size = final.logits(resid), run.logits.abs().max()
    error = (own - run.logits).abs().max() / size
    if not error < tolerance:
        raise ModelError(
            f"the folded last layer of {model.name} misses its logits by {error:.1%}: "
            "between residual stream and logits it has a detail that is not known here"
        )
    if (final.logits(resid, scale=1.5 * final.scale(resid)) - own).abs().max() < tolerance * size:
        raise ModelError(f"the logits of {model.name} do not depend on the final norm's scale")
    received: dict[str, Tensor] = {}
    with recording(model.bridge, {"write": f"blocks.{model.n_layers - 1}.hook_mlp_out"}, received):
        forward(model.bridge, tokens, logits=False)
    write = run.activation @ block.mlp.W_out
    if getattr(block.mlp, "b_out", None) is not None:
        write = write + block.mlp.b_out
    written = received["write"].abs().max().clamp(min=torch.finfo(write.dtype).tiny)  # untrained, an MLP may write 0
    error = (write - received["write"]).abs().max() / written
    if not error < tolerance and "a norm after the last MLP" not in model.not_exact:
        raise ModelError(
            f"the last MLP of {model.name} writes something else than its activations times W_out "
            f"(off by {error:.1%}): between them it has a detail that is not known here, such as a norm or a multiplier"
        )
