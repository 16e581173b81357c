"""What is patched, and what comes of it."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """Prompts of one length in pairs, and the two answers between which they decide."""

    source: Int[Tensor, "pair source_position"]
    target: Int[Tensor, "pair target_position"]
    right: Int[Tensor, " pair"]
    """The token that the source's answer begins with."""
    wrong: Int[Tensor, " pair"]
    """The token that the target's answer begins with."""

    def __post_init__(self) -> None:
        if self.source.shape != self.target.shape:
            lengths = f"{self.source.shape[1]} and {self.target.shape[1]}"
            raise ValueError(
                f"a pair is two prompts of one length, got {lengths} tokens; pair them by `prompts.encode`"
            )

    def some(self, index: Int[Tensor, " some"]) -> "Pairs":
        """Those of some pairs."""
        return Pairs(self.source[index], self.target[index], self.right[index], self.wrong[index])


@dataclass(frozen=True)
class Patched:
    """Logit differences right - wrong at the last position, in nats: those of the two runs and of every patch."""

    source: Float[Tensor, " pair"]
    target: Float[Tensor, " pair"]
    difference: Float[Tensor, "pair site place"]

    @property
    def gain(self) -> Float[Tensor, "pair site place"]:
        """How far each patch moves the difference away from the target's."""
        return self.difference - self.target[:, None, None]

    @property
    def gap(self) -> Float[Tensor, " pair"]:
        """How far the source's difference is from the target's."""
        return self.source - self.target

    @property
    def recovery(self) -> Float[Tensor, "site place"]:
        """The mean gain over the mean gap: 0 as the target, 1 as the source. A ratio of means, since the gap of one
        pair can be close to nothing. Raises ValueError when the gap is nothing on average."""
        gap = self.gap.mean()
        if gap == 0:
            raise ValueError("source and target answer alike on average, so there is nothing to recover")
        return self.gain.mean(0) / gap
