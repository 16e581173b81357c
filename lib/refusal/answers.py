"""What a model answers, untouched or with directions taken out of its residual stream or added to it.

Taken out: at the start, within and after every layer, at every position, those of the answer included, so that the
model cannot write the direction anywhere. Added: at one depth, at every position. Many interventions on the same
requests are run as rows of one batch, each row with its own direction: all of them cost little more than one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import prompts
from lib.model import Edit, Model, Path, Site, add, project_out
from lib.refusal.asking import Asked
from lib.refusal.judges import refuses


@dataclass(frozen=True, eq=False)
class Intervention:
    """What is done to a model; nothing by default."""

    ablated: tuple[Float[Tensor, " d_model"], ...] = ()
    """Directions that are taken out one after another, whatever their length."""
    added: Float[Tensor, " d_model"] | None = None
    """What is added, at its own length."""
    depth: int = 0
    """Where it is added: to what enters the layer of this number."""
    random: bool = False
    """Whether a direction that was drawn at random is taken out or added: a control."""

    @property
    def shape(self) -> tuple[int, bool]:
        """Interventions of one shape run together."""
        return len(self.ablated), self.added is not None


@dataclass(frozen=True, eq=False)
class Answers:
    """How some requests were answered."""

    texts: list[str]
    """What was written, in the order of the requests; empty where nothing was asked for but the first token."""
    first: Int[Tensor, " request"]
    """The first token."""
    resid: Float[Tensor, "request d_model"]
    """The residual stream entering the final norm where the answer begins."""

    @property
    def refused(self) -> list[bool]:
        """Which answers begin like a refusal (`judges.refuses`)."""
        return [refuses(text) for text in self.texts]


def sites(model: Model) -> list[Site]:
    """Where a direction is taken out: the start, within every layer (where the architecture has a stream between
    attention and MLP) and after it."""
    within = [] if model.bridge.cfg.parallel_attn_mlp else ["resid_mid"]
    layers = [Site(layer, where) for layer in range(model.n_layers) for where in (*within, "resid_post")]
    return [Site(0, "resid_pre"), *layers]


def edits(model: Model, interventions: Sequence[Intervention], *, n_each: int = 1) -> list[Edit]:
    """Interventions of one shape as edits of a batch: `n_each` rows for the first, as many for the next, ….

    Raises ValueError for a direction without length, and for a depth that is no layer's."""

    def rows(vectors: list[Tensor]) -> Float[Tensor, "row 1 d_model"]:
        return torch.stack(vectors).repeat_interleave(n_each, dim=0)[:, None]

    n_ablated, _ = interventions[0].shape
    taken = [rows([one.ablated[place] for one in interventions]) for place in range(n_ablated)]
    done = [project_out(site, directions) for site in sites(model) for directions in taken]
    added = [(one.depth, one.added) for one in interventions if one.added is not None]
    for depth in sorted({at for at, _ in added}):
        vectors = [value if at == depth else torch.zeros_like(value) for at, value in added]
        done.insert(0, add(Site(depth, "resid_pre"), rows(vectors)))
    return done


def answer(
    model: Model, asked: Asked, interventions: Sequence[Intervention], *, n_tokens: int = 0, batch_size: int = 256
) -> list[Answers]:
    """What the model writes to every request under each intervention: `n_tokens` greedy tokens at most (0: nothing,
    but what it would begin with is kept).

    Raises ValueError as `edits` does, and for more tokens than there is room for."""
    found: dict[int, Answers] = {}
    order = sorted(range(len(interventions)), key=lambda number: interventions[number].shape)
    for _, same in groupby(order, key=lambda number: interventions[number].shape):
        members = list(same)
        some = [interventions[number] for number in members]
        paths = [_path(model, group, some, n_tokens=n_tokens, batch_size=batch_size) for group in asked.groups]
        for place, number in enumerate(members):
            found[number] = _gathered(model, asked, paths, place, written=n_tokens > 0)
    return [found[number] for number in range(len(interventions))]


def _path(
    model: Model, group: prompts.Prompts, interventions: list[Intervention], *, n_tokens: int, batch_size: int
) -> Path:
    n = len(group.texts)
    return model.path(
        group.tokens.repeat(len(interventions), 1),
        n_tokens=max(n_tokens, 1),
        stops=model.stop_ids,
        n_top=1,
        edits=edits(model, interventions, n_each=n),
        batch_size=batch_size,
    )


def _gathered(model: Model, asked: Asked, paths: list[Path], place: int, *, written: bool) -> Answers:
    """The answers under one intervention, the `place`-th of those that the paths are of."""
    texts, firsts, resids = {}, [], []
    for group, path in zip(asked.groups, paths, strict=True):
        n = len(group.texts)
        rows = slice(place * n, (place + 1) * n)
        firsts.append((group, path.ids[rows, 0]))
        resids.append((group, path.resid[rows, 0]))
        if written:
            for index, ids in zip(group.index.tolist(), path.written(model.stop_ids)[rows], strict=True):
                texts[index] = model.tokenizer.backend.decode(ids, clean_up_tokenization_spaces=False)
    resid = prompts.in_order(resids).to(model.final_layer.W_U.dtype)
    return Answers([texts[index] for index in sorted(texts)], prompts.in_order(firsts), resid)
