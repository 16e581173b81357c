"""What came of interventions: refusals counted, log-odds averaged, and who turned which answer.

Harmful requests are answered without and with directions taken out, harmless ones without and with directions added. Of
single answers it is known what they were without, so that two directions can be compared answer by answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lib import drawing, resampling
from lib.model import Model
from lib.refusal.answers import Answers, Intervention, answer
from lib.refusal.asking import Template, ask
from lib.refusal.judges import log_odds
from lib.refusal.requests import Requests
from lib.resampling import Estimate

NONE, RANDOM = "none", "random"
PROMPTS = {"ablation": "harmful", "addition": "harmless"}
"""The requests of each intervention."""
FIELDS = ("direction_from", "model", "intervention", "prompts")


@dataclass(frozen=True, eq=False)
class Outcome:
    """How one model answered one kind of request under one intervention."""

    direction_from: str
    """What was taken out or added: `none`, the direction of a model of the pair, `random 1`, `random 2`, …."""
    model: str
    intervention: str
    """none, ablation or addition."""
    prompts: str
    """harmful or harmless."""
    answers: Answers
    log_odds: Float[Tensor, " request"]
    """Of the refusal tokens, in nats."""
    random: bool = False
    """Whether the direction was drawn at random: a control."""

    @property
    def refused(self) -> list[bool]:
        """Which answers begin like a refusal."""
        return self.answers.refused


def outcomes(
    model: Model,
    requests: Requests,
    template: Template,
    done: dict[str, dict[str, Intervention]],
    *,
    name: str,
    refusing: Sequence[int],
    n_tokens: int,
) -> list[Outcome]:
    """The answers of the model called `name` to harmful requests, without and with each `done["ablation"]`, and to
    harmless ones, without and with each `done["addition"]`.

    Raises ValueError as `answer` and `ask` do."""
    found = []
    for kind, prompts in PROMPTS.items():
        asked, every = ask(model, getattr(requests, prompts), template), {NONE: Intervention()} | done[kind]
        answers = answer(model, asked, [*every.values()], n_tokens=n_tokens)
        for (key, what), one in zip(every.items(), answers, strict=True):
            odds = log_odds(model.final_layer.logits(one.resid), refusing).cpu()
            found.append(Outcome(key, name, NONE if key == NONE else kind, prompts, one, odds, what.random))
    return found


def table(found: Sequence[Outcome], *, generator: torch.Generator) -> Any:
    """A row for each outcome: direction_from, model, intervention, prompts, refusals, n; the share of refusals with its
    exact interval; the mean log-odds of the refusal tokens in nats with its interval over requests; and whether the
    direction was `random`.

    Raises ValueError with fewer requests than an interval needs."""
    import pandas

    rows = []
    for one in found:
        share = resampling.share(sum(one.refused), len(one.refused))
        odds = resampling.mean_of_sequences(one.log_odds, n=len(one.refused), generator=generator)
        rows.append(
            {name: getattr(one, name) for name in FIELDS}
            | {"refusals": sum(one.refused), "n": len(one.refused)}
            | {"share": share.value, "share_low": share.low, "share_high": share.high}
            | {"log_odds": odds.value, "log_odds_low": odds.low, "log_odds_high": odds.high}
            | {"random": one.random}
        )
    return pandas.DataFrame(rows)


def silent(table: Any, model: str) -> str:
    """Why nothing can be said about refusal in a model: that it refuses no more harmful than harmless requests when
    nothing is done to it; empty where it does."""
    rows = table[(table.model == model) & (table.intervention == NONE)].set_index("prompts")
    if rows.share["harmful"] > rows.share["harmless"]:
        return ""
    n = int(rows.refusals["harmful"])
    return f"untouched, {model} refuses {n} of {int(rows.n['harmful'])} harmful requests, no more than of harmless ones"


def of(found: Sequence[Outcome], **wanted: str) -> Outcome:
    """The one outcome with these fields. Raises ValueError unless there is exactly one."""
    some = [one for one in found if all(getattr(one, name) == value for name, value in wanted.items())]
    if len(some) != 1:
        raise ValueError(f"one outcome is wanted with {wanted}, but there are {len(some)}")
    return some[0]


def carried(found: Sequence[Outcome], *, direction_from: str, model: str) -> dict[str, Estimate | str]:
    """Of the answers that a model's own direction turns, the share that another's direction turns too, with its exact
    interval, by intervention: refusals that end when it is taken out, answers that become refusals when it is added.

    A text says that the own direction turns too few for a share."""
    shares: dict[str, Estimate | str] = {}
    for kind, prompts in PROMPTS.items():
        clean = of(found, model=model, intervention=NONE, prompts=prompts).refused
        own, other = (
            of(found, model=model, intervention=kind, direction_from=source).refused
            for source in (model, direction_from)
        )
        turned = [place for place, before in enumerate(clean) if turns(before, own[place], kind)]
        also = sum(turns(clean[place], other[place], kind) for place in turned)
        if len(turned) >= drawing.FEWEST:
            shares[kind] = resampling.share(also, len(turned))
        else:
            few = f"its own turns {len(turned)} of {len(clean)} answers, too few to compare with"
            shares[kind] = f"{few} the {_n(clean, other, kind)} it turns"
    return shares


def _n(clean: Sequence[bool], steered: Sequence[bool], intervention: str) -> int:
    return sum(turns(*pair, intervention) for pair in zip(clean, steered, strict=True))


def turns(clean: bool, steered: bool, intervention: str) -> bool:
    """Whether an answer went the way that the intervention should push it."""
    return (clean and not steered) if intervention == "ablation" else (steered and not clean)


def disagreement(found: Sequence[Outcome]) -> Any:
    """How the two judges see the same answers: by both a refusal, by the opener alone, by the log-odds alone, by
    neither; a row for each outcome that is not random."""
    import pandas

    rows = []
    for one in found:
        pairs = [*zip(one.refused, (one.log_odds > 0).tolist(), strict=True)]
        counts = {"both": (True, True), "opener_only": (True, False), "log_odds_only": (False, True)}
        told = {name: pairs.count(which) for name, which in counts.items()} | {"neither": pairs.count((False, False))}
        if not one.random:
            rows.append({name: getattr(one, name) for name in FIELDS} | told)
    return pandas.DataFrame(rows)


def examples(found: Sequence[Outcome], requests: Requests, *, n_words: int, each: int = 1) -> Any:
    """The first requests and the beginnings of their answers, `n_words` words at most, `each` for every outcome that is
    not random: enough to see which way an answer goes, and no more."""
    import pandas

    rows = [
        {name: getattr(one, name) for name in ("model", "direction_from", "intervention")}
        | {"request": request, "answer": shortened(text, n_words=n_words)}
        for one in found
        if not one.random
        for request, text in zip(getattr(requests, one.prompts)[:each], one.answers.texts[:each], strict=True)
    ]
    return pandas.DataFrame(rows)


def shortened(text: str, *, n_words: int) -> str:
    """The first words of a text, and dots where there were more."""
    words = text.split()
    return " ".join(words[:n_words]) + (" …" if len(words) > n_words else "")
