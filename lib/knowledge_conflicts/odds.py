r"""How much more likely is the context's answer than the known one, and what do some neurons change about it?

A label changes only where two answers are nearly as likely as each other; that is a handful of prompts in a thousand,
and the rest say nothing. The log-odds

.. math:: \log P(\text{context's answer} \mid \text{prompt}) - \log P(\text{known answer} \mid \text{prompt})

change at every prompt. Each answer is scored whole, behind the prompt, with the tokens that it has there: names share
first tokens, and a token without its blank is another one. Only the answers' own positions are scored, so the state
that is kept there says it all, for any set of neurons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory
from lib.effects import exact
from lib.knowledge_conflicts.head import State
from lib.knowledge_conflicts.screening import Road
from lib.model import Model

CELLS = 2**20
"""Logits of a tile: 4 MiB in float32."""
_LAST_NORM = "a norm after the last MLP"
ALONE: dict[str, Road] = {"through the scale alone": "scale", "by the write alone": "direct"}
"""The two roads of an ablation, in words."""


@dataclass(frozen=True)
class Answers:
    """Answers behind their prompts, and the last layer's state where each of their tokens is predicted."""

    model: Model
    state: State
    token: Int[Tensor, " text"]
    """The token of an answer that is scored there."""
    prompt: Int[Tensor, " text"]
    """Whose prompt it is."""
    sign: Float[Tensor, " text"]
    """1 for a token of the context's answer, -1 for one of the known answer."""
    n_prompts: int

    def log_odds(
        self,
        sets: Bool[Tensor, "set d_mlp"],
        value: Float[Tensor, "#prompt d_mlp"],
        *,
        road: Road = "both",
        strength: float = 1.0,
    ) -> Float[Tensor, "set prompt"]:
        """Log-odds of the context's answer against the known one, in nats, without each set; float64, on the CPU.

        `value`, `road` and `strength` are those of `Writer.without`; an empty set gives the clean log-odds."""
        value = value.expand(self.n_prompts, -1).to(self.state.activation)
        delta = strength * (value[self.prompt.to(value.device)] - self.state.activation)
        found, sets = torch.zeros(len(sets), self.n_prompts, dtype=torch.float64), sets.to(delta.device)
        n_texts = memory.rows(self.model.final_layer.d_vocab, cells=CELLS)
        for rows, given in self._gifts(sets, road):
            for some in torch.arange(len(delta), device=delta.device).split(n_texts):
                score = self.sign[some] * self._log_probability(some, delta[some], sets[rows], given, road)
                found[rows].index_add_(1, self.prompt[some.cpu()], score.double().cpu())
        return found

    def clean(self, value: Float[Tensor, "#prompt d_mlp"]) -> Float[Tensor, " prompt"]:
        """The log-odds (nats) of the clean model: those without a set that holds no neuron."""
        return self.log_odds(torch.zeros(1, value.shape[1], dtype=torch.bool), value)[0]

    def by_road(
        self, chosen: Bool[Tensor, " d_mlp"], value: Float[Tensor, "#prompt d_mlp"]
    ) -> dict[str, Float[Tensor, " prompt"]]:
        """The log-odds (nats) without one set whose ablation acts through the scale alone, and by the write alone."""
        return {way: self.log_odds(chosen[None], value, road=road)[0] for way, road in ALONE.items()}

    def _gifts(
        self, sets: Bool[Tensor, "set d_mlp"], road: Road
    ) -> Iterator[tuple[slice, Sequence[Float[Tensor, "_ d_vocab"] | None]]]:
        """Some sets at a time, with what each neuron of each gives every token per unit of activation."""
        W_out, W_U = self.model.W_out, self.model.final_layer.W_U
        n_sets = memory.rows(max(1, int(sets.sum(1).max()) if len(sets) else 1) * W_U.shape[1])
        for first in range(0, len(sets), n_sets):
            rows = slice(first, first + n_sets)
            is_written = road != "scale" and _LAST_NORM not in self.model.not_exact
            yield rows, [W_out[members] @ W_U if is_written else None for members in sets[rows]]

    def _log_probability(
        self,
        some: Int[Tensor, " some"],
        delta: Float[Tensor, "some d_mlp"],
        sets: Bool[Tensor, "set d_mlp"],
        given: Sequence[Float[Tensor, "_ d_vocab"] | None],
        road: Road,
    ) -> Float[Tensor, "set some"]:
        """The unembedding is linear: the product of the clean state with it is made once, and each set adds what its
        neurons give, in a tile that fits the cache."""
        final, resid = self.model.final_layer, self.model.final_layer.centre(self.state.resid[some])
        product, token, found = resid @ final.W_U, self.token[some, None], []
        tile = torch.empty_like(product)
        for members, gift in zip(sets, given, strict=True):
            write = self._write(some, delta, members)
            if gift is not None:
                torch.addmm(product, delta[:, members], gift, out=tile)
            elif road == "scale":
                tile.copy_(product)
            else:
                torch.addmm(product, write, final.W_U, out=tile)
            scale = final.scale(resid) if road == "direct" else final.scale(resid + write)
            logits = final.of_product(tile, scale=scale)
            found.append(logits.gather(1, token)[:, 0] - exact.log_sum_exp(logits))
        return torch.stack(found) if found else delta.new_zeros(0, len(some))

    def _write(
        self, some: Int[Tensor, " some"], delta: Float[Tensor, "some d_mlp"], members: Bool[Tensor, " d_mlp"]
    ) -> Float[Tensor, "some d_model"]:
        """What one set's absence writes."""
        model = self.model
        if _LAST_NORM not in model.not_exact:
            return delta[:, members] @ model.W_out[members]
        clean, delta = self.state.activation[some], delta * members
        return (model.write(clean + delta) - model.write(clean)) * (delta != 0).any(1, keepdim=True)


