import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lib import drawing, null_space, vocabulary
from lib.final_layer import FinalLayer


def random_layer(seed, *, centres=True, d_model=16, d_vocab=60, null=0):
    generator = torch.Generator().manual_seed(seed)
    W_U = torch.randn(d_model, d_vocab, generator=generator, dtype=torch.float64)
    if null:
        q = torch.linalg.qr(torch.randn(d_model, null, generator=generator, dtype=torch.float64)).Q
        W_U = W_U - q @ (q.mT @ W_U)
    if centres:
        W_U = W_U - W_U.mean(0)
    return FinalLayer(W_U, torch.randn(d_vocab, generator=generator, dtype=torch.float64), 1e-5, centres)


@given(st.integers(0, 1000), st.integers(1, 15))
def test_the_shares_in_the_space_and_its_complement_add_up(seed, dim):
    found = null_space.spectrum(random_layer(seed).W_U, centres=True)
    w = torch.randn(4, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    inside = null_space.rho(w, null_space.basis(found, dim=dim))
    outside = null_space.rho(w, found.direction[:, : 16 - dim])
    assert_close(inside**2 + outside**2, torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("centres", [True, False])
def test_a_null_space_write_acts_only_as_a_temperature(centres, generator):
    layer = random_layer(3, centres=centres, null=4)
    space = null_space.basis(null_space.spectrum(layer.W_U, centres=centres), dim=4)
    resid = torch.randn(7, 16, generator=generator, dtype=torch.float64)
    written = resid + torch.randn(7, 4, generator=generator, dtype=torch.float64) @ space.mT
    clean, scale = layer.logits(resid), layer.scale(resid)
    assert_close(layer.logits(written, scale=scale), clean)
    hot = (clean - layer.b_U) * (scale / layer.scale(written))[:, None] + layer.b_U
    assert_close(layer.logits(written), hot)
    assert (layer.logits(written) - clean).abs().max() > 0.01  # it does act


def test_a_random_write_does_not_act_only_as_a_temperature(generator):
    layer = random_layer(3, null=4)
    resid = torch.randn(7, 16, generator=generator, dtype=torch.float64)
    written = resid + torch.randn(7, 16, generator=generator, dtype=torch.float64)
    assert (layer.logits(written, scale=layer.scale(resid)) - layer.logits(resid)).abs().max() > 0.1


def test_the_spectrum_is_that_of_the_singular_value_decomposition():
    layer = random_layer(5)
    found = null_space.spectrum(layer.W_U, centres=True)
    assert_close(found.singular_value, torch.linalg.svdvals(layer.W_U), atol=1e-6, rtol=1e-9)
    assert found.singular_value[-1] == 0
    assert_close(found.direction[:, -1].abs(), torch.full((16,), 0.25, dtype=torch.float64))


@pytest.mark.parametrize(("centres", "dim"), [(True, 4), (False, 3)])
def test_the_rule_finds_a_planted_drop_and_counts_the_exact_zero(centres, dim):
    value = torch.linspace(10, 5, 64, dtype=torch.float64)
    value[-dim:] = torch.linspace(0.5, 0.4, dim, dtype=torch.float64)
    if centres:
        value[-1] = 0
    found = null_space.Values(value, n_zero=int(centres))
    chosen, drop = null_space.largest_drop(found, tail=0.2)
    assert chosen == dim and drop == pytest.approx((value[-dim - 1] / value[-dim]).item())


def test_a_tail_without_neighbours_is_refused():
    found = null_space.spectrum(random_layer(0).W_U, centres=True)
    with pytest.raises(ValueError, match="leaves 0 places to cut"):
        null_space.largest_drop(found, tail=0.01)


@pytest.mark.parametrize("dim", [0, 16, -1])
def test_an_impossible_dim_is_refused_with_its_range(dim):
    found = null_space.spectrum(random_layer(0).W_U, centres=True)
    with pytest.raises(ValueError, match=f"null-space dim must lie in 1 … 15, got {dim}"):
        null_space.basis(found, dim=dim)


@pytest.mark.parametrize("centres", [True, False])
def test_random_writes_show_the_chance_that_the_formula_gives(centres, generator):
    layer = random_layer(1, centres=centres)
    space = null_space.basis(null_space.spectrum(layer.W_U, centres=centres), dim=5)
    w = layer.centre(torch.randn(20_000, 16, generator=generator, dtype=torch.float64))
    measured = null_space.rho(w, space).square().mean().sqrt().item()
    assert measured == pytest.approx(null_space.chance(dim=5, d_model=16, centres=centres), rel=0.01)


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="W_U holds values that are not finite"):
        null_space.spectrum(torch.full((4, 9), torch.nan), centres=False)


def test_with_layer_norm_one_direction_alone_is_no_space_to_write_to():
    W_U = torch.randn(8, 50, dtype=torch.float64)
    with pytest.raises(ValueError, match="name 2 or more, got 1"):
        null_space.effective(null_space.spectrum(W_U - W_U.mean(0), centres=True), dim=1, tail=0.5)
    assert null_space.effective(null_space.spectrum(W_U, centres=False), dim=1, tail=0.5).shape == (8, 1)


def test_directions_that_no_column_uses_are_one_drop_whatever_rounding_leaves_of_them():
    W_U = torch.randn(16, 200)
    W_U[:3] = 0
    assert null_space.largest_drop(null_space.spectrum(W_U, centres=False), tail=0.3)[0] == 3


@pytest.mark.parametrize("centres", [True, False])
def test_blocks_of_the_vocabulary_give_the_spectra_of_its_halves(centres, generator):
    W_U = random_layer(4, centres=centres, d_vocab=200).W_U
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    blocks = vocabulary.grams(W_U, generator=draws[0])
    assert_close(blocks.sum(0), W_U @ W_U.mT)
    parts = torch.randperm(200, generator=draws[1]).tensor_split(len(blocks))
    half = torch.arange(len(blocks)) % 2 == 0
    for found, wanted in zip(null_space.halved(blocks, half, centres=centres), (0, 1), strict=True):
        columns = torch.cat([part for place, part in enumerate(parts) if place % 2 == wanted])
        assert_close(found.singular_value, torch.linalg.svdvals(W_U[:, columns]), atol=1e-6, rtol=1e-9)


@pytest.mark.parametrize("centres", [True, False])
def test_values_alone_are_those_of_the_spectrum(centres):
    gram = vocabulary.gram(random_layer(5, centres=centres).W_U)
    whole, values = (of(gram, centres=centres) for of in (null_space.of_gram, null_space.values_of_gram))
    assert values.n_zero == whole.n_zero == centres and not hasattr(values, "direction")
    assert_close(values.singular_value, whole.singular_value, rtol=1e-9, atol=1e-9)
    assert (values.singular_value[-1] == 0) == centres
    assert null_space.largest_drop(values, tail=0.3) == pytest.approx(null_space.largest_drop(whole, tail=0.3))


SETTINGS = {"centres": False, "tail": 0.2}
DRAWN = {"n_controls": 5, "n_halves": 60}


def sharpness(W_U, generator):
    random = null_space.random_spectra(W_U, **SETTINGS, **DRAWN, generator=torch.Generator().manual_seed(1))
    return null_space.sharpness(W_U, random, **SETTINGS, generator=generator)


def test_a_cliff_is_found_and_measured_on_the_other_half(generator):
    W_U = torch.randn(40, 2000, generator=generator, dtype=torch.float64)
    W_U[:3] /= 20
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    found = sharpness(W_U, draws[0])
    assert (found.dim.value, found.dim.low, found.dim.high) == (3, 3, 3)
    halves = drawing.halves(vocabulary.N_BLOCKS, n_halves=60, generator=draws[1])
    parts = torch.randperm(2000, generator=draws[1]).tensor_split(vocabulary.N_BLOCKS)
    others = [torch.cat([parts[i] for i in (~half).nonzero()[:, 0].tolist()]) for half in halves]
    value = torch.stack([torch.linalg.svdvals(W_U[:, other]) for other in others])
    assert found.drop.value == pytest.approx((value[:, -4] / value[:, -3]).log().mean().exp().item(), rel=1e-6)
    assert found.drop.low <= found.drop.value <= found.drop.high
    assert found.over_random.low > 10 and found.drop.n == 2000


@pytest.mark.long
def test_the_largest_drop_of_noise_is_no_cliff_and_its_interval_holds_its_estimate(generator):
    """The largest of many ratios is above 1 in any spectrum; taken where it was chosen, halves have larger ones."""
    outside = 0
    for _ in range(20):
        W_U = torch.randn(40, 400, generator=generator, dtype=torch.float64)
        found = sharpness(W_U, generator)
        for one in (found.drop, found.over_random):
            assert one.low <= one.value <= one.high
        outside += not found.over_random.low <= 1 <= found.over_random.high
    assert outside <= 3


def test_random_spectra_are_those_of_random_unembeddings_made_as_a_whole(generator):
    W_U = torch.randn(12, 200, generator=generator, dtype=torch.float64) * torch.rand(200, generator=generator)
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    found = null_space.random_spectra(W_U, **SETTINGS, n_controls=2, n_halves=10, generator=draws[0])
    halves = vocabulary.halves(200, n_halves=10, generator=draws[1])
    for control in range(2):
        columns = [W_U[:, part] for part in vocabulary.parts(200, generator=draws[1])]
        noise = [vocabulary.random_unembedding(some, centres=False, generator=draws[1]) for some in columns]
        assert_close(found.singular_value[control], torch.linalg.svdvals(torch.cat(noise, 1)), atol=1e-6, rtol=1e-9)
        for half in range(control, 10, 2):
            one, other = (
                torch.linalg.svdvals(torch.cat([n for n, kept in zip(noise, some, strict=True) if kept], 1))
                for some in (halves[half], ~halves[half])
            )
            at = int((one[-4:-1] / one[-3:]).argmax()) - 4  # a fifth of 12 directions, rounded up: three steps
            assert found.drop[half].item() == pytest.approx((other[at] / other[at + 1]).item(), rel=1e-6)


def test_more_random_unembeddings_than_halves_add_no_drop(generator):
    W_U = torch.randn(40, 400, generator=generator, dtype=torch.float64)
    few, many = (
        null_space.random_spectra(
            W_U, **SETTINGS, n_controls=n, n_halves=10, generator=torch.Generator().manual_seed(3)
        )
        for n in (10, 12)
    )
    assert few.drop.equal(many.drop) and len(many.singular_value) == 12
