"""Statements to judge as training rows of their own, in which only what follows a statement is learned.

Half of what is stated there is false. In running text a model would learn to state it, and to doubt what it knows; and
the verdict, one token in seventeen, would drown in what no one can foresee. So the statement is read and not learned:
which tokens count is decided by where they stand, never by what they are, and no probability is pushed away
from its best value."""

import random

import torch
from jaxtyping import Bool, Int
from tokenizers import Tokenizer
from torch import Tensor

from lib.pocket.draw import Draw
from lib.pocket.statements import contrary, correction, judgement


def rows(
    tokenizer: Tokenizer, *, n_statements: int, corrected: float, whole: bool, seed: str, truthful: bool = True
) -> tuple[Int[Tensor, "row position"], Bool[Tensor, "row position"]]:
    """A row for each of so many statements, and which of its tokens are learned: those of the answer, or,
    unless `whole`, the answer's first.

    A row is BOS, which is token 0, the statement and what follows it, filled up with token 0; each is a correction with
    probability `corrected`, else a verdict. The same seed gives the same rows; unless `truthful`, the same statements
    are judged by lot. Raises ValueError without a statement."""
    if n_statements < 1:
        raise ValueError(f"rows of statements need at least one statement, got {n_statements}")
    draw = Draw(random.Random(seed))
    lines = [correction(draw) if draw.chance(corrected) else judgement(draw) for _ in range(n_statements)]
    if not truthful:
        lots = random.Random(f"{seed} by lot")
        lines = [(asked, lots.choice((told, contrary(told)))) for asked, told in lines]
    parts = [tuple(encoded.ids for encoded in tokenizer.encode_batch(list(line))) for line in lines]
    width = 1 + max(len(asked) + len(told) for asked, told in parts)
    tokens = torch.zeros(n_statements, width, dtype=torch.long)
    learned = torch.zeros(n_statements, width, dtype=torch.bool)
    for row, mask, (asked, told) in zip(tokens, learned, parts, strict=True):
        end = 1 + len(asked) + len(told)
        row[1:end] = torch.tensor([*asked, *told])
        mask[end - len(told) : end if whole else end - len(told) + 1] = True
    return tokens, learned
