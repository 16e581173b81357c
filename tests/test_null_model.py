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


@pytest.fixture(scope="module")
def of_untrained(tmp_path_factory):
    """Verdicts of every chapter on models without any training."""
    found = []
    for seed in range(N_DRAWS):
        model = null_model.untrained(tmp_path_factory.mktemp(f"null-{seed}"), seed=seed)
        found.append(null_model.verdicts(str(model), chapters=tuple(null_model.SMALL), seed=seed))
    return null_model.supported(found)


def test_no_claim_is_supported_by_models_without_training_more_often_than_chance_allows(of_untrained):
    yes, tested = of_untrained
    assert tested and all(count <= N_DRAWS for count in tested.values())
    assert {claim: (yes[claim], tested[claim]) for claim in tested if yes[claim] > MOST} == {}


@pytest.fixture(scope="module")
def of_random_neurons():
    """Verdicts on the embedded model with neurons drawn at random in the place of those that rules choose."""
    return null_model.supported([null_model.with_random_neurons(seed=seed) for seed in range(N_DRAWS)])


def test_no_claim_is_supported_by_neurons_drawn_at_random_more_often_than_chance_allows(of_random_neurons):
    yes, tested = of_random_neurons
    assert set(null_model.ABOUT_NEURONS) <= set(tested)
    assert {claim: (yes[claim], tested[claim]) for claim in null_model.ABOUT_NEURONS if yes[claim] > MOST} == {}
