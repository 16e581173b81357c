"""Everything that shapes a base model besides the corpus."""

from dataclasses import dataclass


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

    def checkpoints(self) -> list[int]:
        """Steps after which the weights are kept: none, then powers of two, then the last."""
        powers = [2**k for k in range(3, 20) if 2**k <= 0.75 * self.steps]
        return [0, *powers, self.steps]
