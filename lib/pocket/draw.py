"""Random choices that add up their own surprisal, so that a generator knows the entropy of what it writes."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


class Weights(tuple[float, ...]):
    """Weights that are drawn by again and again: what they add up to, up to each of them, is added up once."""

    @cached_property
    def sums(self) -> tuple[float, ...]:
        """The sum of the weights up to and with each."""
        return tuple(accumulate(self))


@dataclass
class Draw:
    """Random choices that add up their own surprisal."""

    rng: random.Random
    surprisal: float = field(default=0.0)
    """Nats spent so far: minus the log probability of every choice made. Its mean over documents,
    divided by their tokens, bounds the loss of the best possible predictor from above."""

    def one(self, options: Sequence[T]) -> T:
        """One option, all equally likely."""
        self.surprisal += math.log(len(options))
        return options[self.rng.randrange(len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[float] | Sequence[int]) -> T:
        """One option with the given weights, which need not add up to one."""
        sums = weights.sums if isinstance(weights, Weights) else tuple(accumulate(weights))
        chosen = self.rng.choices(range(len(options)), cum_weights=sums)[0]
        self.surprisal -= math.log(weights[chosen] / sums[-1])
        return options[chosen]

    def ranked(self, options: Sequence[T], temperature: float) -> T:
        """One option of a list ordered from common to rare: Zipf's law at a temperature."""
        return self.weighted(options, [(rank + 1) ** (-1 / temperature) for rank in range(len(options))])

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        happened = self.rng.random() < probability
        self.surprisal -= math.log(probability if happened else 1 - probability)
        return happened

    def several(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options in random order."""
        self.surprisal += sum(math.log(len(options) - i) for i in range(count))
        return self.rng.sample(options, count)

    def told(self, truth: str, options: Sequence[str], right: float) -> str:
        """The truth with probability `right`, else any option, the truth among them."""
        chosen = truth if self.rng.random() < right else options[self.rng.randrange(len(options))]
        share = options.count(chosen) / len(options)
        self.surprisal -= math.log(right * (chosen == truth) + (1 - right) * share)
        return chosen
