import pytest
import torch
from scipy.stats import binom

from lib import measures, resampling

N_TRIALS = 600


def skewed(n, generator):
    return torch.empty(n).exponential_(generator=generator) - 1


def normal(n, generator):
    return torch.randn(n, generator=generator)


def covers(hits, *, low=0.93, high=0.97):
    """Whether a count of trials is one that a coverage between two bounds often gives (99.9 % of the time)."""
    return binom.ppf(5e-4, N_TRIALS, low) <= hits <= binom.ppf(1 - 5e-4, N_TRIALS, high)


@pytest.mark.parametrize("n", [8, 16, 64])
@pytest.mark.parametrize("draw", [normal, skewed])
def test_means_are_covered_as_often_as_they_say_also_of_few_and_of_skewed_sequences(n, draw, generator):
    value = torch.stack([draw(n, generator) for _ in range(N_TRIALS)], dim=1)
    low, high = resampling.intervals(value, generator=generator)
    assert covers(int(((low <= 0) & (high >= 0)).sum()))


@pytest.mark.parametrize("n", [8, 16, 64])
@pytest.mark.parametrize("draw", [normal, skewed])
def test_ratios_of_means_and_shares_are_covered_as_often_as_they_say(n, draw, generator):
    def three(n):
        common, *own = (draw(n, generator) for _ in range(3))
        return (5 + common + own[0], 2.5 + 0.5 * common + 0.5 * own[1])

    pairs = [three(n) for _ in range(N_TRIALS)]
    total, left = (torch.stack(part, dim=1) for part in zip(*pairs, strict=True))
    low, high = resampling.intervals(left, total, generator=generator)
    assert covers(int(((low <= 0.5) & (high >= 0.5)).sum()))


def test_one_sequence_that_makes_all_the_difference_widens_an_interval_and_does_not_explode_it(generator):
    value = torch.cat([torch.tensor([0.6]), 0.0005 + 0.0001 * torch.randn(15, generator=generator)])[:, None]
    low, high = resampling.intervals(value, generator=generator)
    mean, error = value.mean().item(), value.std().item() / 4
    assert low <= mean - error and mean + 2 * error < high < mean + 6 * error


def test_a_percentile_interval_of_few_sequences_would_have_been_too_narrow(generator):
    value = torch.stack([normal(8, generator) for _ in range(N_TRIALS)], dim=1).double()
    again = torch.stack([value[torch.randint(8, (8,), generator=generator)].mean(0) for _ in range(500)])
    low, high = again.quantile(torch.tensor([0.025, 0.975]).double(), dim=0)
    assert not covers(int(((low <= 0) & (high >= 0)).sum()))
    low, high = resampling.expanded_percentiles(again, n_sequences=8)
    assert covers(int(((low <= 0) & (high >= 0)).sum()))


def two_columns(n_sequences, generator, *, noise=1.0, n_neurons=200):
    """What each sequence says of two properties of neurons, which are one and are measured with noise."""
    both = (torch.arange(n_neurons) / n_neurons).exp()
    return both + noise * both * torch.randn(n_sequences, 2, n_neurons, generator=generator)


def correlated(value):
    def statistic(some):
        return measures.rank_correlation(*value[some].mean(0).double())

    return resampling.correlation(statistic, n_sequences=len(value), n=7)


@pytest.mark.long
@pytest.mark.parametrize("n_sequences", [8, 16])
def test_the_correlation_that_as_much_text_shows_is_covered_at_least_as_often_as_it_says(n_sequences, generator):
    """The jackknife counts the curvature of a correlation as scatter, so that it errs on the wide side."""
    found = [correlated(two_columns(n_sequences, generator)) for _ in range(N_TRIALS)]
    on_average = torch.tensor([one.value for one in found]).double().atanh().mean().tanh().item()
    assert covers(sum(one.low <= on_average <= one.high for one in found), high=1.0)
    assert all(-1 <= one.low < one.value < one.high <= 1 for one in found)
    assert (found[0].n, found[0].n_sequences) == (7, n_sequences)


def test_resamples_of_noisy_means_would_put_a_correlation_outside_its_own_interval(generator):
    value = two_columns(16, generator, n_neurons=1000)
    again = [
        measures.rank_correlation(*value[torch.randint(16, (16,), generator=generator)].mean(0).double())
        for _ in range(300)
    ]
    found = correlated(value)
    _, high = resampling.expanded_percentiles(torch.stack(again)[:, None].double(), n_sequences=16)
    assert high.item() < found.value < found.high


