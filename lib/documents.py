"""Where running text comes from: the embedded sample, Python's own manual, local files, or a data set on the hub.

What a text is named decides what it is read as:

- `pocket`, the embedded held-out sample, whatever files lie around
- `python`, the language reference that every Python carries: English that needs no download
- a file `.txt` (blank lines part the documents), `.jsonl` or `.parquet` (a document a row, in the field `text`),
  or a folder of such files
- a data set on the Hugging Face hub, `org/name`, `org/name:configuration`, either of them `@revision`
- nothing: `pocket` for an embedded model, `python` for any other, which never read the sample's little world

A text is known by its content: a file by the fingerprint of its bytes, a data set by the commit that the hub has it
at."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import fingerprint as by_content

EMBEDDED, PYTHON = "pocket", "python"
SAMPLE = Path(__file__).parent / "pocket" / "sample.txt"
FIELD = "text"
"""The field of a row, in files and data sets alike, that holds its document."""


SKIPPED: dict[str, int] = {}
"""Rows without text that this process passed over, by what the text was called; for the run card."""


class TextError(ValueError):
    """Text that cannot be used; its message is one sentence for the reader."""


@dataclass
class Documents:
    """The documents of a text, one after another; to be gone through once."""

    rows: Iterator[Any]
    """Documents, and whatever else stands where one should."""
    name: str
    """As a reader is told it."""
    text: str
    """As it was called."""
    n_skipped: int = 0
    """Rows so far that held no text and were passed over."""

    def __iter__(self) -> Iterator[str]:
        n_read = 0
        for row in self.rows:
            if isinstance(row, str) and row.strip():
                n_read += 1
                yield _whole_letters(row.strip("\n"))
            else:
                self.n_skipped += 1
                SKIPPED[self.text] = max(self.n_skipped, SKIPPED.get(self.text, 0))
        if not n_read:
            raise TextError(f"no row of {self.name} holds text, of {self.n_skipped:,} that were read")

    @property
    def skipped(self) -> str:
        """What was passed over, in words; empty where nothing was."""
        return f"{self.n_skipped:,} rows without text were skipped" if self.n_skipped else ""


def _whole_letters(text: str) -> str:
    """The text with a replacement character for every half of a letter, which JSON can hold and no tokenizer reads."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def suiting(text: str, *, kind: str) -> str:
    """The text that is meant: what was named, else what suits a model of this kind (`pocket` or another)."""
    return text or (EMBEDDED if kind == "pocket" else PYTHON)


def described(text: str) -> str:
    """What a text is, in words for the page; of a file or folder its own name and never where it lies."""
    if text == EMBEDDED:
        return "the embedded sample, held-out text of the pocket models' world"
    if text == PYTHON:
        return "Python's language reference, as the interpreter carries it"
    path = Path(text).expanduser()
    kind = "folder" if path.is_dir() else "file" if path.is_file() else "data set"
    return f"the {kind} {path.name if path.exists() else text}"


def skipped(text: str) -> int:
    """Rows of a text without a document that this process has passed over so far."""
    return SKIPPED.get(text, 0)


def documents(text: str) -> Documents:
    """The documents of a text; see above for what can be named.

    A byte-order mark is no part of a file's text, and a line of blanks is blank. Of a data set the `train` split is
    streamed. Raises TextError when there is no such text, or nothing in it."""
    if text == PYTHON:
        return Documents(_manual(), PYTHON, text)
    path = SAMPLE if text == EMBEDDED else Path(text).expanduser()
    if path.is_dir():
        files = [file for file in _files(path) if file.stat().st_size]
        return Documents((row for file in files for row in _rows(file)), path.name, text)
    if path.is_file():
        return Documents(_rows(path), path.name, text)
    return Documents(_hub_rows(text), text, text)


def _manual() -> Iterator[str]:
    from pydoc_data import topics

    return iter(topics.topics.values())


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READERS and path.is_file())
    if not files:
        kinds = ", ".join(READERS)
        raise TextError(f"the folder {folder} holds no text; files that can be read end in {kinds}")
    return files


def _rows(file: Path) -> Iterator[Any]:
    suffix = file.suffix.lower()
    if suffix in OF_DATA:
        raise TextError(f"{file.name} holds data and not running text; save it as .jsonl, a document a line, or .txt")
    return iter(READERS.get(suffix, _paragraphs)(file))


