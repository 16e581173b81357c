"""A model in front of its conflicting prompts: what it answers, clean and without some neurons.

`ask` walks the clean path once; `without` then says for any number of sets whose answers they give (see `writing`)."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.knowledge_conflicts import answers, base, labels, mechanism, noise, odds, tallies, values
from lib.knowledge_conflicts.conflict import Conflict
from lib.knowledge_conflicts.gathering import Gathered
from lib.knowledge_conflicts.odds import Answers
from lib.knowledge_conflicts.screening import ROADS, Road
from lib.knowledge_conflicts.tallies import Tallies
from lib.knowledge_conflicts.writing import Writer
from lib.model import Model


@dataclass(frozen=True, eq=False)
class Asked:
    """A model, its prompts, and the paths that it has walked after them."""

    model: Model
    gathered: Gathered
    writer: Writer

    @cached_property
    def clean(self) -> Int[Tensor, " prompt"]:
        """The label of each answer of the clean model."""
        return tallies.read(self.model, self.gathered, self.writer.nothing())[0]

    @cached_property
    def fact(self) -> Int[Tensor, " prompt"]:
        """What each prompt is about, by number."""
        return tallies.fact_numbers(self.gathered.facts)

    @cached_property
    def answers(self) -> Answers:
        """Both answers to every prompt, ready to be scored."""
        asked = self.gathered.conflicts
        said = [one.context for one in asked], [one.known for one in asked]
        return odds.answers(self.model, self.gathered.prompts, *said)

    def value(self, kind: str, *, positions: str, generator: torch.Generator) -> Float[Tensor, "#prompt d_mlp"]:
        """What is put in the place of activations, by name (`values.KINDS`), from `positions` (`values.POSITIONS`)."""
        state, prompt = self.writer.states()
        first = torch.searchsorted(prompt, torch.arange(len(self.fact)))
        return values.by_name(
            kind,
            self._activations(positions),
            at_prompt=state.activation[first.to(state.activation.device)],
            generator=generator,
        )

    def moved(self, value: Float[Tensor, "#prompt d_mlp"]) -> Float[Tensor, " d_mlp"]:
        """How far a value is from the activations where answers are predicted, mean over them."""
        state, prompt = self.writer.states()
        there = value.expand(len(self.fact), -1).to(state.activation)[prompt.to(value.device)]
        return (there - state.activation).abs().mean(0).cpu()

    def without(
        self,
        sets: Bool[Tensor, "set d_mlp"],
        value: Float[Tensor, "#prompt d_mlp"],
        *,
        road: Road = "both",
        strength: float = 1.0,
    ) -> Tallies:
        """Labels of what is answered without each set, which is found out once; see `Writer.without`."""
        sets = sets.cpu()
        names = [row.tobytes() for row in sets.numpy()]
        known = self._told.setdefault((value.cpu().numpy().tobytes(), road, strength), {})
        new = [row for name, row in {name: row for row, name in enumerate(names)}.items() if name not in known]
        if new:
            written = self.writer.without(sets[new], value, road=road, strength=strength)
            told = tallies.read(self.model, self.gathered, written)
            known |= {names[row]: label for row, label in zip(new, told, strict=True)}
        ablated = torch.stack([known[name] for name in names]) if names else self.clean.expand(0, -1)
        return Tallies(self.clean, ablated, self.fact)

    @cached_property
    def _told(self) -> dict[tuple[bytes, str, float], dict[bytes, Tensor]]:
        """Labels without each set that has been asked about, by the value, the road and the strength."""
        return {}

    def by_road(self, sets: Bool[Tensor, "set d_mlp"], value: Float[Tensor, "#prompt d_mlp"]) -> list[list[str]]:
        """What sufficed to change each answer without each set, empty where it does not change."""
        clean = tallies.names(self.clean)
        on = [self.without(sets, value, road=road).ablated for road in ROADS]
        return [mechanism.of_changes(clean, *(tallies.names(told[row]) for told in on)) for row in range(len(sets))]

    def differs(self, model: Model, *, batch_size: int) -> Bool[Tensor, " prompt"]:
        """Where the label is another when nothing but batches, or the precision of the model's weights, is."""
        place, texts = noise.again(self.writer, model, batch_size=batch_size)
        told = replace(self.gathered, conflicts=tuple(self.gathered.conflicts[at] for at in place))
        found = self.clean.clone()
        found[place] = torch.tensor([tallies.AT[label] for label in told.labels(self._read(texts))])
        return found != self.clean

    def differs_in(self, dtype: str, *, load: Callable[..., Model]) -> Bool[Tensor, " prompt"]:
        """The same with the weights in another precision; `load` gives the model, which is let go again."""
        again = load(dtype=dtype)
        found = self.differs(again, batch_size=64)
        del again
        gc.collect()  # a model holds itself: what it is wrapped in knows it
        return found

    @cached_property
    def said(self) -> list[str]:
        """What the clean model says to each prompt, up to where its answer ends."""
        return self._read(self.writer.clean())

    def _read(self, texts: Sequence[Sequence[int]]) -> list[str]:
        stops = {*self.gathered.stops}
        return answers.decoded(self.model, [[id for id in text if id not in stops] for text in texts])

    def _activations(self, positions: str) -> Float[Tensor, "place d_mlp"]:
        if positions not in self._kept:
            self._kept[positions] = values.activations(self.writer, positions=positions)
        return self._kept[positions]

    @cached_property
    def _kept(self) -> dict[str, Tensor]:
        return {}


