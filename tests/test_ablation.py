import pytest
import torch
from torch.testing import assert_close

from lib import ablation


@pytest.fixture
def activation(generator):
    return torch.randn(4, 9, 5, generator=generator) + torch.arange(5.0)


def test_the_mean_is_over_every_position_or_over_those_named(activation):
    assert_close(ablation.mean(activation), activation.reshape(36, 5).mean(0))
    late = torch.arange(9).expand(4, 9) >= 3
    assert_close(ablation.mean(activation, among=late), activation[:, 3:].reshape(24, 5).mean(0))
    with pytest.raises(ValueError, match="needs at least one position"):
        ablation.mean(activation, among=torch.zeros(4, 9, dtype=torch.bool))


def test_zero_is_nought_and_the_median_ignores_an_outlier(activation):
    assert ablation.zero(activation).tolist() == [0.0] * 5
    spoilt = activation.clone()
    spoilt[0, 0] = activation.flatten(0, 1).amax(0) + 1e6 * (activation[0, 0] > ablation.median(activation))
    assert_close(ablation.median(spoilt)[0], ablation.median(activation)[0], atol=0.2, rtol=0)
    assert_close(ablation.median(activation), activation.reshape(36, 5).sort(0).values[17])


def test_resampling_keeps_each_neurons_values_and_draws_each_neuron_apart(activation, generator):
    drawn = ablation.resample(activation, generator=generator)
    assert_close(drawn.flatten(0, 1).sort(0).values, activation.flatten(0, 1).sort(0).values)
    first_neuron = torch.arange(36.0).reshape(4, 9, 1).expand(4, 9, 2)
    twins = ablation.resample(first_neuron, generator=generator)
    assert (twins[..., 0] != twins[..., 1]).any()


def test_clipping_stops_at_the_mean_on_one_side_only(activation):
    mean, rises = ablation.mean(activation), torch.tensor([True, False, True, False, True])
    clipped = ablation.clip(activation, mean, rises)
    assert (clipped[..., rises] <= mean[rises]).all() and (clipped[..., ~rises] >= mean[~rises]).all()
    untouched = torch.where(rises, activation <= mean, activation >= mean)
    assert torch.equal(clipped[untouched], activation[untouched])
    assert (clipped[~untouched] == mean.expand_as(clipped)[~untouched]).all()


def test_kinds_are_found_by_name_and_another_name_lists_them(generator):
    activation = torch.randn(2, 5, 3, generator=generator)
    for kind, function in (("mean", ablation.mean), ("zero", ablation.zero), ("median", ablation.median)):
        assert torch.equal(ablation.by_name(kind, activation, generator=generator), function(activation))
    shuffled = ablation.by_name("resample", activation, generator=generator)
    assert shuffled.shape == activation.shape and not torch.equal(shuffled, activation)
    with pytest.raises(ValueError, match="one of mean, zero, median, resample, got 'maen'"):
        ablation.by_name("maen", activation, generator=generator)
