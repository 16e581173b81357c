"""What this machine could do at best: bare exponentials and bare dense products, in the shapes of the gears.

How many times faster than the published procedure a gear is depends on how fast a processor multiplies and how fast it
takes exponentials. The share of these ceilings that a gear reaches tells what is left to gain on any processor. Both
are measured in the same run, in turns with the gears, so that a busy machine lowers both alike."""

import time
from collections.abc import Callable
from typing import Any

import torch

from lib import memory
from lib.bench.case import Case
from lib.effects import exact, moments

SECONDS = 1.0
"""How long each ceiling is measured, at least, whenever it is asked for."""
KIND = {"eager": "exponentials", "fused": "exponentials", "cumulant": "products"}
"""What a gear is held against."""
AIM = {"fused": 0.6, "cumulant": 0.5}
"""The share of its ceiling that a gear should reach."""


class Ceiling:
    """A worker that computes nothing but what the gears of a case are made of."""

    def __init__(self, case: Case) -> None:
        self.case, d_vocab = case, case.model.final_layer.d_vocab
        tile = case.delta.new_empty(memory.rows(d_vocab, cells=exact.CELLS), d_vocab).fill_(-1.0)
        self.tile, self.out = tile, torch.empty_like(tile)
        self.ways: list[Callable[[], Any]] = [lambda: torch.exp(self.tile, out=self.out)]
        if exact.compiler_works(tile.device.type):
            width: Any = exact.REGISTER_BITS.get(torch.backends.cpu.get_cpu_capability())
            summed = torch.compile(lambda x: x.exp().sum(-1), dynamic=True, options={"cpp.simdlen": width})
            summed(tile)
            self.ways.append(lambda: summed(self.tile))
        self.factors = _factors(case)

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Both ceilings; nothing more to tell at the end."""
        if "finish" in order:
            return {}
        return {"exponentials": self.exponentials(), "products": self.products()}

    def exponentials(self) -> float:
        """A second, on a tile of the fused gear: written one by one, or summed by row in compiled code, whichever is
        faster."""
        return max(self.tile.numel() / _mean_seconds(way) for way in self.ways)

    def products(self) -> float:
        """Operations a second (a multiplication and an addition count two), over the products that the cumulant gear
        takes of a slice of the vocabulary, in its shapes and types."""
        seconds = _mean_seconds(lambda: [left @ right.mT for left, right in self.factors])
        return sum(2 * left.numel() * len(right) for left, right in self.factors) / seconds


def _factors(case: Case) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Left and right factors of a slice's products (see `moments.raw`) for logits with a bias, as the case has."""
    n_tokens, n_neurons = case.delta.shape
    width = min(moments.width(n_tokens), case.model.final_layer.d_vocab)
    generator, made = torch.Generator().manual_seed(0), []
    for b, count in moments.OF_BOTH.count.items():
        n_full = moments.OF_BOTH.full.get(b, 0) if moments.short(case.delta) != case.delta.dtype else count
        for rows, dtype in ((n_full, case.delta.dtype), (count - n_full, moments.short(case.delta))):
            if rows:
                left, right = (torch.randn(n, width, generator=generator) for n in (rows * n_tokens, n_neurons))
                made.append((left.to(dtype), right.to(dtype)))
    return made


def _mean_seconds(way: Callable[[], Any]) -> float:
    way()
    start, n = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < SECONDS:
        way()
        n += 1
    return taken / n


def needed(name: str, *, tokens: int, neurons: int, d_vocab: int, d_model: int) -> float:
    """What total and direct effect need in a gear: exponentials of an exact one, one with the norm free and one with
    it frozen for every token, neuron and entry of the vocabulary; operations of the cumulant gear's products, those
    with the unembedding included."""
    if KIND[name] == "exponentials":
        return 2.0 * tokens * neurons * d_vocab
    unembedded = (tokens + neurons) * d_model
    return 2.0 * d_vocab * (sum(moments.OF_BOTH.count.values()) * tokens * neurons + unembedded)


def reached(name: str, seconds: float, ceilings: list[dict[str, float]], **sizes: int) -> dict[str, Any]:
    """What an entry of a gear says about its ceiling, the median over the rounds of a run."""
    at_best = sorted(one[KIND[name]] for one in ceilings)[len(ceilings) // 2]
    share = needed(name, **sizes) / seconds / at_best
    return {"ceiling": KIND[name], "ceiling_per_second": at_best, "ceiling_share": share}
