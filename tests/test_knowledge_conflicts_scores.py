"""Scores of transitions: identities, the published tables, and counts of nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, percentileofscore

from lib import claims, selection
from lib.knowledge_conflicts import CK, LABELS, ND, PK, Share, audit, scores
from lib.paired import Transitions

PAIRS = [(one, other) for one in LABELS for other in LABELS]
tables = st.lists(st.integers(0, 40), min_size=9, max_size=9).map(
    lambda counts: Transitions(LABELS, dict(zip(PAIRS, counts, strict=True)))
)
PUBLISHED = list(audit.published().items())
SETS = [("gpt2", (28, 10684), 20, 3.6e-5), ("EleutherAI/pythia-1.4b", (7, 6735), -3, 0.45)]
SETS += [("microsoft/phi-1_5", (68, 6510), 15, 0.053), ("mistralai/Mistral-7B-v0.1", (17, 3135), 5, 0.30)]
SETS += [("meta-llama/Meta-Llama-3-8B", (47, 9586), -39, 8.7e-10)]


@given(tables)
def test_scores_fit_together(found):
    off = sum(found.counts[pair] for pair in PAIRS if pair[0] != pair[1])
    changed = scores.global_transition(found)
    assert (changed.hits, changed.n) == (off, found.n)
    for label in LABELS:
        row = [scores.transition(found, label, other) for other in LABELS]
        assert sum(share.hits for share in row) == row[0].n
        others = [other for other in LABELS if other != label]
        sizes = {other: scores.transition(found, other, label).n for other in others}
        share = scores.conversion(found, label)
        assert share.n == sum(sizes.values()) == found.n - row[0].n
        if share.is_defined:  # a mean of transition scores, each by the prompts behind it
            parts = [sizes[other] * scores.transition(found, other, label).value for other in others if sizes[other]]
            assert share.value == pytest.approx(sum(parts) / share.n)
        into = scores.conversion(found, label).hits
        assert scores.net_flow(found, label) == into - sum(found.counts[label, other] for other in others)
    assert sum(scores.net_flow(found, label) for label in LABELS) == 0


@pytest.mark.long
@settings(max_examples=25)
@given(tables)
def test_shares_are_those_of_paired_where_there_is_a_prompt_and_0_of_0_elsewhere(found):
    for label in LABELS:
        share = scores.conversion(found, label)
        if share.n:
            there = found.conversion(label)
            assert (share.value, share.low, share.high, share.n) == (there.value, there.low, there.high, there.n)
        else:
            assert not share.is_defined and repr(share) == "0 of 0" and share.value != share.value
            with pytest.raises(ValueError, match="got none"):
                found.conversion(label)
    rows = scores.table(found)
    assert len(rows) == 1 + 3 + 9 and rows.value.isna().tolist() == (rows.n == 0).tolist()
    assert (rows.low <= rows.value)[rows.n > 0].all() and (rows.value <= rows.high)[rows.n > 0].all()


def test_a_share_shows_its_counts():
    assert repr(Share(2, 32)) == "2 of 32 (6.2 % [0.8, 20.8])"
    with pytest.raises(ValueError, match="got 3 of 2"):
        Share(3, 2)


@pytest.mark.parametrize(("model", "it"), PUBLISHED)
def test_the_counts_return_every_printed_number_but_the_conversion_to_neither(model, it):
    assert audit.n_returned(it) == len(it.score) == 9
    for label in (CK, PK):
        assert 100 * scores.conversion(it.counts, label).value == pytest.approx(it.conversion[label], abs=5.1e-5)
    true = 100 * scores.conversion(it.counts, ND).value
    assert it.conversion[ND] == it.conversion[PK] and abs(true - it.conversion[ND]) > 0.01
    printed = it.number["global transition score"]
    assert 100 * scores.global_transition(it.counts).value == pytest.approx(printed, abs=5.1e-5)


@pytest.mark.parametrize(("model", "changed", "net", "p"), SETS)
def test_the_counts_have_the_flows_and_the_sign_tests_of_the_reconstruction(model, changed, net, p):
    it = audit.published()[model]
    share = scores.global_transition(it.counts)
    assert (share.hits, share.n) == changed and scores.net_flow(it.counts, CK) == net
    assert audit.flow_p(it) == pytest.approx(p, rel=0.02)


@pytest.mark.parametrize(("hits", "n", "low", "high"), [(2, 32, 0.8, 20.8), (2, 101, 0.2, 7.0), (22, 666, 2.1, 5.0)])
def test_exact_intervals_of_the_headline_percentages(hits, n, low, high):
    share = Share(hits, n)
    assert (100 * share.low, 100 * share.high) == pytest.approx((low, high), abs=0.05)


numbers = st.integers(-3, 3).map(float)


@given(numbers, st.lists(numbers, min_size=1, max_size=30))
def test_a_percentile_is_scipys_rank_and_a_p_value_never_nought(value, others):
    assert scores.percentile(value, others) == pytest.approx(percentileofscore(others, value, kind="rank"))
    reached = sum(other >= value for other in others)
    assert 0 < scores.rank_p(value, others) == (1 + reached) / (1 + len(others)) <= 1
    two_sided = scores.two_sided_p(value, others)
    assert two_sided == scores.two_sided_p(-value, [-other for other in others])
    assert two_sided == min(1, 2 * min(scores.rank_p(value, others), scores.rank_p(-value, [-one for one in others])))


def test_above_all_others_is_100_and_a_tie_counts_by_its_mean_rank():
    assert scores.percentile(2.0, [0.0, 1.0]) == 100 and scores.percentile(-1.0, [0.0, 1.0]) == 0
    assert scores.percentile(1.0, [0.0, 1.0, 1.0, 2.0]) == 62.5  # ranks 2 and 3 of 4
    assert scores.rank_p(2.0, [0.0] * 999) == 0.001
    assert scores.two_sided_p(-1.0, [0.0] * 999) == 0.002


@pytest.mark.parametrize("measure", [scores.percentile, scores.rank_p, scores.two_sided_p])
def test_a_place_among_none_or_among_nan_is_refused(measure):
    with pytest.raises(ValueError, match="needs others, got none"):
        measure(1.0, [])
    with pytest.raises(ValueError, match="needs numbers, got NaN"):
        measure(1.0, [0.0, float("nan")])
    with pytest.raises(ValueError, match="needs numbers, got NaN"):
        measure(float("nan"), [0.0])


def test_facts_that_moved_are_counted_once():
    clean, ablated = [PK] * 3 + [CK, ND, CK], [CK] * 3 + [ND, CK, CK]
    test, share = scores.moved_toward(CK, clean, ablated, ["a", "a", "a", "b", "c", "d"])
    assert (test.up, test.down, test.still) == (2, 1, 1) and (share.hits, share.n) == (2, 3)
    assert test.p == binomtest(2, 3).pvalue
    assert not scores.moved_toward(CK, [CK], [CK], ["a"])[1].is_defined


def test_prompts_that_agree_within_facts_are_worth_one_case_each():
    alone = scores.clustered([True] * 30 + [False] * 70, range(100))
    exact = Share(30, 100)
    assert (alone.low, alone.high) == pytest.approx((exact.low, exact.high), abs=0.003)  # one prompt a fact
    fact = [about for about in range(100) for _ in range(3)]
    tripled = scores.clustered([about < 30 for about in fact], fact)
    assert (tripled.low, tripled.high) == pytest.approx((alone.low, alone.high), abs=1e-6)
    assert (tripled.n, tripled.n_sequences) == (300, 100)
    mixed = scores.clustered([True, False, False] * 100, fact)  # no fact is more like itself than like others
    assert (mixed.low, mixed.high) == pytest.approx((Share(100, 300).low, Share(100, 300).high), abs=1e-6)


def test_all_prompts_alike_are_worth_one_case_a_fact():
    fact = [about for about in range(20) for _ in range(3)]
    assert scores.clustered([True] * 60, fact).low == pytest.approx(Share(20, 20).low)
    assert scores.clustered([False] * 60, fact).high == pytest.approx(Share(0, 20).high)
    assert scores.clustered([True], ["a"]).low == pytest.approx(Share(1, 1).low)


def test_intervals_over_facts_cover_as_often_as_they_say():
    import random

    rng, hits = random.Random(0), 0
    for _ in range(300):
        chances = [rng.choice((0.1, 0.7)) for _ in range(40)]
        hit = [rng.random() < chance for chance in chances for _ in range(3)]
        found = scores.clustered(hit, [about for about in range(40) for _ in range(3)])
        hits += found.low <= 0.4 <= found.high
    assert hits / 300 >= 0.93


def test_a_clustered_share_needs_prompts_and_their_facts():
    with pytest.raises(ValueError, match="got 0 prompts and 0 facts"):
        scores.clustered([], [])
    with pytest.raises(ValueError, match="got 1 prompts and 2 facts"):
        scores.clustered([True], "ab")


# the audit


def named():
    return {model: claims.named_neurons("tighidet2025.C3", model=model) for model in audit.published()}


def sampler(chosen, *, n_sets):
    """The authors': NumPy's legacy generator, of the whole layer."""
    import numpy as np
    import torch

    random = np.random.RandomState(123)
    drawn = [random.choice(len(chosen), int(chosen.sum()), replace=False).tolist() for _ in range(n_sets)]
    return torch.stack([selection.mask_of(one, d_mlp=len(chosen)) for one in drawn])


def test_the_audit_decides_its_claims_from_published_numbers_alone():
    found = audit.measured(named(), sampler=sampler)
    book = claims.load()
    verdicts = {claim: book[f"tighidet2025.{claim}"].judge(value, model="pocket")[0] for claim, value in found.items()}
    supported = {"C1", "C2", "C16", "C30"}
    assert verdicts == {claim: "supported" if claim in supported else "contradicted" for claim in found}
    assert {claim: found[claim].value for claim in ("C12", "C15", "C20.print", "C21.print", "C28.print")} == {
        "C12": 2, "C15": 0, "C20.print": 3, "C21.print": 1, "C28.print": 3
    }  # fmt: skip
    assert found["C27"].value == pytest.approx(0.03, abs=0.005)


def test_seven_of_the_authors_random_sets_hold_a_neuron_that_they_name():
    assert list(audit.n_overlapping(named(), sampler=sampler).values()) == [1, 1, 4, 0, 1]
    apart = audit.n_overlapping(named(), sampler=lambda chosen, n_sets: (~chosen).expand(n_sets, -1))
    assert set(apart.values()) == {0}


@pytest.mark.parametrize(("model", "it"), PUBLISHED)
def test_published_ranges_of_scores_are_the_exact_intervals_of_the_counts(model, it):
    of = {"C9": scores.global_transition(it.counts), "C13": scores.conversion(it.counts, CK)}
    of |= {"C14": scores.conversion(it.counts, PK), "C15": scores.conversion(it.counts, ND)}
    of |= {"C16": scores.transition(it.counts, ND, CK), "C17": scores.transition(it.counts, PK, CK)}
    for claim, share in of.items():
        at = claims.load()[f"tighidet2025.{claim}.size"].published[model]
        assert at.value == pytest.approx(share.value, rel=0.005)
        assert (at.lowest, at.highest) == pytest.approx((share.low, share.high), rel=0.01)


def test_the_audit_needs_the_neurons_of_every_model():
    with pytest.raises(ValueError, match="has none of gpt2"):
        audit.measured({}, sampler=sampler)


def test_named_neurons_are_as_many_as_the_paper_says_and_the_layer_has_them():
    assert [len(units) for units in named().values()] == [6, 9, 12, 14, 10]
    for model, units in named().items():
        assert max(units) < audit.published()[model].number["d_mlp"] and len({*units}) == len(units)
