"""What is measured on: a model of GPT-2 small's shape with random weights, or the pocket model.

Random weights as they are initialised would be too kind: every logit alike, every activation small. So the
unembedding gets a spectrum with a drop before its end, the activations are sparse, a few neurons are long and
write where the unembedding does not read, and the next-token entropy is that of a trained model, about 3 nats."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import ablation, checkpoint, token_frequency
from lib import model as door
from lib.effects.clean import Clean, clean_run
from lib.effects.edits import difference
from lib.model import Model
from lib.source import Source

GPT2_SMALL = {"n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": 3072, "n_positions": 1024, "vocab_size": 50257}
N_LOUD = 6
"""Long neurons that write into the effective null space."""
GAIN, BIAS = 32.0, 0.3
"""Gain of the final norm, and its bias over the gain: together the entropy."""


@dataclass(frozen=True, eq=False)
class Case:
    """Some neurons of a model at some tokens."""

    model: Model
    """Its `W_out` holds the chosen neurons alone."""
    whole: Model
    """The model with all its neurons, for procedures that run it."""
    neurons: Int[Tensor, " neuron"]
    tokens: Int[Tensor, "sequence position"]
    clean: Clean
    delta: Float[Tensor, "token neuron"]
    log_unigram: Float[Tensor, " d_vocab"]

    def some(self, first: int, last: int) -> "Case":
        """The chosen neurons from one place to another."""
        chosen = slice(first, last)
        model = replace(self.model, W_out=self.model.W_out[chosen])
        return replace(self, model=model, neurons=self.neurons[chosen], delta=self.delta[:, chosen])


@dataclass(frozen=True)
class NoTokenizer:
    """Stands in for a tokenizer where there is no text: it knows how many tokens there are."""

    d_vocab: int
    bos_token_id: int = 0
    eos_token_id: int = 0

    def __len__(self) -> int:
        return self.d_vocab

    @property
    def all_special_ids(self) -> list[int]:
        """BOS and EOS."""
        return [self.bos_token_id, self.eos_token_id]

    def get_vocab(self) -> dict[str, int]:
        """A name for every token."""
        return {str(token): token for token in range(self.d_vocab)}


def random_model(**shape: int) -> Model:
    """A GPT-2 of this shape with random weights; always the same one."""
    generator = torch.Generator().manual_seed(0)
    shape = GPT2_SMALL | shape
    loaded: Any = checkpoint.untrained("gpt2", **shape).eval().requires_grad_(False)
    for name, weight in loaded.named_parameters():
        if "ln" not in name:
            width = 1 if name.endswith("bias") else weight.shape[0] ** -0.5
            weight.copy_(width * torch.randn(weight.shape, generator=generator) * (not name.endswith("bias")))
    rotation = torch.linalg.qr(torch.randn(shape["n_embd"], shape["n_embd"], generator=generator)).Q
    _shape_unembedding(loaded, rotation, generator)
    _shape_neurons(loaded.transformer.h[-1].mlp, rotation, generator)
    source = Source("gpt2-small-shape", "directory", "", "random weights, seed 0")
    return door.wrap(loaded, NoTokenizer(shape["vocab_size"]), source)


def _shape_unembedding(loaded: Any, rotation: Tensor, generator: torch.Generator) -> None:
    """Singular values that fall as a power, and the last 1.5 % of them twenty times lower."""
    embedding, norm = loaded.transformer.wte.weight, loaded.transformer.ln_f
    d_model = embedding.shape[1]
    value = torch.arange(1, d_model + 1) ** -0.3
    value[-(d_model // 64) :] *= 0.05
    scaled = 0.15 * (value / value.norm())[:, None] * rotation.mT
    embedding.copy_(torch.randn(embedding.shape, generator=generator) @ scaled)
    norm.weight.fill_(GAIN)
    norm.bias.copy_(BIAS * GAIN * torch.randn(d_model, generator=generator))


def _shape_neurons(mlp: Any, rotation: Tensor, generator: torch.Generator) -> None:
    """Sparse activations; output weights of log-normal length, a few of them long and in the null space."""
    (d_model, d_mlp), dim = mlp.c_fc.weight.shape, rotation.shape[0] // 64
    mlp.c_fc.weight.copy_(1.2 * d_model**-0.5 * torch.randn(d_model, d_mlp, generator=generator))
    mlp.c_fc.bias.fill_(-1.0)
    length = 1.5 * (0.4 * torch.randn(d_mlp, generator=generator)).exp()
    direction = torch.randn(d_mlp, d_model, generator=generator)
    loud = torch.randperm(d_mlp, generator=generator)[:N_LOUD]
    direction[loud] = torch.randn(N_LOUD, dim, generator=generator) @ rotation[:, -dim:].mT
    length[loud] *= 6
    mlp.c_proj.weight.copy_(length[:, None] * direction / direction.norm(dim=1, keepdim=True))


def build(name: str, *, n_tokens: int, n_neurons: int, **shape: int) -> Case:
    """A case by name: "gpt2-small-shape" (other sizes by `shape`), or a model to load.

    As many tokens and neurons as asked for, or as many as there are."""
    generator = torch.Generator().manual_seed(1)
    if name == "gpt2-small-shape":
        whole = random_model(**shape)
        tokens = torch.randint(whole.final_layer.d_vocab, (1, n_tokens), generator=generator)
        scored = torch.ones_like(tokens, dtype=torch.bool)
    else:
        whole = door.load(name)
        tokens = whole.sequences("pocket", n_sequences=-(-n_tokens // 100), sequence_length=140)
        scored = whole.scored(tokens)
        scored &= scored.flatten().cumsum(0).view_as(scored) <= n_tokens
    clean = clean_run(whole, tokens, scored)
    delta = difference(clean, ablation.mean(whole.run(tokens, "activation").activation))
    loudest = (delta.abs().mean(0) * whole.W_out.norm(dim=1)).topk(min(N_LOUD, delta.shape[1])).indices
    drawn = torch.randperm(delta.shape[1], generator=generator)
    chosen = torch.cat([loudest, drawn[~torch.isin(drawn, loudest)]])[:n_neurons]
    counts = torch.arange(1, whole.final_layer.d_vocab + 1).flip(0) ** 2
    return Case(
        model=replace(whole, W_out=whole.W_out[chosen]),
        whole=whole,
        neurons=chosen,
        tokens=tokens,
        clean=clean,
        delta=delta[:, chosen],
        log_unigram=token_frequency.log_unigram(counts),
    )
