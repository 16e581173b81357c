"""A request as a model reads it: inside a template, with the places where something can be read.

A model sees more than the request: a chat template puts tokens behind it, and there the answer is made up. So two
kinds of place are told apart: the *instruction's last token*, where the request has just been read (place 0), and the
tokens *after it*, counted from the end (-1 is the last, where the answer begins). Harmfulness and refusal need not be
read at the same one (Zhao et al. 2025, arXiv 2507.11878). All places are found by characters: a tokenizer may join the
request's full stop with the line break behind it, and that token then belongs to the request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import prompts
from lib.model import Edit, Model, Site
from lib.prompts import Prompts
from lib.refusal.requests import Requests

Template = Callable[[str], str]
"""From a request to what the model is handed, without the BOS."""
INSTRUCTION, LAST = 0, -1
"""Places: the instruction's last token, and where the answer begins."""


def plain(model: Model) -> Template:
    """A dialogue in plain text, which any model can go on with."""
    return partial(model.tokenizer.chat, template="plain")


def own(model: Model) -> Template:
    """The model's chat template, or `plain` where it has none."""
    return partial(model.tokenizer.chat, template="own") if model.tokenizer.has_chat_template else plain(model)


def are_one(*templates: Template) -> bool:
    """Whether templates put a request into the same words."""
    return len({template("How?") for template in templates}) == 1


@dataclass(frozen=True)
class Asked:
    """Some requests in one template, as tokens."""

    groups: tuple[Prompts, ...]
    at: tuple[Int[Tensor, "_ place"], ...]
    """For each group the positions of the instruction's last token and then of the tokens after it, as many for all."""
    places: tuple[str, ...]
    """What stands at each place, in that order: "instruction", then the template's tokens."""

    @property
    def n(self) -> int:
        """Requests."""
        return sum(len(group.texts) for group in self.groups)

    def name(self, place: int) -> str:
        """A place in words: what stands there, a line break made visible."""
        return self.places[place].replace("\n", "\u21b5").strip() or "blank"


def ask(model: Model, requests: Sequence[str], template: Template) -> Asked:
    """The requests in the template, in this model's tokens.

    Raises ValueError where the template changes a request, puts no token behind it, or different ones."""
    texts = [template(request) for request in requests]
    groups = tuple(prompts.encode(model.tokenizer, texts))
    rows = []
    for group in groups:
        own = [requests[index] for index in group.index.tolist()]
        spans = [prompts.span(text, request, occurrence=-1) for text, request in zip(group.texts, own, strict=True)]
        lasts = [at[-1] for at in group.positions(spans)]
        rows.append((lasts, group.tokens.shape[1]))
    n_after = min(length - 1 - last for lasts, length in rows for last in lasts)
    if n_after < 1:
        raise ValueError(f"the template puts no token behind a request, so that no answer begins: {texts[0]!r}")
    at = tuple(torch.tensor([[last, *range(length - n_after, length)] for last in lasts]) for lasts, length in rows)
    after = {tuple(row) for group in groups for row in group.tokens[:, -n_after:].tolist()}
    if len(after) > 1:
        raise ValueError(f"the template ends in different tokens behind different requests, such as {texts[0]!r}")
    return Asked(groups, at, ("instruction", *map(model.tokenizer.decode, *after)))


@dataclass(frozen=True, eq=False)
class Reading:
    """The residual stream of pairs of requests, and what separates the harmful from the harmless."""

    asked: Asked
    resid: Float[Tensor, "request depth place d_model"]
    """Of `Requests.texts`. Depth 0 enters the first layer, depth `n_layers` leaves the last; places as in `Asked`. Not
    centred, at least float32, off the device."""

    @property
    def differences(self) -> Float[Tensor, "pair depth place d_model"]:
        """Harmful minus harmless of every pair."""
        harmful, harmless = self.resid.chunk(2)
        return harmful - harmless

    def at(self, place: int) -> Float[Tensor, "pair depth d_model"]:
        """Harmful minus harmless of every pair at one place."""
        return self.differences[:, :, place]

    @property
    def direction(self) -> Float[Tensor, "depth place d_model"]:
        """The difference of the means of harmful and harmless requests."""
        return self.differences.mean(0)

    @property
    def norm(self) -> Float[Tensor, " depth"]:
        """The mean length of the residual stream after the instruction: what strengths are told in shares of."""
        return self.resid[:, :, 1:].norm(dim=-1).mean((0, 2))

    @property
    def harmful(self) -> Bool[Tensor, " request"]:
        """Which of the requests are harmful."""
        return torch.arange(len(self.resid)) < len(self.resid) // 2


def read(
    model: Model, requests: Requests, template: Template, *, edits: Sequence[Edit] = (), batch_size: int = 64
) -> Reading:
    """Reads requests in a template, the same edits done for all. Raises ValueError as `ask` does."""
    asked, last = ask(model, requests.texts, template), model.n_layers - 1
    sites = [*(Site(layer, "resid_pre") for layer in range(model.n_layers)), Site(last, "resid_post")]
    parts = []
    for group, at in zip(asked.groups, asked.at, strict=True):
        kept = model.record(group.tokens, sites, positions=at, edits=edits, batch_size=batch_size)
        whole = torch.stack([kept[site] for site in sites], dim=1)
        parts.append((group, whole.to(torch.promote_types(whole.dtype, torch.float32)).cpu()))
    return Reading(asked, prompts.in_order(parts))