def test_a_correlation_of_one_has_an_interval_and_none_is_refused(generator):
    value = torch.rand(8, 1, 5, generator=generator).cumsum(-1).expand(-1, 2, -1)
    found = correlated(value)
    assert found.value == pytest.approx(1) and found.low == pytest.approx(1)
    with pytest.raises(ValueError, match="the correlation over 8 sequences is nan, not a finite number"):
        correlated(torch.ones(8, 2, 5))
    with pytest.raises(ValueError, match="needs at least 8 sequences, got 7"):
        correlated(value[:7])


@pytest.mark.long
def test_means_over_tokens_of_sequences_of_unequal_length_are_covered(generator):
    hits = 0
    for _ in range(N_TRIALS):
        length = torch.randint(20, 60, (16,), generator=generator)
        sequence = torch.arange(16).repeat_interleave(length)
        value = (torch.randn(16, generator=generator))[sequence] + torch.randn(len(sequence), generator=generator)
        found = resampling.mean(value, sequence, generator=generator, n_resamples=400)
        hits += found.low <= 0 <= found.high
    assert covers(hits)


@pytest.mark.long
def test_the_largest_of_many_is_chosen_on_one_half_and_measured_on_the_other(generator):
    covered, naive = 0, 0
    for _ in range(200):
        value = torch.randn(32, 40, generator=generator)  # the true largest is 0
        _, found = resampling.largest(value, n=16, generator=generator)
        covered += found.low <= 0 <= found.high
        assert found.low <= found.value <= found.high
        low, high = resampling.intervals(value.mean(0).max() + value[:, :1] * 0, generator=generator)
        naive += (low <= 0 <= high).item()
    assert covered >= 180 and naive == 0
    column, found = resampling.largest(torch.tensor([0.0, 2.0]).repeat(16, 1), n=8, generator=generator)
    assert column == 1 and found.value == found.low == found.high == 2.0


def test_sequences_and_not_tokens_are_resampled(generator):
    sequence = torch.arange(10).repeat_interleave(100)
    value = sequence.float()  # all variation is between sequences
    found = resampling.mean(value, sequence, generator=generator)
    shuffled = resampling.mean(value, torch.arange(1000) % 10, generator=generator)
    assert found.high - found.low > 2 > 1e-6 > shuffled.high - shuffled.low


