"""Counts of paired labels add up, and a test over facts cannot be fooled by asking one fact many times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import paired

LABELS = ("CK", "PK", "ND")
pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=60)


def of(both):
    clean, ablated = zip(*both, strict=True)
    return paired.transitions(clean, ablated, labels=LABELS)


@pytest.mark.long
@given(pairs)
def test_counts_sum_to_the_prompts_and_scores_of_a_row_to_one(both):
    found = of(both)
    assert found.n == len(both) == sum(found.counts.values())
    assert set(found.counts) == {(one, other) for one in LABELS for other in LABELS}
    for label in {clean for clean, _ in both}:
        scores = [found.score(label, other) for other in LABELS]
        assert sum(score.value for score in scores) == pytest.approx(1)
        assert {score.n for score in scores} == {sum(clean == label for clean, _ in both)}
    assert found.changed.value * len(both) == pytest.approx(sum(one != other for one, other in both))


@pytest.mark.long
@given(pairs)
def test_the_net_flow_into_a_label_is_what_prompts_moved_toward_it(both):
    clean, ablated = zip(*both, strict=True)
    for label in LABELS:
        moved = paired.toward(label, clean, ablated)
        assert sum(moved) == sum(after == label for after in ablated) - sum(before == label for before in clean)
        if any(before != label for before in clean):
            conversion = of(both).conversion(label)
            assert conversion.value * conversion.n == pytest.approx(sum(one > 0 for one in moved))


def test_a_published_table_gives_its_scores():
    """Phi-1.5 in Tighidet et al. 2025: 28 of 1131 prompts labelled ND become CK, 13 PK."""
    both = [("ND", "CK")] * 28 + [("ND", "PK")] * 13 + [("ND", "ND")] * (1131 - 41) + [("CK", "CK")] * 10
    found = of(both)
    score = found.score("ND", "CK")
    assert (100 * score.value, 100 * score.low, 100 * score.high) == pytest.approx((2.5, 1.6, 3.6), abs=0.06)
    assert found.conversion("PK").value == pytest.approx(13 / len(both))


def test_a_sign_test_of_independent_facts_is_the_binomial_one():
    found = paired.sign_test([1] * 22 + [-1] * 2 + [0] * 50, range(74))
    assert (found.up, found.down, found.still) == (22, 2, 50)
    assert found.p == pytest.approx(2 * (1 + 24 + 276) / 2**24)  # as few as 2 of 24, or as many as 22
    assert paired.sign_test([-1] * 22 + [1] * 2, range(24)).p == found.p


def test_a_fact_counts_once_however_often_it_is_asked():
    once = paired.sign_test([1, -1, 1], "abc")
    assert paired.sign_test([1] * 50 + [-1, 1], ["a"] * 50 + ["b", "c"]) == once
    assert paired.sign_test([1] * 52, range(52)).p < 1e-6 < once.p
    assert paired.sign_test([1, -1, 1, 0], "aabb") == paired.SignTest(up=1, down=0, still=1, p=1.0)
    assert paired.sign_test([], []).p == 1.0


def test_what_cannot_be_compared_is_said():
    with pytest.raises(ValueError, match="got 2 and 1"):
        paired.transitions(["CK", "CK"], ["PK"], labels=LABELS)
    with pytest.raises(ValueError, match="labels are CK, PK, ND, got 'XX'"):
        paired.transitions(["CK"], ["XX"], labels=LABELS)
    with pytest.raises(ValueError, match="every change belongs to a fact, got 2 changes and 1 facts"):
        paired.sign_test([1, 1], [0])
    all_ck = of([("CK", "CK")])
    with pytest.raises(ValueError, match="at least one prompt labelled PK when clean"):
        all_ck.score("PK", "CK")
    with pytest.raises(ValueError, match="at least one prompt not labelled CK when clean"):
        all_ck.conversion("CK")
    with pytest.raises(ValueError, match="at least one prompt to compare"):
        _ = paired.transitions([], [], labels=LABELS).changed
