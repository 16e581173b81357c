"""The comparison: workers that take turns, and the table of what they answered."""

import json
import math
import os
import statistics
import subprocess
import sys
from typing import Any

import torch

ORDER = ("published", "hooks", "eager", "fused", "cumulant")
SHARED = ("published", "hooks")
"""The slow ways, whose one computation is shared out over the rounds."""
SIZES = {"tokens": (32, 64, 128, 256), "neurons": (64, 128, 256, 512), "vocabulary": (6282, 12564, 25128, 50257)}
BASE = {"tokens": 64, "neurons": 128, "vocabulary": 12564}
"""Sizes at which cost is watched as it grows, one at a time from the base."""


class Process:
    """A worker in a process of its own."""

    def __init__(self, way: str, case: dict[str, Any], *, threads: int) -> None:
        # idle workers must not spin while another one works
        environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-m", "lib.bench.worker", way, json.dumps(case), str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.way = way
        self._line()

    def ask(self, **order: Any) -> dict[str, Any]:
        """The worker's answer to an order."""
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def finish(self) -> dict[str, Any]:
        """Its last answer; the process ends."""
        answer = self.ask(finish=True)
        self.process.stdin.close()
        self.process.wait()
        return answer

    def _line(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker for {self.way} ended early; its own message is above")
        return line


def side_by_side(
    name: str, *, n_tokens: int, n_neurons: int, n_hooked: int, rounds: int, threads: int, grow: bool, **shape: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All ways on one model: an entry for each, and how the gears' cost grows.

    In every round the published procedure and the hooks take a share of their neurons, and each gear takes all:
    theirs is the median over rounds, where the other two add up to one computation."""
    case = {"name": name, "n_tokens": n_tokens, "n_neurons": n_neurons} | shape
    reference = _reference(case, n_neurons, threads)
    workers = {way: Process(way, case, threads=threads) for way in ORDER}
    asked = {way: min(n_hooked, n_neurons) if way == "hooks" else n_neurons for way in ORDER}
    spent: dict[str, list[float]] = {way: [] for way in ORDER}
    for turn in range(rounds):
        for way, worker in workers.items():
            first, last = (asked[way] * (turn + i) // rounds if way in SHARED else asked[way] * i for i in (0, 1))
            spent[way].append(worker.ask(first=first, last=last)["seconds"])
    gears = [way for way in ORDER if way not in SHARED]
    frequency = {way: workers[way].ask(frequency=True)["seconds"] for way in gears}
    growth = [entry for way in gears for entry in _growth(workers[way])] if grow else []
    answers = {way: worker.finish() for way, worker in workers.items()}
    took = {way: sum(s) if way in SHARED else statistics.median(s) for way, s in spent.items()}
    per_neuron = {way: took[way] / asked[way] for way in ORDER}
    entries = [
        {
            "name": way,
            "model": name,
            "tokens": n_tokens,
            "neurons": asked[way],
            "seconds": took[way],
            "ratio": per_neuron["published"] / per_neuron[way],
            "peak_mib": answers[way]["peak_mib"],
            "max_abs_error": _error(answers[way]["means"], reference),
        }
        | ({"frequency_seconds": frequency[way]} if way in frequency else {})
        | ({"routed_share": answers[way]["routed_share"]} if way == "cumulant" else {})
        for way in ORDER
    ]
    return entries, growth


def _reference(case: dict[str, Any], n_neurons: int, threads: int) -> torch.Tensor:
    worker = Process("reference", case, threads=threads)
    worker.ask(first=0, last=n_neurons)
    return torch.tensor(worker.finish()["means"])


def _error(means: list[list[float]], reference: torch.Tensor) -> float:
    """Largest deviation of a neuron's mean effect from the reference, in nats; over the neurons that were computed."""
    difference = (torch.tensor(means) - reference).abs()
    return max(value for value in difference.flatten().tolist() if not math.isnan(value))


def _growth(worker: Process) -> list[dict[str, Any]]:
    """Seconds at four sizes of tokens, neurons and vocabulary; the best of three."""
    return [
        {"name": worker.way, "axis": axis, "size": size}
        | {"seconds": min(worker.ask(grow=BASE | {axis: size})["seconds"] for _ in range(3))}
        for axis, sizes in SIZES.items()
        for size in sizes
    ]
