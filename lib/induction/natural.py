"""Repeats as they occur in text: an n-gram that comes a second time in the same document.

As Stolfo et al. (2024, appendix) take them: the earliest repeated n-gram whose tokens are all different and none
of them banned, which occurs exactly twice and not back to back. Its two occurrences are compared token by token;
what follows the second need not be what followed the first, so the model is right to stay on its guard."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice

import torch

from lib.induction.repeats import Repeats
from lib.model import Model, Tokenizer


def natural_repeats(model: Model, text: str, *, n_sequences: int, sequence_length: int, n_gram: int) -> Repeats:
    """The first `n_sequences` documents with a natural repeat in their first `sequence_length` - 1 tokens.

    Each is BOS and the document, filled up at its end with EOS, which no earlier position sees. There may be fewer,
    and none at all. Raises ValueError when `n_gram` is under 2 or the sequences do not fit the model."""
    if n_gram < 2:
        raise ValueError(f"a repeated n-gram needs at least 2 tokens, got n_gram={n_gram}")
    if sequence_length > model.n_positions:
        raise ValueError(f"{model.name} has room for {model.n_positions} tokens, got sequence_length={sequence_length}")
    is_banned = banned(model.tokenizer)
    encoded = (document[: sequence_length - 1] for document in model.encoded(text))
    found = ((ids, place) for ids in encoded for place in islice(repeated(ids, n_gram, is_banned), 1))
    kept = list(islice(found, n_sequences))
    width = max((len(ids) for ids, _ in kept), default=0)
    bos, eos = model.tokenizer.bos, model.tokenizer.eos
    rows = [[bos, *ids, *[eos] * (width - len(ids))] for ids, _ in kept]
    places = torch.tensor([place for _, place in kept], dtype=torch.long).view(len(kept), 2, 1)
    position = 1 + places + torch.arange(n_gram)  # the BOS comes first
    tokens = torch.tensor(rows, dtype=torch.long).view(len(kept), width + 1)
    return Repeats(tokens, position[:, 0], position[:, 1])


def repeated(ids: list[int], n_gram: int, is_banned: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    """Where the repeated n-grams of a document begin, first and second time, in order of their first occurrence.

    A token stands between the two, and one follows the second."""
    places: dict[tuple[int, ...], list[int]] = {}
    for start in range(len(ids) - n_gram + 1):
        places.setdefault(tuple(ids[start : start + n_gram]), []).append(start)
    for gram, (first, *again) in places.items():
        apart = len(again) == 1 and again[0] > first + n_gram and again[0] + n_gram < len(ids)
        if apart and len({*gram}) == n_gram and not any(map(is_banned, gram)):
            yield first, again[0]


def banned(tokenizer: Tokenizer) -> Callable[[int], bool]:
    """Whether a token may not be part of a repeat: BOS, EOS, a line break, bytes that are no text on their own."""
    special = {tokenizer.bos, tokenizer.eos}

    @cache
    def is_banned(token: int) -> bool:
        text = tokenizer.decode(token)
        return token in special or "\n" in text or "\ufffd" in text

    return is_banned
