"""What a model writes after some prompts without each of many sets of neurons, each text being run once.

The last layer's neurons act on the logits of their own position and on nothing that is read later. So the state that
the model is in after a text is the same whoever wrote it: without a set the model walks through the same states as the
clean model that is handed the same words. All sets start out on the clean path; where a set writes another word
(`screening`), it goes on along the path that the clean model would take from there, and whoever writes the same words
shares it. The model runs once for every text that any set begins, and never for a set. Who asks for labels of texts and
not for the texts says when a label is settled; nothing is written from there on."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.knowledge_conflicts.head import Head, Near, State
from lib.knowledge_conflicts.screening import Road, Screen
from lib.model import Model, Path
from lib.model.path import STEPPED

Start = tuple[int, tuple[int, ...]]
"""A prompt, by number, and the ids that were written behind it."""


@dataclass(frozen=True)
class Written:
    """What was written after each prompt without each set; few texts differ, so each is kept once."""

    texts: list[tuple[int, ...]]
    """Different texts as token ids, with the stop that ended one at its end; what is written behind the token that
    settles a text may be left out or be another's."""
    index: Int[Tensor, "set prompt"]
    """Which of them, on the CPU."""


@dataclass(frozen=True)
class Step:
    """One text and one way to go on: the row of a start, the step, and the token that is written there."""

    start: int
    step: int
    token: int


