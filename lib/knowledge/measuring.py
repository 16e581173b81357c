"""The grid of a data set: the stream after every layer, at every column, from the true into the false prompt."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from lib import patching
from lib.knowledge.asking import Asked
from lib.model import Model, Site


@dataclass(frozen=True)
class Grid:
    """What patching does to one model's answers about one data set."""

    data: str
    reading: str
    columns: tuple[str, ...]
    reader: str
    """The model that answers: base, sft or post."""
    writer: str
    """The model whose streams are put in; the reader itself, or another of the pair."""
    patched: patching.Patched
    """A site for every layer, a place for every column; on the CPU."""

    @property
    def name(self) -> str:
        """As tables call it: `base`, or `base into post`."""
        return self.reader if self.reader == self.writer else f"{self.writer} into {self.reader}"

    @property
    def right(self) -> Bool[Tensor, " pair"]:
        """Whether the model answers both prompts of a pair as it should, without any patch."""
        return (self.patched.source > 0) & (self.patched.target < 0)

    @property
    def gain(self) -> Float[Tensor, "pair layer column"]:
        """How far each patch moves the logit difference, in nats."""
        return self.patched.gain

    @property
    def gap(self) -> Float[Tensor, " pair"]:
        """How far the two prompts' logit differences are apart, in nats."""
        return self.patched.gap

    @property
    def recovery(self) -> Float[Tensor, "layer column"]:
        """Mean gain over mean gap; see `patching.Patched.recovery`."""
        return self.patched.recovery

    @property
    def sites(self) -> dict[str, int]:
        """Where subject, object and the prompt end; see `sites`."""
        return sites(self.columns)


def sites(columns: tuple[str, ...]) -> dict[str, int]:
    """The columns at which a statement can be told whole: the last of the subject, of the object, and of the prompt."""
    parts = {"subject": "s", "object": "o"}
    named = {site: [at for at, name in enumerate(columns) if is_of(name, letter)] for site, letter in parts.items()}
    return {site: at[-1] for site, at in named.items() if at} | {"last": len(columns) - 1}


def is_of(column: str, letters: str) -> bool:
    """Whether a column is one of s1, s2, … or o1, o2, …, by its letter."""
    return column[:1] in letters and column[1:].isdigit()


def measure(
    models: dict[str, Model], asked: Asked, *, reader: str, writer: str | None = None, batch_size: int = 64
) -> Grid:
    """Patches the writer's streams of the true prompts into the reader's runs of the false ones.

    Without a `writer` they are the reader's own. Raises as `patching.patch` does."""
    model, after = models[reader], [Site(layer, "resid_post") for layer in range(models[reader].n_layers)]
    given: dict[str, Any] = {"positions": asked.positions, "batch_size": batch_size}
    theirs = None
    if writer not in (None, reader):
        theirs = models[writer].record(asked.pairs.source, after, **given)
    found = patching.patch(model, asked.pairs, after, recorded=theirs, **given)
    kept = patching.Patched(*(part.cpu() for part in (found.source, found.target, found.difference)))
    return Grid(asked.data, asked.reading, asked.columns, reader, writer or reader, kept)
