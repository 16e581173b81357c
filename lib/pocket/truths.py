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
from lib.pocket.statements import correction, judgement

WIDTH = 96
"""Positions of a row."""
MOST_LINES = 4
"""Lines of a document at most."""


def document(draw: Draw, *, corrected: bool) -> list[tuple[str, str]]:
    """A few statements with what follows each: corrections, or verdicts."""
    line = correction if corrected else judgement
    return [line(draw) for _ in range(draw.one(range(1, MOST_LINES + 1)))]


def rows(
    tokenizer: Tokenizer, *, n_statements: int, corrected: float, seed: str
) -> tuple[Int[Tensor, "row position"], Bool[Tensor, "row position"]]:
    """Rows with at least so many statements in all, and which of their tokens are learned.

    A row is BOS, which is token 0, and documents parted by it, the last one cut where the row ends; a share `corrected`
    of the documents are corrections. The same seed gives the same rows. Raises ValueError without a statement."""
    if n_statements < 1:
        raise ValueError(f"rows of statements need at least one statement, got {n_statements}")
    draw, tokens, learned, stated = Draw(random.Random(seed)), [], [], 0
    while stated < n_statements:
        row, counts = [0], [False]
        while len(row) < WIDTH:
            for number, parts in enumerate(document(draw, corrected=draw.chance(corrected))):
                stated += 1
                asked, told = (tokenizer.encode(part).ids for part in parts)
                asked = tokenizer.encode("\n").ids * (number > 0) + asked
                row, counts = row + asked + told, counts + [False] * len(asked) + [True] * len(told)
            row, counts = [*row, 0], [*counts, True]
        tokens.append(row[:WIDTH])
        learned.append(counts[:WIDTH])
    return torch.tensor(tokens), torch.tensor(learned)
