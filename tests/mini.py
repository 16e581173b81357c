"""A family of random models that is small in everything, on which a whole chapter runs in a second or two.

Beside the model lie two checkpoints of it and two pairs of twins, and a text: what a chapter may be asked for."""

import shutil
from pathlib import Path

import torch

from lib import checkpoint, documents
from lib.source import POCKET_MODELS
from tests.conftest import D_VOCAB, build

SHAPE = {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_inner": 40, "n_positions": 128}
"""Of a GPT-2, with as many neurons as leave every chosen set others to match."""
OTHERS = ("mini-plain", "mini-plain-dropout", "other", "other-dropout", "mini-step-0", "mini-step-100")
CHATS = ("mini-chat", "other-chat")
"""Post-trained partners: they say how a question to them is written."""


def family(folder: Path) -> Path:
    """The model `mini` in `folder`, and all that belongs to it, each with weights of its own; returns the folder."""
    build(folder / "mini", "gpt2", **SHAPE)
    for seed, name in enumerate(OTHERS + CHATS):
        shutil.copytree(folder / "mini", folder / name)
        torch.manual_seed(seed)
        special = {"vocab_size": D_VOCAB, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
        checkpoint.untrained("gpt2", **special, **SHAPE).save_pretrained(folder / name)
    for name in CHATS:
        shutil.copy(POCKET_MODELS / "pocket-chat" / "tokenizer_config.json", folder / name)
    found = [*documents.documents(documents.EMBEDDED)]
    (folder / "own.txt").write_text("\n\n".join(found[::-1]), encoding="utf-8")
    return folder
