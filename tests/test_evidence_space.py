"""Where chosen neurons write, by direction and by the size of the null space; and what a write does to predictions."""

import pytest
import torch
from torch.testing import assert_close

from lib import controls, evidence, measures, memory, neuron_weights, null_space, selection
from lib.final_layer import FinalLayer


@pytest.fixture
def written(generator):
    """Output weights of which the first three lie in the four quietest directions, and what they are held against."""
    spectrum = null_space.spectrum(torch.randn(12, 90, generator=generator, dtype=torch.float64), centres=False)
    w_out = torch.randn(30, 12, generator=generator, dtype=torch.float64)
    w_out[:3] = torch.randn(3, 4, generator=generator, dtype=torch.float64) @ spectrum.direction[:, -4:].mT
    chosen = torch.arange(30) < 3
    sets = controls.matched(chosen, w_out.norm(dim=1), n_sets=40, generator=generator)
    return w_out, spectrum, chosen, sets


def test_shares_by_direction_sum_to_one_and_lie_where_the_neurons_write(written):
    w_out, spectrum, chosen, sets = written
    table = evidence.share_by_direction(w_out, spectrum, chosen, sets)
    assert table.chosen.sum() == pytest.approx(1) == table.control.sum()
    assert table.chosen[-4:].sum() == pytest.approx(1) and table["index"].tolist() == list(range(12))
    cosine = torch.cosine_similarity(w_out[:3], spectrum.direction[:, -1], dim=1)
    assert table.chosen.iloc[-1] == pytest.approx(cosine.square().mean().item())
    assert (table.control_low <= table.control).all() and (table.control <= table.control_high).all()


def test_rho_by_size_of_the_space_is_that_of_each_space_alone(written):
    w_out, spectrum, chosen, sets = written
    rho = evidence.rho_by_dim(w_out, spectrum, [2, 4])
    for one, dim in zip(rho, (2, 4), strict=True):
        assert_close(one, null_space.rho(w_out, null_space.basis(spectrum, dim=dim)))
    table = evidence.mean_rho(rho, chosen, sets)
    assert table.chosen.iloc[1] == pytest.approx(1) and table.chosen.iloc[0] < 1
    assert table.control.iloc[0] == pytest.approx(
        torch.stack([rho[0, some].mean() for some in sets.neuron]).mean().item()
    )


def test_the_chosen_are_counted_among_those_of_largest_rho_in_each_space(written):
    w_out, spectrum, chosen, _ = written
    rho = evidence.rho_by_dim(w_out, spectrum, [4, 11])
    weights = neuron_weights.NeuronWeights(w_out.norm(dim=1), w_out.norm(dim=1), rho[0])
    at_eleven = int(selection.lowest(-rho[1], among=torch.ones(30, dtype=torch.bool), count=3)[:3].sum())
    assert evidence.chosen_still(rho, weights, chosen, count=3) == [3, at_eleven]


def test_what_a_write_does_by_each_road_is_that_of_the_whole_logits(generator, monkeypatch):
    layer = FinalLayer(*(torch.randn(*shape, generator=generator) for shape in ((8, 50), (50,))), 1e-5, centres=False)
    resid, write = torch.randn(2, 23, 8, generator=generator)
    monkeypatch.setattr(memory, "BLOCK", 4 * 50)
    found = evidence.divergences(layer, resid, resid + write)
    clean, free = layer.logits(resid), layer.logits(resid + write)
    frozen = layer.logits(resid + write, scale=layer.scale(resid))
    hot = layer.logits(resid, scale=layer.scale(resid + write))
    for road, pair in {
        "norm frozen": (clean, frozen),
        "norm free": (clean, free),
        "not temperature": (hot, free),
    }.items():
        assert_close(found[road], measures.kl_divergence(*pair), rtol=1e-4, atol=1e-5)
    assert list(found) == ["norm frozen", "norm free", "not temperature"]
