"""A model whose every part was put there by hand: two entropy neurons, two token-frequency neurons, one induction head.

It is a GPT-2 of two layers with untied embeddings. The residual stream is laid out in blocks of coordinates: the
token, the position, the previous token (written by a head of layer 0 that looks one position back), a null space that
the unembedding hardly reads, and a pair whose difference it reads along the token-frequency direction. Everything else
is small noise."""

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from lib import checkpoint, token_frequency
from lib import model as door
from tests.conftest import D_VOCAB, TOKENIZER

D_MODEL, D_HEAD, D_MLP, N_POSITIONS = 192, 64, 64, 160
TOKEN, POSITION, PREVIOUS = slice(0, 64), slice(64, 112), slice(112, 176)
NULL, FREQUENCY, REST = slice(176, 182), slice(182, 184), slice(184, 192)
SIZE = 4.0
"""Length of the token, position and previous-token parts of the residual stream."""


@dataclass(frozen=True)
class Planted:
    """The model, and what discovery has to find in it."""

    model: door.Model
    log_unigram: torch.Tensor
    entropy: tuple[int, ...] = (7, 40)
    """Last-layer neurons that write into the null space."""
    frequency: tuple[int, ...] = (12, 50)
    """Last-layer neurons that write along the token-frequency direction."""
    induction: tuple[int, int] = (1, 0)
    """Layer and head."""
    null_dim: int = 7
    """The null coordinates and the sum of the frequency pair; a centred write can use all but one of these."""


def build(folder: Path) -> Planted:
    """Writes the model into `folder` and loads it through the door."""
    generator = torch.Generator().manual_seed(0)
    rank = torch.randperm(D_VOCAB, generator=generator) + 1.0
    log_unigram = (1 / rank).log().log_softmax(-1)
    config = {"n_embd": D_MODEL, "n_layer": 2, "n_head": 3, "n_inner": D_MLP, "n_positions": N_POSITIONS}
    special = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "vocab_size": D_VOCAB}
    model = checkpoint.untrained("gpt2", tie_word_embeddings=False, **config, **special)
    with torch.no_grad():
        step = math.pi * torch.rand(24, generator=generator)  # what each pair of position coordinates turns by
        _embeddings(model, log_unigram, step, generator)
        _attention(model.transformer.h, step, generator)
        _neurons(model.transformer.h[1].mlp, generator)
    model.save_pretrained(folder)
    shutil.copy(TOKENIZER, folder)
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    return Planted(door.load(str(folder)), log_unigram)


def _embeddings(model, log_unigram, step, generator):
    token = torch.nn.functional.normalize(torch.randn(D_VOCAB, 64, generator=generator), dim=1)
    angle = torch.outer(torch.arange(N_POSITIONS), step)
    position = torch.stack([angle.cos(), angle.sin()], -1).flatten(1) / math.sqrt(24)
    model.transformer.wte.weight.zero_()[:, TOKEN] = SIZE * token
    model.transformer.wpe.weight.zero_()[:, POSITION] = SIZE * position
    head = 0.15 * torch.randn(D_VOCAB, D_MODEL, generator=generator)
    head[:, TOKEN] += 0.6 * token
    head[:, NULL] *= 1e-3
    direction = token_frequency.direction(log_unigram)
    head[:, FREQUENCY] = 8 * torch.stack([direction, -direction], 1)
    model.lm_head.weight.copy_(head)


def _one_back(step):
    """The rotation that takes the coordinates of a position to those of the position before it."""
    pairs = torch.stack([torch.stack([step.cos(), -step.sin()], -1), torch.stack([step.sin(), step.cos()], -1)], 1)
    return torch.block_diag(*pairs)


def _attention(blocks, step, generator):
    """Head 0 of layer 0 looks one position back and copies the token it finds there; head 0 of layer 1 looks for the
    token whose previous token is the present one, and copies that. All other heads spread their attention evenly."""
    for block in blocks:
        weight = 0.01 * torch.randn(D_MODEL, 3 * D_MODEL, generator=generator)
        weight[:, : 2 * D_MODEL] = 0
        block.attn.c_attn.weight.copy_(weight)
        block.attn.c_proj.weight.copy_(0.01 * torch.randn(D_MODEL, D_MODEL, generator=generator))
        block.mlp.c_fc.weight.copy_(0.1 * torch.randn(D_MODEL, D_MLP, generator=generator))
        block.mlp.c_proj.weight.copy_(0.01 * torch.randn(D_MLP, D_MODEL, generator=generator))
        block.mlp.c_proj.weight[:, NULL] = 0
    back, induction = blocks[0].attn, blocks[1].attn
    place = torch.eye(48, D_HEAD)
    _head(back, (POSITION, _one_back(step) @ place), (POSITION, place), out=PREVIOUS)
    _head(induction, (TOKEN, torch.eye(64)), (PREVIOUS, torch.eye(64)), out=TOKEN)


def _head(attention, query, key, *, out):
    """Head 0 attends where what it seeks matches what it asks for, and copies the token from there into `out`."""
    (asks, ask), (offers, offer), value = query, key, slice(2 * D_MODEL, 2 * D_MODEL + D_HEAD)
    attention.c_attn.weight[asks, :D_HEAD] = 5 * ask
    attention.c_attn.weight[offers, D_MODEL : D_MODEL + D_HEAD] = offer
    attention.c_attn.weight[:, value] = 0
    attention.c_attn.weight[TOKEN, value] = torch.eye(64)
    attention.c_proj.weight[:D_HEAD] = 0
    attention.c_proj.weight[:D_HEAD, out] = SIZE / 10 * torch.eye(64)


def _neurons(mlp, generator):
    """Ordinary neurons of the last layer write noise outside the null space and off the frequency pair; two write long
    vectors into the null space, two along the frequency pair."""
    read = torch.zeros(D_MODEL, D_MLP)
    read[TOKEN] = 0.25 * torch.randn(64, D_MLP, generator=generator)
    mlp.c_fc.weight.copy_(read)
    write = torch.nn.functional.normalize(torch.randn(D_MLP, D_MODEL, generator=generator), dim=1)
    write[:, NULL], write[:, FREQUENCY] = 0, 0
    write -= write.mean(1, keepdim=True)
    write *= torch.linspace(0.5, 1, D_MLP)[:, None]
    for neuron in Planted.entropy:
        inside = torch.randn(6, generator=generator)
        write[neuron] = 0
        write[neuron, NULL] = 8 * torch.nn.functional.normalize(inside - inside.mean(), dim=0)
    for neuron, sign in zip(Planted.frequency, (1, -1), strict=True):
        write[neuron] = 0
        write[neuron, FREQUENCY] = sign * torch.tensor([1.0, -1.0])
    mlp.c_proj.weight.copy_(write)
