"""What a chapter's numbers are made of, by content: models, text, library, environment.

One dictionary of fingerprints answers for the graph (has anything changed since?), for caches (counted from the same
text with the same tokenizer?) and for the run card (what was it?). It says nothing about paths, dates or notes."""

import os
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lib import documents, fingerprint, source
from lib.source import Source

LIBRARY = Path(__file__).parent
REQUIREMENTS = LIBRARY.with_name("requirements.txt")
CLAIMS = LIBRARY.with_name("book") / "claims"
OTHERS = ("post_trained", "plain", "dropout", "control")
"""The parameters beside `model` that name a model."""
PAIRED = "post_trained"
"""The parameter that makes a chapter one of a pair of models; empty it stands for the partner that is known."""
FACTS = "facts_csv"
"""The parameter that names a reader's own table of facts."""
ASIDE = (".md", ".pyc")
APART = ("bench/", "pocket/")
"""What lies in the library and is read by no chapter as a part of it: no module may import from there, and embedded
models and the embedded text count by their own names."""


def made_of(parameters: Mapping[str, Any], *, loaded: Source | None = None) -> dict[str, str]:
    """The fingerprint of everything that a run with these parameters reads, by name; "" for what cannot be had.

    `loaded` is where the model came from, when it is loaded already. Raises SourceError as `source.resolve` does."""
    main, found = loaded or _source(parameters), {}
    if main:
        found["model"] = main.revision
        if "checkpoints" in parameters:
            found["beside"] = _beside(main, parameters["checkpoints"])
    found |= {name: other.revision for name, other in others(parameters).items()}
    if "text" in parameters:
        found["text"] = documents.fingerprint(documents.suiting(parameters["text"], kind=main.kind if main else ""))
    if parameters.get(FACTS):
        table = Path(parameters[FACTS]).expanduser()
        found["facts"] = fingerprint.of(fingerprint.of_file(table)) if table.is_file() else ""
    return found | {"library": library(), "environment": environment()}


def others(parameters: Mapping[str, Any]) -> dict[str, Source]:
    """The models beside the main one, by the parameter that names each; of a pair the partner that is meant, and as
    `sft` the stage between the two where it is known.

    Raises SourceError as `source.resolve` does, and for a pair without a partner."""
    named = {name: parameters[name] for name in OTHERS if parameters.get(name)}
    if PAIRED in parameters:
        named |= source.partners(parameters["model"], parameters[PAIRED])
    return {name: source.resolve(model) for name, model in named.items()}


def told(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as cards and ledgers tell them: a folder or a file by its own name, as where it lies is nobody's
    business and its content has a fingerprint; of the folder of results nothing."""
    return {name: _told(name, value) for name, value in parameters.items()}


def _told(name: str, value: Any) -> Any:
    if isinstance(value, str) and Path(value).is_absolute():
        return "" if name == "results" else Path(value).name
    return value


def _source(parameters: Mapping[str, Any]) -> Source | None:
    model = parameters.get("model", "")
    return source.resolve(model, revision=parameters.get("revision", "")) if model else None


def _beside(main: Source, named: str) -> str:
    """Checkpoints and twins of a local model; on the hub their names stand in the parameters."""
    folders = {*source.beside(main)}
    if main.kind != "hub":
        given = {Path(main.location).with_name(name.strip()) for name in named.split(",") if name.strip()}
        folders |= {folder for folder in given if folder.is_dir()}
    return fingerprint.of({folder.name: source.contents(folder) for folder in folders})


@cache
def library() -> str:
    """The fingerprint of the code and of the data that it reads: tables of facts, styles, claims; not of notes."""
    names = {path.relative_to(LIBRARY).as_posix(): path for path in LIBRARY.rglob("*") if path.is_file()}
    read = [path for name, path in names.items() if not name.startswith(APART) and not _is_aside(path)]
    return fingerprint.of_files([*read, *CLAIMS.glob("*.yml")], root=LIBRARY.parent)


def _is_aside(path: Path) -> bool:
    """Whether a file is prose, compiled, hidden, or an editor's copy."""
    return path.suffix in ASIDE or path.name.startswith(".") or path.name.endswith("~")


@cache
def environment() -> str:
    """The fingerprint of Python, machine and every package that requirements.txt names, at the version installed."""
    pinned = REQUIREMENTS.read_text(encoding="utf-8").splitlines() if REQUIREMENTS.is_file() else []
    names = sorted(line.partition("==")[0].strip() for line in pinned if "==" in line and not line.startswith("#"))
    kernels = os.environ.get("ATEN_CPU_CAPABILITY", "")  # other kernels, other digits
    machine = [platform.python_version(), platform.system(), platform.machine(), kernels]
    return fingerprint.of([machine, {name: _version(name) for name in names}])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
