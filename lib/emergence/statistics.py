"""What is measured at every checkpoint, for neurons that were chosen once, on the final weights."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import drawing, effects, measures, null_space, resampling, vocabulary
from lib.model import Model
from lib.resampling import Estimate

MATCHED = "matched on norm"
"""What the controls of neurons that are followed are called in a trace."""
Statistics = dict[str | tuple[str, str], Estimate]
"""By name; of controls by name and `MATCHED`."""
LAYERS = "layers that write"
"""How many layers have neurons that write anything, in a trace."""


@dataclass(frozen=True)
class Followed:
    """What is followed through training, as chosen on the final weights."""

    dim: int
    """Directions of the effective null space, the exact zero counted."""
    entropy: Bool[Tensor, " neuron"]
    entropy_control: Bool[Tensor, " neuron"]
    frequency: Bool[Tensor, " neuron"]
    frequency_control: Bool[Tensor, " neuron"]


def weight_statistics(model: Model, followed: Followed, *, n_resamples: int, generator: torch.Generator) -> Statistics:
    """`null space`: decades between the root mean square singular value of the `dim` least-read directions and that of
    the others; `rho`: mean over the entropy neurons, and over their controls, where neurons write anything. Intervals
    are the scatter of halves of the vocabulary. And the number of layers that write, which has none."""
    final_layer, masks = model.final_layer, (followed.entropy, followed.entropy_control)
    blocks = vocabulary.grams(final_layer.weight_coordinates(), generator=generator)
    halves = drawing.halves(len(blocks), n_halves=n_resamples, generator=generator)
    found = []
    for gram in (blocks.sum(0), *(blocks[half].sum(0) for half in halves)):
        eigenvalue, direction = torch.linalg.eigh(gram)  # ascending
        rho = null_space.rho(model.W_out.to(gram), direction[:, : followed.dim])
        depth = decades(eigenvalue, dim=followed.dim, n_zero=int(final_layer.centres))
        found.append(torch.stack([depth, *(rho[mask].mean() for mask in masks)]))
    names: list[str | tuple[str, str]] = ["null space"]
    names += ["rho", ("rho", MATCHED)] if model.W_out.any() else []
    result: Statistics = {LAYERS: layers_that_write(model)}
    for name, (whole, *rest) in zip(names, torch.stack(found).mT, strict=False):
        result[name] = resampling.scatter(whole.item(), torch.stack(rest), n=final_layer.d_vocab)
    return result


def layers_that_write(model: Model) -> Estimate:
    """How many layers have neurons that write anything; a count, whose interval is itself."""
    n_writing = float(sum(bool(model.output_weights(at).any()) for at in range(model.n_layers)))
    return Estimate(n_writing, n_writing, n_writing, model.n_layers, 1)


def decades(eigenvalue: Float[Tensor, " d_model"], *, dim: int, n_zero: int) -> Float[Tensor, ""]:
    """How much quieter the `dim` smallest directions are than the others, as a power of ten of singular values.

    `eigenvalue` ascends; the `n_zero` exact zeros are left out."""
    floor = eigenvalue[-1] * torch.finfo(eigenvalue.dtype).eps
    quiet, others = eigenvalue[n_zero:dim].clamp(min=floor), eigenvalue[dim:]
    return (others.mean() / quiet.mean()).log10() / 2


def effect_statistics(
    model: Model,
    followed: Followed,
    tokens: Int[Tensor, "sequence position"],
    *,
    log_unigram: Float[Tensor, " d_vocab"],
    generator: torch.Generator,
) -> Statistics:
    """`norm-mediated`: share of the entropy neurons' summed effects; `frequency-mediated`: of the frequency neurons';
    both with controls and where neurons write anything. And the clean `loss` in nats. Intervals resample sequences."""
    scored = model.scored(tokens)
    logits = model.run(tokens, "logits").logits[scored]
    loss, sequence = measures.loss(logits, tokens.roll(-1, 1)[scored]), scored.nonzero()[:, 0]
    result: Statistics = {"loss": resampling.mean(loss, sequence, generator=generator)}
    if not model.W_out.any():
        return result
    groups: dict[str | tuple[str, str], tuple[str, Tensor]] = {
        "norm-mediated": ("norm_mediated", followed.entropy),
        ("norm-mediated", MATCHED): ("norm_mediated", followed.entropy_control),
        "frequency-mediated": ("frequency_mediated", followed.frequency),
        ("frequency-mediated", MATCHED): ("frequency_mediated", followed.frequency_control),
    }
    union = torch.stack([mask for _, mask in groups.values()]).any(0)
    single = torch.eye(len(union), dtype=torch.bool)[union]
    found = effects.measure_sets(model, tokens, sets=single, scored=scored, log_unigram=log_unigram)
    for name, (share, mask) in groups.items():
        result[name] = found.pooled(mask[union]).estimate(share, 0, generator=generator)
    return result
