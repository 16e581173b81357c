import pytest
import torch

from lib import controls, drawing


@pytest.fixture
def values(generator):
    return torch.randn(200, generator=generator).exp()


def test_each_control_is_one_of_the_nearest_and_none_is_chosen_or_taken_twice(values, generator):
    chosen = torch.zeros(200, dtype=torch.bool).index_fill(0, torch.tensor([3, 50, 120]), True)
    found = controls.matched(chosen, values, n_sets=50, generator=generator, nearest=5)
    assert found.neuron.shape == (50, 200) and (found.neuron.sum(1) == 3).all() and not (found.neuron & chosen).any()
    assert 0.8 < found.ratio < 1.25 and found.is_fair and found.caution == "" and found.n_candidates == 5
    one = torch.arange(200) == 3
    near = (values.log() - values.log()[3]).abs().masked_fill(one, torch.inf).argsort()[:5]
    drawn = controls.matched(one, values, n_sets=200, generator=generator, nearest=5).neuron.any(0)
    assert set(drawn.nonzero()[:, 0].tolist()) == set(near.tolist())


def test_a_match_that_is_none_says_so(generator):
    found = controls.matched(torch.arange(6) == 5, torch.tensor([1, 1, 1, 1, 1, 9.0]), n_sets=4, generator=generator)
    assert not found.is_fair and "median ratio of 0.11 only" in found.caution


def test_a_neuron_without_any_effect_can_be_a_control(generator):
    value = torch.tensor([1e-30, 0.0, 1.0])
    found = controls.matched(torch.arange(3) == 0, value, n_sets=3, generator=generator, nearest=1)
    assert (found.neuron == torch.tensor([False, True, False])).all()


def test_what_cannot_be_matched_is_refused(generator):
    value = torch.ones(4)
    with pytest.raises(ValueError, match="3 neurons need as many others to match, but 1 are left"):
        controls.matched(torch.tensor([True, True, True, False]), value, n_sets=1, generator=generator)
    with pytest.raises(ValueError, match="no neuron is chosen"):
        controls.matched(torch.zeros(4, dtype=torch.bool), value, n_sets=1, generator=generator)


def verdicts(n_chosen, *, fixed, generator, n_trials=150):
    """How often a random set lies wholly above its controls, all of one population."""
    above = 0
    for _ in range(n_trials):
        neuron = torch.randn(200, generator=generator)  # what each neuron does
        seen = neuron + 0.3 * torch.randn(16, 200, generator=generator)  # and what a sequence shows of it
        chosen = torch.zeros(200, dtype=torch.bool)
        chosen[torch.randperm(200, generator=generator)[:n_chosen]] = True
        sets = controls.matched(
            chosen, torch.ones(200), n_sets=200, generator=generator, nearest=200 if n_chosen > 1 else 60
        )
        if fixed:
            sets = controls.Matched(sets.neuron[:1], sets.ratio, sets.n_candidates)
        found = controls.against(
            lambda draw, mask, seen=seen: seen[draw][:, mask].mean(),
            chosen,
            sets,
            whole=torch.arange(16),
            drawn=drawing.draws(16, generator=generator, n_resamples=200),
            n=16,
            n_sequences=16,
        )
        above += found.difference.low > 0
    return above / n_trials


@pytest.mark.long
@pytest.mark.parametrize("n_chosen", [1, 6])
def test_random_neurons_seldom_stand_out_when_controls_are_drawn_anew(n_chosen, generator):
    assert verdicts(n_chosen, fixed=False, generator=generator) <= 0.08


@pytest.mark.long
def test_against_one_fixed_set_random_neurons_stand_out_in_almost_half_of_all_runs(generator):
    assert verdicts(6, fixed=True, generator=generator) >= 0.25


def test_neurons_that_do_stand_out_are_found(generator):
    neuron = torch.randn(200, generator=generator)
    chosen = torch.arange(200) < 6
    seen = neuron + 4 * chosen + 0.3 * torch.randn(16, 200, generator=generator)
    sets = controls.matched(chosen, torch.ones(200), n_sets=200, generator=generator)
    found = controls.against(
        lambda draw, mask: seen[draw][:, mask].mean(),
        chosen,
        sets,
        whole=torch.arange(16),
        drawn=drawing.draws(16, generator=generator),
        n=99,
        n_sequences=16,
    )
    assert found.difference.low > 0 and found.difference.n == 99
    assert found.difference.value == pytest.approx(found.chosen.value - found.controls.value)
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.chosen.high - found.chosen.low < found.controls.high - found.controls.low


def test_the_weakest_comparison_is_the_one_with_the_lowest_lower_end():
    def one(low):
        found = controls.Estimate(1.0, low, 2.0, 1, 1)
        return controls.Against(found, found, found)

    assert controls.weakest(one(0.5), one(-1.0), one(0.1)).difference.low == -1.0


def test_a_comparison_without_controls_or_with_numbers_that_are_none_is_refused():
    given = {"whole": 0, "drawn": [0, 1], "n": 1}
    with pytest.raises(ValueError, match="got 0 others and 2 draws"):
        controls.beside(lambda d, t: torch.tensor(1.0), 1, [], **given)
    with pytest.raises(ValueError, match="needs finite numbers, got nan"):
        controls.beside(lambda d, t: torch.tensor(torch.nan), 1, [2], **given)
