import pytest
import torch

from lib import resampling


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says(generator):
    covered = 0
    for _ in range(100):
        effect = torch.randn(30, 1, generator=generator)
        value = (effect + 0.5 * torch.randn(30, 20, generator=generator)).flatten()
        found = resampling.mean(value, torch.arange(30).repeat_interleave(20), generator=generator, n_resamples=200)
        covered += found.low <= 0 <= found.high
    assert 86 <= covered <= 99


def test_sequences_and_not_tokens_are_resampled(generator):
    sequence = torch.arange(10).repeat_interleave(100)
    value = sequence.float()  # all variation is between sequences
    found = resampling.mean(value, sequence, generator=generator)
    shuffled = resampling.mean(value, torch.arange(1000) % 10, generator=generator)
    assert found.high - found.low > 2 > 1e-6 > shuffled.high - shuffled.low


def test_the_interval_is_the_same_for_the_same_generator():
    value, sequence = torch.randn(50), torch.arange(50) % 5
    first, second = (resampling.mean(value, sequence, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert first == second


def test_one_sequence_gives_no_interval(generator):
    with pytest.raises(ValueError, match="at least 2 sequences with scored tokens, got 1"):
        resampling.mean(torch.randn(9), torch.zeros(9, dtype=torch.long), generator=generator)


def test_a_statistic_that_is_not_finite_is_refused(generator):
    with pytest.raises(ValueError, match="not a finite number"):
        resampling.mean(torch.full((4,), torch.nan), torch.arange(4), generator=generator)


def test_an_interval_of_means_is_that_of_resampled_tokens_when_sequences_are_as_long(generator):
    value = (torch.randn(12, 5, generator=generator) + torch.randn(12, 1, generator=generator)).double()
    sequence = torch.arange(12).repeat_interleave(5)
    by_token = resampling.mean(value.flatten(), sequence, generator=torch.Generator().manual_seed(1))
    by_mean = resampling.of_means(
        lambda mean: mean[:, 0], value.mean(1, keepdim=True), n=60, generator=torch.Generator().manual_seed(1)
    )
    assert (by_mean.value, by_mean.low, by_mean.high) == pytest.approx((by_token.value, by_token.low, by_token.high))
    assert (by_mean.n, by_mean.n_sequences) == (60, 12)
    low, high = resampling.intervals(value, generator=generator)
    assert low.shape == (5,) and (low < value.mean(0)).all() and (value.mean(0) < high).all()


def test_a_ratio_of_means_is_not_a_mean_of_ratios(generator):
    value = torch.tensor([[1.0, 1.0], [1.0, 3.0]])
    found = resampling.of_means(lambda mean: mean[:, 0] / mean[:, 1], value, n=2, generator=generator)
    assert found.value == 0.5
    with pytest.raises(ValueError, match="at least 2 sequences, got 1"):
        resampling.resampled_means(value[:1], generator=generator)
    with pytest.raises(ValueError, match="is inf, not a finite number"):
        resampling.of_means(lambda mean: mean[:, 0] / 0, value, n=2, generator=generator)


def test_the_percentile_interval_holds_the_middle_of_the_resamples():
    found = resampling.percentile(3.0, torch.arange(1001.0), n=7)
    assert (found.value, found.n) == (3.0, 7) and (found.low, found.high) == pytest.approx((25, 975))


def test_bins_of_equal_mass_have_their_means_and_intervals(generator):
    by, sequence = torch.arange(12.0), torch.arange(12) % 3
    bins = resampling.binned(by, 2 * by, sequence, n_bins=2, generator=generator)
    assert [row[:2] for row in bins] == [(2.5, 5.0), (8.5, 17.0)]
    assert all(low <= value <= high for _, value, low, high in bins)
    with pytest.raises(ValueError, match="20 bins of equal mass need at least 20 tokens, got 12"):
        resampling.binned(by, by, sequence, n_bins=20, generator=generator)


def test_a_share_has_the_exact_interval_of_clopper_and_pearson():
    none, half = resampling.share(0, 20), resampling.share(10, 20)
    assert none.low == 0 and none.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert half.low < 0.5 < half.high and half.low == pytest.approx(1 - half.high)
    with pytest.raises(ValueError, match="got 3 of 2"):
        resampling.share(3, 2)
