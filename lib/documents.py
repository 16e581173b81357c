"""Where running text comes from: the embedded sample, a file, or a data set on the Hugging Face hub.

The embedded sample is `pocket`, whatever files lie around. A text is known by its content: a file by the fingerprint
of its bytes, a data set by the commit that the hub has it at."""

from collections.abc import Iterator
from pathlib import Path

from lib import fingerprint as by_content

EMBEDDED = "pocket"
SAMPLE = Path(__file__).parent / "pocket" / "sample.txt"


class TextError(ValueError):
    """Text that cannot be used; its message is one sentence for the reader."""


def documents(text: str) -> Iterator[str]:
    """The documents of a text: `pocket` (the embedded held-out sample), a local file, or a hub data set.

    In a file, blank lines part the documents; of a data set, the `text` column of the `train` split is
    streamed. Raises TextError when there is no such text, or nothing in it."""
    path = _file(text)
    if path.is_dir():
        raise TextError(f"the text {text!r} is a directory; name a file of text, {EMBEDDED!r}, or a hub data set")
    if not path.is_file():
        return _hub_documents(text)
    try:
        found = [document for document in path.read_text(encoding="utf-8").split("\n\n") if document.strip()]
    except UnicodeDecodeError:
        raise TextError(f"the text file {path} is not UTF-8 text") from None
    if not found:
        raise TextError(f"the text file {path} is empty")
    return (document.strip("\n") for document in found)


def _file(text: str) -> Path:
    return SAMPLE if text == EMBEDDED else Path(text).expanduser()


def _hub_documents(text: str) -> Iterator[str]:
    import datasets

    try:
        rows = datasets.load_dataset(text, split="train", streaming=True)
        first = next(iter(rows))
    except Exception as error:  # datasets raises a different family of errors for every way a repository can fail
        raise TextError(
            f"the text {text!r} is not {EMBEDDED!r}, not a file, and cannot be streamed as a hub data set "
            f"({type(error).__name__})"
        ) from None
    if "text" not in first:
        raise TextError(f"the data set {text} has no column `text` (it has {', '.join(first)})")
    return (row["text"] for row in rows)


def fingerprint(text: str) -> str:
    """What a text is, by content: the fingerprint of a file, the commit of a hub data set.

    Empty when neither can be had: the hub has no such data set, or cannot be asked."""
    path = _file(text)
    if path.is_file():
        return by_content.of_file(path)[: by_content.DIGITS]
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return HfApi().dataset_info(text).sha or ""
    except (HfHubHTTPError, OfflineModeIsEnabled, httpx2.HTTPError, OSError, ValueError):
        return ""
