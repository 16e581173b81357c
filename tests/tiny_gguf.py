"""Writes a tiny model as a GGUF file, as llama.cpp's own converter lays it out."""

import json
from pathlib import Path

import numpy
import torch
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, get_tensor_name_map
from gguf.constants import MODEL_ARCH_NAMES
from gguf.quants import quantize

from lib import checkpoint
from tests.conftest import D_VOCAB, TOKENIZER

SHAPE = {
    "vocab_size": D_VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
FILE_TYPES = {"F32": LlamaFileType.ALL_F32, "F16": LlamaFileType.MOSTLY_F16, "Q4_1": LlamaFileType.MOSTLY_Q4_1}
ORDINARY, CONTROL = 1, 3


def random(model_type="llama", *, tied=True):
    """A random model with norms that are not all ones."""
    torch.manual_seed(0)
    model = checkpoint.untrained(model_type, **SHAPE, tie_word_embeddings=tied)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    return model.eval()


def write(path: Path, model, *, kind="F32", architecture="", facts=(), without=(), more=()) -> Path:
    """Writes a model in weights of a kind, with pocket's tokenizer; matrices in that kind, the rest in float32.

    `facts` are further entries (of text or number), `without` leaves out tensors, `more` adds some of ones."""
    writer = GGUFWriter(path, architecture or model.config.model_type)
    _describe(writer, model.config, kind)
    for name, value in dict(facts).items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(name, value)
    for name, weight in tensors(model).items():
        if name not in without:
            quantised = GGMLQuantizationType[kind if weight.ndim > 1 else "F32"]
            writer.add_tensor(name, quantize(weight, quantised), raw_dtype=quantised)
    for name in more:
        writer.add_tensor(name, numpy.ones(4, dtype=numpy.float32))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return path


def tensors(model):
    """A model's weights under the names of GGUF, queries and keys of a Llama in the order of its rotations."""
    kind = model.config.model_type
    arch = next(key for key, name in MODEL_ARCH_NAMES.items() if name == kind)
    names, found = get_tensor_name_map(arch, model.config.num_hidden_layers), {}
    for name, weight in model.named_parameters():  # which lists a tied one once
        stem, _, end = name.rpartition(".")
        heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
        n_heads = heads.get(stem.rpartition(".")[2]) if kind == "llama" else None
        found[f"{names.get_name(stem)}.{end}"] = (
            turned(weight.detach().numpy(), n_heads) if n_heads else weight.numpy(force=True)
        )
    return found


def turned(weight, n_heads):
    """Rows of a head in pairs that rotate together, as llama.cpp keeps them."""
    halves = weight.reshape(n_heads, 2, weight.shape[0] // n_heads // 2, *weight.shape[1:])
    return numpy.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))


def _describe(writer, config, kind):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    if kind in FILE_TYPES:
        writer.add_file_type(FILE_TYPES[kind])
    known = json.loads(TOKENIZER.read_text())
    tokens = sorted(known["model"]["vocab"], key=known["model"]["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL if token == "<|endoftext|>" else ORDINARY for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in known["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
