"""Where a chapter's numbers come from: model, data, parameters, versions, machine, code.

Every chapter ends in its run card, of one model or of a pair (base, post-trained). The same facts go to `card.json`,
from which `run.json` of the whole run and the line at the foot of every page are made. What the numbers are made of
stands there by content (`lib.identity`), so that two cards say whether they are about the same thing."""

import json
import platform
import resource
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lib import admission, documents, identity
from lib.model import Model

PACKAGES = ("torch", "transformer_lens", "transformers", "datasets", "numpy")
REPOSITORY = Path(__file__).parents[1]


def git_state(folder: Path = REPOSITORY) -> str:
    """The commit that the code is at, with `+ changes` when files differ from it; `no git` outside a checkout."""
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        return "no git"
    return f"{commit} + changes" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def facts(model: Model | tuple[Model, Model], parameters: dict[str, Any]) -> dict[str, Any]:
    """Everything that a rerun needs to get the same numbers, as plain values; of a pair both, as `base + post-trained`.

    `parameters` are the chapter's; folders and files among them are told by their own names. Raises SourceError when
    another model that they name cannot be had."""
    models = model if isinstance(model, tuple) else (model,)
    return _joined([_of_model(each) for each in models]) | {
        "parameters": identity.told(parameters),
        **_of_text(models[0], parameters),
        "fingerprint": identity.made_of(parameters, loaded=models[0].source),
        "device": str(models[0].bridge.original_model.device),
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "code": git_state(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def taken() -> dict[str, float]:
    """What this process took so far: seconds of the processor, and the most memory that it held, in GiB.

    No second run takes as much, so that this stands in `card.json` and not on the page."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in KiB, on a Mac in bytes
    in_gib = most / 2**30 if platform.system() == "Darwin" else most / 2**20
    return {"processor_seconds": round(time.process_time(), 1), "peak_gib": round(in_gib, 2)}


def _of_model(model: Model) -> dict[str, Any]:
    final = model.final_layer
    return {
        "model": model.name,
        "source": model.source.kind,
        "revision": model.source.revision,
        "weights": model.source.weights,
        "architecture": model.bridge.cfg.architecture,
        "layers, d_model, d_mlp, d_vocab": [model.n_layers, final.d_model, model.W_out.shape[0], final.d_vocab],
        "coordinates": _coordinates(model),
        "all-zero weights": _silent(model),
    }


def _silent(model: Model) -> str:
    """Which weight matrices write nothing, as those of layers before growth: how many, and the first by name."""
    found = admission.silent(model.bridge.original_model)
    first = found[0].replace("._original_component", "") if found else ""
    return f"{len(found)}, the first of them {first}" if found else "none"


def _of_text(model: Model, parameters: dict[str, Any]) -> dict[str, str]:
    """Which running text was read, in words, where a chapter reads any; an empty parameter does not say so itself."""
    if "text" not in parameters:
        return {}
    text = documents.suiting(parameters["text"], kind=model.source.kind)
    skipped = documents.skipped(text)
    return {"text": documents.described(text)} | ({"rows without text, skipped": f"{skipped:,}"} if skipped else {})


def _joined(each: list[dict[str, Any]]) -> dict[str, Any]:
    """One value per name: the models' own where they share it, else both, parted by a plus."""
    values = {name: [facts[name] for facts in each] for name in each[0]}
    return {
        name: found[0] if all(value == found[0] for value in found) else " + ".join(map(_plain, found))
        for name, found in values.items()
    }


def _coordinates(model: Model) -> str:
    final = model.final_layer
    parts = ["gain folded into W_U", "centred over d_model" if final.centres else "not centred over d_model (RMSNorm)"]
    parts.append("centred over the vocabulary for weight statistics" if final.soft_cap is None else "soft-capped")
    return ", ".join(parts)


def card(model: Model | tuple[Model, Model], parameters: dict[str, Any], *, results: str) -> Any:
    """The run card as a pandas table; also written to `card.json` in `results` unless that is empty.

    Raises SourceError as `facts` does."""
    import pandas

    known = facts(model, parameters)
    if results:
        Path(results).mkdir(parents=True, exist_ok=True)
        (Path(results) / "card.json").write_text(_as_json(known | taken()), encoding="utf-8")
    rows = {name: _plain(value) for name, value in known.items()}
    return pandas.DataFrame({"run": rows.values()}, index=list(rows))


def _as_json(known: dict[str, Any]) -> str:
    return json.dumps(known, indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={entry}" for name, entry in value.items() if entry != "")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def keep(table: Any, name: str, *, results: str) -> Any:
    """Writes a pandas table as `name` (CSV) into the folder `results`, unless that is empty; returns the table."""
    if results:
        Path(results).mkdir(parents=True, exist_ok=True)
        table.to_csv(Path(results) / name, index=False)
    return table
