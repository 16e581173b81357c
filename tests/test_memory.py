import pytest
import torch

from lib import memory


@pytest.mark.parametrize("width", [1, 50_257, 128_256])
def test_as_many_rows_as_fit_and_no_more(width):
    n = memory.rows(width)
    assert n * width * memory.WIDEST <= memory.BOUND < (n + 1) * width * memory.WIDEST


def test_one_row_is_always_allowed_and_a_cache_may_ask_for_fewer_but_not_for_more():
    assert memory.rows(10**12) == 1 == memory.rows(100, cells=50)
    assert memory.rows(100, cells=1000) == 10
    assert memory.rows(1, cells=10**12) == memory.BOUND // memory.WIDEST


def test_some_rows_at_a_time_give_what_all_do_together(generator, monkeypatch):
    x, y = torch.randn(2, 23, 5, generator=generator)
    seen = []

    def read(a, b):
        seen.append(len(a))
        return torch.stack([(a * b).sum(1), a[:, 0]])

    whole = read(x, y)
    monkeypatch.setattr(memory, "BOUND", memory.WIDEST * 40)
    assert torch.equal(memory.by_rows(read, x, y, width=10), whole)
    assert seen == [23, 4, 4, 4, 4, 4, 3]
