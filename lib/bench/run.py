"""The comparison: workers that take turns, and the table of what they answered."""

import json
import math
import os
import statistics
import subprocess
import sys
import weakref
from typing import Any

import torch

from lib.bench import telling
from lib.bench.ceiling import KIND, reached

ORDER = ("published", "hooks", "eager", "fused", "cumulant")
SHARED = ("published", "hooks")
"""The slow ways, whose one computation is shared out over the rounds."""
SIZES = {"tokens": (32, 64, 128, 256), "neurons": (64, 128, 256, 512), "vocabulary": (6282, 12564, 25128, 50257)}
BASE = {"tokens": 64, "neurons": 128, "vocabulary": 12564}
"""Sizes at which cost is watched as it grows, one at a time from the base."""


class Process:
    """A worker in a process of its own."""

    def __init__(self, way: str, case: dict[str, Any], *, threads: int, module: str = "lib.bench.worker") -> None:
        # idle workers must not spin while another one works
        environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-m", module, way, json.dumps(case), str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        weakref.finalize(self, self.process.kill)  # it is stopped by us and not by Ctrl-C, and says nothing of it
        assert self.process.stdin and self.process.stdout
        self._in, self._out, self.way = self.process.stdin, self.process.stdout, way
        self.size = json.loads(self._line())

    def ask(self, **order: Any) -> dict[str, Any]:
        """The worker's answer to an order."""
        print(json.dumps(order), file=self._in, flush=True)
        return json.loads(self._line())

    def finish(self) -> dict[str, Any]:
        """Its last answer; the process ends."""
        answer = self.ask(finish=True)
        self._in.close()
        self.process.wait()
        return answer

    def _line(self) -> str:
        line = self._out.readline()
        if not line:
            raise RuntimeError(f"the worker for {self.way} ended early; its own message is above")
        return line


def side_by_side(
    name: str, *, n_tokens: int, n_neurons: int, n_hooked: int, rounds: int, threads: int, grow: bool, **shape: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All ways on one model: an entry for each, and how the gears' cost grows.

    In every round the published procedure and the hooks take a share of their neurons, and each gear takes all:
    theirs is the median over rounds, where the other two add up to one computation. What the machine could do at best
    is measured in every round too, and what share of it each gear reaches. As many tokens and neurons as
    asked for, or as many as there are: what an entry says, and what is divided by, is how many were computed."""
    case = {"name": name, "n_tokens": n_tokens, "n_neurons": n_neurons} | shape
    telling.step(f"{name}: the reference, in float64")
    reference = Process("reference", case, threads=threads)
    there = reference.size["neurons"]
    reference.ask(first=0, last=there)
    truth = torch.tensor(reference.finish()["means"])
    workers = {way: Process(way, case, threads=threads) for way in ORDER}
    asked = {way: min(n_hooked, there) if way == "hooks" else there for way in ORDER}
    machine = Process("ceiling", case, threads=threads)
    spent, ceilings = _in_turns(workers, asked, rounds, machine)
    machine.finish()
    frequency = _with_frequency(workers, rounds)
    growth = [entry for way in frequency for entry in _growth(workers[way])] if grow else []
    entries = [
        {"name": way, "model": name, "tokens": worker.size["tokens"], "neurons": asked[way], "seconds": spent[way]}
        | {"ratio": (spent["published"] / there) / (spent[way] / asked[way])}
        | _told(worker.finish(), truth)
        | ({"frequency_seconds": frequency[way]} if way in frequency else {})
        | (reached(way, spent[way], ceilings, **worker.size) if way in KIND else {})
        for way, worker in workers.items()
    ]
    return entries, growth


def shares(n: int, rounds: int) -> list[tuple[int, int]]:
    """`n` neurons shared out over the rounds as evenly as may be, each share from one place to another; with fewer
    neurons than rounds some rounds have none."""
    return [(n * turn // rounds, n * (turn + 1) // rounds) for turn in range(rounds)]


def _in_turns(
    workers: dict[str, Process], asked: dict[str, int], rounds: int, machine: Process
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Seconds of every way: one computation shared out over the rounds, or the median over whole ones; and what the
    machine does at best in each round."""
    spent: dict[str, list[float]] = {way: [] for way in workers}
    ceilings = []
    for turn in range(rounds):
        telling.step(f"round {turn + 1} of {rounds}: what the machine can do, then {', '.join(workers)}")
        ceilings.append(machine.ask(ceiling=True))
        for way, worker in workers.items():
            first, last = shares(asked[way], rounds)[turn] if way in SHARED else (0, asked[way])
            if first < last:
                spent[way].append(worker.ask(first=first, last=last)["seconds"])
    return {way: sum(took) if way in SHARED else statistics.median(took) for way, took in spent.items()}, ceilings


def _with_frequency(workers: dict[str, Process], rounds: int) -> dict[str, float]:
    """Seconds of every gear with the frequency-frozen variant on top, the median over rounds as without it."""
    gears = [way for way in workers if way not in SHARED]
    telling.step(f"the frequency-frozen variant on top, {rounds} rounds: {', '.join(gears)}")
    spent = [{way: workers[way].ask(frequency=True)["seconds"] for way in gears} for _ in range(rounds)]
    return {way: statistics.median(took[way] for took in spent) for way in gears}


def _told(answer: dict[str, Any], truth: torch.Tensor) -> dict[str, Any]:
    """What a worker's last answer adds to its entry."""
    routed = {name: answer[name] for name in ("routed_share",) if name in answer}
    return {"peak_mib": answer["peak_mib"], "max_abs_error": _error(answer["means"], truth)} | routed


def _error(means: list[list[float]], reference: torch.Tensor) -> float:
    """Largest deviation of a neuron's mean effect from the reference, in nats; over the neurons that were computed."""
    difference = (torch.tensor(means) - reference).abs()
    return max(value for value in difference.flatten().tolist() if not math.isnan(value))


def _growth(worker: Process) -> list[dict[str, Any]]:
    """Seconds at four sizes of tokens, neurons and vocabulary; the best of three."""
    telling.step(f"how the cost of {worker.way} grows with {', '.join(SIZES)}")
    return [
        {"name": worker.way, "axis": axis, "size": size}
        | {"seconds": min(worker.ask(grow=BASE | {axis: size})["seconds"] for _ in range(3))}
        for axis, sizes in SIZES.items()
        for size in sizes
    ]
