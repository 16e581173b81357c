"""Whatever the vocabulary, no chapter holds more than the bound of what has a number for every token of it."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lib import memory
from tests import in_process
from tests.conftest import ARCHITECTURES, D_VOCAB, build

pytestmark = pytest.mark.long
D_MODEL, LENGTH = 32, 26
BOUND = 6 * D_MODEL * D_VOCAB
"""Between the unembedding in float32 and its copy in float64; a sequence's logits fit, and those of two do not."""
SMALL = {"n_sequences": 16, "sequence_length": LENGTH}
"""A few sequences, each of whose logits nearly fill the bound: what is held for two at once is over it."""
CHAPTERS = {
    "01": SMALL,
    "02": SMALL | {"n_controls": 3, "n_resamples": 8, "tail": 0.2},
    "03": SMALL | {"n_resamples": 8, "tail": 0.2},
    "04": SMALL | {"n_controls": 10, "tail": 0.2},
    "05": SMALL | {"n_controls": 10, "tokens_per_entry": 2},
}


def shares(tensor, others):
    """Whether a tensor is a view of one of the others, and so no new one."""
    taken = {one.untyped_storage().data_ptr() for one in others if isinstance(one, torch.Tensor)}
    return tensor.untyped_storage().data_ptr() in taken


class Largest(TorchDispatchMode):
    """Records the largest new tensor with an axis as long as the vocabulary, or longer, and what made it."""

    def __init__(self):
        super().__init__()
        self.found = (0, "")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for one in out if isinstance(out, (tuple, list)) else [out]:
            if not isinstance(one, torch.Tensor) or not (D_VOCAB in one.shape or D_VOCAB + 8 in one.shape):
                continue
            size = one.numel() * one.element_size()
            if size > self.found[0] and one.is_floating_point() and not shares(one, args):
                self.found = (size, f"{function} {tuple(one.shape)}")
        return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Llama whose vocabulary is long beside its width."""
    return build(tmp_path_factory.mktemp("wide"), "llama", **ARCHITECTURES["llama"] | {"intermediate_size": 32})


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_chapter_holds_more_than_the_bound_of_a_vocabulary(folder, chapter, monkeypatch):
    assert 4 * D_MODEL * D_VOCAB < BOUND < 8 * D_MODEL * D_VOCAB
    assert 4 * LENGTH * (D_VOCAB + 8) < BOUND < 2 * 4 * LENGTH * D_VOCAB
    monkeypatch.setattr(memory, "BOUND", BOUND)
    with in_process.few_resamples(), Largest() as largest:
        in_process.run(chapter, model=str(folder), **CHAPTERS[chapter])
    size, made_by = largest.found
    assert BOUND / 8 < size <= BOUND, made_by
