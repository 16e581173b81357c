"""How many chapters fit into this machine's memory at once.

Every chapter loads its own copy of the model. Snakemake runs as many at a time as there is memory for, and one after
another where a graphics card is used, which they would share."""

import json
import math
from pathlib import Path

from lib import gguf_file
from lib.source import Source

CHAPTER = 1500
"""Megabytes that a chapter takes beside its model: the libraries, a batch of logits, figures."""
COPIES = 3
"""Copies of the weights at a chapter's peak: those read, those held, and the folded last layer with its statistics."""
UNKNOWN = 1 << 20
"""Megabytes for weights of which nobody says how large they are: more than there is, so one chapter at a time."""
BYTES = {"float32": 4, "bfloat16": 2, "float64": 8}
"""Of a weight in memory, by every dtype that a chapter takes."""
STORED = 2
"""Bytes of a parameter in a file, at the least."""
LIMITS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
"""Where control groups, of the second version and of the first, say how much memory they may take and do take."""


def needed(*sources: Source, dtype: str) -> int:
    """Megabytes that one chapter takes at its peak that holds these models at once, estimated from their numbers of
    parameters."""
    parameters = [_parameters(one) for one in sources]
    if not all(parameters):
        return UNKNOWN
    return CHAPTER + round(COPIES * sum(parameters) * BYTES.get(dtype, BYTES["float64"]) / 1e6)


def _parameters(source: Source) -> int:
    """How many a model has; 0 where nobody can tell."""
    if source.kind == "hub":
        return _on_the_hub(source)
    place = Path(source.location)
    return gguf_file.head(place).n_parameters if source.kind == "gguf" else _in_a_folder(place)


def _in_a_folder(folder: Path) -> int:
    counted = sum(map(_in_a_file, folder.glob("*.safetensors")))
    return counted or sum(path.stat().st_size for path in folder.glob("*.bin")) // STORED


def _in_a_file(path: Path) -> int:
    """Parameters in a safetensors file, by the shapes in its header; from its size where that cannot be read."""
    try:
        with path.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    except (ValueError, KeyError, MemoryError, OverflowError):
        return path.stat().st_size // STORED


def _on_the_hub(source: Source) -> int:
    """Parameters of what was downloaded, else as the hub tells; 0 when it cannot be asked."""
    for ask in (_downloaded, _told):
        try:
            if found := ask(source):
                return found
        except Exception:  # whatever keeps the hub from answering, the answer is that nobody knows
            continue
    return 0


def _downloaded(source: Source) -> int:
    from huggingface_hub import snapshot_download

    return _in_a_folder(Path(snapshot_download(source.location, revision=source.revision, local_files_only=True)))


def _told(source: Source) -> int:
    """As the hub counts them, or from the size of the weight files."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(source.location, revision=source.revision, files_metadata=True)
    files = [file.size or 0 for file in info.siblings or [] if file.rfilename.endswith((".safetensors", ".bin"))]
    return info.safetensors.total if info.safetensors else sum(files) // STORED


def free(*, meminfo: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Megabytes of memory that are free now, on this machine and in the control group that this process runs in."""
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    left = [int(lines["MemAvailable"].split()[0]) * 1024]
    left += [_left(groups / limit, groups / used) for limit, used in LIMITS if (groups / limit).is_file()]
    return max(1, min(left) // 1_000_000)


def _left(limit: Path, used: Path) -> int:
    """Bytes that a control group may still take; files that it only read are given up for more."""
    most = limit.read_text().strip()
    if not most.isdigit():
        return UNKNOWN * 1_000_000
    kept = dict(line.split() for line in limit.with_name("memory.stat").read_text().splitlines())
    reclaimed = int(kept.get("total_inactive_file", kept.get("inactive_file", 0)))
    return int(most) - int(used.read_text()) + reclaimed
