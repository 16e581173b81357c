import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lib import measures


def test_rounding_is_a_thousandth_or_what_the_dtype_itself_rounds_by():
    assert measures.rounding(torch.float32) == measures.rounding(torch.float64) == 1e-3
    assert measures.rounding(torch.bfloat16) == 4 * 2**-7


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
