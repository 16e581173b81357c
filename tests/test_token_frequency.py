import pytest
import torch
from torch.testing import assert_close

from lib import token_frequency


def test_counts_are_of_every_document():
    assert token_frequency.counts([[1, 1, 3], [3]], d_vocab=5).tolist() == [0, 2, 0, 2, 0]


def test_one_is_added_to_every_count():
    log_unigram = token_frequency.log_unigram(torch.tensor([0, 2, 1]))
    assert_close(log_unigram.exp(), torch.tensor([1, 3, 2], dtype=torch.float64) / 6)


def test_the_direction_has_unit_norm_no_mean_and_points_to_the_frequent():
    direction = token_frequency.direction(token_frequency.log_unigram(torch.tensor([0, 9, 99])))
    assert_close(direction.norm().item(), 1.0)
    assert abs(direction.sum().item()) < 1e-12 and direction[2] > direction[1] > direction[0]


def test_what_cannot_be_counted_is_said():
    with pytest.raises(ValueError, match="token 7 lies outside a vocabulary of 5"):
        token_frequency.counts([[7]], d_vocab=5)
    with pytest.raises(ValueError, match="empty"):
        token_frequency.counts([], d_vocab=5)
    with pytest.raises(ValueError, match="equally frequent"):
        token_frequency.direction(token_frequency.log_unigram(torch.tensor([4, 4])))
