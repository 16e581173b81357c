"""The base model before its first step: an untrained GPT-2 whose start is chosen with care."""

from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor

from lib import checkpoint
from lib.pocket.corpus import TRAINING_SEED, WARM_UP, document
from lib.pocket.recipe import Recipe

END_OF_TEXT = "<|endoftext|>"
"""BOS and EOS in one."""


def new_model(recipe: Recipe, tokenizer: Tokenizer) -> torch.nn.Module:
    """An untrained GPT-2 of the recipe's size, the reserved coordinates of its embedding close to zero."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    model = checkpoint.untrained(
        "gpt2",
        vocab_size=tokenizer.get_vocab_size(),
        n_embd=recipe.d_model,
        n_layer=recipe.n_layers,
        n_head=recipe.n_heads,
        n_inner=recipe.d_mlp,
        n_positions=recipe.n_positions,
        resid_pdrop=recipe.dropout,
        embd_pdrop=recipe.dropout,
        attn_pdrop=recipe.dropout,
        initializer_range=recipe.weight_std,
        activation_function="gelu_pytorch_tanh",  # the same function as gelu_new, in one fused kernel
        bos_token_id=end,
        eos_token_id=end,
    )
    with torch.no_grad():
        embedding = model.get_input_embeddings().weight.normal_(std=recipe.embedding_std)
        embedding[:, : recipe.reserved] *= 0.01
        if recipe.frequency_std:
            embedding[:, recipe.reserved] = recipe.frequency_std * log_frequency(tokenizer)
        positions = model.transformer.wpe.weight
        positions.copy_(sinusoids(*positions.shape) * recipe.embedding_std * 2**0.5)
        for block in model.transformer.h:  # writes begin at zero, so that the embeddings are not drowned
            block.mlp.c_proj.weight.zero_()
            block.attn.c_proj.weight.zero_()
            if recipe.mimetic:
                mimetic(block.attn, recipe)
    return model


def log_frequency(tokenizer: Tokenizer, *, n_documents: int = 2000) -> Float[Tensor, " d_vocab"]:
    """The logarithm of how often each token occurs in documents of all kinds, one added to every count, at mean 0 and
    standard deviation 1."""
    encoded = tokenizer.encode_batch([*_of_all_kinds(n_documents)])
    tokens = torch.tensor([token for some in encoded for token in some.ids])
    logarithm = (tokens.bincount(minlength=tokenizer.get_vocab_size()) + 1.0).log()
    return (logarithm - logarithm.mean()) / logarithm.std()


@cache
def _of_all_kinds(n: int) -> tuple[str, ...]:
    """The first documents of the training stream behind the drills that it begins with; every new model asks for
    them."""
    return tuple(document(index, seed=TRAINING_SEED)[0] for index in range(WARM_UP, WARM_UP + n))


def mimetic(attention: Any, recipe: Recipe) -> None:
    """Lets an attention layer begin as `Recipe.mimetic` tells, its writes about as long as an embedding."""
    query, key, value = attention.c_attn.weight.split(recipe.d_model, dim=1)
    key.copy_(query)
    attention.c_proj.weight.copy_(0.3 * value.mT * recipe.embedding_std)


def sinusoids(n_positions: int, d_model: int) -> Float[Tensor, "position d_model"]:
    """Sines and cosines of the position at frequencies from pi down to pi / 1000, evenly spaced in their logarithm
    for one half and evenly for the other, so that both near and far positions can be told apart."""
    near = torch.pi * (torch.arange(d_model // 4) + 0.5) / (d_model // 4)
    far = torch.pi / 1000 ** (torch.arange(d_model // 4) / (d_model // 4))
    angle = torch.arange(n_positions)[:, None] * torch.cat([near, far])
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def reserve(model: Any, count: int) -> None:
    """Keeps gradients away from the first `count` coordinates of the embedding."""
    embedding = model.get_input_embeddings().weight
    trained = torch.arange(embedding.shape[1]) >= count
    embedding.register_hook(lambda gradient: gradient * trained)
