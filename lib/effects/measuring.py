"""Effects of every neuron, or of whole sets, averaged over the scored tokens of each sequence.

Memory does not grow with the text: a batch of sequences is run, its tokens are taken in blocks, the neurons in
chunks, and only sums by sequence are kept."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.effects import ablated, exact, gears
from lib.effects.clean import Clean, check_finite, clean_run, difference
from lib.effects.distributions import Distributions, stacked
from lib.effects.result import Effects, FrequencyEffects, Report
from lib.model import Model

Replacement = Float[Tensor, " d_mlp"] | Float[Tensor, "sequence place d_mlp"]
"""One value for each neuron, or one for each position too, up to the last that is scored at least."""
Sums = Float[Tensor, "quantity sequence column"]


def measure(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"] | None = None,
    replacement: Replacement | None = None,
    gear: str = "auto",
    tolerance: float = 1e-4,
) -> Effects:
    """Ablates every last-layer neuron, one at a time.

    `replacement` holds values of `ablation`; without it the mean over all positions is put in. With `log_unigram` the
    result is `FrequencyEffects`; without it nothing is measured that needs it, which saves a fifth to two fifths of the
    time. `gear` is chosen by `gears.choose`; an error of `tolerance` nats is allowed to a token and neuron, and none at
    all where it is 0. Raises ValueError as `clean_run` does, and when a sequence has no scored position."""
    text = Text(model, tokens, scored, replacement, log_unigram)
    n_neurons = model.W_out.shape[0]
    n_pairs, distributions = int(scored.sum()) * n_neurons, 2 if log_unigram is None else 3
    report = gears.choose(model, n_pairs, gear=gear, tolerance=tolerance, exponentials=distributions)
    single = torch.eye(n_neurons, dtype=torch.bool, device=model.W_out.device)

    def add(sums: Sums, clean: Clean, delta: Float[Tensor, "token d_mlp"]) -> None:
        if report.gear == "recomputed":
            _add_recomputed(sums, model, clean, delta, single, log_unigram)
        else:
            gears.add(sums, model, clean, delta, log_unigram, report=report, tolerance=tolerance)

    return text.effects(add, n_neurons, report)


def measure_sets(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"] | None = None,
    replacement: Replacement | None = None,
) -> Effects:
    """Ablates all neurons of a set together, one set after another, exactly; errors as in `measure`."""
    text = Text(model, tokens, scored, replacement, log_unigram)

    def add(sums: Sums, clean: Clean, delta: Float[Tensor, "token d_mlp"]) -> None:
        road = _add_recomputed if model.not_exact else gears.add_sets
        road(sums, model, clean, delta, sets, log_unigram)

    return text.effects(add, len(sets), Report("recomputed" if model.not_exact else "eager"))


class Text:
    """Sequences with the positions to score and the values to put in, gone through in batches."""

    def __init__(
        self,
        model: Model,
        tokens: Int[Tensor, "sequence position"],
        scored: Bool[Tensor, "sequence position"],
        replacement: Replacement | None,
        log_unigram: Float[Tensor, " d_vocab"] | None,
    ) -> None:
        if not scored.any():
            raise ValueError("no position is scored, so there is nothing to average over")
        if not scored.any(1).all():
            raise ValueError(f"sequence {int((~scored.any(1)).nonzero()[0])} has no scored position; drop it")
        self.model, self.tokens, self.scored = model, tokens, scored
        self.replacement = mean_activation(model, tokens) if replacement is None else replacement
        self.kind = Effects if log_unigram is None else FrequencyEffects
        check_finite({"replacement": self.replacement})
        if log_unigram is not None:
            check_finite({"log_unigram": log_unigram.exp()})  # minus infinity is allowed

    def effects(self, add: Callable[..., None], n_columns: int, report: Report) -> Effects:
        """What `add` adds up, batch after batch, as means by sequence."""
        device, n = self.model.W_out.device, self.scored.sum(1)
        names = self.kind.quantities()
        sums = torch.zeros(len(names), len(n), n_columns, dtype=torch.float64, device=device)
        for batch in torch.arange(len(n)).split(max(1, gears.block_size(self.model) // self.tokens.shape[1])):
            some = slice(int(batch[0]), int(batch[-1]) + 1)
            clean = clean_run(self.model, self.tokens[some], self.scored[some])
            value = self.replacement if self.replacement.ndim == 1 else self.replacement[some]
            add(sums[:, some], clean, difference(clean, value))
        check_finite({"the sum of effects": sums})
        return self.kind(**dict(zip(names, sums / n.to(device)[:, None], strict=True)), n=n, report=report)


def mean_activation(model: Model, tokens: Int[Tensor, "sequence position"]) -> Float[Tensor, " d_mlp"]:
    """Each neuron's mean over all positions, BOS included, batch after batch."""
    parts = [model.run(some, "activation").activation.double().sum((0, 1)) for some in tokens.split(8)]
    return (torch.stack(parts).sum(0) / tokens.numel()).to(model.W_out.dtype)


def _add_recomputed(
    sums: Sums,
    model: Model,
    clean: Clean,
    delta: Float[Tensor, "token d_mlp"],
    sets: Bool[Tensor, "set d_mlp"],
    log_unigram: Float[Tensor, " d_vocab"] | None,
) -> None:
    """The slow exact road: a product with the unembedding for every set."""
    for at in torch.arange(len(delta), device=delta.device).split(max(1, exact.CELLS // model.final_layer.d_vocab)):
        part = clean.part(at)
        before = Distributions(model.final_layer, part, log_unigram)
        for column, (free, frozen) in enumerate(ablated.logits(model, part, delta[at], sets)):
            sums[:, :, column].index_add_(1, part.sequence, stacked(before.changes(free, frozen)).to(sums.dtype))
