import pytest
import torch

from lib import calibration


def outcomes(gap, *, n_sequences, generator, n_tokens=200):
    """Confidences, right guesses that are `gap` rarer than announced, and sequences."""
    confidence = 0.3 + 0.6 * torch.rand(n_sequences * n_tokens, generator=generator)
    correct = torch.rand(confidence.shape, generator=generator) < confidence - gap
    return confidence, correct, torch.arange(n_sequences).repeat_interleave(n_tokens)


@pytest.mark.long
@pytest.mark.parametrize("gap", [0.0, 0.02, 0.1])
def test_the_true_calibration_error_is_covered_where_the_plain_one_is_off(gap, generator):
    covered, plain, n_trials = 0, [], 60
    for _ in range(n_trials):
        drawn = outcomes(gap, n_sequences=16, generator=generator)
        found = calibration.error(*drawn, n_bins=15, generator=generator)
        covered += found.low <= gap + 1e-9 and gap <= found.high
        plain.append(calibration.reliability(*drawn[:2], n_bins=15).error.item())
        assert found.low <= found.value <= found.high
    assert covered >= 0.87 * n_trials
    assert sum(plain) / n_trials > 1.2 * gap or gap == 0.1  # noise makes the plain error larger than a small true one


@pytest.mark.long
def test_a_calibrated_model_has_an_error_that_reaches_down_to_nought(generator):
    lows = [
        calibration.error(*outcomes(0.0, n_sequences=16, generator=generator), n_bins=15, generator=generator).low
        for _ in range(40)
    ]
    assert sum(low == 0 for low in lows) >= 37


def test_bins_of_equal_mass_differ_by_one_token_at_most():
    found = calibration.reliability(torch.rand(103), torch.rand(103) < 0.5, n_bins=15)
    assert found.count.sum() == 103 and found.count.max() - found.count.min() <= 1
    assert (found.confidence.diff() >= 0).all()


def test_the_plain_error_is_the_mean_distance_of_confidence_and_accuracy():
    confidence = torch.full((100,), 0.75)
    right = torch.arange(100) % 4 != 0
    order = torch.arange(100).view(20, 5).T.flatten()
    assert calibration.reliability(confidence, right[order], n_bins=5).error.item() == pytest.approx(0, abs=1e-6)
    wrong = torch.zeros(100, dtype=torch.bool)
    assert calibration.reliability(confidence, wrong, n_bins=5).error.item() == pytest.approx(0.75)


def test_too_few_tokens_or_sequences_are_refused(generator):
    with pytest.raises(ValueError, match="15 bins of equal mass need at least 15 tokens, got 3"):
        calibration.reliability(torch.rand(3), torch.rand(3) < 0.5, n_bins=15)
    with pytest.raises(ValueError, match="at least 8 sequences, got 4"):
        calibration.error(*outcomes(0.0, n_sequences=4, generator=generator), n_bins=15, generator=generator)
