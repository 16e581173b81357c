"""A taller model that begins as the one it grows from.

To judge a statement a model must recall the object, compare it with what was told, and carry the outcome to the end of
the sentence. Recall ends in the last layer of the base model, so there is no layer left for the rest. Growth splits the
last block: its attention stays where it is, its neurons move to the new end, and everything new lies between them.
So the neurons of the last layer remain the neurons of the last layer, and can be followed from the first step on."""

import copy
from typing import Any

import torch


def graft(old: Any, new: Any) -> Any:
    """`new`, a model of the same width and more layers, with every part of `old` in its place.

    The new parts keep their weights: the MLP behind the last old attention, whole blocks, and the attention of the last
    block. Raises ValueError when `new` has no more layers than `old`."""
    below, above = old.transformer.h, new.transformer.h
    if len(above) <= len(below):
        raise ValueError(f"a model of {len(below)} layers grows to more of them, got {len(above)}")
    for name in ("wte", "wpe", "ln_f"):
        getattr(new.transformer, name).load_state_dict(getattr(old.transformer, name).state_dict())
    for one, other in zip(below[:-1], above, strict=False):
        other.load_state_dict(one.state_dict())
    for name, block in (("ln_1", above[len(below) - 1]), ("attn", above[len(below) - 1])):
        getattr(block, name).load_state_dict(getattr(below[-1], name).state_dict())
    for name in ("ln_2", "mlp"):
        getattr(above[-1], name).load_state_dict(getattr(below[-1], name).state_dict())
    return new


def freeze_old(model: Any, *, n_old: int) -> None:
    """Leaves only what `graft` did not fill from a model of `n_old` layers to be trained, and the final norm."""
    blocks = model.transformer.h
    new = [blocks[n_old - 1].ln_2, blocks[n_old - 1].mlp, *blocks[n_old:-1], blocks[-1].ln_1, blocks[-1].attn]
    model.requires_grad_(False)
    for part in (*new, model.transformer.ln_f):
        part.requires_grad_(True)


def silent(old: Any, *, n_layers: int) -> Any:
    """The same function in `n_layers` layers: the new parts write nothing. With as many as there are, `old` itself.

    Checkpoints from before growth are kept so, that all have one shape. Raises ValueError for fewer layers."""
    if n_layers == len(old.transformer.h):
        return old
    config = copy.deepcopy(old.config)
    config.n_layer, config.num_hidden_layers = n_layers, n_layers
    new = type(old)(config)
    with torch.no_grad():
        for block in new.transformer.h:
            block.mlp.c_proj.weight.zero_()
            block.attn.c_proj.weight.zero_()
    return graft(old, new).train(old.training)
