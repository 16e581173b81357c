"""Reads Hugging Face checkpoints, and says in one sentence why one cannot be read.

A checkpoint that lacks weights is an error here and not a model with a random head."""

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from lib import admission, dequantised, gguf_file
from lib.source import RESTORE, Source, SourceError

NO_CODE = {"trust_remote_code": False}
"""Said everywhere: unasked, transformers puts the question to a terminal, and a slip of the finger runs the code."""

SPLIT_DIGITS = ("smollm",)
"""How a GGUF file says that digits are parted first, which transformers passes over."""


class ModelError(ValueError):
    """A model that is there but cannot be analysed; its message is one sentence for the reader."""


def untrained(model_type: str, **config: Any) -> Any:
    """A Hugging Face causal language model with random weights, from its configuration."""
    from transformers import AutoConfig, AutoModelForCausalLM

    _quieten()
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **config))


def read(source: Source, dtype: torch.dtype, device: str) -> tuple[Any, Any]:
    """Model and tokenizer of a source, the weights in `dtype` and frozen.

    Raises SourceError when they cannot be read or do not belong together, ModelError when weights are missing."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _quieten()
    try:
        folder = _folder(source)
        admission.files(Path(folder), source.name)
        pickles = {} if admission.trusts_pickles() else {"use_safetensors": True}
        read: Any = AutoModelForCausalLM.from_pretrained  # which returns a pair when it is asked to report
        asked = {"output_loading_info": True, "ignore_mismatched_sizes": True}  # which are refused below, by name
        loaded, report = read(folder, dtype=dtype, attn_implementation="eager", **asked, **NO_CODE, **pickles)
        tokenizer = AutoTokenizer.from_pretrained(folder, **NO_CODE)
    except SourceError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _explained(error, source) from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError" and type(error) is not Exception:  # as tokenizers raises
            raise
        raise _explained(error, source) from error
    admission.shapes(report["mismatched_keys"], source.name)
    n_layers = getattr(loaded.config.get_text_config(), "num_hidden_layers", None)
    admission.layers(report["unexpected_keys"], n_layers, source.name)
    admission.weights(loaded, source.name)
    lost = [*report["missing_keys"]]
    if lost:
        raise ModelError(f"{source.name} is not a causal language model checkpoint: it lacks {lost[0]}")
    return loaded.to(device).eval().requires_grad_(False), tokenizer


def empty_cache() -> Any:
    """A key-value cache that keeps all positions of every layer.

    What transformers makes by itself drops what lies outside a sliding window, and could not go back to an earlier
    position; the window is then seen to by the mask."""
    from transformers import DynamicCache

    return DynamicCache()


def filled_cache(pieces: list[tuple[torch.Tensor, torch.Tensor]]) -> Any:
    """A cache that holds these keys and values, layer by layer."""
    cache = empty_cache()
    for layer, piece in enumerate(pieces):
        cache.update(*piece, layer)
    return cache


def prefix_cache(pieces: list[tuple[torch.Tensor, torch.Tensor]], position: int) -> Any:
    """A cache that holds what lies before a position of these keys and values, layer by layer, and no more however
    often a pass adds to it: what is added overwrites what lies behind, so that nothing is copied."""
    from transformers.cache_utils import DynamicLayer

    class Prefix(DynamicLayer):
        def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
            super().__init__()
            self.lazy_initialization(keys, values)
            self.whole = keys, values
            self.keys, self.values = keys[:, :, :position], values[:, :, :position]

        def update(self, *added: Any, **_: Any) -> tuple[torch.Tensor, torch.Tensor]:
            end = position + added[0].shape[2]
            for whole, new in zip(self.whole, added[:2], strict=True):
                whole[:, :, position:end] = new
            return self.whole[0][:, :, :end], self.whole[1][:, :, :end]

    cache = empty_cache()
    cache.layers = [Prefix(*piece) for piece in pieces]
    return cache


def _quieten() -> None:
    """No progress bars and no warnings from transformers: what a reader needs to know, we say."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _folder(source: Source) -> str:
    """Where a model's files lie as transformers reads them, fetched or unpacked where they are not there yet."""
    if source.kind == "hub":
        return _downloaded(source)
    return str(dequantised.folder(source, write=_unpack)) if source.kind == "gguf" else source.location


def _unpack(file: Path, folder: Path) -> None:
    """Writes what a GGUF file holds as transformers saves it: float32 weights, configuration and tokenizer.

    Raises ValueError where it does not read all weights or finds no others for a part of the model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    given: Any = {"gguf_file": file.name, **NO_CODE}
    load: Any = AutoModelForCausalLM.from_pretrained
    with redirect_stderr(StringIO()):  # a progress bar that nothing else turns off
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **given)
        packed, report = load(file.parent, dtype=torch.float32, output_loading_info=True, **given)
    head = gguf_file.head(file)
    if head.pre_tokenizer in SPLIT_DIGITS:
        _split_digits(tokenizer)
    told, read = head.n_parameters, sum(weight.numel() for weight in packed.parameters())
    if report["missing_keys"] or told != read:
        lost = f"it holds {told:,} weights, and transformers makes a model of {read:,} out of it"
        raise ValueError(f"{lost}; name the checkpoint that it was made from")
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # which the loaded one cannot be saved without
    with torch.device("meta"):
        plain = type(packed)(config)
    plain.load_state_dict(packed.state_dict(), assign=True)
    plain.tie_weights()
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _split_digits(tokenizer: Any) -> None:
    """Has every digit stand alone before text is made tokens, as the published tokenizer has it."""
    from tokenizers import pre_tokenizers as before

    steps = [before.Digits(individual_digits=True), before.ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = before.Sequence(steps)


def _downloaded(source: Source) -> str:
    """The hub repository at its commit as a local folder; the cache is used as it is when it has the weights."""
    from huggingface_hub import snapshot_download

    texts, weights = ["*.json", "*.txt", "*.model"], ("*.safetensors", "*.bin")
    cached = Path(snapshot_download(source.location, revision=source.revision, local_files_only=True))
    if not any(any(cached.glob(kind)) for kind in weights):
        for kind in weights:
            snapshot_download(source.location, revision=source.revision, allow_patterns=[*texts, kind])
            if any(cached.glob(kind)):
                break
    return str(cached)


def _explained(error: Exception, source: Source) -> SourceError:
    """The same error in one sentence for the reader."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    names, first_line = {type(e).__name__ for e in chain}, str(error).strip().split("\n")[0]
    if "SafetensorError" in names and source.kind == "gguf":
        return SourceError(
            f"the unpacked weights of {source.name} in {dequantised.place(source)} are damaged, or had no room "
            f"({first_line}); remove that folder, and make room"
        )
    if "SafetensorError" in names:
        hint = f"; {RESTORE}" if source.kind == "pocket" else ""
        return SourceError(f"a weight file in {source.location} is cut short or damaged ({first_line}){hint}")
    if "LocalEntryNotFoundError" in names:
        return SourceError(f"{source.name} is not in the local cache and the hub cannot be reached")
    if "trust_remote_code" in str(error):
        return SourceError(f"{source.name} runs code of its own, which this book does not trust or load")
    if source.kind == "gguf" and "is not supported yet" in str(error):
        return SourceError(f"transformers does not read {source.name} ({first_line}); name a checkpoint of safetensors")
    if "does not recognize this architecture" in str(error):
        return SourceError(f"the installed transformers does not know the architecture of {source.name}; upgrade it")
    return SourceError(f"{source.name} could not be loaded: {first_line}")
