"""Whether a claim carries over is decided by verdicts, half by half, and it can fail."""

import json

import pytest

from lib import claims
from lib.claims import carrying
from lib.claims.carrying import carried
from tests.kept import DOWN, NONE, UP, entry

ONE, TWO = "stolfo2024.C5", "stolfo2024.C18.entropy"  # above 0; below 0, but below 0


def both(claim, here, there):
    return carried(claims.load()[claim], here, there)


@pytest.mark.parametrize(
    ("here", "there", "outcome", "group"),
    [
        (UP, UP, "carries over", "supported on both"),
        (DOWN, DOWN, "carries over", "contradicted on both"),
        (UP, DOWN, "does not carry over", "supported on one"),
        (DOWN, UP, "does not carry over", "supported on one"),
        (UP, NONE, "cannot be told", "supported on one"),
        (NONE, NONE, "cannot be told", "open"),
        (NONE, DOWN, "cannot be told", "open"),
    ],
)
def test_a_claim_carries_over_where_both_runs_decide_it_alike(here, there, outcome, group):
    found = both(ONE, entry(ONE, here), entry(ONE, there))
    assert (found.outcome, found.group) == (outcome, group)


def test_a_claim_that_one_run_could_not_test_is_not_told_from_the_other():
    for pair in ((entry(ONE), entry(ONE, reason="no")), (entry(ONE, reason="no"), entry(ONE))):
        assert (both(ONE, *pair).outcome, both(ONE, *pair).group) == ("cannot be told", "not tested")


def test_a_reproduced_number_supports_the_direction_that_another_model_can_test():
    found = both(ONE, entry(ONE) | {"verdict": "reproduced"}, entry(ONE))
    assert (found.outcome, found.group) == ("carries over", "supported on both")


@pytest.mark.parametrize(
    ("here", "there", "outcome"),
    [
        ((DOWN, DOWN), (DOWN, DOWN), "carries over"),
        ((DOWN, UP), (DOWN, UP), "carries over"),  # both support the first half and contradict the second
        ((DOWN, UP), (UP, DOWN), "does not carry over"),  # in part on both, and about different halves
        ((DOWN, DOWN), (DOWN, UP), "does not carry over"),
        ((DOWN, NONE), (DOWN, NONE), "cannot be told"),
        ((DOWN, NONE), (UP, NONE), "does not carry over"),
    ],
)
def test_of_a_claim_in_two_halves_each_is_asked_by_itself(here, there, outcome):
    found = both(TWO, *(entry(TWO, first, but=second) for first, second in (here, there)))
    assert found.outcome == outcome


def test_an_entry_of_another_claim_is_refused():
    with pytest.raises(
        ValueError, match=r"stolfo2024.C5 is carried over by its own entries, got one of stolfo2024.C18"
    ):
        both(ONE, entry(ONE), entry(TWO, DOWN, but=DOWN))


def test_halves_are_judged_as_their_ledger_judged_them():
    """What a page says of a claim and what its ledger says never disagree."""
    for claim in claims.load().values():
        if claim.but:
            for first in (UP, NONE, DOWN):
                for second in (UP, NONE, DOWN):
                    one = entry(claim.id, first, but=second)
                    if one["verdict"] == "not tested":
                        continue
                    halves = {half[0] for half in carried(claim, one, one).halves}
                    assert one["verdict"] in (
                        halves if len(halves) == 1 else {"in part", "inconclusive", "contradicted"}
                    )


def test_a_measurement_is_read_from_either_half_or_is_none():
    one = entry(TWO, DOWN, but=NONE)
    assert carrying.measurement(one).value == -0.5 and carrying.measurement(one, half="but_").low == -0.1
    assert carrying.measurement(entry(ONE, reason="no")) is None
    assert carrying.measurement(json.loads(json.dumps(entry(ONE))), half="but_") is None
