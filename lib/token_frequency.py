r"""How often each token occurs, and the direction of logit space along which that is read.

The unigram distribution is counted in running text, one added to every count so that unseen tokens keep a
finite logarithm. The token-frequency direction is its centred logarithm,

.. math:: u = \frac{\log p - \mathrm{mean}(\log p)}{\lVert \log p - \mathrm{mean}(\log p) \rVert} .

Moving logits along it makes frequent tokens likelier and rare ones less likely (Stolfo et al. 2024, section 4.1).
Tokens that the text does not hold can carry most of it: a log unigram distribution restricted by `among` is minus
infinity at the others, and the direction is centred on the rest and zero there."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import fingerprint, identity, measures
from lib.model import Model

ENOUGH = 20
"""Tokens of text per vocabulary entry from which a unigram distribution is taken at its word."""
WORTH_KEEPING = 1_000_000
"""Counts of as many tokens or more are kept in the reader's cache folder."""
BLOCK = 4096


@dataclass(frozen=True)
class Unigram:
    """How often each token of a vocabulary occurs in a text."""

    count: Int[Tensor, " d_vocab"]

    @property
    def n_tokens(self) -> int:
        """Tokens of text that were counted."""
        return int(self.count.sum())

    @property
    def seen(self) -> Bool[Tensor, " d_vocab"]:
        """Tokens that occur in the text."""
        return self.count > 0

    @property
    def log_probability(self) -> Float[Tensor, " d_vocab"]:
        """Log probabilities, one added to every count, in nats."""
        return log_unigram(self.count)

    @property
    def per_entry(self) -> float:
        """Tokens of text per vocabulary entry."""
        return self.n_tokens / len(self.count)

    @property
    def is_sparse(self) -> bool:
        """Whether the text is too short for its vocabulary: fewer than `ENOUGH` tokens per entry."""
        return self.per_entry < ENOUGH

    @property
    def caution(self) -> str:
        """What a reader has to know about results that stand on these counts; empty when there is nothing."""
        if not self.is_sparse:
            return ""
        return (
            f"counted in {self.per_entry:.1f} tokens of text per vocabulary entry, "
            f"and at least {ENOUGH} are needed to know how rare the rare tokens are"
        )


def unigram(model: Model, text: str, *, n_tokens: int) -> Unigram:
    """Counts the first `n_tokens` tokens of a text in this model's vocabulary, or all where it has fewer.

    Documents are parted by the end-of-sequence token as in `Model.sequences`, and streamed: memory does not grow with
    the text. Counts of `WORTH_KEEPING` tokens or more are kept by text, model and `n_tokens`, and found again.
    Raises ValueError when `n_tokens` is not positive, TextError when there is no such text."""
    if n_tokens < 1:
        raise ValueError(f"at least 1 token of text has to be counted, got n_tokens={n_tokens}")
    encoded, d_vocab = model.encoded(text), model.final_layer.d_vocab
    kept = _kept(model, text, n_tokens) if n_tokens >= WORTH_KEEPING else None
    if kept and (found := _read(kept, d_vocab)) is not None:
        return Unigram(found)
    eos = model.tokenizer.eos
    stream = (token for document in encoded for token in (*document, eos))
    result = Unigram(counts(_blocks(islice(stream, n_tokens)), d_vocab=d_vocab))
    if kept and result.n_tokens >= WORTH_KEEPING:
        _write(kept, result.count)
    return result


def counts(documents: Iterable[list[int]], *, d_vocab: int) -> Int[Tensor, " d_vocab"]:
    """How often each token occurs in documents of token ids.

    Raises ValueError when a token lies outside the vocabulary, or when there are no tokens at all."""
    total = torch.zeros(d_vocab, dtype=torch.long)
    for document in documents:
        found = torch.tensor(document, dtype=torch.long).bincount(minlength=d_vocab)
        if len(found) > d_vocab:
            raise ValueError(f"token {len(found) - 1} lies outside a vocabulary of {d_vocab}")
        total += found
    if not total.any():
        raise ValueError("the text to count tokens in is empty")
    return total