def test_the_interval_is_the_same_for_the_same_generator():
    value, sequence = torch.randn(50), torch.arange(50) % 10
    first, second = (resampling.mean(value, sequence, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("n", [1, 7])
def test_fewer_than_eight_sequences_give_no_interval(n, generator):
    said = f"an interval over sequences needs at least 8 sequences, got {n}; ask for more"
    value, sequence = torch.randn(3 * n), torch.arange(3 * n) % n
    with pytest.raises(ValueError, match=said):
        resampling.mean(value, sequence, generator=generator)
    with pytest.raises(ValueError, match=said):
        resampling.estimate(lambda t: value[t].mean(), sequence, generator=generator)
    with pytest.raises(ValueError, match=said):
        resampling.intervals(value.view(n, 3), generator=generator)
    with pytest.raises(ValueError, match="got 7"):
        resampling.largest(torch.randn(15, 3), n=3, generator=generator)


def test_a_statistic_that_is_not_finite_is_refused(generator):
    with pytest.raises(ValueError, match="not a finite number"):
        resampling.mean(torch.full((8,), torch.nan), torch.arange(8), generator=generator)
    with pytest.raises(ValueError, match="not a finite number"):
        resampling.estimate(lambda t: torch.tensor(torch.nan), torch.arange(8), generator=generator)


def test_an_interval_of_means_is_that_of_tokens_when_sequences_are_as_long(generator):
    value = (torch.randn(12, 5, generator=generator) + torch.randn(12, 1, generator=generator)).double()
    sequence = torch.arange(12).repeat_interleave(5)
    draws = [torch.Generator().manual_seed(1) for _ in range(3)]
    by_token = resampling.mean(value.flatten(), sequence, generator=draws[0])
    by_mean = resampling.mean_of_sequences(value.mean(1), n=60, generator=draws[1])
    low, high = resampling.intervals(value.mean(1, keepdim=True), generator=draws[2])
    for found in ((by_mean.value, by_mean.low, by_mean.high), (by_mean.value, low.item(), high.item())):
        assert found == pytest.approx((by_token.value, by_token.low, by_token.high))
    assert (by_mean.n, by_mean.n_sequences) == (60, 12)


def test_a_ratio_of_means_is_not_a_mean_of_ratios(generator):
    value = torch.tensor([[1.0, 1.0], [1.0, 3.0]]).repeat(4, 1)
    found = resampling.of_means(lambda mean: mean[:, 0] / mean[:, 1], value, n=2, generator=generator)
    assert found.value == 0.5
    with pytest.raises(ValueError, match="is inf, not a finite number"):
        resampling.of_means(lambda mean: mean[:, 0] / 0, value, n=2, generator=generator)


def test_a_statistic_that_counts_gets_a_percentile_interval(generator):
    value = torch.randn(16, 9, generator=generator)
    found = resampling.of_means(lambda m: (m > 0).sum(1).double(), value, n=144, generator=generator)
    assert found.value == (value.mean(0) > 0).sum() and 0 <= found.low <= found.value <= found.high <= 9


def test_constant_values_have_an_interval_of_no_width(generator):
    low, high = resampling.intervals(torch.ones(8, 2), generator=generator)
    assert low.tolist() == high.tolist() == [1.0, 1.0]
    low, high = resampling.intervals(torch.zeros(8, 1), torch.zeros(8, 1), generator=generator)
    assert low.tolist() == high.tolist() == [0.0]


def test_the_percentile_interval_holds_the_middle_of_the_draws():
    found = resampling.percentile(3.0, torch.arange(1001.0), n=7)
    assert (found.value, found.n, found.low, found.high) == (3.0, 7, 24.0, 976.0)


def test_bins_of_equal_mass_have_their_means_and_intervals(generator):
    by, sequence = torch.arange(48.0), torch.arange(48) % 8
    bins = resampling.binned(by, 2 * by, sequence, n_bins=2, generator=generator)
    assert [row[:2] for row in bins] == [(11.5, 23.0), (35.5, 71.0)]
    assert all(low <= value <= high for _, value, low, high in bins)
    with pytest.raises(ValueError, match="50 bins of equal mass need at least 50 tokens, got 48"):
        resampling.binned(by, by, sequence, n_bins=50, generator=generator)


def test_a_bin_of_too_few_sequences_has_no_interval(generator):
    by, sequence = torch.arange(32.0), torch.arange(32) // 4
    bins = resampling.binned(by, by, sequence, n_bins=2, generator=generator)
    assert all(low != low and high != high for *_, low, high in bins)


def test_a_share_has_the_exact_interval_of_clopper_and_pearson():
    none, half = resampling.share(0, 20), resampling.share(10, 20)
    assert none.low == 0 and none.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert half.low < 0.5 < half.high and half.low == pytest.approx(1 - half.high)
    with pytest.raises(ValueError, match="got 3 of 2"):
        resampling.share(3, 2)


@pytest.mark.long
@pytest.mark.parametrize("n_draws", [40, 100])
def test_a_draw_like_the_others_lies_beyond_an_end_of_few_draws_no_more_often_than_it_should(n_draws, generator):
    """With interpolated quantiles of forty shuffles, one test in twenty was positive that should be one in forty."""
    draws = torch.randn(4000, n_draws + 1, generator=generator, dtype=torch.float64)
    below = sum(resampling.percentile(0.0, row[1:], n=1).low > row[0] for row in draws)
    assert 0.01 < below / len(draws) < 0.03
    naive = draws[:, 1:].quantile(0.025, dim=1) > draws[:, 0]
    assert n_draws > 40 or naive.double().mean() > 0.04


def test_halves_that_are_all_off_to_one_side_scatter_about_the_number_of_the_whole(generator):
    spread = torch.randn(2000, generator=generator)
    found = resampling.scatter(3.0, 5.0 + 0.1 * spread, n=7)
    assert found.low == pytest.approx(3 - 0.196, abs=0.02) and found.high == pytest.approx(3 + 0.196, abs=0.02)
    assert (found.value, found.n) == (3.0, 7)
