from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from lib.final_layer import FinalLayer


@pytest.fixture(params=[True, False], ids=["LayerNorm", "RMSNorm"])
def layer(request, generator):
    W_U = torch.randn(8, 20, generator=generator, dtype=torch.float64)
    W_U = W_U - W_U.mean(0) if request.param else W_U
    return FinalLayer(W_U, torch.randn(20, generator=generator, dtype=torch.float64), 1e-5, request.param)


@pytest.fixture
def resid(generator):
    return torch.randn(5, 8, generator=generator, dtype=torch.float64)


def test_the_logits_are_those_of_torchs_own_norm_and_the_unembedding(layer, resid):
    norm = torch.nn.functional.layer_norm if layer.centres else torch.nn.functional.rms_norm
    assert_close(layer.logits(resid), norm(resid, (8,), eps=layer.eps) @ layer.W_U + layer.b_U)


def test_freezing_the_scale_at_its_own_value_changes_nothing(layer, resid):
    assert_close(layer.logits(resid, scale=layer.scale(resid)), layer.logits(resid))


def test_a_frozen_norm_is_linear_in_the_write(layer, resid):
    scale, write = layer.scale(resid), torch.ones(8, dtype=torch.float64).cumsum(0)
    once = layer.logits(resid + write, scale=scale) - layer.logits(resid, scale=scale)
    twice = layer.logits(resid + 2 * write, scale=scale) - layer.logits(resid, scale=scale)
    assert_close(twice, 2 * once)


def test_only_layernorm_ignores_a_shift_of_the_residual_stream(layer, resid):
    moved = (layer.logits(resid + 3) - layer.logits(resid)).abs().max()
    assert moved < 1e-9 if layer.centres else moved > 0.1


def test_centring_over_the_vocabulary_changes_no_probability_and_is_skipped_under_a_soft_cap(layer, resid):
    other = replace(layer, W_U=layer.weight_coordinates())
    assert_close(other.logits(resid).softmax(-1), layer.logits(resid).softmax(-1))
    capped = replace(layer, soft_cap=5.0)
    assert capped.weight_coordinates() is capped.W_U and capped.logits(100 * resid).abs().max() <= 5
