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


def too_often(found, *, about):
    """The claims that were supported more often than chance allows, with their counts."""
    yes, tested = null_model.supported(found)
    print({claim: f"{yes[claim]} of {tested[claim]}" for claim in tested})
    return {claim: f"{yes[claim]} of {tested[claim]}" for claim in about(tested) if yes[claim] > MOST}


KNOWS = ("07",)
"""Chapters about what a model knows, which is nothing without training."""


@pytest.mark.parametrize("chapter", [chapter for chapter in null_model.SMALL if chapter not in KNOWS])
def test_models_without_training_support_no_claim_more_often_than_chance_allows(chapter, tmp_path):
    found = []
    for seed in range(N_DRAWS):
        model = null_model.untrained(tmp_path / str(seed), seed=seed)
        found.append(null_model.verdicts(str(model), chapter=chapter, seed=seed))
    assert any(found), "no claim was tested"
    assert too_often(found, about=lambda tested: tested) == {}


@pytest.mark.parametrize("chapter", KNOWS)
def test_of_a_model_that_knows_nothing_no_claim_about_its_knowledge_is_tested(chapter, tmp_path):
    model = null_model.untrained(tmp_path, seed=0)
    assert null_model.verdicts(str(model), chapter=chapter, seed=0) == {}


@pytest.mark.parametrize("chapter", null_model.RANDOM)
def test_neurons_drawn_at_random_support_no_claim_more_often_than_chance_allows(chapter, tmp_path):
    given = {"chapter": chapter, "replace": null_model.RANDOM[chapter], "run": tmp_path}
    found = [null_model.verdicts("pocket", seed=seed, **given) for seed in range(N_DRAWS)]
    about = [claim for claim in null_model.ABOUT_NEURONS if any(claim in one for one in found)]
    assert about, "no claim about neurons was tested"
    assert too_often(found, about=lambda tested: about) == {}


def test_every_claim_about_neurons_is_tested_on_neurons_drawn_at_random():
    tested = set()
    for chapter, replace in null_model.RANDOM.items():
        tested |= set(null_model.verdicts("pocket", chapter=chapter, seed=0, replace=replace))
    assert {*null_model.ABOUT_NEURONS} - {*null_model.SOMETIMES} <= tested
