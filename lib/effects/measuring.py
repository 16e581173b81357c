"""Effects of every neuron, or of whole sets, averaged over the scored tokens of each sequence.

Single neurons go through one of three gears, which give the same quantities:

- eager: exact, any device; a tile of tokens times vocabulary, neuron after neuron
- fused: exact, one compiled pass; compiling takes seconds, so only for runs above `WORTH_COMPILING` exponentials
- cumulant: matrix products in place of exponentials, exact where these would not do

Memory does not grow with the text: a batch of sequences is run, its tokens are taken in blocks, the neurons in
chunks, and only sums by sequence are kept. An architecture for which the closed form does not hold has no gear: its
last layer is computed again for every ablation."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib import memory
from lib.effects import changes, cumulant, edits, exact, kept
from lib.effects.changes import PER_PAIR, Change, Found
from lib.effects.clean import Block, Clean, check_finite, clean_run
from lib.effects.edits import Edits, Replacement
from lib.effects.result import Effects, FrequencyEffects, Report
from lib.model import Model

GEARS = ("auto", "eager", "fused", "cumulant")
WORTH_COMPILING = 1e9
"""Logits of a run below which the eager gear is as good as any."""
PAIRS = 2**21
"""Pairs of a token and a neuron that may be in memory at once."""
TOO_MANY = 0.2
"""Share of routed pairs from which on the rest of a run goes straight through the exact gear."""
ROUTED = 0.05
"""The share of its pairs that the cumulant gear may be expected to send through an exact one."""
WORTH_SAYING = 1e12
"""Exponentials of a run above which its time is estimated first."""
TOLERANCE = 1e-4
"""The error that is allowed to a token and neuron unless another is asked for, in nats."""
FEW = 16
"""Neurons below which the cumulant gear saves no more exponentials than it takes itself."""
RELATIVE_COST = {"eager": 1.7, "fused": 0.9, "cumulant": 0.2, "recomputed": 15.0}
"""Time per exponential asked for, over that of torch.exp alone; for an estimate, not for a decision."""
Sums = Float[Tensor, "quantity sequence column"]
Part = tuple[Int[Tensor, " column"], Change]
"""What some columns of the effects change, at every token of a block."""


def measure(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"] | None = None,
    replacement: Replacement | None = None,
    gear: str = "auto",
    tolerance: float = TOLERANCE,
    results: str = "",
) -> Effects:
    """Ablates every last-layer neuron, one at a time.

    `replacement` holds values of `ablation`; without it the mean over all positions is put in. With `log_unigram` the
    result is `FrequencyEffects`; without it nothing is measured that needs it, which saves a fifth to two fifths of the
    time. `gear` is chosen by `choose`; an error of `tolerance` nats is allowed to a token and neuron, and none at
    all where it is 0. `results` is the chapter's folder of results: within a run of the book, what an earlier chapter
    measured is found again (`kept`). Raises ValueError as `clean_run` does, and when a sequence has no scored
    position."""
    text = Text(model, tokens, scored, replacement, log_unigram)
    n_neurons = model.W_out.shape[0]
    n_pairs, distributions = int(scored.sum()) * n_neurons, 2 if log_unigram is None else 3
    report = choose(model, n_pairs, gear=gear, tolerance=tolerance, exponentials=distributions)
    way = _everyone(model, report, tolerance)
    given = {"tokens": tokens, "scored": scored, "replacement": text.replacement, "log_unigram": log_unigram}
    asked = {"gear": report.gear, "exact": report.exact, "tolerance": tolerance}
    return kept.once(results, model, given | asked, lambda: text.effects(way, n_neurons))


def measure_sets(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"] | None = None,
    replacement: Replacement | None = None,
) -> Effects:
    """Ablates all neurons of a set together, one set after another; errors as in `measure`."""
    text = Text(model, tokens, scored, replacement, log_unigram)
    return text.effects(way_of(model, sets, scored, log_unigram), len(sets))


def direct_frequency(
    model: Model,
    tokens: Int[Tensor, "sequence position"],
    *,
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"],
    replacement: Replacement | None = None,
) -> Float[Tensor, "sequence neuron"]:
    """The mean absolute loss change, in nats, of every last-layer neuron ablated alone with the token-frequency
    projection frozen, and nothing else: for one more direction, where `measure` has told the rest beside another.

    Errors as in `measure`."""
    text, n_neurons = Text(model, tokens, scored, replacement, log_unigram), model.W_out.shape[0]
    report = choose(model, int(scored.sum()) * n_neurons, gear="auto", tolerance=TOLERANCE, exponentials=1)
    way = _everyone(model, report, TOLERANCE, frequency_alone=True)
    names = FrequencyEffects.quantities() if isinstance(way, Sets) else ("direct_frequency",)
    return text.means(way, len(names), n_neurons)[names.index("direct_frequency")]


def _everyone(model: Model, report: Report, tolerance: float, *, frequency_alone: bool = False) -> "Neurons | Sets":
    """The way of every last-layer neuron, each by itself."""
    units = torch.arange(len(model.W_out), device=model.W_out.device)
    if model.not_exact:
        return Sets(model, torch.eye(len(units)).bool(), report)
    return Neurons(model, units, report, tolerance, frequency_alone)


def way_of(
    model: Model,
    sets: Bool[Tensor, "set d_mlp"],
    scored: Bool[Tensor, "sequence position"],
    log_unigram: Float[Tensor, " d_vocab"] | None,
) -> "Neurons | Sets":
    """The way through sets: exact, but for a long list of single neurons, which go as those of `measure` do."""
    single = sets.sum(1) == 1
    n_single, distributions = int(single.sum()), 2 if log_unigram is None else 3
    many, n_pairs = bool(single.all()) and n_single >= FEW, n_single * int(scored.sum())
    given: dict[str, Any] = {"gear": "auto", "exponentials": distributions}
    report = choose(model, n_pairs, tolerance=TOLERANCE if many else 0.0, **given)  # 0 asks for an exact gear
    if report.gear == "cumulant":
        return Neurons(model, sets.nonzero()[:, 1].to(model.W_out.device), report, TOLERANCE)
    return Sets(model, sets, report)


def choose(model: Model, n_pairs: int, *, gear: str, tolerance: float, exponentials: int) -> Report:
    """The gear of a run over `n_pairs` of a token and a neuron: the one that was asked for, or under "auto" the fastest
    whose error stays under tolerance. `exponentials` is how many distributions each pair asks for.

    Raises ValueError for an unknown gear and a negative tolerance."""
    if gear not in GEARS:
        raise ValueError(f"gear must be one of {', '.join(GEARS)}, got {gear!r}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 (exact) or more, in nats, got {tolerance}")
    n_logits = n_pairs * model.final_layer.d_vocab
    large, chosen = n_logits > WORTH_COMPILING, gear
    if model.not_exact:
        chosen = "recomputed"
    elif gear == "auto":
        chosen = "cumulant" if large else "eager"
    if chosen == "cumulant" and tolerance == 0:
        chosen = "fused" if large else "eager"
    if chosen == "fused" and not exact.compiler_works(model.W_out.device.type):
        chosen = "eager"
    _say_how_long(exponentials * n_logits, chosen, model)
    behind = chosen == "cumulant" and ROUTED * n_logits > WORTH_COMPILING
    return Report(chosen, "fused" if behind and exact.compiler_works(model.W_out.device.type) else "eager")


def _say_how_long(exponentials: int, gear: str, model: Model) -> None:
    """Prints an estimate for a run above `WORTH_SAYING` exponentials, from a glance at this machine."""
    if exponentials <= WORTH_SAYING:
        return
    tile = torch.zeros(exact.CELLS, device=model.W_out.device)
    start = time.perf_counter()
    float(tile.exp().sum())
    seconds = (time.perf_counter() - start) / exact.CELLS * exponentials * RELATIVE_COST[gear]
    print(f"{exponentials:.0e} exponentials in the {gear} gear: about {seconds / 60:.0f} minutes", file=sys.stderr)


@dataclass(frozen=True)
class Neurons:
    """A way through a block: some neurons, each by itself, chunk after chunk, by the gear of a report, which grows."""

    model: Model
    units: Int[Tensor, " neuron"]
    report: Report
    tolerance: float
    frequency_alone: bool = False
    """Whether nothing is asked for but what the token-frequency direction has a part in."""

    def block_size(self) -> int:
        """Tokens of a block."""
        return memory.rows(self.model.final_layer.d_vocab)

    def parts(self, block: Block, delta: Float[Tensor, "token d_mlp"]) -> Iterator[Part]:
        """What adding `delta` to each neuron changes."""
        n_neurons = max(1, min(self.block_size(), PAIRS // block.n_tokens))
        for columns in torch.arange(len(self.units), device=delta.device).split(n_neurons):
            neurons = self.units[columns]
            edit = edits.alone(self.model, block, delta, neurons, about=block.mean_p)
            found, shift = self._found(block, edit, delta[:, neurons]), changes.shift(block, edit)
            yield columns, changes.of(block, found, shift)

    def _found(self, block: Block, edit: Edits, delta: Float[Tensor, "token edit"]) -> Found:
        """By the exact gear once the cumulant gear has been sending it too many pairs."""
        report, asked = self.report, ("frequency",) if self.frequency_alone else PER_PAIR
        if report.gear != "cumulant":
            found = exact.every_pair(block, edit, fused=report.gear == "fused")
            return {name: found[name] for name in asked}
        if report.routed_share <= TOO_MANY:
            given: dict[str, Any] = {"asked": asked, "tolerance": self.tolerance, "report": report}
            return cumulant.every_pair(block, edit, delta, **given)
        report.pairs, report.routed = report.pairs + delta.numel(), report.routed + delta.numel()
        found = exact.every_pair(block, edit, fused=report.exact == "fused")
        return {name: found[name] for name in asked}


@dataclass(frozen=True)
class Sets:
    """A way through a block: the neurons of each set together, exactly."""

    model: Model
    sets: Bool[Tensor, "set d_mlp"]
    report: Report

    def block_size(self) -> int:
        """Tokens of a block: those of a tile."""
        return memory.rows(self.model.final_layer.d_vocab, cells=exact.CELLS)

    def parts(self, block: Block, delta: Float[Tensor, "token d_mlp"]) -> Iterator[Part]:
        """What adding `delta` to the members of each set changes; first of single neurons, then of larger sets."""
        if self.model.not_exact:
            yield from self._recomputed(block, delta)
            return
        fused, is_single = self.report.gear == "fused", self.sets.sum(1) == 1
        for kind in (is_single, ~is_single):
            for columns in kind.nonzero()[:, 0].split(memory.rows(block.z.numel())):
                edit = self._edit(block, delta, columns)
                found = exact.every_pair(block, edit, fused=fused)
                yield columns.to(delta.device), changes.of(block, found, changes.shift(block, edit))

    def _edit(self, block: Block, delta: Float[Tensor, "token d_mlp"], columns: Int[Tensor, " set"]) -> Edits:
        sets = self.sets[columns]
        if (sets.sum(1) == 1).all():  # one row of the vocabulary for each, and none for each token
            return edits.alone(self.model, block, delta, sets.nonzero()[:, 1].to(delta.device), about=block.mean_p)
        return edits.together(self.model, block, delta, sets)

    def _recomputed(self, block: Block, delta: Float[Tensor, "token d_mlp"]) -> Iterator[Part]:
        for column, pair in enumerate(edits.recomputed(self.model, block.clean, delta, self.sets)):
            still = (delta * self.sets[column].to(delta.device) == 0).all(-1, keepdim=True)
            found, shift = exact.from_logits(block, pair, still)
            yield torch.tensor([column], device=delta.device), changes.of(block, found, shift)


def add(
    sums: Sums,
    clean: Clean,
    delta: Float[Tensor, "token d_mlp"],
    log_unigram: Float[Tensor, " d_vocab"] | None,
    way: Neurons | Sets,
) -> None:
    """Adds what adding `delta` to activations changes, summed over the tokens of each sequence."""
    for at in torch.arange(len(delta), device=delta.device).split(way.block_size()):
        block = Block(way.model, clean.part(at), log_unigram)
        for columns, change in way.parts(block, delta[at]):
            value = changes.quantities(change).to(sums.dtype)
            for quantity, total in zip(value, sums, strict=True):
                total[:, columns] = total[:, columns].index_add(0, block.clean.sequence, quantity)


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
        self.model, self.tokens, self.scored, self.log_unigram = model, tokens, scored, log_unigram
        self.replacement = edits.mean_activation(model, tokens) if replacement is None else replacement
        self.kind = Effects if log_unigram is None else FrequencyEffects
        check_finite({"replacement": self.replacement})
        if log_unigram is not None:
            check_finite({"log_unigram": log_unigram.exp()})  # minus infinity is allowed

    def effects(self, way: Neurons | Sets, n_columns: int) -> Effects:
        """All quantities, as means by sequence, on the CPU, where statistics are made."""
        names = self.kind.quantities()
        means = self.means(way, len(names), n_columns)
        return self.kind(**dict(zip(names, means, strict=True)), n=self.scored.sum(1).cpu(), report=way.report)

    def means(self, way: Neurons | Sets, n_quantities: int, n_columns: int) -> Sums:
        """What the way through a block finds, batch after batch, as means by sequence."""
        device, n = self.model.W_out.device, self.scored.sum(1)
        sums = torch.zeros(n_quantities, len(n), n_columns, dtype=torch.float64, device=device)
        per_batch = memory.rows(self.model.final_layer.d_vocab * self.tokens.shape[1])
        for batch in torch.arange(len(n)).split(per_batch):
            some = slice(int(batch[0]), int(batch[-1]) + 1)
            clean = clean_run(self.model, self.tokens[some], self.scored[some])
            value = self.replacement if self.replacement.ndim == 1 else self.replacement[some]
            add(sums[:, some], clean, edits.difference(clean, value), self.log_unigram, way)
        check_finite({"the sum of effects": sums})
        return (sums / n.to(device)[:, None]).cpu()