class Writer:
    """A model, prompts, and every path that it was made to walk after them so far.

    Prompts are token ids, BOS included. Texts end with one of the `stops` and have `n_tokens` at most, or `at_most`
    where each prompt has a number of its own. `is_settled` says of a prompt's number and the ids behind it whether it
    is all the same what a set writes on (None: nowhere).
    Raises ValueError as `Model.path` does."""

    def __init__(
        self,
        model: Model,
        prompts: Sequence[Sequence[int]],
        *,
        n_tokens: int,
        stops: Collection[int] = (),
        batch_size: int = 64,
        at_most: Sequence[int] | None = None,
        is_settled: Callable[[int, tuple[int, ...]], bool] | None = None,
    ) -> None:
        self.model, self.prompts = model, [tuple(prompt) for prompt in prompts]
        self.stops, self.batch_size = {*stops}, batch_size
        self.n_tokens = [n_tokens] * len(prompts) if at_most is None else [*at_most]
        self._is_settled = is_settled or (lambda prompt, ids: False)
        self._head, self._paths, self._near = Head(model), dict[Start, Path](), dict[Start, Near]()
        self._open = dict[Start, int]()
        self._run([(prompt, ()) for prompt in range(len(prompts))])

    def clean(self) -> list[tuple[int, ...]]:
        """What the model writes after each prompt, the stop at its end."""
        return [tuple(path.ids[0, : path.n_steps[0]].tolist()) for path in self.clean_paths()]

    def nothing(self) -> Written:
        """The same as what an empty set leaves."""
        place = {text: number for number, text in enumerate(dict.fromkeys(self.clean()))}
        return Written([*place], torch.tensor([[place[text] for text in self.clean()]]))

    def states(self) -> tuple[State, Int[Tensor, " text"]]:
        """The state at every step of every clean path, and whose prompt it is, on the CPU."""
        paths = self.clean_paths()
        n_steps = [int(path.n_steps[0]) for path in paths]
        return self._joined(paths, n_steps), torch.arange(len(paths)).repeat_interleave(torch.tensor(n_steps))

    def without(
        self,
        sets: Bool[Tensor, "set d_mlp"],
        value: Float[Tensor, "#prompt d_mlp"],
        *,
        road: Road = "both",
        strength: float = 1.0,
    ) -> Written:
        """What is written with `value`, one for all prompts or one each, in the place of the activations of each set.

        `strength` moves them only that share of the way: 0 leaves all as it is, 1 replaces, and 1 - x makes their
        distance from `value` x times what it is. `road` is the way by which this may act (see `screening`)."""
        value = value.expand(len(self.prompts), -1).to(self.model.W_out)
        screen = Screen(self.model, sets.to(self.model.W_out.device), road, self._head)
        texts: dict[tuple[int, ...], int] = {}
        index = torch.zeros(len(sets), len(self.prompts), dtype=torch.long)
        there: dict[Start, Int[Tensor, " _"]]
        there = {(prompt, ()): torch.arange(len(sets)) for prompt in range(len(self.prompts))}
        while there:
            there = self._on(screen, there, value, strength, texts, index)
        return Written([*texts], index)

    def _on(
        self,
        screen: Screen,
        there: dict[Start, Int[Tensor, " _"]],
        value: Float[Tensor, "prompt d_mlp"],
        strength: float,
        texts: dict[tuple[int, ...], int],
        index: Int[Tensor, "set prompt"],
    ) -> dict[Start, Int[Tensor, " _"]]:
        """Sets at some starts walk on: those that stay on the path are done (noted in `texts` and `index`), the others
        are at new starts."""
        self._run([start for start in there if start not in self._paths])
        starts, leaving = [*there], {}
        (stay, at), ways = self._ways(screen, starts, [*there.values()], value, strength)
        number = torch.zeros(len(starts), dtype=torch.long)
        for place in at.unique().tolist():
            path, text = self._paths[starts[place]], starts[place][1]
            number[place] = texts.setdefault((*text, *path.ids[0, : path.n_steps[0]].tolist()), len(texts))
        index[stay, torch.tensor([prompt for prompt, _ in starts])[at]] = number[at]
        for step, members in ways:
            prompt, written = starts[step.start]
            text = (*written, *self._paths[starts[step.start]].ids[0, : step.step].tolist(), step.token)
            if step.token in self.stops or len(text) == self.n_tokens[prompt] or self._is_settled(prompt, text):
                index[members, prompt] = texts.setdefault(text, len(texts))
            else:
                leaving[prompt, text] = members
        return leaving

    def _ways(
        self,
        screen: Screen,
        starts: list[Start],
        there: list[Int[Tensor, " _"]],
        value: Float[Tensor, "prompt d_mlp"],
        strength: float,
    ) -> tuple[tuple[Int[Tensor, " stay"], Int[Tensor, " stay"]], list[tuple[Step, Int[Tensor, " _"]]]]:
        """The sets that stay on a start's path to its end, each with the start; and every way that leaves one, at the
        first step at which another token is written, with the sets that take it."""
        state, prompt, at = self._state(starts)
        wanted = torch.zeros(len(screen.sets), len(starts), dtype=torch.bool)
        for column, members in enumerate(there):
            wanted[members, column] = True
        delta = strength * (value[prompt.to(value.device)] - state.activation)
        own, ids = screen.likeliest(state, delta, wanted[:, at].to(value.device))
        own, ids = own.cpu(), ids.cpu()
        last = at.bincount(minlength=len(starts))
        place = torch.cat([torch.arange(n) for n in last.tolist()])
        first = last.expand(len(screen.sets), -1).clone()
        changed = ids != own
        row, text = changed.nonzero(as_tuple=True)
        first.view(-1).scatter_reduce_(0, row * len(starts) + at[text], place[text], "amin")
        offset = last.cumsum(0) - last
        stay, leave = (wanted & on for on in (first == last, first != last))
        row, start = leave.nonzero(as_tuple=True)
        step = first[row, start]
        who, at_end = stay.nonzero(as_tuple=True)
        return (who, at_end), _grouped(row, torch.stack([start, step, ids[row, offset[start] + step]]))

    def _state(self, starts: Sequence[Start]) -> tuple[State, Int[Tensor, " text"], Int[Tensor, " text"]]:
        """The states along some paths until each is settled, one behind the other; the prompt of each, and which start
        it belongs to."""
        n_steps = [self.n_open(start) for start in starts]
        state = self._joined([self._paths[start] for start in starts], n_steps)
        at = torch.arange(len(starts)).repeat_interleave(torch.tensor(n_steps))
        near = self._read_near(starts, state.resid, n_steps)
        return replace(state, near=near), torch.tensor([prompt for prompt, _ in starts])[at], at

    def n_open(self, start: Start) -> int:
        """Steps of a path, the one that settles its text included."""
        if start not in self._open:
            (prompt, written), path = start, self._paths[start]
            ids, n = path.ids[0].tolist(), int(path.n_steps[0])
            texts = ((n_new, (*written, *ids[:n_new])) for n_new in range(1, n))
            self._open[start] = next((n_new for n_new, text in texts if self._is_settled(prompt, text)), n)
        return self._open[start]

    def _joined(self, paths: Sequence[Path], n_steps: Sequence[int]) -> State:
        """The states along some paths as far as that, one behind the other."""
        parts = [(path.resid[0, :n], path.activation[0, :n]) for path, n in zip(paths, n_steps, strict=True)]
        resid, activation = (torch.cat(part).to(self.model.W_out.dtype) for part in zip(*parts, strict=True))
        return State(resid, activation)

    def _read_near(self, starts: Sequence[Start], resid: Float[Tensor, "text d_model"], n_steps: list[int]) -> Near:
        """The tokens that come close along some paths, each path being read once."""
        if any(start not in self._near for start in starts):
            found = self._head.near(resid)
            parts = zip(found.token.split(n_steps), found.lead.split(n_steps), strict=True)
            self._near |= {start: Near(*part) for start, part in zip(starts, parts, strict=True)}
        near = [self._near[start] for start in starts]
        return Near(torch.cat([one.token for one in near]), torch.cat([one.lead for one in near]))

    def clean_paths(self) -> list[Path]:
        """The path that the model takes after each prompt."""
        return [self._paths[prompt, ()] for prompt in range(len(self.prompts))]

    def _run(self, starts: Sequence[Start]) -> None:
        """Walks the clean paths from new starts, those of one length together, each as far as its text may go."""
        groups: dict[int, list[Start]] = {}
        for prompt, written in starts:
            groups.setdefault(len(self.prompts[prompt]) + len(written), []).append((prompt, written))
        for group in groups.values():
            rows = torch.tensor([[*self.prompts[prompt], *written] for prompt, written in group])
            left = torch.tensor([self.n_tokens[prompt] - len(written) for prompt, written in group])
            asked: dict[str, Any] = {"stops": self.stops, "batch_size": self.batch_size, "at_most": left}
            path = self.model.path(rows, n_tokens=int(left.max()), whole=not group[0][1], **asked)
            for row, start in enumerate(group):
                n = int(path.n_steps[row])
                self._paths[start] = replace(
                    path,
                    n_steps=torch.tensor([n]),
                    in_prompt=None if path.in_prompt is None else path.in_prompt[row : row + 1],
                    **{name: getattr(path, name)[row : row + 1, :n].clone() for name in STEPPED},
                )


def _grouped(member: Int[Tensor, " leaving"], way: Int[Tensor, "3 leaving"]) -> list[tuple[Step, Int[Tensor, " _"]]]:
    """The different ways, as start, step and token, and who goes them."""
    _, n_steps, n_tokens = (1 + way.amax(1)).tolist() if len(member) else (1, 1, 1)
    key, which, count = ((way[0] * n_steps + way[1]) * n_tokens + way[2]).unique(
        return_inverse=True, return_counts=True
    )
    groups = member[which.argsort(stable=True)].split(count.tolist())
    steps = [Step(one // n_tokens // n_steps, one // n_tokens % n_steps, one % n_tokens) for one in key.tolist()]
    return list(zip(steps, groups, strict=True)) if steps else []
