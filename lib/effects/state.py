"""Running sums on disk, so that a run that was cut off goes on where it was."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lib.effects.result import Report


@dataclass(frozen=True)
class State:
    """A file with the sums of the sequences that are done."""

    path: Path
    fingerprint: str
    """Of everything that the sums depend on."""

    def __post_init__(self) -> None:
        if not self.path.absolute().parent.is_dir():
            raise ValueError(f"there is no folder {self.path.absolute().parent} to keep running sums in; make it first")

    def resume(self, sums: Float[Tensor, "quantity sequence column"], report: Report) -> int:
        """Fills in sums and report from the file, if there is one; returns how many sequences they hold.

        Raises ValueError when the file belongs to another run, or cannot be read."""
        if not self.path.exists():
            return 0
        try:
            kept = torch.load(self.path, map_location=sums.device, weights_only=True)
            held = {name: kept[name] for name in ("fingerprint", "sums", "report", "done")}
        except Exception as error:
            raise ValueError(f"{self.path} holds no running sums that can be read; delete it to start anew") from error
        if held["fingerprint"] != self.fingerprint:
            raise ValueError(f"{self.path} belongs to a run on another model, text or setting; name another file")
        sums.copy_(held["sums"])
        vars(report).update(held["report"])
        return held["done"]

    def keep(self, sums: Float[Tensor, "quantity sequence column"], report: Report, *, done: int) -> None:
        """Writes the file anew, whole or not at all."""
        beside = self.path.with_name(self.path.name + ".part")
        torch.save({"fingerprint": self.fingerprint, "sums": sums, "report": asdict(report), "done": done}, beside)
        os.replace(beside, self.path)
