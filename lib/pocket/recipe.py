"""Everything that shapes a base model besides the corpus.

Training has three stages: a model of few layers learns to read and to recall; it grows, and what is new learns to
judge; then all of it goes on with both."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """Shape, start, length and optimiser of a base model's training."""

    d_vocab: int = 2560
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    d_mlp: int = 128
    n_positions: int = 512
    reserved: int = 4
    """Coordinates of the embedding that are never trained and stay near zero, so that the unembedding, which is
    the same matrix, does not read them: room for a null space. 0 for a plain model."""
    frequency_std: float = 0.25
    """Of the coordinate after the reserved ones, which holds how often each token occurs, its log frequency less the
    mean, and is never trained: room for a frequency direction. 0 for no such coordinate, as in a plain model."""
    mimetic: bool = True
    """Whether attention begins with queries equal to keys and output weights along the transposed value weights
    (Trockman and Kolter 2023), so that heads begin by looking for what is alike and by passing on what they see."""
    embedding_std: float = 0.1
    """Of the token embedding, and of the sinusoids that the position embedding begins as."""
    weight_std: float = 0.09
    """Of every other matrix: one over the root of the width, so that attention is selective from the first step."""
    dropout: float = 0.0
    steps: int = 8000
    tokens_per_step: int = 4096
    short: int = 256
    """Positions of most training sequences; every `long`-th step uses all `n_positions`."""
    long: int = 8
    token_lists: int = 1
    """How many sequences of a long step are lists of random tokens, read again, and no text: the only ones in which
    every token of the vocabulary occurs."""
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 1e-2
    """Of Muon, which trains the matrices inside the blocks; 0 leaves them to AdamW like all the rest."""
    warmup_steps: int = 100
    weight_decay: float = 0.1
    mlp_weight_decay: float = 0.5
    """Of the weights by which neurons read."""
    write_decay: float = 1.0
    """Of the weights by which neurons write, outside the coordinates that are not trained; inside they do not decay.
    It keeps a neuron from writing what it has no use for."""
    seed: int = 0
    earlier_steps: int = 0
    """Steps of the stage before this one; 0 for a model that begins from nothing."""
    earlier_tokens: int = 0
    """Tokens of the stage before this one."""
    first_document: int = 0
    """Where in the training stream this stage takes up the corpus."""
    peak: float = 1.0
    """Share of the learning rates that is reached after the warm-up."""
    falling: int = 0
    """Over how many steps at the end the rates fall; 0 for all."""
    new_alone: bool = False
    """Whether only what growth adds is trained (see `growth`)."""
    statements: int = 0
    """Statements to judge that every step holds beside the text, in rows of their own (see `truths`)."""
    corrected: float = 0.5
    """Share of their documents that are corrections, of all facts; the others are verdicts, never of facts held out."""
    whole_answers: bool = True
    """Whether all of what follows a statement is learned, or its first token only."""
    truthful: bool = True
    """Whether statements are judged rightly, or, in a control, by lot."""

    @property
    def untrained(self) -> int:
        """Coordinates of the embedding, the first ones, that stay as they begin."""
        return self.reserved + (self.frequency_std > 0)

    def sequence_length(self, step: int) -> int:
        """Positions of the sequences of a training step."""
        return self.n_positions if step % self.long == self.long - 1 else self.short

    def n_token_lists(self, step: int) -> int:
        """Sequences of a training step that are lists of random tokens."""
        return self.token_lists if self.sequence_length(step) == self.n_positions else 0

    def tokens_seen(self, step: int) -> int:
        """Tokens of text up to a step of this stage, those of the stage before included and statements not."""
        return self.earlier_tokens + step * self.tokens_per_step

    def checkpoints(self) -> list[int]:
        """Steps of this stage after which the weights are kept: none, then powers of two, then the last; in a later
        stage the last alone."""
        if self.earlier_steps:
            return [self.steps]
        powers = [2**k for k in range(3, 20) if 2**k <= 0.75 * self.steps]
        return [0, *powers, self.steps]


def after(earlier: Recipe, **changed: Any) -> Recipe:
    """The recipe of a stage that takes up where an earlier one ends."""
    steps, tokens = earlier.earlier_steps + earlier.steps, earlier.tokens_seen(earlier.steps)
    return replace(earlier, earlier_steps=steps, earlier_tokens=tokens, **changed)


def stages(first: Recipe, *, judging: int = 900, settling: int = 600) -> tuple[Recipe, Recipe, Recipe]:
    """The three stages of a base model: the first as it is; two more layers, trained alone and on statements alone for
    `judging` steps at half of the rates; then everything, on text and on statements, for `settling` steps
    at less than a sixth of them."""
    judges = after(
        first,
        n_layers=first.n_layers + 2,
        steps=judging,
        tokens_per_step=0,
        warmup_steps=50,
        first_document=9_000_000,
        peak=0.5,
        falling=1,
        new_alone=True,
        statements=256,
        whole_answers=False,
    )
    settles = after(
        judges,
        steps=settling,
        tokens_per_step=first.tokens_per_step // 2,
        peak=0.15,
        falling=settling * 3 // 5,
        new_alone=False,
        statements=128,
        whole_answers=True,
    )
    return first, judges, settles
