"""A claim: one statement that can fail, and how a measurement decides about it.

The classes are the schema of `book/claims`: a file with a key, a type or a number that they do not know is refused.
A claim says where its statistic lies (`above`, `below`, `within`), or only which values were published for which
models. A claim of the form "A and not B" has its second half in `but`. A published value can be reproduced, or
missed, only on a model that it was published for; any other model tests the direction alone."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lib.claims import verdict
from lib.claims.names import CHAPTERS, known_as
from lib.claims.verdict import Finding, Measured, Region

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
ID, NEURON = r"^[A-Z]+\d+(\.\w+)?$", r"^\d+\.\d+$"
if TYPE_CHECKING:
    Chapter = str  # what a type checker can make of them
else:
    Chapter = Literal[CHAPTERS]
LOOKS_LIKE = {ID: "C3 or C3.dim", NEURON: "11.584, layer and unit"}


class Strict(BaseModel):
    """What a file has to match: no other keys, no other types, and no change afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Published(Strict):
    """A published value of a claim's statistic."""

    value: Number
    source: Literal["paper", "authors' code", "secondary", "third party"]
    """The kind of source that it was found in."""
    lowest: Number
    highest: Number
    """The ends of the range that counts as the same result."""

    @model_validator(mode="after")
    def _holds_its_value(self) -> "Published":
        if not self.lowest <= self.value <= self.highest:
            raise ValueError(f"the range {self.lowest:g} … {self.highest:g} does not hold its own value {self.value:g}")
        return self


class Condition(Strict):
    """A statistic and where it has to lie: at most one of `above`, `below` and `within`."""

    statistic: Text
    above: Number | None = None
    below: Number | None = None
    within: tuple[Number, Number] | None = None
    """An equivalence: the ends of what counts as equal."""

    @property
    def region(self) -> Region | None:
        """Where the claim puts its statistic; None where only a published number is claimed."""
        regions = [verdict.above(self.above)] if self.above is not None else []
        regions += [verdict.below(self.below)] if self.below is not None else []
        regions += [verdict.within(*self.within)] if self.within is not None else []
        return regions[0] if regions else None

    @model_validator(mode="after")
    def _has_one_region(self) -> "Condition":
        given = [name for name in ("above", "below", "within") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"a test has one of above, below and within, got {' and '.join(given)}")
        if self.within is not None and self.within[0] >= self.within[1]:
            raise ValueError(f"within needs [low, high] with low below high, got {list(self.within)}")
        return self


class SecondHalf(Condition):
    """What a claim "A and not B" says about B: a statistic of its own and where that has to lie."""

    @model_validator(mode="after")
    def _says_something(self) -> "SecondHalf":
        if self.region is None:
            raise ValueError("but needs above, below or within")
        return self


class Entry(Condition):
    """A claim as a file gives it; its own test is the first half where there is a `but`."""

    id: Annotated[str, Field(pattern=ID)]
    chapter: Chapter
    statement: Text
    but: SecondHalf | None = None
    exact: bool = False
    """The statistic is a count that nothing was sampled for, and is judged by its value."""
    published: dict[Text, Published] = {}
    """By model name; empty where no value was published."""
    neurons: dict[Text, tuple[Annotated[str, Field(pattern=NEURON)], ...]] = {}
    """The neurons that the paper names, as `layer.unit`, by model name."""
    only: tuple[Text, ...] = ()
    """The models that the claim is about; empty where any model can speak to it."""
    reason: str = ""
    """Why no chapter tests the claim; empty where one does."""

    @model_validator(mode="after")
    def _could_fail(self) -> "Entry":
        if self.region is None and not self.published and not self.reason:
            raise ValueError("it cannot fail; give it above, below, within or published, or a reason not to be tested")
        if self.region is None and self.but:
            raise ValueError("but is a second half; the first needs above, below or within")
        for model, published in self.published.items():
            if self.region and not self.region.contains(published.value):
                raise ValueError(f"the value published for {model}, {published.value:g}, is not {self.region.name}")
        return self


class Claim(Entry):
    """One falsifiable statement of a paper, or of this book."""

    id: str
    """With the paper: `stolfo2024.C3`."""
    paper: Text
    citation: Text

    @property
    def has_direction(self) -> bool:
        """Whether the claim says on which side of a value, or between which, its statistic lies."""
        return self.region is not None

    def judge(self, measured: Measured, *, model: str, but: Measured | None = None) -> Finding:
        """The verdict of one measurement (of both, where the claim has two halves) on one model, with its reason.

        `model` is the name of a model, or that of a pair by `known_as`. What the verdicts mean is in `VERDICTS`; on
        the paper's own model a number that is not decided is inconclusive even where the direction is supported.
        Raises ValueError for a measurement that is not finite or whose interval is upside down, for an exact
        count that is not whole, and for a second half that is missing or that the claim does not have."""
        self._refuse(measured, but)
        model = known_as(model)
        if self.only and model not in self.only:
            return "not tested", f"the claim is about {', '.join(self.only)}; this is {model}"
        first = self._judge_first(measured, model)
        second = self.but.region if self.but else None
        return verdict.of_both_halves(first, second.judge(but)) if second and but else first

    def _refuse(self, measured: Measured, but: Measured | None) -> None:
        for half in (measured, but):
            if half is not None:
                verdict.refuse_unfit(half, claim=self.id)
        if self.exact and measured.value != int(measured.value):
            raise ValueError(f"{self.id} is an exact count and needs a whole number, got {measured.value:g}")
        if self.but and but is None:
            raise ValueError(f"{self.id} has two halves, got a measurement of one; add: {self.but.statistic}")
        if but is not None and not self.but:
            raise ValueError(f"{self.id} has no second half, got a measurement of one; leave it out")

    def _judge_first(self, measured: Measured, model: str) -> Finding:
        at = self.published.get(model)
        direction = [self.region.judge(measured, exact=self.exact)] if self.region else []
        if at:
            found, reason = verdict.within(at.lowest, at.highest).judge(measured, exact=self.exact)
            number = (found, f"{reason}, the range published for {model}")
            return verdict.on_the_papers_own_model([*direction, number])
        others = ", ".join(self.published)
        if not direction:
            return "not tested", f"the number is claimed for {others}; this is {model}"
        found, reason = direction[0]
        return found, f"{reason} (a value is published for {others}, none for {model})" if others else reason
