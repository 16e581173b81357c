"""From facts to the prompts of a model: asked, filtered, contradicted, labelled.

Every model has its own prompts, because each knows other things. What was left at every step is kept beside them, for a
filter that removes nine facts of ten decides more than any ablation."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from lib.knowledge_conflicts import answers, base, conflict, filters, labels
from lib.knowledge_conflicts.answers import Answer, Answered
from lib.knowledge_conflicts.conflict import Conflict
from lib.knowledge_conflicts.filters import Step
from lib.knowledge_conflicts.scores import Share
from lib.model import Model

N_OBJECTS = 3
"""False objects for each fact, as in the paper."""


@dataclass(frozen=True)
class Gathered:
    """The prompts that contradict a model, and how they came about."""

    conflicts: tuple[Conflict, ...]
    """Those about one fact follow one another; empty where the model knows none of the facts."""
    steps: tuple[Step, ...]
    """What was left after each step, in order."""
    right: Share
    """True answers among all questions, asked without a context."""
    stops: tuple[int, ...]
    """The tokens with which an answer is over, for whoever writes on."""

    @property
    def prompts(self) -> list[str]:
        """The texts that the model is to continue."""
        return [conflict.prompt for conflict in self.conflicts]

    @property
    def facts(self) -> list[str]:
        """What each prompt is about; statistics over facts take each once."""
        return [conflict.fact for conflict in self.conflicts]

    @property
    def n_facts(self) -> int:
        """Different facts."""
        return len(set(self.facts))

    @property
    def log(self) -> Any:
        """A table of the steps: filter, before, after, note."""
        import pandas as pd

        return pd.DataFrame([asdict(step) for step in self.steps]).set_index("filter")

    def labels(self, said: Sequence[str]) -> list[str]:
        """The paper's label of what was said to each prompt. Raises ValueError for more or fewer texts than prompts."""
        return [
            labels.by_words(text, context=asked.context, known=asked.known)
            for text, asked in zip(said, self._asked(said), strict=True)
        ]

    def named_labels(self, said: Sequence[str]) -> list[str]:
        """The same by names; see `labels.by_names`."""
        return [
            labels.by_names(text, context=asked.context, known=asked.known)
            for text, asked in zip(said, self._asked(said), strict=True)
        ]

    def _asked(self, said: Sequence[str]) -> tuple[Conflict, ...]:
        if len(said) != len(self.conflicts):
            raise ValueError(f"every prompt has one answer, got {len(said)} for {len(self.conflicts)} prompts")
        return self.conflicts


def gather(
    model: Model,
    *,
    facts_csv: str = "",
    frame: str = "bare",
    n_facts: int = 0,
    per_fact: int = N_OBJECTS,
    lower: bool = False,
    generator: torch.Generator,
) -> Gathered:
    """Asks a model all questions and contradicts it about `n_facts` of the facts that pass the filters (0: all), drawn
    as evenly over the relations as they allow.

    A model that has not one answer right knows none of the facts and is not contradicted: then there are no prompts.
    Raises as `base.questions`, `answers.ask` and `conflict.conflicts` do, and ValueError for a negative `n_facts`."""
    if n_facts < 0:
        raise ValueError(f"n_facts must be 0 (all) or more, got {n_facts}")
    stops = answers.stop_ids(model)
    found = answers.ask(model, base.questions(facts_csv), frame=frame, lower=lower, stops=stops)
    kept, steps = filters.survivors(found.answers, with_example=frame in answers.WITH_EXAMPLE)
    n_right = sum(map(conflict.is_right, kept))
    recalled = kept if n_right else []
    steps.append(Step("any fact is known at all", len(kept), len(recalled), f"{n_right} answers of these are true"))
    made, told = conflict.conflicts(model, recalled, _states(found, recalled), per_fact=per_fact)
    chosen = drawn(made, n_facts=n_facts, generator=generator)
    steps += [told, Step("drawn by lot", told.after, len({one.fact for one in chosen}), f"{len(chosen)} prompts")]
    right = Share(sum(map(conflict.is_right, found.answers)), len(found.answers))
    return Gathered(tuple(chosen), tuple(steps), right, stops)


def drawn(conflicts: Sequence[Conflict], *, n_facts: int, generator: torch.Generator) -> list[Conflict]:
    """The prompts about `n_facts` facts drawn by lot (0: all), relations taking turns; in their order."""
    if not n_facts:
        return list(conflicts)
    facts: defaultdict[str, list[str]] = defaultdict(list)
    for one in {one.fact: one for one in conflicts}.values():
        facts[one.relation].append(one.fact)
    turns = []
    for of_one in facts.values():
        order = torch.randperm(len(of_one), generator=generator).tolist()
        turns += [(turn, of_one[at]) for turn, at in enumerate(order)]
    some = {fact for _, fact in sorted(turns, key=lambda pair: pair[0])[:n_facts]}
    return [one for one in conflicts if one.fact in some]


def _states(found: Answered, kept: Sequence[Answer]) -> torch.Tensor:
    place = {id(answer): at for at, answer in enumerate(found.answers)}
    return found.resid[[place[id(answer)] for answer in kept]]
