"""How sure each model of a pair is of the same tokens, what that costs, and whether it is earned.

Confidence is read off next-token distributions, as in chapter 01: entropy, loss, and the calibration error of the most
likely token. Models are compared token by token where they read the same, so that a difference has an interval of its
own, narrower than those of its two sides. What is resampled are sequences, or questions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lib import calibration, predictions, resampling
from lib.model import Model
from lib.predictions import Predictions
from lib.resampling import Estimate

QUANTITIES = ("entropy", "loss", "calibration_error")
"""What is compared, by the name of its column: nats, nats, and a share."""
Draw = Callable[[str], torch.Generator]


@dataclass(frozen=True)
class Text:
    """Tokens to be read, and the positions whose predictions count."""

    tokens: Int[Tensor, "sequence position"]
    scored: Bool[Tensor, "sequence position"]


Reading = Predictions
"""One model at the scored tokens of a text."""


def read(model: Model, text: Text) -> Reading:
    """Reads a text, a few sequences at a time. Raises ValueError when nothing is scored."""
    return predictions.read(model, text.tokens, text.scored)


Measured = dict[tuple[str, str], dict[str, Estimate]]
"""The `QUANTITIES` of every text and model."""


def measure(readings: Mapping[str, Mapping[str, Reading]], *, n_bins: int, draw: Draw) -> Measured:
    """The `QUANTITIES` of every model on every text, from readings by text and model, with their intervals.

    Raises ValueError as `resampling` and `calibration` do."""
    return {
        (text, model): _estimates(one, n_bins=n_bins, draw=draw, at=f"{model} on {text}")
        for text, models in readings.items()
        for model, one in models.items()
    }


def _estimates(reading: Reading, *, n_bins: int, draw: Draw, at: str) -> dict[str, Estimate]:
    found = {
        name: resampling.mean(getattr(reading, name), reading.sequence, generator=draw(f"{name}, {at}"))
        for name in ("entropy", "loss")
    }
    sure, right = reading.confidence, reading.correct
    error = calibration.error(sure, right, reading.sequence, n_bins=n_bins, generator=draw(f"calibration, {at}"))
    return found | {"calibration_error": error}


def difference(base: Reading, post: Reading, name: str, *, generator: torch.Generator) -> Estimate:
    """Mean entropy or loss of the post-trained model minus that of the base, over the tokens that both read.

    Raises ValueError for readings of unequal texts."""
    if not torch.equal(base.sequence, post.sequence):
        raise ValueError("a difference needs two readings of the same tokens, got different sequences or numbers")
    return resampling.mean(getattr(post, name) - getattr(base, name), base.sequence, generator=generator)


def table(found: Measured) -> Any:
    """A pandas table with a row for each text and model, its quantities with the ends of their intervals, and n."""
    import pandas

    rows = []
    for (text, model), quantities in found.items():
        row: dict[str, Any] = {"text": text, "model": model}
        for name, one in quantities.items():
            row |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        first = quantities[QUANTITIES[0]]
        rows.append(row | {"n": first.n, "n_sequences": first.n_sequences})
    return pandas.DataFrame(rows)


def bins(readings: Mapping[str, Reading], *, n_bins: int, draw: Draw) -> Any:
    """Reliability by model: confidence and accuracy of each bin of equal mass (low, high: the interval of accuracy)."""
    import pandas

    columns, parts = ["confidence", "accuracy", "low", "high"], []
    for model, one in readings.items():
        rows = resampling.binned(
            one.confidence, one.correct.float(), one.sequence, n_bins=n_bins, generator=draw(f"bins of {model}")
        )
        parts.append(pandas.DataFrame(rows, columns=columns).assign(model=model))
    return pandas.concat(parts, ignore_index=True)
