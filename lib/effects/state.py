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

    def resume(self, sums: Float[Tensor, "quantity sequence column"], report: Report) -> int:
        """Fills in sums and report from the file, if there is one; returns how many sequences they hold.

        Raises ValueError when the file belongs to another run, or cannot be read."""
        if not self.path.exists():
            return 0
        try:
            kept = torch.load(self.path, map_location=sums.device, weights_only=True)
        except Exception as error:
            raise ValueError(f"{self.path} holds no running sums that can be read; delete it to start anew") from error
        if kept["fingerprint"] != self.fingerprint:
            raise ValueError(f"{self.path} belongs to a run on another model, text or setting; name another file")
        sums.copy_(kept["sums"])
        vars(report).update(kept["report"])
        return kept["done"]

    def keep(self, sums: Float[Tensor, "quantity sequence column"], report: Report, *, done: int) -> None:
        """Writes the file anew, whole or not at all."""
        beside = self.path.with_name(self.path.name + ".part")
        torch.save({"fingerprint": self.fingerprint, "sums": sums, "report": asdict(report), "done": done}, beside)
        os.replace(beside, self.path)
