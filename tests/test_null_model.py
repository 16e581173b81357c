"""No claim is supported by chance more often than its level allows: by models without training, by random neurons."""

import pytest
from scipy.stats import binom

from tests import null_model

N_DRAWS = 30
LEVEL = 0.025
"""How often one end of a 95 % interval lies wrongly beyond a bound."""
MOST = int(binom.ppf(0.9999, N_DRAWS, LEVEL))
"""Supports of one claim in as many draws that chance hardly ever exceeds."""

pytestmark = pytest.mark.slow


def test_a_claim_that_chance_supports_now_and_then_passes_and_one_that_it_often_supports_does_not():
    drawn = []

    def draw(seed, every):
        drawn.append(seed)
        return {"often": seed % every == 0, "never": False}

    assert too_often(lambda seed: draw(seed, 3)) == {"often": "10 of 30"} and len(drawn) == N_DRAWS
    drawn.clear()
    assert too_often(lambda seed: draw(seed, 100)) == {} and len(drawn) == N_DRAWS - MOST + 1
    assert too_often(lambda seed: draw(seed, 3), about=("never",)) == {}


def too_often(draw, *, about=None):
    """The claims that are supported more often than chance allows in draws 0, 1, … (those `about` something, or all),
    with their counts; draws end where no claim can come to more than that any more."""
    found = []
    for seed in range(N_DRAWS):
        found.append(draw(seed))
        yes, tested = null_model.supported(found)
        asked = [claim for claim in tested if about is None or claim in about]
        if max((yes[claim] for claim in asked), default=0) + N_DRAWS - len(found) <= MOST:
            break
    print({claim: f"{yes[claim]} of {tested[claim]}" for claim in tested})
    assert asked, "no claim was tested"
    return {claim: f"{yes[claim]} of {tested[claim]}" for claim in asked if yes[claim] > MOST}


KNOWS = ("07",)
"""Chapters about what a model knows, which is nothing without training."""


@pytest.mark.parametrize("chapter", [chapter for chapter in null_model.SMALL if chapter not in KNOWS])
def test_models_without_training_support_no_claim_more_often_than_chance_allows(chapter, tmp_path):
    def draw(seed):
        model = null_model.untrained(tmp_path / str(seed), seed=seed)
        return null_model.verdicts(str(model), chapter=chapter, seed=seed)

    assert too_often(draw) == {}


@pytest.mark.parametrize("chapter", KNOWS)
def test_of_a_model_that_knows_nothing_no_claim_about_its_knowledge_is_tested(chapter, tmp_path):
    model = null_model.untrained(tmp_path, seed=0)
    assert null_model.verdicts(str(model), chapter=chapter, seed=0) == {}


@pytest.mark.parametrize("chapter", null_model.RANDOM)
def test_neurons_drawn_at_random_support_no_claim_more_often_than_chance_allows(chapter, tmp_path):
    given = {"chapter": chapter, "replace": null_model.RANDOM[chapter], "run": tmp_path}
    assert (
        too_often(lambda seed: null_model.verdicts("pocket", seed=seed, **given), about=null_model.ABOUT_NEURONS) == {}
    )


def test_every_claim_about_neurons_is_tested_on_neurons_drawn_at_random():
    tested = set()
    for chapter, replace in null_model.RANDOM.items():
        tested |= set(null_model.verdicts("pocket", chapter=chapter, seed=0, replace=replace))
    assert {*null_model.ABOUT_NEURONS} - {*null_model.SOMETIMES} <= tested
