"""Texts as prompts: tokens, and which of them stand for a part of the text.

A token is found by the characters that it covers, never by counting tokens from an end: tokenizers split the same words
differently, put a blank before a word or leave it out, and give one character several tokens. Prompts of one length run
together, so that nothing is ever padded and a position means the same in every row."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from lib.model import Tokenizer


@dataclass(frozen=True)
class Prompts:
    """Some texts whose tokens are equally many, behind one BOS each."""

    texts: tuple[str, ...]
    index: Int[Tensor, " prompt"]
    """Where each stood among all the texts that were handed in."""
    tokens: Int[Tensor, "prompt position"]
    offsets: Int[Tensor, "prompt position 2"]
    """The characters that each token covers: the first, and the first behind them; 0, 0 for the BOS."""

    def positions(self, spans: list[tuple[int, int]]) -> list[list[int]]:
        """For each text the positions of the tokens that cover some character of its span.

        Raises ValueError for a span without a token."""
        found = []
        for text, offsets, (start, end) in zip(self.texts, self.offsets.tolist(), spans, strict=True):
            at = [i for i, (first, behind) in enumerate(offsets) if first < behind and first < end and start < behind]
            if not at:
                raise ValueError(f"no token of {text!r} covers the characters {start} … {end - 1}")
            found.append(at)
        return found

    def last_of(self, parts: list[str], *, occurrence: int | None = None) -> Int[Tensor, "prompt 1"]:
        """The position of the last token of a part of each text; errors as in `span` and `positions`."""
        spans = [span(text, part, occurrence=occurrence) for text, part in zip(self.texts, parts, strict=True)]
        return torch.tensor([[at[-1]] for at in self.positions(spans)])


def span(text: str, part: str, *, occurrence: int | None = None) -> tuple[int, int]:
    """The characters of a text that a part of it takes up; `occurrence` counts from 0, or from the end if negative.

    Raises ValueError when the part is not there, or is there more than once and none of them was named."""
    starts = [at for at in range(len(text)) if part and text.startswith(part, at)]
    if not starts:
        raise ValueError(f"{part!r} does not stand in {text!r}")
    if occurrence is None and len(starts) > 1:
        raise ValueError(f"{part!r} stands {len(starts)} times in {text!r}; say which by `occurrence`")
    if occurrence is not None and not -len(starts) <= occurrence < len(starts):
        raise ValueError(f"{part!r} stands {len(starts)} times in {text!r}, so there is no occurrence {occurrence}")
    at = starts[occurrence or 0]
    return at, at + len(part)


def encode(tokenizer: Tokenizer, texts: list[str]) -> list[Prompts]:
    """The texts in groups of one length, shortest first, in their order within a group.

    Raises ValueError for an empty text."""
    encoded = [tokenizer.encode_with_offsets(text) for text in texts]
    if not all(ids for ids, _ in encoded):
        raise ValueError("a prompt is empty; there is nothing to read")
    groups: dict[int, list[int]] = {}
    for index in sorted(range(len(texts)), key=lambda index: len(encoded[index][0])):
        groups.setdefault(len(encoded[index][0]), []).append(index)
    return [
        Prompts(
            texts=tuple(texts[index] for index in group),
            index=torch.tensor(group),
            tokens=torch.tensor([[tokenizer.bos, *encoded[index][0]] for index in group]),
            offsets=torch.tensor([[(0, 0), *encoded[index][1]] for index in group]),
        )
        for group in groups.values()
    ]


def in_order(parts: list[tuple[Prompts, Tensor]]) -> Tensor:
    """What was found for each group, a row for each prompt, in the order in which the texts were handed in."""
    index = torch.cat([prompts.index for prompts, _ in parts])
    found = torch.cat([rows for _, rows in parts])
    return found[index.argsort().to(found.device)]
