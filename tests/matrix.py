"""What every chapter is run with: small numbers, another value of each parameter, and how to tell that it was heeded.

Chapters and parameters are found, not listed here: whoever adds a parameter says what else it may be (`AWAY`)."""

import csv
import json
from pathlib import Path

from lib import book
from lib.book import bounds
from tests import in_process, pretend

SMALL = {
    "text": "pocket",
    "sequence_length": 20,
    "tail": 0.15,
    "count": 4,
    "n_resamples": 10,
    "n_controls": 10,
    "tokens_per_entry": 2,
    "length": 12,
    "n_queries": 2,
    "post_trained": "{folder}/mini-chat",
    "n_facts": 16,
    "n_scored": 4,
    "n_pairs": 16,
    "n_steered": 1,
    "n_random": 2,
    "n_draws": 40,
    "n_facts_training": 4,
    "n_tokens": 2,
    "n_each": 4,
    "n_questions": 20,
    "n_halves": 10,
}
"""What makes a chapter quick: few draws, short texts; of `FEWEST`, as few as a chapter takes."""
FEWEST = ("n_sequences", "n_repeated")
"""Parameters of which a chapter is given the fewest that it takes."""
AWAY = {
    "seed": 1,
    "n_sequences": 17,
    "sequence_length": 24,
    "dim": 5,
    "tail": 0.25,
    "count": 3,
    "rho_floor": 0.3,
    "n_resamples": 11,
    "n_controls": 12,
    "rule": "rho_top",
    "kind": "resample",
    "tokens_per_entry": 3,
    "top": 0.9,
    "min_share": -5.0,
    "length": 13,
    "n_repeated": 18,
    "n_gram": 3,
    "threshold": 0.05,
    "n_queries": 3,
    "checkpoints": "mini-step-100",
    "tokens_per_step": 1000,
    "plain": "{folder}/other",
    "dropout": "{folder}/other-dropout",
    "text": "{folder}/own.txt",
    "post_trained": "{folder}/other-chat",
    "frame": "one_shot",
    "lower": True,
    "n_facts": 17,
    "value": "median",
    "positions": "answer",
    "n_scored": 5,
    "topics": "city continent",
    "question": "Is it so?",
    "n_pairs": 18,
    "n_lines": 0,
    "shown": "city",
    "n_steered": 2,
    "n_random": 3,
    "n_draws": 41,
    "n_facts_training": 5,
    "control": "{folder}/other",
    "n_tokens": 3,
    "n_each": 5,
    "n_questions": 21,
    "n_halves": 11,
}
"""Another value of each parameter; `{folder}` is where the small models and a text lie."""
ALONE = {"layer": 0, "neuron": 3, "units": "3, 7"}
"""Other values that leave a part of their chapter out, and so are not given along with all the rest."""
ELSEWHERE = {"dtype": "bfloat16", "device": str(pretend.ELSEWHERE)}
REFUSED = {
    "revision": ("main", "is on this machine and has no revisions"),
    "facts_csv": ("{folder}/none.csv", r"none\.csv"),
}
"""Values that are refused, with a part of what is said: which shows that they reach whom they are for."""
NOTHING_HAPPENS = {"flips.csv", "judges.csv"}
"""Tables of what an untrained model does not do: change an answer that it knows, refuse."""
ALWAYS = {"model", "results", "dtype", "device"}
"""Parameters that these runs set to something else than the default in any case."""


def run(chapter, folder, results, **given):
    """A chapter on the small model with small numbers in place of what is not given; its names and its parameters.

    Fails unless the run's card says what was asked for, and its ledger holds finite numbers."""
    own = book.defaults(chapter)
    small = SMALL | {name: int(bounds.least(name, chapter)) for name in FEWEST} | given
    placed = {k: v.format(folder=folder) if isinstance(v, str) else v for k, v in small.items() if k in own}
    placed |= {"model": str(folder / "mini"), "results": str(results)}
    with in_process.few_resamples():
        namespace = in_process.run(chapter[:2], **placed)
    told = {k: Path(v).name if isinstance(v, str) and Path(v).is_absolute() else v for k, v in (own | placed).items()}
    assert json.loads((results / "card.json").read_text())["parameters"] == told | {"results": ""}
    assert all(value is None or abs(value) < 1e9 for row in claims(results).values() for value in row[1:])
    return namespace


def claims(results):
    """Verdict, value and interval of each claim that a run left behind."""
    entries = json.loads((results / "claims.json").read_text())
    return {entry["claim"]: [entry[name] for name in ("verdict", "measured", "low", "high")] for entry in entries}


def tables(results):
    """The rows of each table that a run left behind."""
    return {path.name: [*csv.reader(path.open())] for path in sorted(results.glob("*.csv"))}
