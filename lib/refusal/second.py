"""Is one direction enough? What is left of refusal when the first is gone, and whether a second can bring it back.

With the first direction taken out at every layer and position, the model reads the requests again. Whatever still
separates harmful from harmless is at right angles to the first; the best of it, by the same rule, is the second
direction. Were refusal one direction, nothing would hang on the second (several are found by Wollschläger et al. 2025,
arXiv 2502.17420, and in arXiv 2602.02132)."""

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor

from lib.model import Model
from lib.refusal.answers import Intervention, edits
from lib.refusal.asking import Template, read
from lib.refusal.choice import Choice, choose, scores
from lib.refusal.requests import Requests


def without(
    direction: Float[Tensor, "depth place d_model"], unit: Float[Tensor, " d_model"]
) -> Float[Tensor, "depth place d_model"]:
    """The directions less their component along a unit vector."""
    return direction - (direction @ unit)[..., None] * unit


def second(
    model: Model,
    train: Requests,
    validation: Requests,
    template: Template,
    first: Choice,
    *,
    refusing: Sequence[int],
) -> Choice:
    """The second direction, found and chosen with the first taken out.

    Raises ValueError where nothing separates the two kinds any more."""
    left = read(model, train, template, edits=edits(model, [Intervention((first.vector,))]))
    direction = without(left.direction, first.unit)
    found = scores(model, validation, template, direction, refusing=refusing, ablated=(first.vector,))
    return choose(found, direction)


FIRST, SECOND, BOTH = "first", "second", "first and second"
ALONE = "second, without the first"
BESIDE = "random, beside the first"


def interventions(
    first: Choice, found: Choice, random: Iterable[Float[Tensor, " d_model"]]
) -> dict[str, dict[str, Intervention]]:
    """The two directions taken out one by one and together, random ones beside the first as control; and each of them
    added at its own length, the second where the first is taken out. As `outcome.outcomes` wants them."""
    taken = {FIRST: (first.vector,), SECOND: (found.vector,), BOTH: (first.vector, found.vector)}
    drawn = {f"{BESIDE} {number}": (first.vector, unit) for number, unit in enumerate(random, start=1)}
    added = {FIRST: Intervention((), first.vector, first.depth)}
    added[ALONE] = Intervention((first.vector,), found.vector, found.depth)
    ablated = {name: Intervention(vectors) for name, vectors in taken.items()}
    ablated |= {name: Intervention(vectors, random=True) for name, vectors in drawn.items()}
    return {"ablation": ablated, "addition": added}
