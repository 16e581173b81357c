"""What the last layer saw of sequences that ran before, so that no chapter runs the same text twice.

A chapter puts many questions to one text, and each begins with the same clean run. So the residual stream and the
activations of a sequence are kept, up to `memory.BOUND` bytes of them, the sequences longest unused given up first.
Nothing is kept or taken while something is hooked into the model, nor where nobody can tell whether a weight has
changed (a model that was made in inference mode), and all is forgotten once one has. PyTorch counts the changes of a
weight, but not those made through its `.data`: whoever writes there calls `Model.forget` afterwards."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from lib import memory
from lib.model import editing
from lib.model.running import Recorded

KEPT: tuple[Recorded, ...] = ("resid", "activation")
State = dict[str, Tensor]
"""By the names of `KEPT`, of one sequence."""


class Remembered:
    """Clean runs of single sequences."""

    def __init__(self, bridge: Any) -> None:
        self.bridge = bridge
        self.states: OrderedDict[bytes, State] = OrderedDict()
        self.version = -1

    def runs(
        self,
        tokens: Int[Tensor, "sequence position"],
        fresh: Callable[[Int[Tensor, "some position"]], dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """What `KEPT` names, for every sequence: from memory, or from `fresh`, which runs those that are not there."""
        if editing.are_under_way(self.bridge) or any(weight.is_inference() for weight in self.weights):
            return fresh(tokens)
        self._forget_other_weights()
        keys = [row.numpy().tobytes() for row in tokens.cpu().contiguous()]
        new = [at for at, key in enumerate(keys) if key not in self.states]
        found = fresh(tokens[new]) if new else {}
        ran: dict[bytes, State] = {keys[at]: {name: found[name][row] for name in KEPT} for row, at in enumerate(new)}
        states = {key: ran[key] if key in ran else self.states[key] for key in keys}
        self._keep(states)
        return {name: torch.stack([states[key][name] for key in keys]) for name in KEPT}

    @property
    def weights(self) -> list[Tensor]:
        """All of the model's."""
        return [*self.bridge.original_model.parameters()]

    def _forget_other_weights(self) -> None:
        version = sum(weight._version for weight in self.weights)
        if version != self.version:
            self.states.clear()
        self.version = version

    def _keep(self, states: dict[bytes, State]) -> None:
        """The newest last; a copy of its own each, so that the batch it came from can be let go."""
        for key, state in states.items():
            if key not in self.states:
                self.states[key] = {name: value.clone() for name, value in state.items()}
            self.states.move_to_end(key)
        while self.states and _bytes(self.states.values()) > memory.BOUND:
            self.states.popitem(last=False)


def _bytes(states: Collection[State]) -> int:
    return sum(value.nbytes for state in states for value in state.values())
