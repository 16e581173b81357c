"""What to put in the place of an activation while a model answers: one number for each neuron, or one for each prompt.

The mean over which positions? The paper pools all of them, BOS and padding included, in half precision; there the mean
says little about where an answer is given, and its standard deviations overflow. Here no position is padded, sums are
in float64, and the positions are either all of a prompt and its answer, or those alone where the answer is predicted.
A number that is not finite is an error: written into a model it makes every answer the same."""

import torch
from jaxtyping import Float
from torch import Tensor

from lib.knowledge_conflicts.writing import Writer

KINDS = ("mean", "median", "mode", "low", "high", "zero", "resample")
"""What can be put in: `low` and `high` are three standard deviations from the mean, no further than any activation."""
POSITIONS = ("all", "answer")
N_SD = 3
COLUMNS = 256
"""Neurons that are read in float64 at once."""


def activations(writer: Writer, *, positions: str) -> Float[Tensor, "place d_mlp"]:
    """The last layer's activations at `all` positions of every prompt and what the model writes, BOS included, or
    only where the `answer` is predicted. Raises ValueError for other positions, and for one that is not finite."""
    if positions not in POSITIONS:
        raise ValueError(f"positions must be one of {', '.join(POSITIONS)}, got {positions!r}")
    return refuse_unfit(writer.states()[0].activation if positions == "answer" else _everywhere(writer))


def _everywhere(writer: Writer) -> Float[Tensor, "place d_mlp"]:
    """Each text up to the last token that a next one was predicted after."""
    found = []
    for path in writer.clean_paths():
        if path.in_prompt is not None:
            found += [path.in_prompt[0], path.activation[0, 1 : path.n_steps[0]]]
    return torch.cat(found)


def refuse_unfit(activation: Float[Tensor, "place d_mlp"]) -> Float[Tensor, "place d_mlp"]:
    """The activations as they are. Raises ValueError when there are none, or one is not finite."""
    if not len(activation):
        raise ValueError("a value to put in needs activations to be taken from, got none")
    unfit = (~activation.isfinite()).any(0).nonzero()[:, 0].tolist()
    if unfit:
        raise ValueError(
            f"the activations of {len(unfit)} neurons, {unfit[0]} first, are not finite, so no value can be put in "
            "their place; load the model in float32"
        )
    return activation


def by_name(
    kind: str,
    activation: Float[Tensor, "place d_mlp"],
    *,
    at_prompt: Float[Tensor, "prompt d_mlp"],
    generator: torch.Generator,
) -> Float[Tensor, "#prompt d_mlp"]:
    """The values of one of `KINDS`, float64; one row for all prompts, or for `resample` one for each.

    `at_prompt` holds the activations where each prompt's answer begins: `resample` gives each prompt those of another.
    Raises ValueError for another kind, and as `refuse_unfit` does."""
    if kind not in KINDS:
        raise ValueError(f"value must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "resample":
        return resample(refuse_unfit(at_prompt), generator=generator)
    found = [STATISTICS[kind](some.double()) for some in refuse_unfit(activation).split(COLUMNS, dim=1)]
    return torch.cat(found)[None]


def resample(at_prompt: Float[Tensor, "prompt d_mlp"], *, generator: torch.Generator) -> Float[Tensor, "prompt d_mlp"]:
    """Each prompt gets the activations of another, all neurons those of the same; of a single one its own."""
    order = torch.randperm(len(at_prompt), generator=generator).to(at_prompt.device)
    found = torch.empty_like(at_prompt, dtype=torch.float64)
    found[order] = at_prompt[order.roll(1)].double()
    return found


def low(activation: Float[Tensor, "place neuron"]) -> Float[Tensor, " neuron"]:
    """Three standard deviations below the mean, or the least activation where that is more."""
    return (activation.mean(0) - N_SD * activation.std(0, correction=0)).maximum(activation.amin(0))


def high(activation: Float[Tensor, "place neuron"]) -> Float[Tensor, " neuron"]:
    """Three standard deviations above the mean, or the largest activation where that is less."""
    return (activation.mean(0) + N_SD * activation.std(0, correction=0)).minimum(activation.amax(0))


def mode(activation: Float[Tensor, "place neuron"]) -> Float[Tensor, " neuron"]:
    """Where the activations crowd most: the half-sample mode (Robertson and Cryer 1974), which needs no bins.

    Of the sorted values the narrowest half is kept, of that the narrowest half, down to two; their mean."""
    kept = activation.sort(0).values
    while len(kept) > 2:
        half = (len(kept) + 1) // 2
        start = (kept[half - 1 :] - kept[: len(kept) - half + 1]).argmin(0)
        kept = kept.gather(0, start + torch.arange(half, device=kept.device)[:, None])
    return kept.mean(0)


STATISTICS = {
    "mean": lambda activation: activation.mean(0),
    "median": lambda activation: activation.median(0).values,
    "mode": mode,
    "low": low,
    "high": high,
    "zero": lambda activation: activation.new_zeros(activation.shape[1]),
}
