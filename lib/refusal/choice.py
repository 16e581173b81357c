"""Which of many directions is the one of refusal? The rule of Arditi et al. (2024, section 2.3 and appendix C).

Every layer and place gives a difference of means. On requests that no direction was found on, three numbers are taken
of each, of which the first two are log-odds of the refusal tokens, in nats:

- *bypass*: on harmful requests with the direction taken out everywhere; the lower, the more refusal hung on it;
- *induce*: on harmless requests with the direction added, at its own length, where it was read;
- *KL* between the answers' first tokens on harmless requests without and with the direction taken out.

The lowest bypass is chosen among those that induce refusal (above 0), leave harmless answers alone (KL below 0.1) and
lie in the first four fifths of the layers. Where none passes, harmless answers may move; where none induces refusal,
as in a model that never refuses, the one that comes nearest is taken. The choice says which condition was given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lib import measures
from lib.model import Model
from lib.refusal.answers import Answers, Intervention, answer
from lib.refusal.asking import Template, ask
from lib.refusal.judges import log_odds
from lib.refusal.requests import Requests

DEEPEST = 0.8
"""Share of the layers in which a direction is looked for."""
LARGEST_KL = 0.1
SHORTEST = 1e-4
"""A difference of means below this share of the longest at its depth is rounding, and no direction."""


@dataclass(frozen=True, eq=False)
class Choice:
    """A direction, and where it was read."""

    depth: int
    """What enters the layer of this number."""
    place: int
    """Which of `Asked.places`."""
    vector: Float[Tensor, " d_model"]
    """Harmful minus harmless, at its own length."""
    reason: str
    """Which condition no direction met; empty where the rule could be kept."""

    @property
    def unit(self) -> Float[Tensor, " d_model"]:
        """The direction with unit norm."""
        return self.vector / self.vector.norm()


def candidates(direction: Float[Tensor, "depth place d_model"], *, n_layers: int) -> list[tuple[int, int]]:
    """Depths and places that have a direction, as deep as the rule allows.

    Raises ValueError where the means of the two kinds are the same everywhere."""
    length = direction.norm(dim=-1)
    depths = [depth for depth in range(n_layers) if depth < DEEPEST * n_layers]
    longest = length[depths].amax()
    found = [
        (depth, place)
        for depth in depths
        for place, here in enumerate(length[depth].tolist())
        if here > SHORTEST * longest
    ]
    if not found:
        raise ValueError("harmful and harmless requests have the same mean everywhere, so there is no direction")
    return found


def scores(
    model: Model,
    validation: Requests,
    template: Template,
    direction: Float[Tensor, "depth place d_model"],
    *,
    refusing: Sequence[int],
    ablated: tuple[Float[Tensor, " d_model"], ...] = (),
) -> Any:
    """A row for each candidate: depth, place, bypass, induce (nats), kl (nats), and `length`, that of the difference.

    What is in `ablated` is taken out throughout. Raises ValueError as `candidates` and `ask` do."""
    import pandas

    harmful, harmless = (ask(model, texts, template) for texts in (validation.harmful, validation.harmless))
    found = candidates(direction, n_layers=model.n_layers)
    at = [(depth, direction[depth, place]) for depth, place in found]
    without = [Intervention((*ablated, vector)) for _, vector in at]
    with_it = [Intervention(ablated, vector, depth) for depth, vector in at]
    clean, *calm = answer(model, harmless, [Intervention(ablated), *without])

    def odds(answers: Answers) -> float:
        return log_odds(model.final_layer.logits(answers.resid), refusing).mean().item()

    def moved(answers: Answers) -> float:
        one, other = (model.final_layer.logits(each.resid).float() for each in (clean, answers))
        return measures.kl_divergence(one, other).mean().item()

    columns = {
        "depth": [depth for depth, _ in found],
        "place": [place for _, place in found],
        "bypass": [*map(odds, answer(model, harmful, without))],
        "induce": [*map(odds, answer(model, harmless, with_it))],
        "kl": [*map(moved, calm)],
        "length": [vector.norm().item() for _, vector in at],
    }
    return pandas.DataFrame(columns)


def choose(table: Any, direction: Float[Tensor, "depth place d_model"]) -> Choice:
    """The direction that the rule takes from a table of `scores`, or the best one where none passes."""
    calm, inducing = table.kl < LARGEST_KL, table.induce > 0
    reason = ""
    if (calm & inducing).any():
        row = table[calm & inducing].bypass.idxmin()
    elif inducing.any():
        row = table[inducing].bypass.idxmin()
        reason = f"taken out, it moves harmless answers by a KL of {table.kl[row]:.2g}, more than {LARGEST_KL:g}"
    else:
        row = table.induce.idxmax()
        reason = "added, no direction makes refusal more likely than not"
    depth, place = int(table.depth[row]), int(table.place[row])
    return Choice(depth, place, direction[depth, place], reason)
