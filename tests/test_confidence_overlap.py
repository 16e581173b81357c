"""The same neurons are found to be the same, other ones to be others, and chance to be chance."""

import pytest
import torch

from lib import drawing, selection
from lib.confidence import overlap
from lib.neuron_weights import NeuronWeights

draw = drawing.seeded(0)
N = 200


def some(seed, n=N):
    generator = torch.Generator().manual_seed(seed)
    norm, rho = torch.rand(n, generator=generator) + 0.1, torch.rand(n, generator=generator)
    return NeuronWeights(norm, torch.rand(n, generator=generator) * 1e-3, rho)


def jittered(weights, by, seed=1):
    generator = torch.Generator().manual_seed(seed)
    factor = 1 + by * torch.randn(len(weights.norm), generator=generator)
    return NeuronWeights(weights.norm, (weights.logit_variance * factor).clamp(min=0), weights.rho)


def halves(one, other, *, by=0.02, n=100):
    return [{"base": jittered(one, by, 2 * i), "post": jittered(other, by, 2 * i + 1)} for i in range(n)]


GIVEN = {"models": ("base", "post"), "rule": "du", "count": 10, "n": 1000}


@pytest.mark.long
def test_a_model_shares_everything_with_itself_and_no_ratio_moves():
    one = some(0)
    pair = {"base": one, "post": one}
    table = overlap.table(pair, counts=[6, 10])
    assert (table.jaccard.dropna() == 1).all() and set(table.rule) == {*selection.RULES, *overlap.FLOORS}
    assert (table.shared >= table.by_chance).all() and [*table.columns[:6]] == [
        "rule", "k", "one", "other", "shared", "jaccard"
    ]  # fmt: skip
    same = [pair] * 40
    count, beyond = overlap.shared(pair, same, **GIVEN, generator=draw("random"))
    assert (count.value, count.low, count.high) == (10, 10, 10) and 0 < beyond.low <= beyond.value < 10
    assert overlap.ratio_change(pair, same, **GIVEN).value == 0
    for found in overlap.order_kept(one, one, draw=draw).values():
        assert found.value == pytest.approx(1)


@pytest.mark.long
def test_models_with_nothing_in_common_are_not_told_from_chance():
    """Some twenty pairs, of which an interval that covers may miss one or two."""
    missed = 0
    for seed in range(20):
        one, other = some(2 * seed), some(2 * seed + 1)
        drawn = draw(f"random {seed}")
        _, beyond = overlap.shared({"base": one, "post": other}, halves(one, other), **GIVEN, generator=drawn)
        missed += not beyond.low <= 0 <= beyond.high
    assert missed <= 3


def test_the_ratio_is_the_papers_and_a_change_of_norm_shows_in_it():
    one = some(0)
    other = NeuronWeights(1.1 * one.norm, one.logit_variance, one.rho)
    pair = {"base": one, "post": other}
    found = overlap.ratio_change(pair, [pair] * 40, **GIVEN)
    assert found.value == pytest.approx(0.1, rel=1e-4)
    none = NeuronWeights(one.norm, one.logit_variance.flip(0), one.rho)
    chosen = [overlap.chosen(some, "du", count=10)[0] for some in (one, none)]
    if not (chosen[0] & chosen[1]).any():
        told = overlap.ratio_change({"base": one, "post": none}, [], **GIVEN)
        assert told == "the two models share no chosen neuron"


def test_variants_of_the_rule_choose_among_more_or_fewer():
    one = some(0)
    sizes = {rule: int(overlap.chosen(one, rule, count=N)[1].sum()) for rule in ("du", *overlap.FLOORS)}
    assert sizes == {"du": 50, "du, longest tenth": 20, "du, longer half": 100}
    assert overlap.chosen(one, "du", count=10)[0].equal(selection.du(one, count=10))
    with pytest.raises(ValueError, match="a rule is one of stolfo, rho_top, tighidet, du, du, longest tenth"):
        overlap.chosen(one, "best", count=3)


def test_weights_are_weighed_as_in_chapter_03_and_halves_are_the_same_for_all_models(pocket):
    found = overlap.weigh(pocket, dim=0, tail=0.05)
    assert found.rho.max() > 0.9 and len(found.norm) == len(pocket.W_out)
    models = {"base": pocket, "post": pocket}
    for half in overlap.halves(models, dim=4, tail=0.05, n_halves=3, draw=draw):
        assert torch.equal(half["base"].logit_variance, half["post"].logit_variance)
