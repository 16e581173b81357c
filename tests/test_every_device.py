"""Every chapter in bfloat16 on a device that is not there, in every dtype, and with neurons that a paper names."""

import pytest
import torch

from lib import book, claims, pair
from lib import model as door
from lib.claims import names
from lib.emergence import points
from tests import in_process, matrix, mini, pretend
from tests.conftest import tolerance

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a small model lies, with its checkpoints and twins, and a text."""
    return mini.family(tmp_path_factory.mktemp("family"))


@pytest.fixture
def elsewhere(monkeypatch):
    """Models are loaded here and put on the device that is not there."""
    load = door.load

    def there(model, *, device, **given):
        assert device == matrix.ELSEWHERE["device"]
        with torch._C.DisableTorchFunction():
            loaded = load(model, **given)
            pretend.put(loaded.bridge.original_model, loaded.final_layer.W_U, loaded.final_layer.b_U, loaded.W_out)
        return loaded

    for module in (door, points):
        monkeypatch.setattr(module, "load", there)


def loaded(namespace):
    """The models among the names that a chapter leaves, by themselves or in pairs."""
    for value in namespace.values():
        some = value.models if isinstance(value, pair.Pair) else value if isinstance(value, dict) else {"": value}
        yield from (one for one in some.values() if isinstance(one, door.Model))


@pytest.mark.parametrize("chapter", book.chapters())
def test_in_bfloat16_on_another_device_nothing_meets_what_stayed_behind(chapter, folder, elsewhere, tmp_path):
    with pretend.Elsewhere():
        namespace = matrix.run(chapter, folder, tmp_path, **matrix.ALONE, **matrix.ELSEWHERE, n_sequences=16)
    models = [model for model in loaded(namespace) if model.source.location.startswith(str(folder))]
    assert models and all(pretend.is_elsewhere(model.W_out) for model in models)
    assert all(next(m.bridge.original_model.parameters()).dtype == torch.bfloat16 for m in models)


def follows_named_neurons(chapter):
    return any("named_neurons(" in source for source, _ in in_process.code(book.NOTEBOOKS / f"{chapter}.ipynb"))


@pytest.mark.parametrize("chapter", [*filter(follows_named_neurons, book.chapters())])
def test_neurons_that_a_paper_names_are_followed(chapter, folder, monkeypatch, tmp_path):
    """The branches for GPT-2, on a model that the claims take for it, its neurons counted round the small layer."""
    named, d_mlp, asked = claims.named_neurons, mini.SHAPE["n_inner"], []

    def counted_round(*about, model):
        asked.extend(named(*about, model=model))
        return [*dict.fromkeys(unit % d_mlp for unit in named(*about, model=model))]

    own = door.load(str(folder / "mini")).name
    monkeypatch.setitem(names.ALSO_CALLED, own, "gpt2")
    monkeypatch.setattr(claims, "named_neurons", counted_round)
    namespace = matrix.run(chapter, folder, tmp_path)
    assert asked and namespace["ledger"].model == "gpt2"


def test_a_dtype_changes_confidence_by_its_rounding_alone(folder, tmp_path):
    found = {}
    for dtype, kind in door.DTYPES.items():
        namespace = matrix.run("01_final_layer", folder, tmp_path / dtype, dtype=dtype)
        found[kind] = torch.stack([namespace[name].double().mean() for name in ("entropy", "loss", "confidence")])
    exact, size = found[torch.float64], namespace["logits"].abs().max().item()
    n_layers = namespace["language_model"].n_layers
    for kind, value in found.items():
        off = tolerance(kind, scale=size, n_ops=100 * n_layers)
        torch.testing.assert_close(value, exact, rtol=0, atol=off)
    assert (found[torch.bfloat16] != exact).all()
