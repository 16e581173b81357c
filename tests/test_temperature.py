import pytest
import torch
from torch.testing import assert_close

from lib import measures, temperature


def rows(generator, dtype):
    """Spread-out and nearly certain predictions, ablated a little and a lot."""
    clean = torch.randn(40, 300, generator=generator, dtype=torch.float64) * torch.linspace(0.1, 4, 40)[:, None]
    clean[::4, 7] += 12
    ablated = clean * torch.linspace(0.4, 2, 40)[:, None] + 0.1 * torch.randn(40, 300, generator=generator)
    return (30 + clean).to(dtype), ablated.to(dtype)


def by_search(clean, ablated):
    """The temperature of least divergence: the best of a fine grid, refined ten times."""
    clean, ablated = clean.double(), ablated.double()
    low, high = torch.full((len(clean),), 1e-2).double().log(), torch.full((len(clean),), 1e2).double().log()
    for _ in range(10):
        grid = low[:, None] + (high - low)[:, None] * torch.linspace(0, 1, 41, dtype=torch.float64)
        kl = torch.stack([measures.kl_divergence(ablated, clean / t.exp()[:, None]) for t in grid.mT], 1)
        best = kl.argmin(1, keepdim=True)
        low, high = (grid.gather(1, (best + by).clamp(0, 40))[:, 0] for by in (-1, 1))
    return ((low + high) / 2).exp()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_best_temperature_is_that_of_a_fine_search_also_where_a_prediction_is_nearly_certain(generator, dtype):
    clean, ablated = rows(generator, dtype)
    found = temperature.best(clean, ablated)
    assert found.std() > 0.3
    assert_close(found.double(), by_search(clean, ablated), rtol=1e-5, atol=0)


def test_a_few_passes_over_the_logits_are_enough(generator, monkeypatch):
    clean, ablated = rows(generator, torch.float32)
    taken, moments = [], temperature.moments
    monkeypatch.setattr(temperature, "moments", lambda below, b: taken.append(len(b)) or moments(below, b))
    temperature.best(clean, ablated)
    assert taken[0] == 40 and sum(taken) <= 6 * 40 and len(taken) < 12


def test_blocks_of_tokens_find_what_all_find_together(generator):
    clean, ablated = rows(generator, torch.float64)
    parts = [temperature.best(*some) for some in zip(clean.split(7), ablated.split(7), strict=True)]
    assert_close(torch.cat(parts), temperature.best(clean, ablated), rtol=1e-9, atol=0)


def test_a_temperature_out_of_range_is_the_end_of_it_and_equal_logits_have_none():
    clean = torch.tensor([[0.0, 0.1, 0.3], [0.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
    ablated = torch.tensor([[0.0, 1e5, 3e5], [0.0, 1e-5, 3e-5], [0.0, 1.0, 2.0]])
    found = temperature.best(clean, ablated)
    assert_close(found, torch.tensor([temperature.COLDEST, temperature.HOTTEST, 1.0]), rtol=1e-2, atol=0)
