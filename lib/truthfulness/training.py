"""When in training does the direction appear: before facts are memorised, or after?

At every checkpoint three shares: of facts whose object the model writes when it is asked for it; of their statements
that the direction, found without their topic, sorts rightly; and of statements whose verdict is right. A direction of
truth needs something that it is about: Ravfogel et al. (2025) find it in a small model after the facts are
memorised."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import prompts, resampling
from lib.model import Model, Site
from lib.prompts import Prompts
from lib.resampling import Estimate
from lib.source import Source
from lib.truthfulness import probes, verdicts
from lib.truthfulness.reading import BATCH, ends
from lib.truthfulness.statements import Claimed, stated
from lib.truthfulness.verdicts import Asked

RECALLED, FOUND, JUDGED = "facts recalled", "sorted by the direction", "verdicts right"
CHANCE = 0.5
"""What sorting at random gets right."""
CONTROL = "random-verdicts"
"""How the folder of the control ends: the same training with verdicts by lot."""


def recalled(model: Model, claimed: Sequence[Claimed], *, batch_size: int = BATCH) -> Bool[Tensor, " fact"]:
    """Whether the model, asked for the object of each fact, would write it: every token of it is the most likely one
    behind the tokens before. It is asked, since what stands in a bare statement need not be true."""
    stream, parts = Site(model.n_layers - 1, "resid_post"), []
    for group in prompts.encode(model.tokenizer, [one.answered for one in claimed]):
        wanted = [claimed[index].object for index in group.index.tolist()]
        spans = [prompts.span(text, part, occurrence=-1) for text, part in zip(group.texts, wanted, strict=True)]
        resid = model.record(group.tokens, [stream], batch_size=batch_size)[stream]
        parts.append((group, _writes(model, group, resid, group.positions(spans))))
    return prompts.in_order(parts)


def _writes(
    model: Model, group: Prompts, resid: Float[Tensor, "prompt position d_model"], at: list[list[int]]
) -> Bool[Tensor, " prompt"]:
    """Whether the most likely tokens before all of some positions are those that stand at them."""
    final, found = model.final_layer, []
    for tokens, row, places in zip(group.tokens, resid, at, strict=True):
        before = row[[place - 1 for place in places]].to(final.W_U.dtype)
        found.append(torch.equal(final.logits(before).argmax(-1).to(tokens.device), tokens[places]))
    return torch.tensor(found)


def measure(
    model: Model, claimed: Sequence[Claimed], asked: Asked, *, generator: torch.Generator
) -> dict[str, Estimate]:
    """The three shares of facts and of their statements, which are `asked` for their verdicts; with intervals over
    facts. The layer of the direction is chosen for each topic on the others."""
    about = stated(claimed)
    resid = ends(model, about.texts)
    layer = probes.layers([resid], about)
    score = probes.at(probes.scores(resid, resid, about, by="topic"), layer, about)
    known = recalled(model, claimed)
    judged = verdicts.accuracy(verdicts.probabilities(model, asked), about)
    sorted_rightly = ((score > 0) == about.true).double()
    return {
        RECALLED: resampling.share(int(known.sum()), len(known)),
        FOUND: resampling.mean(sorted_rightly, about.fact, generator=generator),
        JUDGED: resampling.mean(judged, about.fact, generator=generator),
    }


def control(source: Source, named: str = "") -> str:
    """The model that learned verdicts by lot: as named, or the one beside a local model; "" where there is none."""
    if named or source.kind == "hub":
        return named
    folder = Path(source.location)
    beside = folder.with_name(f"{folder.name}-{CONTROL}")
    return str(beside) if beside.is_dir() else ""


def last_without(trace: Any) -> str | None:
    """The last checkpoint of a trace at which the interval of what the direction sorts is not wholly above one half;
    None where the direction is there at all of them."""
    rows = trace[(trace.statistic == FOUND) & (trace.checkpoint != "final")].sort_values("step")
    without = rows[rows.low <= CHANCE]
    return None if without.empty else str(without.checkpoint.iloc[-1])


def memory(trace: Any) -> Estimate | str:
    """The share of facts recalled at that checkpoint; why there is none where it does not exist, or where the direction
    never comes."""
    points = trace[trace.checkpoint != "final"]
    if points.empty:
        return "needs training checkpoints of the base model"
    before, final = last_without(trace), trace[(trace.statistic == FOUND) & (trace.checkpoint == "final")]
    if before is None:
        return "the direction is there at every checkpoint, so none is before it"
    if not (final.low > CHANCE).all():
        return "the direction never comes to tell true from false"
    row = points[(points.statistic == RECALLED) & (points.checkpoint == before)].iloc[0]
    return Estimate(row.value, row.low, row.high, int(row.n), int(row.n))
