"""The likeliest token of the whole vocabulary, for the sets and texts that neither a bound nor the close tokens decide.

A set has few members, and all sets together hold a few hundred neurons. What each of these gives every token is made
once, some tokens of the vocabulary at a time; a set's logits are then those of the text and a sum of few rows, where
the product of its own stream with the unembedding would take as many as the stream is wide."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from lib import memory
from lib.final_layer import FinalLayer
from lib.knowledge_conflicts.head import CELLS
from lib.knowledge_conflicts.members import Members


class Likeliest:
    """The likeliest token of some pairs so far, as parts of the vocabulary pass by; a tie changes nothing."""

    def __init__(self, own: Int[Tensor, " pair"], like: Tensor) -> None:
        self.own, self.token = own, own.clone()
        self.logit = like.new_full(own.shape, -torch.inf)
        self.of_own = self.logit.clone()

    def see(self, pairs: slice, first: int, logit: Float[Tensor, "some token"]) -> None:
        """The logits of some pairs at the tokens from `first` on."""
        most, which = logit.max(-1)
        larger = most > self.logit[pairs]
        self.logit[pairs] = torch.where(larger, most, self.logit[pairs])
        self.token[pairs] = torch.where(larger, which + first, self.token[pairs])
        place = self.own[pairs] - first
        here = (place >= 0) & (place < logit.shape[1])
        at_own = logit.gather(1, place.clamp(0, logit.shape[1] - 1)[:, None])[:, 0]
        self.of_own[pairs] = torch.where(here, at_own, self.of_own[pairs])

    @property
    def found(self) -> Int[Tensor, " pair"]:
        """The likeliest of all tokens that passed."""
        return torch.where(self.of_own < self.logit, self.token, self.own)


def by_members(
    final: FinalLayer,
    members: Members,
    resid: Float[Tensor, "text d_model"],
    scale: Float[Tensor, " pair"],
    moved: Float[Tensor, "pair member"] | None,
    *,
    row: Int[Tensor, " pair"],
    at: Int[Tensor, " pair"],
    own: Int[Tensor, " pair"],
) -> Int[Tensor, " pair"]:
    """The likeliest token of each pair of a set (`row`) and a text (`at`), from the text's centred stream, the scale
    that divides it, and what is added to each member's activation (None where the write is left out of the logits).

    `own` is the text's own likeliest token, which a tie leaves in its place. Logits are not capped here."""
    texts, of_text = at.unique(return_inverse=True)
    width = memory.rows(len(members.held) + len(texts), cells=CELLS)
    likeliest, n_pairs = Likeliest(own, resid), memory.rows(width, cells=CELLS)
    for first in range(0, final.d_vocab, width):
        tokens = slice(first, first + width)
        given = members.W_out[members.held] @ final.W_U[:, tokens]
        clean = resid[texts] @ final.W_U[:, tokens]
        for start in range(0, len(at), n_pairs):
            pairs = slice(start, start + n_pairs)
            product = clean[of_text[pairs]]
            if moved is not None:
                product += embedding_bag(members.place[row[pairs]], given, mode="sum", per_sample_weights=moved[pairs])
            likeliest.see(pairs, first, product.div_(scale[pairs, None]).add_(final.b_U[tokens]))
    return likeliest.found
