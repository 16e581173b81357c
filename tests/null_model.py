"""Models without any training, of the embedded model's size, and what the chapters say about them."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from lib import source
from tests import in_process

SMALL: dict[str, dict[str, Any]] = {
    "01": {},
    "02": {"n_resamples": 40, "n_controls": 20},
    "03": {"n_resamples": 40},
    "04": {"n_controls": 100},
    "05": {"n_controls": 100, "tokens_per_entry": 20},
    "06": {"n_controls": 100, "n_repeated": 16, "length": 20, "n_queries": 3},
    "12": {"n_sequences": 8, "n_resamples": 40, "tokens_per_step": 1},
}
"""Parameters that make a chapter quick: fewer draws, shorter texts."""
SUPPORT = ("supported", "in part", "reproduced")


def untrained(folder: Path, *, seed: int) -> Path:
    """A random model of `pocket`'s shape with its tokenizer, and two random checkpoints beside it."""
    pocket = Path(source.resolve("pocket", revision="").location)
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(pocket)
    torch.manual_seed(seed)
    for name in ("null", "null-step-0", "null-step-100"):
        AutoModelForCausalLM.from_config(config).save_pretrained(folder / name)
        shutil.copy(pocket / "tokenizer.json", folder / name)
        shutil.copy(pocket / "tokenizer_config.json", folder / name)
    return folder / "null"


def verdicts(model: str, *, chapters: tuple[str, ...], seed: int, **more: Any) -> dict[str, str]:
    """The verdict on every claim that the chapters tested."""
    found = {}
    for chapter in chapters:
        given = {"model": model, "seed": seed, "sequence_length": 48} | SMALL[chapter]
        ledger = in_process.run(chapter, **given, **more.get(chapter, {}))["ledger"]
        found |= {entry["claim"]: entry["verdict"] for entry in ledger.entries if entry["verdict"] != "not tested"}
    return found


def supported(all_verdicts: list[dict[str, str]]) -> tuple[Counter[str], Counter[str]]:
    """How often each claim was supported, at least in part, and how often it was tested."""
    yes = Counter(claim for found in all_verdicts for claim, verdict in found.items() if verdict in SUPPORT)
    return yes, Counter(claim for found in all_verdicts for claim in found)
