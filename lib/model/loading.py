"""From a checkpoint to a `Model`: read, wrapped, its last layer folded and proved.

The checkpoint is read by ourselves (`lib.checkpoint`), so that missing weights are an error and not a random head."""

import copy
import logging
import warnings
from typing import Any

import torch

from lib import admission, checkpoint, memory
from lib.checkpoint import ModelError
from lib.final_layer import FinalLayer
from lib.model.language_model import Model
from lib.model.proof import prove
from lib.model.sites import output_weights
from lib.model.tokenizer import Tokenizer
from lib.source import Source, resolve

CELLS = 2**22
"""Weights of the unembedding that are folded at a time: 32 MiB in float64."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def load(model: str, *, revision: str = "", dtype: str = "float32", device: str = "cpu") -> Model:
    """Loads a pocket model, a local directory or a hub repository, and proves its last layer.

    Weights are held in `dtype`, the folded last layer in float32 at least. Raises SourceError when there
    is no such model, ModelError when it cannot be analysed, ValueError for an unknown dtype or device."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    check_device(device)
    source = resolve(model, revision=revision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded, tokenizer = checkpoint.read(source, DTYPES[dtype], device)
        return wrap(loaded, tokenizer, source)


def check_device(device: str) -> None:
    """Raises ValueError for a device that PyTorch does not know, and for one that this machine does not have."""
    try:
        place = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be cpu, or cuda for a GPU, got {device!r}") from None
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device!r} was asked for, but this machine has no usable GPU; use device='cpu'")
    try:
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"device={device!r} was asked for, but this machine has no such device") from None


def wrap(loaded: Any, tokenizer: Any, source: Source) -> Model:
    """A loaded Hugging Face model behind the door: bridged, folded, proved.

    Raises ModelError for an architecture that does not fit and as `prove` does, SourceError as
    `admission.vocabulary` does."""
    architecture = type(loaded).__name__
    d_vocab = admission.vocabulary(tokenizer, loaded.get_output_embeddings().weight.shape[0], source.name)
    bridge = _bridged(loaded, architecture)
    block = bridge.blocks[bridge.cfg.n_layers - 1]
    W_out = output_weights(block, f"the last layer of {architecture}")
    final_layer = fold(bridge, loaded.config, d_vocab=d_vocab)
    model = Model(
        source=source,
        tokenizer=Tokenizer(tokenizer),
        final_layer=final_layer,
        W_out=final_layer.centre(W_out.to(final_layer.W_U.dtype)),
        not_exact=_not_exact(block, final_layer),
        bridge=bridge,
    )
    prove(model)
    return model


def _bridged(loaded: Any, architecture: str) -> Any:
    """The plain TransformerBridge around a loaded model. Raises ModelError where there is none, or nothing to fold."""
    from transformer_lens.model_bridge.sources import build_bridge_from_module

    logging.getLogger("transformer_lens").setLevel(logging.ERROR)
    loaded.config.architectures = loaded.config.architectures or [architecture]
    try:
        bridge = build_bridge_from_module(loaded, architecture, hf_config=copy.deepcopy(loaded.config), tokenizer=None)
    except ValueError:
        raise ModelError(f"the installed TransformerLens does not support {architecture}") from None
    if not bridge.adapter.supports_generation or "ln_final" not in dir(bridge):
        raise ModelError(f"{architecture} has no final norm in front of a next-token head, so there is nothing to fold")
    return bridge


def fold(bridge: Any, config: Any, *, d_vocab: int) -> FinalLayer:
    """Folds the final norm into the unembedding, the norm's gain and bias found by probing the module.

    Probing needs no knowledge of how a model stores its gain (Gemma keeps gain - 1) and tells LayerNorm
    from RMSNorm by whether a constant shift matters. The probe alternates between 1 and -1: it is already
    centred, and no entry of it is small. Raises ModelError as `epsilon` does."""
    norm = copy.deepcopy(bridge.ln_final.original_component).double()
    W_U, b_U = bridge.W_U.detach()[:, :d_vocab], bridge.b_U.detach()[:d_vocab].double()
    probe = 1.0 - 2.0 * (torch.arange(W_U.shape[0], device=W_U.device, dtype=torch.float64) % 2)
    with torch.no_grad():
        bias = norm(torch.zeros_like(probe))
        response = norm(probe) - bias
        # RMSNorm modules compute in float32 whatever they are given, hence the tolerance
        centres = bool(torch.allclose(norm(probe + 5) - bias, response, atol=1e-4))
    eps = epsilon(norm, bridge.cfg.architecture)
    gain = response * (1 + eps) ** 0.5 / probe
    keep, parts = torch.promote_types(bridge.W_U.dtype, torch.float32), []
    for some in W_U.split(memory.rows(len(W_U), cells=CELLS), dim=1):
        wide = some.double()
        folded = wide * gain[:, None]
        parts.append(((folded - folded.mean(0) if centres else folded).to(keep), bias @ wide))
    folded, shifts = zip(*parts, strict=True)
    return FinalLayer(
        W_U=torch.cat([some.mT for some in folded]).mT,
        b_U=(torch.cat(shifts) + b_U).to(keep),
        eps=eps,
        centres=centres,
        multiplier=float(getattr(config, "logit_scale", None) or 1 / getattr(config, "logits_scaling", 1.0)),
        soft_cap=getattr(config, "final_logit_softcapping", None),
    )


def epsilon(norm: Any, architecture: str) -> float:
    """What a norm adds under the root. Raises ModelError for one that does not say so (OLMo 1)."""
    for name in ("eps", "variance_epsilon"):
        if hasattr(norm, name):
            return float(getattr(norm, name))
    raise ModelError(
        f"the final norm of {architecture} does not say what epsilon it adds, so its scale cannot be computed here; "
        "choose a model whose norm has weights of its own"
    )


def _not_exact(block: Any, final_layer: FinalLayer) -> tuple[str, ...]:
    details = {
        "a norm after the last MLP": hasattr(block, "ln2_post"),
        "soft-capped logits": final_layer.soft_cap is not None,
    }
    return tuple(detail for detail, present in details.items() if present)
