"""Sequences in which something comes twice, with every token of the repeat beside its first occurrence.

A synthetic repeat is BOS, some tokens, and the same tokens again: the first tokens of documents, or random ones
that no language makes predictable. What a model does at the repeat but not at the first pass it does because it
has seen the sequence. Position changes as well, so there is a control: the same tokens again in another order."""

from dataclasses import dataclass, replace
from itertools import islice

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import resampling
from lib.model import Model
from lib.resampling import Estimate
from lib.text import TextError

UNSCORED = 2
"""Pairs at the start of a pass that are left out: positions 1 and 2, as everywhere in the book."""


@dataclass(frozen=True)
class Repeats:
    """Sequences and the positions of their pairs: a token of the repeat and the same one in the first pass."""

    tokens: Int[Tensor, "sequence position"]
    first: Int[Tensor, "sequence pair"]
    """Positions in the first pass."""
    repeat: Int[Tensor, "sequence pair"]
    """Positions in the repeat, in the same order. In both passes another token follows."""

    @property
    def n_pairs(self) -> int:
        """Pairs in all sequences together."""
        return self.first.numel()

    def at_first(self, value: Float[Tensor, "sequence position *column"]) -> Float[Tensor, "sequence pair *column"]:
        """A quantity at the first pass."""
        return value[torch.arange(len(value))[:, None], self.first]

    def at_repeat(self, value: Float[Tensor, "sequence position *column"]) -> Float[Tensor, "sequence pair *column"]:
        """A quantity at the repeat."""
        return value[torch.arange(len(value))[:, None], self.repeat]

    def change(self, value: Float[Tensor, "sequence position *column"]) -> Float[Tensor, "sequence ..."]:
        """Mean of a quantity at the repeat less that at the first pass, for each sequence."""
        return self.at_repeat(value).mean(1) - self.at_first(value).mean(1)

    def changed(self, value: Float[Tensor, "sequence position"], *, generator: torch.Generator) -> Estimate:
        """That mean change over all sequences, with its interval."""
        return resampling.mean_of_sequences(self.change(value), n=self.n_pairs, generator=generator)

    @property
    def first_mask(self) -> Bool[Tensor, "sequence position"]:
        """The positions of the first pass."""
        return torch.zeros_like(self.tokens, dtype=torch.bool).scatter_(1, self.first, True)

    @property
    def repeat_mask(self) -> Bool[Tensor, "sequence position"]:
        """The positions of the repeat."""
        return torch.zeros_like(self.tokens, dtype=torch.bool).scatter_(1, self.repeat, True)


def of_text(model: Model, text: str, *, n_sequences: int, length: int) -> Repeats:
    """BOS, the first `length` tokens of a document, and these again; one sequence for each document long enough.

    Raises ValueError when `length` is too small or does not fit the model, TextError with too few long documents."""
    check_length(model, length)
    long = list(islice((ids[:length] for ids in model.encoded(text) if len(ids) >= length), n_sequences))
    if len(long) < n_sequences:
        raise TextError(
            f"{n_sequences} documents of at least {length} tokens are needed, but the text {text!r} has {len(long)}; "
            "lower the number of sequences or their length"
        )
    return twice(torch.tensor(long), bos=model.tokenizer.bos)


def of_random_tokens(model: Model, *, n_sequences: int, length: int, generator: torch.Generator) -> Repeats:
    """BOS, `length` random tokens (never a BOS), and these again. Raises ValueError as `of_text` does."""
    check_length(model, length)
    return twice(random_tokens(model, n_sequences, length, generator), bos=model.tokenizer.bos)


def random_tokens(
    model: Model, n_sequences: int, length: int, generator: torch.Generator
) -> Int[Tensor, "sequence length"]:
    """Tokens drawn evenly from the vocabulary without its BOS."""
    bos = model.tokenizer.bos
    others = torch.tensor([token for token in range(model.final_layer.d_vocab) if token != bos])
    return others[torch.randint(len(others), (n_sequences, length), generator=generator)]


def twice(first: Int[Tensor, "sequence length"], *, bos: int) -> Repeats:
    """BOS, some tokens, and the same tokens again, paired wherever the next token belongs to the same pass."""
    n_sequences, length = first.shape
    tokens = torch.cat([first.new_full((n_sequences, 1), bos), first, first], dim=1)
    position = torch.arange(1 + UNSCORED, length).expand(n_sequences, -1)
    return Repeats(tokens, position, position + length)


def shuffled(repeats: Repeats, *, generator: torch.Generator) -> Repeats:
    """The control: the second half holds the tokens of the first in another order. Pairs keep their positions."""
    length = repeats.tokens.shape[1] // 2
    order = torch.rand(len(repeats.tokens), length, generator=generator).argsort(1)
    second = repeats.tokens[:, 1 + length :].gather(1, order)
    return replace(repeats, tokens=torch.cat([repeats.tokens[:, : 1 + length], second], dim=1))


def check_length(model: Model, length: int) -> None:
    """Raises ValueError when BOS and `length` tokens twice leave nothing to compare, or do not fit the model."""
    room = (model.n_positions - 1) // 2
    if length < UNSCORED + 2:
        raise ValueError(f"a sequence to repeat needs at least {UNSCORED + 2} tokens, got {length}")
    if length > room:
        raise ValueError(
            f"BOS and {length} tokens twice are {2 * length + 1} tokens, but {model.name} has room for "
            f"{model.n_positions}; set length to {room} or less"
        )
