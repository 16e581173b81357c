"""Models without any training, neurons drawn at random, and what the chapters say about them."""

import shutil
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from lib import source, token_frequency
from lib.knowledge_conflicts import answers
from lib.knowledge_conflicts.audit import CAUTION as PRINTED
from tests import in_process

SMALL: dict[str, dict[str, Any]] = {
    "01": {},
    "02": {"n_resamples": 40, "n_controls": 20},
    "03": {"n_resamples": 40},
    "04": {"n_controls": 100},
    "05": {"n_controls": 100, "tokens_per_entry": 20},
    "06": {"n_controls": 100, "n_repeated": 16, "length": 20, "n_queries": 3},
    "07": {"n_facts": 24, "n_controls": 60, "n_scored": 21},
    "12": {"n_sequences": 8, "n_resamples": 40},
}
"""Parameters that make a chapter quick: fewer draws, shorter texts."""


ASK, ANSWERED = answers.ask, {}
COUNT, COUNTED = token_frequency.unigram, {}


def six(like: str, name: str) -> str:
    """Code for six neurons drawn at random."""
    order = f"torch.randperm(len({like}), generator=draw('{name}'))"
    return f"torch.zeros(len({like}), dtype=torch.bool).index_fill(0, {order}[:6], True)"


RANDOM: dict[str, dict[str, str]] = {
    "04": {
        "chosen = found.neurons": f"chosen = {six('W_out', 'at random')}",
        "star = (named or [by_effect])[0]": "star = int(torch.randint(len(W_out), (1,), generator=draw('star')))",
        "top = select.rho_top(weights, count=count)": f"top = {six('W_out', 'others')}",
    },
    "05": {
        "found = kinds.frequency(effect, **rule, count=count)": (
            f"found = kinds.Kind({six('language_model.W_out', 'at random')}, 'frequency_neurons')"
        ),
        "passes = meeting(testing)": "passes = torch.ones(d_mlp, dtype=torch.bool)",
        "entropy = marked.neurons": f"entropy = {six('language_model.W_out', 'others')}",
    },
    "06": {
        "entropy, frequent = (kind.neurons for kind in by_rule.values())": (
            f"entropy, frequent = {six('norm', 'at random')}, {six('norm', 'others')}"
        ),
    },
    "07": {"chosen = found.neurons\n": f"chosen = {six('W_out', 'at random')}\n"},
}
"""What is replaced in a chapter so that neurons are drawn at random and not chosen."""
ABOUT_ANSWERS = tuple(f"tighidet2025.{claim}" for claim in ("C10", "C11", "C13", "C17", "C20", "C21", "C28"))
SOMETIMES = ("tighidet2025.C21",)
"""Claims that are tested only where a run has something to tell: a flow has a direction in about half of the draws."""
ABOUT_NEURONS = ABOUT_ANSWERS + tuple(
    f"stolfo2024.{claim}"
    for claim in (
        *("C2", "C7.entropy", "C7.loss", "C8", "C16.slope", "C16.correct", "C12", "C13", "C14"),
        *("C17.entropy", "C17.kl", "C17.opposed", "C18.activation", "C19", "C22.synthetic", "C22.natural", "C23"),
    )
)
"""Claims that stand or fall with which neurons are looked at."""


def untrained(folder: Path, *, seed: int) -> Path:
    """A random model of `pocket`'s shape with its tokenizer, and two random checkpoints beside it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    pocket = Path(source.resolve("pocket", revision="").location)
    config = AutoConfig.from_pretrained(pocket)
    torch.manual_seed(seed)
    for name in ("null", "null-step-0", "null-step-100"):
        AutoModelForCausalLM.from_config(config).save_pretrained(folder / name)
        shutil.copy(pocket / "tokenizer.json", folder / name)
        shutil.copy(pocket / "tokenizer_config.json", folder / name)
    return folder / "null"


def verdicts(
    model: str, *, chapter: str, seed: int, replace: dict[str, str] | None = None, run: Path | None = None
) -> dict[str, bool]:
    """Whether every claim that a chapter tested was supported, of one in two halves whether its first half was.

    With the folder of a `run` the effects of all neurons, which no draw changes, are measured once for all draws."""
    results = str(run / "results" / chapter) if run else ""
    given = {"model": model, "seed": seed, "sequence_length": 48, "text": "pocket", "results": results} | SMALL[chapter]
    with ExitStack() as quick:
        for name, other in QUICK.items():
            quick.enter_context(patch(name, other))
        ledger = in_process.run(chapter, replace=replace, **given)["ledger"]
    tested = [entry for entry in ledger.entries if entry["verdict"] != "not tested" and PRINTED not in entry["reason"]]
    return {entry["claim"]: is_supported(entry) for entry in tested}


def _asked_once(model: Any, questions: Any, **given: Any) -> Any:
    key = (model.source.revision, tuple(questions), *(repr(given[name]) for name in sorted(given)))
    if key not in ANSWERED:
        ANSWERED[key] = ASK(model, questions, **given)
    return ANSWERED[key]


def _counted_once(model: Any, text: str, *, n_tokens: int) -> token_frequency.Unigram:
    key = text, n_tokens, model.final_layer.d_vocab  # all models here have the pocket's tokenizer
    if key not in COUNTED:
        COUNTED[key] = COUNT(model, text, n_tokens=n_tokens)
    return COUNTED[key]


def _no_temperature(clean: torch.Tensor, ablated: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(clean))


def _no_noise(asked: Any, *given: Any, **named: Any) -> torch.Tensor:
    return torch.zeros(len(asked.fact), dtype=torch.bool)


QUICK: dict[str, Any] = {
    "lib.temperature.best": _no_temperature,
    "lib.knowledge_conflicts.answers.ask": _asked_once,
    "lib.knowledge_conflicts.ablating.Asked.differs": _no_noise,
    "lib.knowledge_conflicts.ablating.Asked.differs_in": _no_noise,
    "lib.token_frequency.unigram": _counted_once,
    "lib.effects.measuring.WORTH_COMPILING": 1e8,
}
"""What stands in for what takes long and decides no claim that is counted here: none rests on the temperature, nor, in
`ABOUT_ANSWERS`, on the noise floor; a model answers alike however often it is asked, and so does who counts its tokens;
and the series takes over earlier than for a reader, whose short texts are measured neuron by neuron."""


def is_supported(entry: dict[str, Any]) -> bool:
    """Whether an entry's own statistic supports its claim; that others do not may well be true of random neurons."""
    if entry["verdict"] == "in part":
        return entry["reason"].startswith("first half supported")
    return entry["verdict"] in ("supported", "reproduced")


def supported(found: list[dict[str, bool]]) -> tuple[Counter[str], Counter[str]]:
    """How often each claim was supported, and how often it was tested."""
    yes = Counter(claim for one in found for claim, is_so in one.items() if is_so)
    return yes, Counter(claim for one in found for claim in one)
