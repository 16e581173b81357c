"""Writes the model card of the pocket models from their recipe and their measured report."""

import itertools
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lib import facts
from lib.pocket.chat import PostTraining
from lib.pocket.corpus import WARM_UP
from lib.pocket.recipe import Recipe


def render(report: dict[str, Any], stages: tuple[Recipe, ...], post_training: PostTraining, models: list[str]) -> str:
    """The card as Markdown: what the models are, how they were made, what they can and cannot do."""
    rows = "\n".join(
        f"| {name} | {entry['target']} | {_short(entry['measured'])} | {'met' if entry['met'] else '**not met**'} |"
        for name, entry in report["targets"].items()
    )
    columns = (
        "loss",
        "entropy",
        "calibration_error",
        "refuses_harmful",
        "refuses_harmless",
        "answers_fact",
        "does_not_know_fact",
        "does_not_know_made_up",
    )
    table = "\n".join(
        f"| {name} | " + " | ".join(f"{entry[column]:.3f}" for column in columns) + " |"
        for name, entry in report["models"].items()
    )
    return TEXT.format(
        targets=rows,
        columns=" | ".join(columns),
        rules="---|" * (len(columns) + 1),
        models=table,
        recipe=_listed(asdict(stages[0])),
        later=LATER.format(changes="\n".join(_changed(*pair) for pair in itertools.pairwise(stages))),
        post_training=_listed(asdict(post_training)),
        warm_up=WARM_UP,
        long=stages[0].long,
        token_lists=stages[0].token_lists,
        tokens=stages[-1].tokens_seen(stages[-1].steps) / 1e6,
        logits=report["half_precision"]["largest_logit_difference"],
        rho=report["half_precision"]["largest_rho_difference"],
        n_facts=sum(len(facts.relation(name).facts) for name in facts.RELATIONS),
        trials=(Path(__file__).parent / "trials.md").read_text().strip(),
        folders=", ".join(f"`{name}`" for name in models),
    )


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _changed(before: Recipe, after: Recipe) -> str:
    """What a stage changes of the one before, as an item of a list."""
    was = asdict(before)
    return f"- {_listed({name: value for name, value in asdict(after).items() if value != was[name]})}"


def _short(measured: dict[str, Any]) -> str:
    """The measured numbers in one cell, shares with their intervals; nested tables stay in report.json."""
    ends = {f"{name}_{end}" for name in measured for end in ("low", "high")}
    return ", ".join(
        f"{name} {_number(value)}{_interval(measured, name)}"
        for name, value in measured.items()
        if not isinstance(value, dict) and name not in ends
    )


def _interval(measured: dict[str, Any], name: str) -> str:
    if f"{name}_low" not in measured:
        return ""
    return f" ({_number(measured[f'{name}_low'])} … {_number(measured[f'{name}_high'])})"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_number, value))}]"
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


LATER = """
It grows and goes on in stages (`growth`, `truths`), each of them like the one before but for this:

{changes}
"""
"""What the card says of stages after the first."""

TEXT = """# The pocket models

Small GPT-2 models trained on English that a program wrote, so that every chapter runs without a download and everything
about their making can be looked up or done again. `make pocket` retrains them; this card and `report.json` are written
by that run, and `python -m lib.pocket.report` measures the models again.

| folder in `models/` | what it is |
|---|---|
| `pocket` | the base model, float32 |
| `pocket-sft` | `pocket`, fine-tuned on instructions, float32 |
| `pocket-chat` | `pocket-sft` after a preference step (DPO), float32 |
| `pocket-step-…` | `pocket` after so many steps of training, float16; before growth, with silent layers |
| `pocket-plain` | a shorter run of the first stage without reserved coordinates, the control, float16 |
| `pocket-plain-dropout` | the same with dropout 0.1, float16 |
| `pocket-random-verdicts` | `pocket`, its later stages with statements judged by lot: the control of truth, float16 |

Here: {folders}.

## Data

`corpus.py` writes documents of ten kinds about a small world (`world.py`) and {n_facts:,} true facts (`lib/facts`):
narrators whose trade and subject decide how sharply they choose words, how common these are, and how often they state
a fact rightly; lists, drills and songs that repeat themselves; words drawn by lot, by how common they are; questions,
judged statements, statements that contradict a fact, dialogues, morals. Nothing is repeated; held-out text is the same
generator with another seed. `sample.txt` holds 200 thousand held-out tokens. The first {warm_up:,} documents of
training are mostly drills, so that heads that copy form early. Every {long} steps, {token_lists} sequence is no
text but lists of random tokens, read again: text never holds some of the tokens, and heads that copy whatever comes
form here.
Of each relation about one fact in seven is never judged: no line that ends in TRUE or FALSE is about it, told rightly
or wrongly. A wrong object of a judged statement is that of another fact of the relation, so that neither subject nor
object alone tells the verdict. Later stages read statements in rows of their own and learn only what follows them
(`truths`): verdicts, and corrections, which are of all facts.
`<|endoftext|>` begins every sequence and parts documents; sequences begin where a document begins.

## Recipe

Base, {tokens:.1f} million tokens of text in all: {recipe}.

{later}
Muon (Jordan et al. 2024) for the matrices inside the blocks but for the MLPs' output weights, AdamW with betas 0.9
and 0.98 for those and the rest, gradients clipped at 1; matrices decay, vectors do not; the learning rates fall in a
straight line. The `reserved` coordinates of the embedding stay near zero and untrained: the unembedding, which
is the same matrix, cannot read them. The next one holds the logarithm of how often each token occurs, and is not
trained either. The weights by which neurons write decay in every other coordinate, but not in these: neurons are
invited there, not forced. Trained on two cores of a shared machine without a GPU, in float32.
Another number of threads or another version of PyTorch changes the last digits, and with them, slowly, the weights.

Post-training: {post_training}.

## What was measured

| target | wanted | measured | |
|---|---|---|---|
{targets}

| model | {columns} |
|{rules}
{models}

Losses and entropies are in nats a token. `surprisal` is what the generator's own choices cost on the same held-out
documents: an upper bound on what the best predictor pays, since one text can come about by more than one road.
`answers_fact` asks about subjects that post-training left out and wants the whole answer; `does_not_know_fact` counts
those of them that are said to be unknown, `does_not_know_made_up` the same for names of what does not exist, left out
as well. Post-trained models are measured on the same corpus text. Ranges are exact 95 % intervals.

Half precision: the last checkpoint differs from `pocket` by {logits:.4f} in a logit at most and by {rho:.5f} in rho.

{trials}
"""
"""The card, with places for what was measured."""
