"""Whether what was given belongs together, before anything is run.

A model's directory holds more than one file, and people put them together by hand: an old weight file beside new
shards, an adapter beside its base, a tokenizer with other tokens than the weights have rows for. Each of these loads
without a word and gives numbers about something that nobody trained. `files` looks at the folder before it is read,
`weights` and `vocabulary` at what was read from it."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.source import SourceError, refuse_adapter

PICKLES = ("*.bin", "*.pt", "*.pth")
TRUST_PICKLE = "TRUST_PICKLE"
"""The environment variable by which a reader says, with 1, that pickled weights may be opened."""
HOLES = 0.01
"""Ids without a token, as a share of the vocabulary, above which tokenizer and weights are no pair."""


class AdmissionError(SourceError):
    """Files that do not belong together or are not to be trusted; one sentence for the reader."""


def files(folder: Path, name: str) -> None:
    """Looks at a model's folder, without reading weights.

    Raises AdmissionError for an adapter, quantised weights, two sets of weights, shards that are not all there, and
    pickles that nobody said to trust."""
    refuse_adapter(folder, name)
    quantised = _json(folder / "config.json").get("quantization_config")
    if quantised:
        kind = quantised.get("quant_method", "unknown") if isinstance(quantised, dict) else "unknown"
        raise AdmissionError(
            f"the weights of {name} are quantised ({kind}), and effects of single neurons need plain ones; name the "
            "checkpoint that it was made from"
        )
    plain, pickled = (any(any(folder.glob(kind)) for kind in kinds) for kinds in (("*.safetensors",), PICKLES))
    _one_set(folder, name, *(("model", "safetensors") if plain else ("pytorch_model", "bin")))
    if pickled and not plain and not trusts_pickles():
        raise AdmissionError(
            f"the weights of {name} are pickles, which can run code when they are opened; save them as safetensors, or "
            f"set {TRUST_PICKLE}=1 if you trust whoever made them"
        )


def trusts_pickles() -> bool:
    """Whether the reader said that pickled weights may be opened."""
    return os.environ.get(TRUST_PICKLE) == "1"


def _one_set(folder: Path, name: str, stem: str, suffix: str) -> None:
    """Raises AdmissionError unless what transformers may read is one file of weights, or the shards of an index."""
    found, alone = {path.name for path in folder.glob(f"{stem}*.{suffix}")}, f"{stem}.{suffix}"
    index = folder / f"{alone}.index.json"
    named = set(_json(index).get("weight_map", {}).values()) if index.is_file() else set()
    if missing := sorted(named - found):
        raise AdmissionError(f"{name} lacks {missing[0]}, which its index of weights names; copy or fetch it again")
    stray = sorted(found - (named or {alone} & found or found))
    if stray:
        beside = "the shards that its index names" if named else alone
        raise AdmissionError(
            f"{name} holds two sets of weights, {stray[0]} beside {beside}; remove the one that is not meant"
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def vocabulary(tokenizer: Any, rows: int, name: str) -> int:
    """Tokens of the vocabulary: the highest id that the tokenizer knows, plus one; `rows` of the unembedding beyond
    it are padding.

    Special tokens that were added without a row (a padding token, say) are never predicted and left out. Raises
    AdmissionError for other tokens without a row, a BOS or EOS without one, and where too many ids have no token."""
    special, ids = set(tokenizer.all_special_ids), set(tokenizer.get_vocab().values())
    beyond = sorted(id for id in ids if id >= rows)
    stray = [id for id in beyond if id not in special]
    if stray:
        raise AdmissionError(
            f"the tokenizer of {name} has the token {tokenizer.convert_ids_to_tokens(stray[0])!r} at {stray[0]}, but "
            f"the weights have {rows} rows; they are of two models, or the embedding was not resized"
        )
    for what in ("bos", "eos"):
        id = getattr(tokenizer, f"{what}_token_id")
        if id is not None and id >= rows:
            raise AdmissionError(
                f"the {what.upper()} of {name} is token {id}, but the weights have {rows} rows, so it was never "
                "trained; use the tokenizer that the model was trained with"
            )
    d_vocab = 1 + max(id for id in ids if id < rows)
    empty = len(holes(tokenizer, d_vocab))
    if empty > HOLES * d_vocab:
        raise AdmissionError(
            f"the tokenizer of {name} has no token for {empty:,} of {d_vocab:,} ids; it belongs to another model"
        )
    return d_vocab


def holes(tokenizer: Any, d_vocab: int) -> list[int]:
    """The ids below `d_vocab` that no token has; their rows stay part of the softmax, as in the model."""
    return sorted(set(range(d_vocab)) - set(tokenizer.get_vocab().values()))


def shapes(others: Iterable[tuple[str, Any, Any]], name: str) -> None:
    """Raises AdmissionError for weights that have another shape than the configuration says: a name, and both."""
    for label, given, wanted in sorted(others, key=str):
        raise AdmissionError(
            f"the weight {label} of {name} is {_across(given)} large, and its config.json wants {_across(wanted)}; "
            "configuration and weights are of two models"
        )


def _across(shape: Any) -> str:
    return " x ".join(map(str, shape))


def layers(unread: Iterable[str], n_layers: int | None, name: str) -> None:
    """Raises AdmissionError where a weight that nothing reads is that of a layer which the configuration does not have:
    the network would end before the one that was trained does."""
    if n_layers is None:  # a configuration that does not say it
        return
    for label in sorted(unread):
        beyond = [int(part) for part in label.split(".") if part.isdecimal() and int(part) >= n_layers]
        if beyond:
            raise AdmissionError(
                f"{name} has weights of layer {beyond[0]} ({label}), counted from 0, but its config.json knows "
                f"{n_layers} layers; configuration and weights are of two models"
            )


def weights(loaded: Any, name: str) -> None:
    """Raises AdmissionError for a weight that is not finite, and for an embedding that is all zero."""
    for label, weight in loaded.named_parameters():
        if not weight.isfinite().all():
            raise AdmissionError(f"the weight {label} of {name} holds values that are not finite; its file is damaged")
    for what, part in (("embedding", loaded.get_input_embeddings()), ("unembedding", loaded.get_output_embeddings())):
        if part is not None and not part.weight.any():
            raise AdmissionError(f"the {what} of {name} is all zero; its file was never written, or is damaged")


def silent(loaded: Any) -> list[str]:
    """The names of weight matrices that are all zero: layers that write nothing, as before growth."""
    return [label for label, weight in loaded.named_parameters() if weight.ndim > 1 and not weight.any()]
