"""Runs of a model over sequences of one length, and what they leave behind: exactly what was asked for.

`run` keeps what the last layer's statistics need, by name; `record` keeps any site of any layer, everywhere or at some
positions of each sequence. Both go through the sequences in batches, and do the edits that they are handed."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.final_layer import FinalLayer
from lib.model import editing, sites
from lib.model.edits import Edit
from lib.model.hooks import Kept, forward, keeping
from lib.model.sites import Site

Recorded = Literal["resid", "scale", "activation", "logits", "pattern"]


class Run(dict[str, Tensor]):
    """What one pass over some sequences left behind, by name: `run.resid`, `run.logits`, …"""

    def __getattr__(self, name: str) -> Tensor:
        if name not in self:
            raise AttributeError(f"this run holds {', '.join(self)}; to have {name!r}, name it in model.run(tokens, …)")
        return self[name]


class Recording:
    """Sites that are being recorded; their parts are kept apart, and added up when they are asked for."""

    def __init__(self, sites: Collection[Site], at: slice | Int[Tensor, "batch place"]) -> None:
        self.sites = [*sites]
        self.keepers = {part: Kept(at) for site in self.sites for part in site.parts}

    def found(self) -> dict[Site, Float[Tensor, "batch place width"]]:
        """What passed each site last."""
        parts = {site: [self.keepers[part].value for part in site.parts] for site in self.sites}
        return {site: sum(values[1:], start=values[0]).flatten(2) for site, values in parts.items()}


def record(
    bridge: Any,
    tokens: Int[Tensor, "sequence position"],
    asked: Collection[Site],
    *,
    positions: slice | Int[Tensor, "sequence place"],
    edits: Sequence[Edit],
    batch_size: int,
) -> dict[Site, Float[Tensor, "sequence place width"]]:
    """What flows on from the sites, edits done, and nothing else; see `Model.record`."""
    sites.check(bridge, [*asked])
    parts = []
    for batch in torch.arange(len(tokens)).split(batch_size):
        recording = Recording(asked, positions if isinstance(positions, slice) else positions[batch])
        with editing.under_way(bridge, [edit.rows(batch) for edit in edits]), keeping(bridge, recording.keepers):
            forward(bridge, tokens[batch], logits=False)
        parts.append(recording.found())
    return {site: torch.cat([part[site] for part in parts]) for site in dict.fromkeys(asked)}


def run(
    bridge: Any,
    final_layer: FinalLayer,
    tokens: Int[Tensor, "batch position"],
    names: Sequence[Recorded],
    edits: Sequence[Edit],
) -> dict[str, Tensor]:
    """What was named of one batch, edits done; see `Model.run`."""
    last, layers = bridge.cfg.n_layers - 1, range(bridge.cfg.n_layers)
    resid, activation = (f"blocks.{last}.{hook}" for hook in ("hook_resid_post", "mlp.hook_post"))
    patterns = [f"blocks.{layer}.attn.hook_pattern" for layer in layers] if "pattern" in names else []
    wanted = [resid] if {"resid", "scale"} & {*names} else []
    wanted += [activation] if "activation" in names else []
    keepers = {hook: Kept() for hook in [*wanted, *patterns]}
    with editing.under_way(bridge, edits), keeping(bridge, keepers):
        logits = forward(bridge, tokens, logits="logits" in names)
    kept = {hook: keeper.value for hook, keeper in keepers.items()}
    found: dict[str, Any] = {"resid": kept.get(resid), "activation": kept.get(activation)}
    if "pattern" in names:
        found["pattern"] = torch.stack([kept[pattern] for pattern in patterns], dim=1)
    if "scale" in names:
        found["scale"] = final_layer.scale(kept[resid].to(final_layer.W_U.dtype))
    if logits is not None:
        found["logits"] = logits[..., : final_layer.d_vocab].float()
    return {name: found[name] for name in names}
