import re
from pathlib import Path

import pytest
import torch

from lib import drawing
from tests import in_process

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_a_draw_depends_on_seed_and_name_and_on_no_other_draw():
    draw = drawing.seeded(3)
    first = torch.rand(5, generator=draw("loss"))
    torch.rand(100, generator=draw("entropy"))
    assert torch.equal(torch.rand(5, generator=draw("loss")), first)
    assert not torch.equal(torch.rand(5, generator=drawing.seeded(4)("loss")), first)
    assert not torch.equal(torch.rand(5, generator=draw("Loss")), first)


def test_halves_are_without_replacement_and_their_complement_is_the_other_half(generator):
    halves = drawing.halves(51, n_halves=200, generator=generator)
    assert halves.shape == (200, 51) and (halves.sum(1) == 25).all() and len(halves.unique(dim=0)) == 200
    with pytest.raises(ValueError, match="at least 2 things to part, got 1"):
        drawing.halves(1, n_halves=2, generator=generator)


@pytest.mark.long
def test_halves_scatter_about_the_whole_as_the_whole_does_about_the_truth(generator):
    spread, scatter = [], []
    for _ in range(300):
        value = torch.randn(100, generator=generator)
        halves = drawing.halves(100, n_halves=100, generator=generator)
        spread.append(torch.stack([value[half].mean() for half in halves]).var())
        scatter.append(value.mean())
    assert torch.stack(spread).mean() == pytest.approx(torch.stack(scatter).var().item(), rel=0.25)


def test_weights_are_the_same_draws_as_sequences():
    first, second = (torch.Generator().manual_seed(0) for _ in range(2))
    weight, drawn = drawing.weights(9, generator=first), drawing.draws(9, generator=second)
    assert torch.equal((weight * 9).round().long()[0], drawn[0].bincount(minlength=9))
    assert torch.allclose(weight.sum(1), torch.ones(len(weight)).double())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_draw_of_a_chapter_has_a_generator_of_its_own(path):
    source = "\n".join(cell for cell, _ in in_process.code(path))
    names = re.findall(r'draw\(f?"([^"]+)"\)', source)
    assert names and len(names) == len(set(names)), (
        f"names given twice: {sorted(n for n in names if names.count(n) > 1)}"
    )
    assert "manual_seed" not in source and "torch.Generator" not in source
    shared = [name for name in re.findall(r"generator=(\w+)", source) if name not in {"draw", "g", "generator"}]
    assert not shared, f"generators that are no named draw: {shared}"
