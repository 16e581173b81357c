import pytest
import torch
from torch.testing import assert_close

from lib import memory, vocabulary


def columns(generator, *, d_model=6, d_vocab=170):
    return torch.randn(d_model, d_vocab, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("centres", [True, False])
def test_a_random_unembedding_keeps_the_column_lengths(generator, centres):
    W_U = columns(generator)
    noise = vocabulary.random_unembedding(W_U, centres=centres, generator=generator)
    assert_close(noise.norm(dim=0), W_U.norm(dim=0))
    assert (noise.sum(0).abs().max() < 1e-12) == centres


def test_the_sum_over_a_vocabulary_is_one_whatever_is_made_wide_at_a_time(generator, monkeypatch):
    W_U = columns(generator)
    monkeypatch.setattr(memory, "BOUND", memory.WIDEST * 6 * 7)
    assert_close(vocabulary.gram(W_U), W_U @ W_U.mT)


def test_the_parts_hold_every_token_once_and_are_of_nearly_one_size(generator):
    parts = vocabulary.parts(170, generator=generator)
    assert torch.cat(parts).sort().values.equal(torch.arange(170))
    assert len(parts) == vocabulary.N_BLOCKS and {len(part) for part in parts} == {3, 4}
    assert (
        len(vocabulary.parts(7, generator=generator))
        == 7
        == vocabulary.halves(7, n_halves=1, generator=generator).shape[1]
    )


def test_random_parts_sum_to_a_random_unembedding_as_long_as_the_models(generator):
    W_U = columns(generator)
    blocks = vocabulary.random_grams(W_U, centres=True, generator=generator)
    assert blocks.sum(0).trace().item() == pytest.approx(W_U.square().sum().item())
    assert blocks.sum(0).sum(0).abs().max() < 1e-10  # centred
