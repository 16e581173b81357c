"""What is run once for several continuations, and how products are made in few bits: nothing comes out otherwise."""

import pytest
import torch
from torch.testing import assert_close
from torch.utils.weak import WeakTensorKeyDictionary

from lib import model as door
from lib.knowledge_conflicts import noise
from lib.knowledge_conflicts.writing import Writer
from lib.model import widening

WAYS = [(0, ()), (1, (5, 6)), (0, (7,)), (1, (8, 9)), (1, ())]


@pytest.mark.long
def test_every_way_on_from_a_beginning_is_the_whole_text_run_by_itself(tiny_folder, generator):
    model = door.load(str(tiny_folder))
    tokens = torch.randint(1, model.final_layer.d_vocab, (2, 6), generator=generator)
    for (row, behind), (resid, activation) in zip(WAYS, model.branches(tokens, WAYS), strict=True):
        text = torch.cat([tokens[row], torch.tensor(behind, dtype=torch.long)])[None]
        run = model.run(text, "resid", "activation")
        assert len(resid) == len(activation) == 1 + len(behind)
        assert_close(resid, run.resid[0, 5:], atol=1e-4, rtol=1e-4)
        assert_close(activation, run.activation[0, 5:], atol=1e-4, rtol=1e-4)


def test_a_widened_product_is_the_rounded_sum_and_nothing_else_is_widened(generator):
    a, b = (torch.randn(7, 7, generator=generator).bfloat16() for _ in range(2))
    exact = (a.double() @ b.double()).bfloat16()
    with widening._Widened():
        for product in (a @ b, torch.matmul(a, b), torch.nn.functional.linear(a, b.mT), torch.addmm(0 * a, a, b)):
            assert product.dtype == torch.bfloat16
            assert_close(product, exact, rtol=2**-7, atol=1e-6)  # one rounding, and not one for each term
        assert (a + b).dtype == torch.bfloat16 and (a.float() @ b.float()).dtype == torch.float32


def test_a_weight_is_widened_once_until_it_is_changed_and_let_go_with_its_layer(generator, monkeypatch):
    monkeypatch.setattr(widening, "_WEIGHTS", WeakTensorKeyDictionary())
    layer, x = torch.nn.Linear(7, 7, dtype=torch.bfloat16), torch.randn(2, 7, generator=generator).bfloat16()
    with torch.inference_mode(), widening._Widened():
        first = layer(x)
        (_, wide) = widening._WEIGHTS[layer.weight]
        assert torch.equal(layer(x), first) and widening._WEIGHTS[layer.weight][1] is wide
    with torch.no_grad():
        layer.weight.mul_(2)
        layer.bias.mul_(2)
    with torch.inference_mode(), widening._Widened():
        assert torch.equal(layer(x), 2 * first)
    monkeypatch.setattr(widening, "ROOM", 4 * layer.weight.numel())  # and none for the bias
    with torch.no_grad():
        layer.bias.add_(0)
    with torch.inference_mode(), widening._Widened():
        assert torch.equal(layer(x), 2 * first)
    assert len(widening._WEIGHTS) == 1 and layer.weight in widening._WEIGHTS
    del layer
    assert not len(widening._WEIGHTS)


@pytest.mark.long
def test_a_model_in_full_precision_is_left_alone(tiny):
    with widening.products(tiny.bridge.original_model) as entered:
        assert entered is None


@pytest.mark.long
@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("first", [1, 6])
def test_no_answer_that_nearly_the_same_model_changes_is_left_out(gpt2_folder, generator, monkeypatch, first, settled):
    """Beside all prompts asked again: those that are left out say the same until their labels are settled, and what is
    asked comes in its order."""
    monkeypatch.setattr(noise, "FIRST", first)
    models = [door.load(str(gpt2_folder)) for _ in range(2)]
    with torch.no_grad():
        for weight in models[1].bridge.original_model.parameters():
            weight.mul_(1 + 0.01 * torch.randn(weight.shape, generator=generator))
    prompts = torch.randint(1, 1500, (40, 6), generator=generator).tolist()
    given = {
        "n_tokens": 4,
        "stops": {0},
        "is_settled": (lambda prompt, ids: len(ids) > prompt % 3) if settled else None,
    }
    plain, nearly = (Writer(model, prompts, **given) for model in models)
    said = [[tuple(path.ids[0, : path.n_steps[0]].tolist()) for path in one.clean_paths()] for one in (plain, nearly)]
    asked, texts = noise.again(plain, models[1], batch_size=8)
    assert len(asked) == len(texts) == len(set(asked.tolist())) >= first
    found = dict(zip(asked.tolist(), texts, strict=True))
    n_open = [plain.n_open((at, ())) for at in range(len(prompts))]
    changed = {at for at, (one, other, n) in enumerate(zip(*said, n_open, strict=True)) if one[:n] != other[:n]}
    assert changed and changed <= {at for at, text in found.items() if text == said[1][at]}
    assert all(text in (said[1][at], said[0][at][: n_open[at]]) for at, text in found.items())
