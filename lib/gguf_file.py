"""A model in one file: what the head of a GGUF file says, read without its weights.

GGUF is llama.cpp's format: metadata, the tokenizer and the weights, mostly in few bits, in a single file. Its head is
enough to refuse in a moment what is no such model, to count its parameters, and to say in words in how many bits they
are kept. Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"""

import math
import re
import struct
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, BinaryIO

from lib import fingerprint
from lib.source_error import SourceError

SUFFIX = ".gguf"
MAGIC, VERSIONS = b"GGUF", (2, 3)
SCALARS = dict(enumerate(("<B", "<b", "<H", "<h", "<I", "<i", "<f", "<?", "", "", "<Q", "<q", "<d")))
STRING, ARRAY = 8, 9
MOST = 1 << 28
"""More than any string or list of a head that is whole: its length is read amiss."""
ALIGNMENT = 32
"""Bytes that the weights begin at a multiple of, where a file does not say otherwise."""


@dataclass(frozen=True)
class Head:
    """What a file says of itself before its weights."""

    n_parameters: int
    weights: str
    """In how many bits the weights are kept, in words."""
    pre_tokenizer: str
    """How text is parted before it is made tokens, by llama.cpp's name for it; empty where it is not said."""


@dataclass(frozen=True)
class _Tensor:
    name: str
    n_elements: int
    kind: int
    offset: int


class _CutShortError(Exception):
    pass


def is_named(model: str) -> bool:
    """Whether what was named as a model is a GGUF file by the end of its name, there or not."""
    return Path(model).suffix.lower() == SUFFIX


def in_package(model: str, package: str, file: str) -> Path:
    """A file inside an installed package, which is not imported. Raises SourceError where it is not installed."""
    try:
        found = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        found = None
    if found is None or not found.is_file():
        raise SourceError(
            f"{model} comes in the package {package}, which is not installed here; `make book MODEL={model}` "
            "installs it"
        )
    return found


def head(path: Path) -> Head:
    """The head of a file, read once for each content.

    Raises SourceError for a file that is not there, not GGUF, cut short, one part of several, or no whole language
    model, and where the package that knows the format's kinds of weights is missing."""
    try:
        return _head(path, fingerprint.of_file(path))
    except OSError as error:
        raise SourceError(f"the file {path} cannot be read ({error.strerror}); name one that is there") from None
    except _CutShortError:
        raise SourceError(f"{path} is cut short or damaged; copy or download it again") from None


@cache
def _head(path: Path, content: str) -> Head:
    with path.open("rb") as stream:
        magic, version = stream.read(4), stream.read(4)
        if magic != MAGIC:
            raise SourceError(f"{path} is no GGUF file: it begins with {magic!r} in place of {MAGIC!r}")
        number = int.from_bytes(version, "little")
        if number not in VERSIONS:
            raise SourceError(f"{path} is GGUF of version {number}, and versions 2 and 3 are read; convert it anew")
        n_tensors, n_facts = _number(stream, "<Q"), _number(stream, "<Q")
        facts = dict(_fact(stream) for _ in range(n_facts))
        tensors = [_tensor(stream) for _ in range(n_tensors)]
        _refuse(path, facts, tensors)
        _refuse_short(path, facts, tensors, begin=stream.tell())
    n_parameters = sum(tensor.n_elements for tensor in tensors)
    return Head(n_parameters, _in_words(facts, tensors), str(facts.get("tokenizer.ggml.pre", "")))


def _read(stream: BinaryIO, n_bytes: int) -> bytes:
    found = stream.read(n_bytes) if n_bytes < MOST else b""
    if len(found) < n_bytes:
        raise _CutShortError
    return found


def _number(stream: BinaryIO, layout: str) -> Any:
    return struct.unpack(layout, _read(stream, struct.calcsize(layout)))[0]


def _string(stream: BinaryIO) -> str:
    return _read(stream, _number(stream, "<Q")).decode("utf-8", "replace")


def _fact(stream: BinaryIO) -> tuple[str, Any]:
    """One entry of the metadata, of an array its length."""
    return _string(stream), _value(stream, _number(stream, "<I"))


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == STRING:
        return _string(stream)
    if kind != ARRAY:
        if not SCALARS.get(kind):
            raise _CutShortError
        return _number(stream, SCALARS[kind])
    inner, length = _number(stream, "<I"), _number(stream, "<Q")
    if length > MOST:
        raise _CutShortError
    if SCALARS.get(inner):
        stream.seek(length * struct.calcsize(SCALARS[inner]), 1)
    else:
        for _ in range(length):
            _value(stream, inner)
    return length


def _tensor(stream: BinaryIO) -> _Tensor:
    name, n_dims = _string(stream), _number(stream, "<I")
    shape = [_number(stream, "<Q") for _ in range(n_dims)]
    return _Tensor(name, math.prod(shape), _number(stream, "<I"), _number(stream, "<Q"))


def _refuse(path: Path, facts: dict[str, Any], tensors: list[_Tensor]) -> None:
    """Raises SourceError for what is GGUF and no whole language model."""
    kind, parts = facts.get("general.type", "model"), facts.get("split.count", 0)
    if kind != "model":
        raise SourceError(f"{path} is of the type {kind!r}, and a model is needed; name the file of the model itself")
    if parts not in (0, 1):
        raise SourceError(f"{path} is one of {parts} parts; join them first (llama-gguf-split --merge)")
    needed = {"general.architecture": "architecture", "tokenizer.ggml.tokens": "tokenizer"}
    lacking = [what for key, what in needed.items() if not facts.get(key)] + ["weights"] * (not tensors)
    if lacking:
        raise SourceError(f"{path} is not a whole language model: it has no {lacking[0]}; name another file")


def _refuse_short(path: Path, facts: dict[str, Any], tensors: list[_Tensor], *, begin: int) -> None:
    """Raises SourceError unless the file holds all the weights that its head lists."""
    sizes = _known().GGML_QUANT_SIZES
    unknown = next((tensor for tensor in tensors if tensor.kind not in sizes), None)
    if unknown:
        raise SourceError(f"{path} keeps {unknown.name} as kind {unknown.kind}, which the installed gguf does not know")
    align = facts.get("general.alignment", ALIGNMENT) or ALIGNMENT
    ends = [tensor.offset + tensor.n_elements * sizes[tensor.kind][1] // sizes[tensor.kind][0] for tensor in tensors]
    if -(-begin // align) * align + max(ends) > path.stat().st_size:
        raise _CutShortError


def _in_words(facts: dict[str, Any], tensors: list[_Tensor]) -> str:
    """ "Q4_1: 4-bit weights, dequantised"; the kind of most weights where the file does not say what it is."""
    known, kind = _known(), facts.get("general.file_type")
    if kind in set(known.LlamaFileType):
        name = known.LlamaFileType(kind).name.partition("_")[2]
    else:
        share: Counter[int] = Counter()
        for tensor in tensors:
            share[tensor.kind] += tensor.n_elements
        name = known.GGMLQuantizationType(share.most_common(1)[0][0]).name
    bits = re.search(r"\d+", name)
    plain = name.startswith(("F", "BF"))
    return f"{name}: {bits[0] if bits else 'few'}-bit weights{'' if plain else ', dequantised'}"


def _known() -> Any:
    """The format's kinds of weights. Raises SourceError where the package is missing."""
    try:
        from gguf import constants
    except ImportError:
        raise SourceError(
            "a .gguf file is read with the package gguf, which is not installed; `make` installs it"
        ) from None
    return constants