def ask(model: Model, gathered: Gathered) -> Asked:
    """Lets a model answer its prompts. Raises as `Model.path` does."""
    prompts = [[model.tokenizer.bos, *model.tokenizer.encode(prompt)] for prompt in gathered.prompts]

    def is_settled(prompt: int, ids: tuple[int, ...]) -> bool:
        asked, (said,) = gathered.conflicts[prompt], answers.decoded(model, [ids])
        return labels.is_settled(said, context=asked.context, known=asked.known)

    given: dict[str, Any] = {"n_tokens": answers.N_TOKENS, "stops": gathered.stops, "is_settled": is_settled}
    return Asked(model, gathered, Writer(model, prompts, **given))


def of_true_facts(gathered: Gathered, *, facts_csv: str = "", n_facts: int, generator: torch.Generator) -> Gathered:
    """Prompts that contradict the truth and not the model: what is left to look at where a model knows no fact; one for
    each of `n_facts` facts (0: all).

    The known object is the true one, the context's that of another fact of the relation. No claim is about such
    prompts. Raises ValueError as `base.questions` does."""
    asked = base.questions(facts_csv)
    objects: dict[str, list[str]] = {}
    for question in asked:
        objects.setdefault(question.relation, []).append(question.object)
    made: list[Conflict] = []
    for place in torch.randperm(len(asked), generator=generator).tolist():
        question = asked[place]
        others = sorted({*objects[question.relation]} - {question.object})
        if others and (not n_facts or len(made) < n_facts):
            other = others[int(torch.randint(len(others), (1,), generator=generator))]
            named = question.fact, question.relation, question.start, other, question.object
            made.append(Conflict(*named, right=True))
    return replace(gathered, conflicts=tuple(made))


def flips(
    asked: Asked, ablated: Sequence[str], by: Sequence[str], clean_odds: Sequence[float], odds: Sequence[float]
) -> Any:
    """A table of every answer that a set changes: fact, context, known, clean, ablated, mechanism, and the log-odds
    (nats) of the context's answer against the known one, clean and ablated."""
    import pandas

    rows = [
        (one.fact, one.context, one.known, clean, label, how, was, now)
        for one, clean, label, how, was, now in zip(
            asked.gathered.conflicts, tallies.names(asked.clean), ablated, by, clean_odds, odds, strict=True
        )
        if how
    ]
    columns = ("fact", "context", "known", "clean", "ablated", "mechanism", "clean_log_odds", "log_odds")
    return pandas.DataFrame(rows, columns=columns)


def texts_changed(
    model: Model, prompts: Sequence[Sequence[int]], sets: Bool[Tensor, "set d_mlp"], value: Float[Tensor, " d_mlp"]
) -> dict[Road, int]:
    """How many of the texts that a model writes after prompts (token ids, BOS included) are others without each set,
    by the road that is open."""

    def is_another(prompt: int, ids: tuple[int, ...]) -> bool:
        return ids != clean[prompt][: len(ids)]

    writer = Writer(model, prompts, n_tokens=answers.N_TOKENS, is_settled=is_another)
    clean = writer.clean()
    found = {road: writer.without(sets, value[None], road=road) for road in ROADS}
    return {
        road: sum(
            written.texts[at] != text for row in written.index.tolist() for at, text in zip(row, clean, strict=True)
        )
        for road, written in found.items()
    }
