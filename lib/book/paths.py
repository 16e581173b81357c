"""Keeps the machine that ran a book out of the book.

A path on a page tells a reader nothing, names the owner of the machine, and sends a notebook that is run
again elsewhere to write where nobody asked. So whatever a run left is told over: a path inside the
repository from its root, any other by its last part, so too whatever lies beside a model or a text that was
given, and their folder not at all; the folder of results as the empty default."""

import html
import json
import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from lib.book.request import REPOSITORY

REST = r"(?:/[^\s\"'<>:;,|()\[\]\\]*)?(?![\w-])"  # what follows a known folder, up to the end of a path


def spellings(path: str) -> set[str]:
    """A path as it may stand on a page: bare, in HTML, in JSON, in the text of a Python string."""
    in_json = [json.dumps(path, ensure_ascii=ascii)[1:-1] for ascii in (True, False)]
    return {path, html.escape(path), html.escape(path, quote=False), repr(path)[1:-1], *in_json}


def places() -> list[str]:
    """The folders that only this machine has, longest first: repository, environment, home, scratch, caches."""
    known = [REPOSITORY, Path.cwd(), Path(sys.prefix), Path.home(), Path(tempfile.gettempdir())]
    known += [Path(sysconfig.get_paths()["stdlib"]), Path(os.environ.get("HF_HOME", Path.home()))]
    both = {str(path) for given in known for path in (given.absolute(), given.resolve())}
    told = {spelt for path in both if len(Path(path).parts) > 1 for spelt in spellings(path)}
    return sorted(told, key=len, reverse=True)


def without_paths(value: Any, *, given: dict[str, Any]) -> Any:
    """A value as JSON has it, its texts without paths of this machine.

    `given` are the parameters of the run: `results` becomes empty wherever it stands, and a parameter that is
    a path, such as a directory with a model, becomes its last part."""
    if isinstance(value, dict):
        return {without_paths(key, given=given): without_paths(entry, given=given) for key, entry in value.items()}
    if isinstance(value, list):
        return [without_paths(entry, given=given) for entry in value]
    return _plain(value, given) if isinstance(value, str) else value


def _plain(text: str, given: dict[str, Any]) -> str:
    results = str(given.get("results", ""))
    if results:
        text = re.sub(rf"(, results=)?(?:{_any(spellings(results))})(?![\w/-])", "", text)
    others = [entry for name, entry in given.items() if name != "results" and isinstance(entry, str)]
    for path in filter(os.path.isabs, others):
        text = re.sub(_any(spellings(path)), lambda found: Path(found[0]).name, text)
        text = _beside(str(Path(path).parent)).sub(lambda found: Path(found[1] or "…").name, text)
    return _known().sub(_told_over, text)


@cache
def _beside(folder: str) -> re.Pattern[str]:
    """The folder, and what follows it in a path; none where it holds this repository, whose paths are known."""
    holds_all = REPOSITORY.is_relative_to(folder)
    return re.compile(r"(?!)" if holds_all else rf"(?<![\w.-])(?:{_any(spellings(folder))})({REST})")


def _any(texts: Iterable[str]) -> str:
    """A pattern of any of these texts, longer ones first."""
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))


@cache
def _known() -> re.Pattern[str]:
    """A path that begins with one of the places."""
    return re.compile(rf"(?<![\w.-])(?:{_any(places())}){REST}")


def _told_over(found: re.Match[str]) -> str:
    path = found[0]
    for root in spellings(f"{REPOSITORY}/"):
        if path.startswith(root) and not path.startswith(f"{root}.venv/"):
            return path.removeprefix(root)
    return Path(path).name
