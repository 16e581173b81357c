"""A difference that neurons make is found to go with them, one that they do not make is not, and none is none."""

import pytest
import torch

from lib import controls, drawing, measures
from lib.confidence import account
from lib.effects import Readings
from lib.resampling import Estimate

draw = drawing.seeded(0)
N_SEQUENCES, EACH, D_MLP, N_SETS = 20, 30, 60, 25


@pytest.fixture(scope="module")
def sets():
    chosen = torch.zeros(D_MLP, dtype=torch.bool)
    chosen[:5] = True
    value = torch.linspace(1, 2, D_MLP)
    matched = {
        name: controls.matched(chosen, value, n_sets=N_SETS, generator=draw(name)) for name in ("norm", "effect")
    }
    return account.Sets(chosen, matched)


def test_neurons_that_are_taken_away_move_the_entropy_as_by_hand(pocket):
    chosen = torch.arange(128) < 3
    some = controls.matched(chosen, torch.linspace(1, 2, 128), n_sets=4, generator=draw("few"))
    few = account.Sets(chosen, {"norm": some})
    tokens = pocket.sequences("pocket", n_sequences=8, sequence_length=16)
    scored = pocket.scored(tokens)
    found = account.ablated(pocket, tokens, few, scored=scored, generator=draw("ablated"))
    run = pocket.run(tokens, "activation", "resid")
    mean, write = run.activation.mean((0, 1)), pocket.W_out[chosen]
    moved = run.resid + (mean - run.activation)[..., chosen] @ write
    clean, without = (measures.entropy(pocket.final_layer.logits(x[scored])) for x in (run.resid, moved))
    assert found.chosen.value == pytest.approx((without - clean).mean().item(), abs=1e-4)
    assert [*found.against] == ["norm"] and found.chosen.low <= found.chosen.value <= found.chosen.high


def readings(sets, entropy, by_chosen, by_others=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sequence = torch.arange(N_SEQUENCES).repeat_interleave(EACH)
    noise = 0.1 * torch.rand(N_SEQUENCES, generator=torch.Generator().manual_seed(9))[sequence]
    clean = entropy + noise
    by = torch.full((len(sets.all), 1), by_others)
    by[0], by[1] = by_chosen, by_chosen + by_others
    small = 0.01 * torch.randn(len(sets.all), len(sequence), generator=generator)
    position = torch.arange(EACH).repeat(N_SEQUENCES)
    return Readings({"entropy": clean}, {"entropy": clean + by + small}, sequence, position)


@pytest.mark.long
@pytest.mark.parametrize(("part", "other"), [(1.0, 0.0), (0.0, 0.0), (0.5, 0.1), (-0.5, 0.0)])
def test_what_goes_with_the_neurons_is_their_share(sets, part, other):
    difference = -0.4
    base = readings(sets, 1.0, part * difference, other * difference)
    post = readings(sets, 1.0 + difference, -part * difference, -other * difference, seed=1)
    found = account.account(base, post, sets, draw=draw)
    assert found.difference.value == pytest.approx(difference, abs=1e-6) and account.exists(found.difference)
    assert (
        found.share.value == pytest.approx(part, abs=0.01) and found.share.low - 0.02 <= part <= found.share.high + 0.02
    )
    assert found.whole_share.value == pytest.approx(part + other, abs=0.01)
    for beside in found.moved.against.values():
        assert beside.controls.value == pytest.approx(other * difference, abs=0.01)
        gap = (part - other) * difference
        assert beside.difference.low - 0.02 <= gap <= beside.difference.high + 0.02
    table = account.table({"text": found})
    assert {"difference", "moved", "share", "share, whole layer"} <= set(table.quantity)


@pytest.mark.long
def test_a_difference_that_does_not_exist_has_no_share(sets):
    base, post = readings(sets, 1.0, 0.1), readings(sets, 1.0, -0.1, seed=1)
    noisy = post.clean["entropy"] + 0.05 * torch.randn(20, generator=torch.Generator().manual_seed(1))[post.sequence]
    post = Readings({"entropy": noisy}, post.ablated, post.sequence, post.position)
    found = account.account(base, post, sets, draw=draw)
    assert not account.exists(found.difference) and "do not differ in mean entropy" in found.share
    assert found.share == found.whole_share and "share" not in set(account.table({"text": found}).quantity)


@pytest.mark.long
def test_a_model_and_itself_do_not_differ(sets):
    one = readings(sets, 1.0, 0.0)
    found = account.account(one, one, sets, draw=draw)
    assert found.difference.value == 0 and isinstance(found.share, str)


def test_readings_of_other_tokens_are_refused(sets):
    one = readings(sets, 1.0, 0.0)
    other = Readings(one.clean, one.ablated, one.sequence.flip(0), one.position)
    with pytest.raises(ValueError, match="an account needs both models at the same tokens"):
        account.account(one, other, sets, draw=draw)


def test_sets_keep_their_order_and_cautions(sets):
    assert sets.all.shape == (2 + 2 * N_SETS, D_MLP) and sets.all[1].all() and sets.all[0].equal(sets.chosen)
    for name in ("norm", "effect"):
        assert sets.all[list(sets.rows(name))].equal(sets.matched[name].neuron)
    with pytest.raises(ValueError, match="sets are matched on norm, effect, got 'size'"):
        sets.rows("size")
    assert sets.caution == ""


@pytest.mark.parametrize(
    ("low", "high", "exists"), [(0.1, 0.3, True), (-0.3, -0.1, True), (-0.1, 0.2, False), (-0.2, 0.1, False)]
)
def test_a_size_has_no_sign_and_holds_nought_where_the_difference_does(low, high, exists):
    difference = Estimate((low + high) / 2, low, high, 100, 10)
    size = account.size(difference)
    assert size.value == pytest.approx(abs(difference.value)) and size.low <= size.value <= size.high
    assert (size.low > 0) == exists == account.exists(difference)
