"""Tiny random models of every architecture, built from configurations; nothing is downloaded."""

import json
import shutil
import signal

import pytest
import torch
from hypothesis import HealthCheck, settings

from lib import checkpoint
from lib import model as door
from lib.book import REPOSITORY
from lib.source import POCKET_MODELS

# a first call imports torch's lazy parts, and on a busy machine everything is slow: neither is a fault
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_collection_modifyitems(items):
    """Files with long tests run first, so that no worker is left with one when the others have nothing more to do."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


HANGING = 3600
"""Seconds after which a command that a test runs is taken to hang; says nothing about how fast it should be."""


def heeding_interrupts():
    """Begins a process as a terminal would: one that was started in the background passes Ctrl-C over."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


TOKENIZER = POCKET_MODELS / "pocket" / "tokenizer.json"
D_VOCAB = len(json.loads(TOKENIZER.read_text())["model"]["vocab"])  # the tiny models borrow it
HF = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
GROUPED = HF | {"num_key_value_heads": 2}
ARCHITECTURES = {
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 48, "n_positions": 64},
    "gpt_neox": HF,
    "llama": GROUPED,
    "mistral": GROUPED,
    "qwen2": GROUPED | {"tie_word_embeddings": True},
    "qwen3": GROUPED | {"tie_word_embeddings": True, "head_dim": 8},
    "phi": HF,
    "gemma": GROUPED | {"head_dim": 8},
    "gemma2": GROUPED | {"head_dim": 8},
    "gemma3_text": GROUPED
    | {
        "head_dim": 8,
        "sliding_window": 5,  # shorter than what the tests run
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
    "opt": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "ffn_dim": 48,
        "max_position_embeddings": 64,
        "word_embed_proj_dim": 32,
    },
}


def build(folder, model_type, **config):
    """A random model of an architecture saved in `folder`, its norms and biases randomised."""
    torch.manual_seed(0)
    special = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    model = checkpoint.untrained(model_type, **({"vocab_size": D_VOCAB + 8} | special | config))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ("norm" in name or "ln" in name) and not name.endswith("bias"):
                weight.add_(0.3 * torch.randn_like(weight))
            else:
                weight.normal_(std=0.3 if name.endswith("bias") else 0.15)
    model.save_pretrained(folder)
    shutil.copy(TOKENIZER, folder)
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(special))
    return folder


def tolerance(dtype, *, scale=1.0, n_ops=1):
    """How far two roads to one number may part by rounding alone, so that no test hinges on a processor's last bits.

    `scale` is the size of the largest numbers on the way, not of the result: what cancels has rounded before. `n_ops`
    counts the roundings of numbers of that size that follow one another: n for a sum of n terms one by one, log2(n)
    for one by halves, added up over sums in a row. Roundings have no common sign, so n of them make about sqrt(n)
    units of half an eps; eight times that is passed with a probability below 1e-13 (Higham and Mary 2019, A new
    approach to probabilistic rounding error analysis)."""
    return 4 * torch.finfo(dtype).eps * scale * n_ops**0.5


def _runs():
    """Every file of the reader's own runs, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in (REPOSITORY / "runs").rglob("*") if path.is_file()}


@pytest.fixture(scope="session", autouse=True)
def runs_are_left_alone():
    """Fails when a test wrote into `runs/`, which holds what the reader made."""
    before = _runs()
    yield
    assert _runs() == before, "a test wrote into runs/ (or a run went on beside the tests)"


@pytest.fixture(scope="session", params=list(ARCHITECTURES))
def tiny_folder(request, tmp_path_factory):
    """A directory with a tiny model, once per architecture."""
    return build(tmp_path_factory.mktemp(request.param), request.param, **ARCHITECTURES[request.param])


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory):
    """A directory with a tiny GPT-2."""
    return build(tmp_path_factory.mktemp("gpt2"), "gpt2", **ARCHITECTURES["gpt2"])


@pytest.fixture(scope="session")
def pocket():
    """The embedded model."""
    return door.load("pocket")


@pytest.fixture
def generator():
    """A seeded generator."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def ax():
    """Axes of a figure that nobody sees."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture(scope="module")
def tiny(tiny_folder):
    """A tiny random model of each architecture."""
    return door.load(str(tiny_folder))
