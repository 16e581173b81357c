"""Does one model's direction do in another what it does at home?

Every model is pushed with the direction of every model, each added at the depth where it was read, and all equally
hard: as a share of the residual stream's length there, as hard as the model's own direction pushes at its own length.
Random directions, taken out and added in the same way, say what any push does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lib import resampling
from lib.model import Model
from lib.refusal.answers import Intervention, answer
from lib.refusal.asking import Reading, Template, ask
from lib.refusal.choice import Choice
from lib.refusal.judges import log_odds
from lib.refusal.outcome import RANDOM
from lib.refusal.requests import Requests


@dataclass(frozen=True, eq=False)
class Push:
    """A direction, and the depth where it is added."""

    unit: Float[Tensor, " d_model"]
    depth: int
    random: bool = False
    """Whether it was drawn at random: a control."""

    def added(self, strength: float, norm: Float[Tensor, " depth"]) -> Intervention:
        """The direction added at a share of the stream's length, which is `norm` at each depth."""
        return Intervention((), strength * norm[self.depth] * self.unit, self.depth, self.random)

    @property
    def taken(self) -> Intervention:
        """The direction taken out everywhere."""
        return Intervention((self.unit,), random=self.random)


def strength(choice: Choice, reading: Reading) -> float:
    """A direction's own length as a share of the residual stream's at its depth."""
    return (choice.vector.norm() / reading.norm[choice.depth]).item()


def pushes(choices: dict[str, Choice], *, depth: int, n_random: int, generator: torch.Generator) -> dict[str, Push]:
    """The directions of the models by name, then random ones that are added at `depth`."""
    like = next(iter(choices.values())).vector
    drawn = F.normalize(torch.randn(n_random, len(like), generator=generator, dtype=like.dtype), dim=1)
    found = {name: Push(choice.unit, choice.depth) for name, choice in choices.items()}
    return found | {f"{RANDOM} {number}": Push(unit, depth, random=True) for number, unit in enumerate(drawn, start=1)}


def pushes_for_each(
    choices: dict[str, Choice], *, n_random: int, draw: Callable[[str], torch.Generator]
) -> dict[str, dict[str, Push]]:
    """For each model the directions of all of them, and random ones of its own, added where its own is."""
    return {
        name: pushes(choices, depth=choice.depth, n_random=n_random, generator=draw(f"directions for {name}"))
        for name, choice in choices.items()
    }


def random(directions: dict[str, Push]) -> list[Float[Tensor, " d_model"]]:
    """The random ones among some directions."""
    return [push.unit for push in directions.values() if push.random]


def interventions(
    directions: dict[str, Push], *, strength: float, norm: Float[Tensor, " depth"]
) -> dict[str, dict[str, Intervention]]:
    """Each direction taken out, and each added at this strength; as `outcome.outcomes` wants them."""
    return {
        "ablation": {name: push.taken for name, push in directions.items()},
        "addition": {name: push.added(strength, norm) for name, push in directions.items()},
    }


def sweep(
    model: Model,
    requests: Requests,
    template: Template,
    directions: dict[str, Push],
    *,
    strengths: Sequence[float],
    norm: Float[Tensor, " depth"],
    refusing: Sequence[int],
    generator: torch.Generator,
) -> Any:
    """How the log-odds of refusal on harmless requests grow with the strength of what is added: direction_from,
    whether it is `random`, strength (a share of the residual stream's length), and the mean log-odds (nats) with its
    interval over requests."""
    import pandas

    asked = ask(model, requests.harmless, template)
    keys = [(name, share) for name in directions for share in strengths]
    answers = answer(model, asked, [directions[name].added(share, norm) for name, share in keys])
    odds = torch.stack([log_odds(model.final_layer.logits(one.resid), refusing).cpu() for one in answers], dim=1)
    low, high = resampling.intervals(odds, generator=generator)
    columns = {"log_odds": odds.double().mean(0), "log_odds_low": low, "log_odds_high": high}
    rows = pandas.DataFrame(keys, columns=["direction_from", "strength"])
    rows["random"] = [directions[name].random for name, _ in keys]
    return rows.assign(**{name: value.numpy() for name, value in columns.items()})