def _blocks(stream: Iterable[int]) -> Iterable[list[int]]:
    stream = iter(stream)
    return iter(lambda: list(islice(stream, BLOCK)), [])


def _kept(model: Model, text: str, n_tokens: int) -> Path | None:
    """Where the counts of this text are kept; None for a data set whose state nobody can tell."""
    made_of = identity.made_of({"text": text}, loaded=model.source)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "confidence-companion"
    key = fingerprint.of({"n_tokens": n_tokens, **made_of})
    return folder / f"unigram-{key}.npy" if made_of["text"] else None


def _read(path: Path, d_vocab: int) -> Int[Tensor, " d_vocab"] | None:
    """Counts kept earlier; None where there are none, or none that can be read."""
    try:
        found = torch.from_numpy(numpy.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == (d_vocab,) and found.dtype == torch.long else None


def _write(path: Path, count: Int[Tensor, " d_vocab"]) -> None:
    """Keeps counts; a folder that cannot be written to is not an error, they are counted again next time."""
    part = path.with_name(f"{path.stem}.{os.getpid()}.npy")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        numpy.save(part, count.numpy())
        part.replace(path)
    except OSError:
        return


def log_unigram(counts: Int[Tensor, " d_vocab"]) -> Float[Tensor, " d_vocab"]:
    """Log probabilities of the add-one smoothed unigram distribution, float64, in nats."""
    smoothed = counts.double() + 1
    return (smoothed / smoothed.sum()).log()


def among(log_unigram: Float[Tensor, " d_vocab"], keep: Bool[Tensor, " d_vocab"]) -> Float[Tensor, " d_vocab"]:
    """The same distribution on the tokens of `keep` alone; minus infinity at the others.

    Raises ValueError when fewer than two tokens are kept, which leaves no direction."""
    if int(keep.sum()) < 2:
        raise ValueError(f"a token-frequency direction needs at least 2 tokens, got {int(keep.sum())} to keep")
    return log_unigram.masked_fill(~keep.to(log_unigram.device), -torch.inf).log_softmax(-1)


def direction(log_unigram: Float[Tensor, " d_vocab"]) -> Float[Tensor, " d_vocab"]:
    """The token-frequency direction: the centred log unigram distribution at unit norm.

    Tokens of probability zero are left out before centring and have no part in it.
    Raises ValueError when every token is equally frequent, which leaves no direction."""
    kept = log_unigram.isfinite()
    centred = torch.where(kept, log_unigram - log_unigram[kept].mean(), 0.0)
    if centred.norm() < 1e-9:
        raise ValueError("every token is equally frequent in this text, so there is no token-frequency direction")
    return centred / centred.norm()


def lower_percentile(
    frequency_mediated: Float[Tensor, " neuron"], abs_kl_change: Float[Tensor, " neuron"]
) -> Float[Tensor, " neuron"]:
    """The lower of a neuron's two percentile ranks, in (0, 1): by frequency-mediated share and by mean absolute KL
    change. High only where both are. Neurons that tie share their mean rank; the middle of the layer is at 0.5."""
    ranks = [measures.rank(value) for value in (frequency_mediated.nan_to_num(-torch.inf), abs_kl_change)]
    return (torch.minimum(*ranks) - 0.5) / len(abs_kl_change)


def contexts(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    at: Int[Tensor, "place 2"],
    *,
    n_tokens: int,
) -> list[str]:
    """The last `n_tokens` tokens of text up to each place (sequence, position) and including it, in one line."""
    pieces = [tokens[s, max(0, p + 1 - n_tokens) : p + 1].tolist() for s, p in at.tolist()]
    return ["".join(map(model.tokenizer.decode, piece)).replace("\n", " ↵ ") for piece in pieces]
