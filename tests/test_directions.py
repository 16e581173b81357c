"""A difference of means points from one kind to the other, and says nothing that it was not asked."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lib import directions


def two_kinds(seed, *, apart, n=40, d_model=6):
    generator = torch.Generator().manual_seed(seed)
    positive = torch.arange(n) % 2 == 0
    shift = torch.randn(d_model, generator=generator, dtype=torch.float64)
    resid = torch.randn(n, d_model, generator=generator, dtype=torch.float64)
    shift = shift / shift.norm()
    return resid + apart * torch.where(positive, 0.5, -0.5)[:, None] * shift, positive, shift


@given(seed=st.integers(0, 1000), apart=st.floats(0, 10))
def test_the_means_lie_on_either_side_of_the_cut_as_far_as_they_are_apart(seed, apart):
    resid, positive, _ = two_kinds(seed, apart=apart)
    found = directions.difference_of_means(resid, positive)
    assert_close(found.unit.norm(), torch.ones((), dtype=torch.float64))
    above, below = found.projection(resid[positive]).mean(), found.projection(resid[~positive]).mean()
    assert_close(above, found.difference.norm() / 2)
    assert_close(below, -found.difference.norm() / 2)
    assert torch.equal(found.sorts(resid), found.projection(resid) > 0)


def test_a_large_shift_is_found_and_sorted_by(generator):
    resid, positive, shift = two_kinds(0, apart=20)
    found = directions.difference_of_means(resid, positive)
    assert found.unit @ shift > 0.99 and torch.equal(found.sorts(resid), positive)
    assert not torch.equal(found.sorts(-resid), positive)
    shuffled = positive[torch.randperm(len(positive), generator=generator)]
    assert (directions.difference_of_means(resid, shuffled).sorts(resid) == shuffled).double().mean() < 0.9


def test_the_sign_follows_what_is_called_positive():
    resid, positive, _ = two_kinds(1, apart=3)
    one, other = (directions.difference_of_means(resid, kind) for kind in (positive, ~positive))
    assert_close(one.difference, -other.difference)
    assert_close(one.midpoint, other.midpoint)


def test_a_group_is_sorted_by_a_direction_that_has_not_seen_it():
    resid, positive, _ = two_kinds(2, apart=20)
    group = torch.arange(40) // 10
    assert directions.left_out(resid, positive, group).all()
    spoilt = positive.clone()
    spoilt[group == 0] = ~spoilt[group == 0]  # told wrongly in one group alone: its own labels do not help it
    right = directions.left_out(resid, spoilt, group)
    assert not right[group == 0].any() and right[group != 0].all()


def test_what_no_direction_can_be_found_in_is_said():
    resid, positive, _ = two_kinds(3, apart=1)
    with pytest.raises(ValueError, match="two kinds of text are needed, got 40 positive ones of 40"):
        directions.difference_of_means(resid, positive | True)
    with pytest.raises(ValueError, match="takes two groups or more, got one"):
        directions.left_out(resid, positive, torch.zeros(40, dtype=torch.long))
    same = directions.difference_of_means(resid[:1].expand(4, -1), torch.tensor([True, False, True, False]))
    with pytest.raises(ValueError, match="nothing points from one to the other"):
        _ = same.unit
