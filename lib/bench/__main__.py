"""`python -m lib.bench`: the comparison into `runs/bench.json`; with `--save` into the book as well."""

import argparse
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from lib.bench import chapters, page, patching
from lib.bench.gather import overhead
from lib.bench.run import side_by_side
from lib.book import net

REPOSITORY = Path(__file__).parents[2]
MODELS = ("gpt2-small-shape", "pocket")


def machine(threads: int) -> dict[str, Any]:
    """What the numbers are measured on, in general terms, and how busy it was before."""
    information = Path("/proc/cpuinfo").read_text()
    names = [line.split(":")[1].strip() for line in information.splitlines() if line.startswith("model name")]
    cpu = names[0] if names else "unknown"
    return {"cpu": cpu, "cores": os.cpu_count(), "threads": threads, "load_before": os.getloadavg()[0]}


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole result, as it is written."""
    result: dict[str, Any] = {"machine": machine(arguments.threads), "effects": [], "patching": [], "growth": []}
    for name in arguments.models:
        entries, growth = side_by_side(
            name,
            n_tokens=arguments.tokens,
            n_neurons=arguments.neurons,
            n_hooked=arguments.hooked,
            rounds=arguments.rounds,
            threads=arguments.threads,
            grow=name == MODELS[0],
        )
        result["effects"] += entries
        result["growth"] += growth
        given = {"n_pairs": arguments.pairs, "rounds": arguments.rounds, "threads": arguments.threads}
        result["patching"] += patching.side_by_side(name, **given)
    return result | {"gather": overhead(), "chapters": chapters.taken(REPOSITORY / "book" / "models")}


def main() -> None:
    """Command line: measures, prints the table, and keeps the result; what fails or is stopped is one sentence."""
    sys.exit(net.caught(_main, stopped="stopped; nothing was kept"))


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lib.bench", description=__doc__)
    parser.add_argument("--neurons", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--hooked", type=int, default=8, help="neurons that the hooks are timed on")
    parser.add_argument("--pairs", type=int, default=8, help="prompts in pairs that are patched")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, help="without both, nothing is saved")
    parser.add_argument("--save", action="store_true", help="keep the result in the book, with date and commit")
    parser.add_argument(
        "--page", action="store_true", help="only write the book's page anew from book/bench.json and kept runs"
    )
    arguments = parser.parse_args()
    if arguments.save and {*arguments.models} != {*MODELS}:
        parser.error("a result that the book keeps is about all models: leave out --models, or --save")
    kept = REPOSITORY / "book" / "bench.json"
    if not arguments.page:
        (REPOSITORY / "runs").mkdir(exist_ok=True)  # before the minutes that it takes, in case that it cannot be
        result = measured(arguments)
        (REPOSITORY / "runs" / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
        print(page.table(result), patching.table(result["patching"]), chapters.table(result["chapters"]), sep="\n\n")
        if not arguments.save:
            return
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        result |= {"date": date.today().isoformat(), "commit": commit}
        kept.write_text(json.dumps(result, indent=1) + "\n")
    result = json.loads(kept.read_text()) | {"chapters": chapters.taken(REPOSITORY / "book" / "models")}
    page.write(result, REPOSITORY / "book")


if __name__ == "__main__":
    main()
