import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lib import measures

logits = st.lists(st.floats(-20, 20), min_size=2, max_size=12).map(lambda x: torch.tensor(x, dtype=torch.float64))


@given(logits)
def test_entropy_lies_between_zero_and_the_log_of_the_vocabulary(z):
    assert -1e-12 <= measures.entropy(z).item() <= math.log(len(z)) + 1e-9


@given(logits, st.floats(-50, 50))
def test_a_constant_added_to_all_logits_changes_nothing(z, shift):
    assert_close(measures.entropy(z + shift), measures.entropy(z), atol=1e-9, rtol=1e-9)
    assert_close(measures.loss(z + shift, torch.tensor(0)), measures.loss(z, torch.tensor(0)), atol=1e-9, rtol=1e-9)


def test_entropy_ignores_impossible_tokens():
    z = torch.tensor([0.0, 0.0, -torch.inf])
    assert measures.entropy(z).item() == pytest.approx(math.log(2))


def test_loss_is_minus_the_log_probability_of_the_target():
    z = torch.tensor([[0.0, math.log(3.0)]], dtype=torch.float64)
    assert measures.loss(z, torch.tensor([1])).item() == pytest.approx(-math.log(0.75))


def test_kl_of_a_distribution_with_itself_is_zero_and_with_another_positive():
    z = torch.randn(5, 7, dtype=torch.float64)
    assert_close(measures.kl_divergence(z, z), torch.zeros(5, dtype=torch.float64))
    assert (measures.kl_divergence(z, z.roll(1, -1)) > 0).all()
    p, q = z.softmax(-1), z.roll(1, -1).softmax(-1)
    assert_close(measures.kl_divergence(z, z.roll(1, -1)), (p * (p / q).log()).sum(-1))


def test_calibration_error_is_zero_when_confidence_is_right_and_its_gap_when_it_is_not():
    confidence = torch.full((100,), 0.75)
    correct = (torch.arange(100) % 4) > 0
    assert measures.reliability(confidence, correct, n_bins=5).calibration_error.item() == pytest.approx(0, abs=1e-6)
    wrong = torch.zeros(100, dtype=torch.bool)
    assert measures.reliability(confidence, wrong, n_bins=5).calibration_error.item() == pytest.approx(0.75)


def test_bins_have_equal_mass_and_ascending_confidence():
    found = measures.reliability(torch.rand(103), torch.rand(103) < 0.5, n_bins=15)
    assert found.count.max() - found.count.min() <= 1 and found.count.sum() == 103
    assert (found.confidence.diff() >= 0).all()


def test_too_few_tokens_for_the_bins_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match="15 bins of equal mass need at least 15 tokens, got 3"):
        measures.reliability(torch.rand(3), torch.rand(3) < 0.5, n_bins=15)


def test_rank_correlation_sees_only_order_and_shares_tied_ranks():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert measures.rank_correlation(x, x.exp()).item() == pytest.approx(1)
    assert measures.rank_correlation(x, -x).item() == pytest.approx(-1)
    tied = torch.tensor([1.0, 1.0, 2.0, 2.0])
    ranks = torch.tensor([1.5, 1.5, 3.5, 3.5])
    expected = torch.corrcoef(torch.stack([x, ranks]))[0, 1].item()
    assert measures.rank_correlation(x, tied).item() == pytest.approx(expected)


def test_the_slope_is_that_of_a_line_with_noise_averaged_out():
    x = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    assert_close(measures.slope(x, 3 - 2 * x), torch.tensor(-2.0, dtype=torch.float64))
    assert_close(measures.slope(x, torch.tensor([1.0, -1.0, -1.0, 1.0]).double() + x), torch.tensor(1.0).double())
