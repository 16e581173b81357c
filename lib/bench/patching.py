"""How fast patching is: a full forward pass for every cell of the grid, and runs no longer than a patch is noticed.

    python -m lib.bench.patching grid '{"name": "pocket", "n_pairs": 16}' 2

is one way on one case in a process of its own, which takes orders as `worker` does. Prompts are as long as those of the
paper: 66 tokens in front, the same for both of a pair, and 14 of a statement and its question, of which the first three
are shared too. The full passes run every layer and every one of the 14 columns, as the published code does, and leave
out the unembedding's other tokens like the short road, so that what is compared is the forward passes alone."""

import json
import statistics
import sys
import time
from typing import Any

import torch

from lib import model as door
from lib import patching
from lib.bench import telling
from lib.bench.case import random_model
from lib.bench.run import Process, shares
from lib.bench.worker import forget_peak, peak_mib
from lib.model import Model, Site

N_BEFORE, N_SHARED, N_COLUMNS = 66, 3, 14
WAYS = ("passes", "grid")
NAMES = {"passes": "a full forward pass per cell", "grid": "the grid, run as far as a patch is noticed"}
MODULE = "lib.bench.patching"


def build(name: str, *, n_pairs: int, **shape: int) -> tuple[Model, patching.Pairs]:
    """A model, and random prompts in pairs that differ behind the columns that they share."""
    model = random_model(**shape) if name == "gpt2-small-shape" else door.load(name)
    generator = torch.Generator().manual_seed(0)
    size = n_pairs, N_BEFORE + N_COLUMNS
    source, target = (torch.randint(model.final_layer.d_vocab, size, generator=generator) for _ in range(2))
    target[:, : N_BEFORE + N_SHARED] = source[:, : N_BEFORE + N_SHARED]
    right, wrong = torch.randint(model.final_layer.d_vocab, (2, n_pairs), generator=generator)
    return model, patching.Pairs(source, target, right, wrong)


class Worker:
    """One way of patching on a case; an order computes the columns from one place to another."""

    def __init__(self, way: str, model: Model, pairs: patching.Pairs) -> None:
        self.way, self.model, self.pairs = way, model, pairs
        self.sites = [Site(layer, "resid_post") for layer in range(model.n_layers)]
        at = torch.arange(N_BEFORE, N_BEFORE + N_COLUMNS).repeat(len(pairs.source), 1)
        self.at, self.values = at, model.record(pairs.source, self.sites, positions=at, batch_size=64)
        self.found = torch.full((len(at), model.n_layers, N_COLUMNS), torch.nan)
        self.peak_mib = 0.0
        self.columns(N_COLUMNS - 1, N_COLUMNS)
        forget_peak()

    def columns(self, first: int, last: int) -> float:
        """Patches some columns and keeps what they give; seconds."""
        some, start = slice(first, last), time.perf_counter()
        if self.way == "grid":
            patched = patching.patch(self.model, self.pairs, self.sites, positions=self.at[:, some])
        else:
            ours = {site: value[:, some] for site, value in self.values.items()}
            given: dict[str, Any] = {"positions": self.at[:, some], "recorded": ours}
            patched = patching.patch_by_passes(self.model, self.pairs, self.sites, **given)
        self.found[:, :, some] = patched.difference.float()
        return time.perf_counter() - start

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Does what an order says: some columns, or the end."""
        if "finish" in order:
            return {"peak_mib": self.peak_mib, "found": self.found.tolist()}
        taken = self.columns(order["first"], order["last"])
        self.peak_mib = max(self.peak_mib, peak_mib())
        return {"seconds": taken}


def side_by_side(name: str, *, n_pairs: int, rounds: int, threads: int, **shape: int) -> list[dict[str, Any]]:
    """Both ways on one model, an entry for each: seconds of a whole grid, peak memory, and the largest difference of a
    logit difference from that of the full passes, in nats.

    In every round the full passes take a share of the columns, and the grid takes all: its time is the median."""
    case = {"name": name, "n_pairs": n_pairs} | shape
    telling.step(f"{name}: patching by full passes and by the grid, {rounds} rounds")
    workers = {way: Process(way, case, threads=threads, module=MODULE) for way in WAYS}
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    for first, last in shares(N_COLUMNS, rounds):
        if first < last:
            spent["passes"].append(workers["passes"].ask(first=first, last=last)["seconds"])
        spent["grid"].append(workers["grid"].ask(first=0, last=N_COLUMNS)["seconds"])
    seconds = {"passes": sum(spent["passes"]), "grid": statistics.median(spent["grid"])}
    told = {way: worker.finish() for way, worker in workers.items()}
    truth = torch.tensor(told["passes"]["found"])
    return [
        {"name": way, "model": name, "pairs": n_pairs, "cells": truth[0].numel(), "seconds": seconds[way]}
        | {"ratio": seconds["passes"] / seconds[way], "peak_mib": told[way]["peak_mib"]}
        | {"max_abs_error": (torch.tensor(told[way]["found"]) - truth).abs().max().item()}
        for way in WAYS
    ]


def told(entries: list[dict[str, Any]]) -> str:
    """The page's section in Markdown, also where a kept result is older than this comparison."""
    return (
        table(entries) if entries else "The result that this page keeps does not hold it yet; `make bench` measures it."
    )


def table(entries: list[dict[str, Any]]) -> str:
    """The comparison as a Markdown table."""
    head = ["model", "computed by", "pairs", "cells", "seconds", "times faster", "peak MiB", "largest error, nats"]
    rows = [head, ["---"] * 2 + ["---:"] * 6]
    rows += [_row(entry) for entry in entries]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(entry: dict[str, Any]) -> list[str]:
    return [
        entry["model"],
        NAMES[entry["name"]],
        f"{entry['pairs']:,}",
        f"{entry['cells']:,}",
        f"{entry['seconds']:.2f}",
        f"{entry['ratio']:.1f}",
        f"{entry['peak_mib']:,.0f}",
        f"{entry['max_abs_error']:.0e}",
    ]


def main() -> None:
    """Command line: way, case as JSON, threads."""
    way, case, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with torch.inference_mode():
        model, pairs = build(**json.loads(case))
        worker = Worker(way, model, pairs)
        print(json.dumps({"pairs": len(pairs.source)}), flush=True)
        for line in sys.stdin:
            print(json.dumps(worker.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