def _paragraphs(file: Path) -> list[str]:
    """Documents parted by lines with nothing on them but blanks."""
    found, lines = [], []
    for line in [*_decoded(file).split("\n"), ""]:
        if line.strip():
            lines.append(line)
        elif lines:
            found.append("\n".join(lines))
            lines = []
    if not found:
        raise TextError(f"the text file {file} is empty")
    return found


def _decoded(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise TextError(f"the text file {file} is not UTF-8 text") from None


def _of_lines(file: Path) -> list[Any]:
    """The field `text` of every line."""
    found = []
    for number, line in enumerate(_decoded(file).split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                raise TextError(f"line {number} of {file} is not JSON; a .jsonl file has one object a line") from None
            found.append(_field(row if isinstance(row, dict) else {}, f"line {number} of {file}"))
    if not found:
        raise TextError(f"the text file {file} is empty")
    return found


def _field(row: dict[str, Any], where: str) -> Any:
    if FIELD not in row:
        raise TextError(f"{where} has no field `{FIELD}` (it has {', '.join(row) or 'none'}); rename the one to read")
    return row[FIELD]


def _of_table(file: Path) -> list[Any]:
    """The column `text`."""
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.ParquetFile(file)
    except (ArrowException, OSError) as error:
        raise TextError(f"{file} is not a parquet file that can be read ({type(error).__name__})") from None
    _field(dict.fromkeys(table.schema_arrow.names, ""), str(file))
    return table.read(columns=[FIELD])[FIELD].to_pylist()


Reader = Callable[[Path], Sequence[Any]]
READERS: dict[str, Reader] = {".txt": _paragraphs, ".jsonl": _of_lines, ".parquet": _of_table}
"""How files are read, by the end of their names; any other file is read as `.txt`."""
OF_DATA = (".json", ".csv", ".tsv")
"""Ends of names whose files would be measured together with their syntax."""


def _hub_rows(text: str) -> Iterator[Any]:
    import datasets

    name, configuration, revision = parts(text)
    chosen = {"name": configuration or None, "revision": revision or None}
    try:
        rows = datasets.load_dataset(name, **chosen, split="train", streaming=True)
        first = next(iter(rows))
    except Exception as error:  # datasets raises a different family of errors for every way a repository can fail
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise TextError(
            f"the text {text!r} is neither {EMBEDDED!r} nor {PYTHON!r}, not a file or folder, and cannot be streamed "
            f"as a hub data set ({type(error).__name__}: {reason})"
        ) from None
    if FIELD not in first:
        raise TextError(f"the data set {text} has no column `{FIELD}` (it has {', '.join(first)})")
    return (row[FIELD] for row in rows)


def parts(text: str) -> tuple[str, str, str]:
    """Repository, configuration and revision of a hub data set; the latter two may be empty: "allenai/c4:en@main"."""
    name, _, revision = text.partition("@")
    repository, _, configuration = name.partition(":")
    return repository, configuration, revision


def fingerprint(text: str) -> str:
    """What a text is, by content: the fingerprint of file, folder or manual, the commit of a hub data set.

    Empty when none can be had: the hub has no such data set, or cannot be asked."""
    if text == PYTHON:
        return by_content.of(list(_manual()))
    path = SAMPLE if text == EMBEDDED else Path(text).expanduser()
    if path.is_file():
        return by_content.of_file(path)[: by_content.DIGITS]
    if path.is_dir():
        return by_content.of_files(_files(path), root=path)
    return _commit(text)


def refusal(text: str) -> str:
    """Why the hub does not tell of a data set, in its own words; empty where it does."""
    return _asked(text)[1]


def _commit(text: str) -> str:
    return _asked(text)[0]


def _asked(text: str) -> tuple[str, str]:
    """The commit of a data set, with its configuration, or why the hub does not tell it."""
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    name, configuration, revision = parts(text)
    try:
        commit = HfApi().dataset_info(name, revision=revision or None).sha or ""
    except (HfHubHTTPError, OfflineModeIsEnabled, httpx2.HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        return "", f"{type(error).__name__}: {reason}"
    return (f"{commit}:{configuration}" if commit and configuration else commit), ""