def answers(
    model: Model, prompts: Sequence[str], context: Sequence[str], known: Sequence[str], *, batch_size: int = 32
) -> Answers:
    """Runs every prompt with the one answer and with the other behind it, parted by a blank.

    Raises ValueError for lists of unequal length, without a prompt, and for an answer that adds no token."""
    if not len(prompts) == len(context) == len(known) or not prompts:
        raise ValueError(
            f"every prompt needs two answers, got {len(prompts)} prompts, {len(context)} and {len(known)} answers"
        )
    rows = []
    for sign, said in ((1.0, context), (-1.0, known)):
        for index, (prompt, answer) in enumerate(zip(prompts, said, strict=True)):
            rows.append((index, sign, *tokens(model, prompt, answer)))
    parts = [_scored(model, group) for group in _of_one_length(rows, batch_size)]
    resid, activation, token, whose, way = (torch.cat(part) for part in zip(*parts, strict=True))
    dtype = model.W_out.dtype
    state = State(resid.to(dtype), activation.to(dtype))
    return Answers(model, state, token.to(resid.device), whose, way.to(state.resid), len(prompts))


def tokens(model: Model, prompt: str, answer: str) -> tuple[list[int], int]:
    """A prompt with an answer behind it, BOS in front, and where the answer's first token stands.

    Raises ValueError for an answer that adds no token."""
    alone, ids = model.tokenizer.encode(prompt), model.tokenizer.encode(f"{prompt} {answer}")
    start = next((at for at, (one, other) in enumerate(zip(alone, ids, strict=False)) if one != other), len(alone))
    if start >= len(ids) or not answer.strip():
        raise ValueError(f"an answer needs a token behind its prompt, but {answer!r} adds none to {prompt!r}")
    return [model.tokenizer.bos, *ids], 1 + start


Row = tuple[int, float, list[int], int]
"""A prompt's number, the sign of the answer, the ids, and where the answer starts."""


def _of_one_length(rows: Sequence[Row], batch_size: int) -> list[list[Row]]:
    """Rows whose answers start at one place, those of the same beginning together, `batch_size` beginnings at most."""
    groups: dict[int, dict[tuple[int, ...], list[Row]]] = {}
    for row in rows:
        groups.setdefault(row[3], {}).setdefault(tuple(row[2][: row[3]]), []).append(row)
    each = [[*of_one.values()] for _, of_one in sorted(groups.items())]
    parts = [some[at : at + batch_size] for some in each for at in range(0, len(some), batch_size)]
    return [[row for of_one in part for row in of_one] for part in parts]


def _scored(model: Model, rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """State, token, prompt and sign at every position where a token of an answer is predicted."""
    begun = {begin: at for at, begin in enumerate(dict.fromkeys(tuple(ids[:start]) for *_, ids, start in rows))}
    ways = [(begun[tuple(ids[:start])], ids[start:-1]) for *_, ids, start in rows]
    resid, activation = (torch.cat(part) for part in zip(*model.branches(torch.tensor([*begun]), ways), strict=True))
    token = torch.tensor([id for *_, ids, start in rows for id in ids[start:]])
    n = torch.tensor([len(ids) - start for *_, ids, start in rows])
    whose, sign = (torch.tensor([row[part] for row in rows]).repeat_interleave(n) for part in (0, 1))
    return resid, activation, token, whose, sign
