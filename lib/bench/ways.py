"""The ways of computing total and direct effect that are set side by side, each from case to means by neuron."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lib import measures
from lib import model as door
from lib.bench.case import Case
from lib.effects import Effects, FrequencyEffects, Report, exact, measuring

TOLERANCE = 1e-4
CHUNK = 20
"""Neurons at a time in the published procedure."""
MEANS = ("total", "direct", "abs_entropy_change")
"""What every way gives: mean |loss change| with the norm free and frozen, mean |entropy change|; nats."""
Means = Float[Tensor, "3 neuron"]


def published(case: Case) -> Means:
    """The procedure of Stolfo et al.: chunks of neurons, a dense product with the unembedding for each of them
    and each token, once with the norm free and once with its scale frozen."""
    final, clean = case.model.final_layer, case.clean
    before = final.logits(clean.resid, scale=clean.scale)
    loss, entropy = measures.loss(before, clean.target), measures.entropy(before)
    parts = []
    for w, delta in zip(case.model.W_out.split(CHUNK), case.delta.mT.split(CHUNK), strict=True):
        resid = clean.resid + delta[:, :, None] * w[:, None, :]  # neuron token d_model
        free = final.logits(resid).log_softmax(-1)
        target = clean.target.expand(len(w), -1)[:, :, None]
        total = (-free.gather(-1, target)[..., 0] - loss).abs().mean(1)
        _predicted = free.argmax(-1)
        of_entropy = (-(free.exp() * free).sum(-1) - entropy).abs().mean(1)
        del free
        frozen = final.logits(resid, scale=clean.scale.expand(len(w), -1)).log_softmax(-1)
        direct = (-frozen.gather(-1, target)[..., 0] - loss).abs().mean(1)
        parts.append(torch.stack([total, direct, of_entropy]))
        del frozen
    return torch.cat(parts, 1)


def hooks(case: Case) -> Means:
    """A full forward pass of the model for every neuron, its activation replaced by a hook."""
    model, clean = case.whole, case.clean
    before = model.final_layer.logits(clean.resid, scale=clean.scale)
    loss, entropy = measures.loss(before, clean.target), measures.entropy(before)
    columns = []
    for at, neuron in enumerate(case.neurons.tolist()):
        logits, resid = _hooked(case, neuron, case.delta[:, at])
        frozen = measures.loss(model.final_layer.logits(resid, scale=clean.scale), clean.target)
        change = measures.loss(logits, clean.target) - loss, frozen - loss, measures.entropy(logits) - entropy
        columns.append(torch.stack([one.abs().mean() for one in change]))
    return torch.stack(columns, 1)


def _hooked(case: Case, neuron: int, delta: Float[Tensor, " token"]) -> tuple[Tensor, Tensor]:
    model, at = case.whole, (case.clean.sequence, case.clean.position)
    last = f"blocks.{model.n_layers - 1}"
    kept: dict[str, Tensor] = {}

    def put(activation: Tensor, hook: object) -> Tensor:
        activation = activation.clone()
        activation[(*at, neuron)] += delta
        return activation

    recorded = door.recording(model.bridge, {"resid": f"{last}.hook_resid_post"}, kept)
    with model.bridge.hooks(fwd_hooks=[(f"{last}.mlp.hook_post", put)]), recorded:
        logits: Any = door.forward(model.bridge, case.tokens, logits=True)
    return logits[at][:, : model.final_layer.d_vocab], kept["resid"][at]


def gear(name: str, *, frequency: bool = False) -> Callable[[Case], Means]:
    """One of the gears; with `frequency` what needs a unigram distribution is computed too."""

    def measured(case: Case) -> Means:
        """Means over the tokens of a case; how they came about is kept in `measured.report`."""
        n_sequences, n_neurons = len(case.tokens), len(case.model.W_out)
        names = (FrequencyEffects if frequency else Effects).quantities()
        sums = torch.zeros(len(names), n_sequences, n_neurons, dtype=torch.float64)
        large = name == "cumulant" and exact.compiler_works("cpu")  # as in a run over all neurons and more tokens
        report = Report(name, "fused" if large else "eager")
        vars(measured)["report"] = report
        way = measuring.Neurons(case.model, torch.arange(n_neurons), report, TOLERANCE)
        measuring.add(sums, case.clean, case.delta, case.log_unigram if frequency else None, way)
        return sums.sum(1)[[names.index(name) for name in MEANS]] / len(case.delta)

    return measured


def reference(case: Case) -> Means:
    """The eager gear in float64."""
    final, clean = case.model.final_layer, case.clean
    doubled = replace(final, W_U=final.W_U.double(), b_U=final.b_U.double())
    resid = clean.resid.double()
    in_float64 = replace(
        case,
        model=replace(case.model, final_layer=doubled, W_out=case.model.W_out.double()),
        clean=replace(clean, resid=resid, scale=doubled.scale(resid), activation=clean.activation.double()),
        delta=case.delta.double(),
    )
    return gear("eager")(in_float64)


WAYS: dict[str, Callable[[Case], Means]] = {
    "published": published,
    "hooks": hooks,
    **{name: gear(name) for name in ("eager", "fused", "cumulant")},
}
"""By the names that the result has."""
