r"""Activation patching: a place of one run put into another, and how much of the answer comes along.

Two prompts of a pair differ in one thing and so in their answers. Run the target with a site of the source put in at
some position, and see how far the difference between the logits of the two answers moves from the target's m to the
source's:

.. math:: \mathrm{recovery} = \frac{m_\mathrm{patched} - m_\mathrm{target}}{m_\mathrm{source} - m_\mathrm{target}}

1 where the place carries all that makes the difference, 0 where it carries nothing (Du et al. 2025, section 3, patch
true statements into false ones, the residual stream after each layer, one position at a time). What is put in may have
been recorded in another model: then it shows whether the one can read what the other writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.model import Edit, Model, Site, replace


@dataclass(frozen=True)
class Pairs:
    """Prompts of one length in pairs, and the two answers between which they decide."""

    source: Int[Tensor, "pair source_position"]
    target: Int[Tensor, "pair target_position"]
    right: Int[Tensor, " pair"]
    """The token that the source's answer begins with."""
    wrong: Int[Tensor, " pair"]
    """The token that the target's answer begins with."""

    def __post_init__(self) -> None:
        if self.source.shape != self.target.shape:
            lengths = f"{self.source.shape[1]} and {self.target.shape[1]}"
            raise ValueError(
                f"a pair is two prompts of one length, got {lengths} tokens; pair them by `prompts.encode`"
            )


@dataclass(frozen=True)
class Patched:
    """Logit differences right - wrong at the last position, in nats: those of the two runs and of every patch."""

    source: Float[Tensor, " pair"]
    target: Float[Tensor, " pair"]
    difference: Float[Tensor, "pair site place"]

    @property
    def gain(self) -> Float[Tensor, "pair site place"]:
        """How far each patch moves the difference away from the target's."""
        return self.difference - self.target[:, None, None]

    @property
    def gap(self) -> Float[Tensor, " pair"]:
        """How far the source's difference is from the target's."""
        return self.source - self.target

    @property
    def recovery(self) -> Float[Tensor, "site place"]:
        """The mean gain over the mean gap: 0 as the target, 1 as the source. A ratio of means, since the gap of one
        pair can be close to nothing. Raises ValueError when the gap is nothing on average."""
        gap = self.gap.mean()
        if gap == 0:
            raise ValueError("source and target answer alike on average, so there is nothing to recover")
        return self.gain.mean(0) / gap


def logit_difference(
    model: Model,
    tokens: Int[Tensor, "prompt position"],
    right: Int[Tensor, " prompt"],
    wrong: Int[Tensor, " prompt"],
    *,
    edits: Sequence[Edit] = (),
    batch_size: int = 64,
) -> Float[Tensor, " prompt"]:
    """The logit of one token less that of another after each prompt: log P(right) / P(wrong), in nats."""
    stream, layer = Site(model.n_layers - 1, "resid_post"), model.final_layer
    last: dict[str, Any] = {"positions": slice(-1, None), "edits": edits, "batch_size": batch_size}
    resid = model.record(tokens, [stream], **last)[stream][:, 0]
    answers = torch.stack([right, wrong], 1).to(resid.device)
    logit = torch.cat(
        [
            layer.logits(some.to(layer.W_U.dtype)).gather(-1, ids)
            for some, ids in zip(resid.split(batch_size), answers.split(batch_size), strict=True)
        ]
    )
    return logit[:, 0] - logit[:, 1]


def patch(
    model: Model,
    pairs: Pairs,
    sites: Sequence[Site],
    *,
    positions: Int[Tensor, "pair place"],
    recorded: dict[Site, Float[Tensor, "pair place width"]] | None = None,
    batch_size: int = 64,
) -> Patched:
    """Puts every site of the source into the target's run, one site and one place at a time.

    `recorded` are the sources' values where they come from elsewhere, from another model for example; without it they
    are this model's own. Then a place before which the prompts of no pair differ is not run: it changes nothing.
    Raises as `Model.record` does."""
    ask: dict[str, Any] = {"right": pairs.right, "wrong": pairs.wrong, "batch_size": batch_size}
    source, target = (logit_difference(model, tokens, **ask) for tokens in (pairs.source, pairs.target))
    found = target[:, None, None].repeat(1, len(sites), positions.shape[1])
    values = recorded or model.record(pairs.source, sites, positions=positions, batch_size=batch_size)
    differ = (pairs.source != pairs.target).cumsum(1).gather(1, positions.to(pairs.source.device)) > 0
    for place in range(positions.shape[1]):
        if recorded is None and not differ[:, place].any():
            continue
        some = slice(place, place + 1)
        for row, site in enumerate(sites):
            edit = replace(site, values[site][:, some], positions=positions[:, some])
            found[:, row, place] = logit_difference(model, pairs.target, edits=[edit], **ask)
    return Patched(source, target, found)
