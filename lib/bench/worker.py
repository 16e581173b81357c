"""One way of computing in a process of its own: it takes orders as lines of JSON and answers each with one.

    python -m lib.bench.worker cumulant '{"name": "gpt2-small-shape", "n_tokens": 256, "n_neurons": 512}' 2

Its first line says how many tokens and neurons its case has, and how wide the model is. Orders: {"first": a, "last": b}
computes neurons a to b and answers with seconds; {"frequency": true} does so with the frequency-frozen variant;
{"grow": …} as in `grown`; {"finish": true} answers with the means, and with peak memory as it was when neurons were
last computed. The worker called "ceiling" answers {"ceiling": true} with how fast the machine is at best."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lib.bench import case as cases
from lib.bench import ways
from lib.bench.case import Case
from lib.bench.ceiling import Ceiling

GEARS = ("eager", "fused", "cumulant")


class Worker:
    """A case, one way of computing on it, and what came out so far."""

    def __init__(self, way: str, case: Case) -> None:
        self.way, self.case = way, case
        self.means = torch.full((len(ways.MEANS), len(case.neurons)), torch.nan, dtype=torch.float64)
        self.run = ways.reference if way == "reference" else ways.WAYS[way]
        few = case.some(0, min(2, len(case.neurons)))
        if way in GEARS:
            ways.gear(way, frequency=True)(few)  # compiles, as the next line does, and warms the caches
        self.run(few)
        forget_peak()
        self.peak_mib = 0.0

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Does what an order says."""
        if "finish" in order:
            report = getattr(self.run, "report", None)
            routed = {} if report is None else {"routed_share": report.routed_share}
            return {"peak_mib": self.peak_mib, "means": self.means.tolist()} | routed
        if "grow" in order:
            return {"seconds": seconds(self.run, grown(self.case, **order["grow"]))}
        if "frequency" in order:
            return {"seconds": seconds(ways.gear(self.way, frequency=True), self.case)}
        first, last = order["first"], order["last"]
        start = time.perf_counter()
        self.means[:, first:last] = self.run(self.case.some(first, last)).double()
        taken, self.peak_mib = time.perf_counter() - start, peak_mib()
        return {"seconds": taken}


def size(case: Case) -> dict[str, int]:
    """How much there is to compute."""
    final = case.model.final_layer
    sides = {"d_vocab": final.d_vocab, "d_model": final.d_model}
    return {"tokens": len(case.delta), "neurons": len(case.neurons)} | sides


def seconds(run: Any, case: Case) -> float:
    """How long one computation takes."""
    start = time.perf_counter()
    run(case)
    return time.perf_counter() - start


def grown(case: Case, *, tokens: int, neurons: int, vocabulary: int) -> Case:
    """The case cut to so many tokens, neurons and entries of the vocabulary."""
    some, final = case.some(0, neurons), case.model.final_layer
    short = replace(final, W_U=final.W_U[:, :vocabulary].contiguous(), b_U=final.b_U[:vocabulary])
    clean = case.clean.part(slice(0, tokens))
    return replace(
        some,
        model=replace(some.model, final_layer=short),
        clean=replace(clean, target=clean.target % vocabulary),
        delta=some.delta[:tokens],
        log_unigram=case.log_unigram[:vocabulary].log_softmax(0),
    )


def forget_peak() -> None:
    """From here on the peak of this process's memory is counted anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Peak memory of this process in MiB since `forget_peak`, model included."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Command line: way, case as JSON, threads."""
    way, case, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with torch.inference_mode():
        built = cases.build(**json.loads(case))
        worker = Ceiling(built) if way == "ceiling" else Worker(way, built)
        print(json.dumps(size(built)), flush=True)
        for line in sys.stdin:
            print(json.dumps(worker.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
