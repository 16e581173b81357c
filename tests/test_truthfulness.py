"""One direction for truth is found where it was planted, carried where it fits, and obeyed where it is read."""

import dataclasses
from collections import Counter

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lib import drawing, facts, measures
from lib import model as door
from lib import truthfulness as truth
from lib.model import Site, Tokenizer
from lib.resampling import Estimate
from lib.source import Source
from lib.truthfulness import cost, grid, likeness, probes, steering, training, verdicts
from tests.conftest import tolerance

N_TOPICS = len(truth.TOPICS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some(n_facts=4, seed=0, **given):
    return truth.choose(n_facts, generator=seeded(seed), **given)


def planted(about, *, layers=(1,), shared=True, n_layers=3, noise=0.1, seed=0):
    """Residual streams in which truth is written at some layers, along one direction or one for each topic."""
    resid = noise * torch.randn(len(about.texts), n_layers, N_TOPICS + 8, generator=seeded(seed))
    axis = about.topic * (not shared)
    for layer in layers:
        resid[torch.arange(len(axis)), layer, axis] += torch.where(about.true, 1.0, -1.0)
    return resid


@given(n_facts=st.integers(2, 20), seed=st.integers(0, 1000))
def test_every_subject_and_every_object_is_told_rightly_as_often_as_wrongly(n_facts, seed):
    claimed = some(n_facts, seed)
    assert len(claimed) == n_facts * N_TOPICS == len({(one.topic, one.subject) for one in claimed})
    for topic, name in enumerate(truth.TOPICS):
        ours = [one for one in claimed if one.topic == topic]
        assert Counter(one.object for one in ours) == Counter(one.wrong for one in ours)
        known = {fact.subject: fact.object for fact in facts.relation(name).facts}
        assert all(known[one.subject] == one.object != one.wrong for one in ours)


def test_three_wordings_are_of_the_same_facts_and_a_negation_turns_the_truth():
    claimed = some()
    plain, other, negated = (truth.stated(claimed, wording) for wording in truth.FRAMES)
    assert torch.equal(plain.fact, negated.fact) and torch.equal(plain.topic, other.topic)
    assert torch.equal(plain.true, other.true) and torch.equal(plain.true, ~negated.true)
    assert all(" not " in text for text in negated.texts) and not any(" not " in text for text in plain.texts)
    assert plain.texts[0].endswith(f" {claimed[0].object}.") and plain.true[0]
    assert all(len({*texts}) == 3 for texts in zip(plain.texts, other.texts, negated.texts, strict=True))


def test_facts_that_are_taken_are_not_drawn_again_and_too_few_are_one_sentence():
    first = some(20)
    again = some(20, seed=1, without=first)
    assert not {(one.topic, one.subject) for one in first} & {(one.topic, one.subject) for one in again}
    with pytest.raises(ValueError, match="a topic needs 2 facts or more, got 1"):
        some(1)
    with pytest.raises(
        ValueError, match=r"the topic \w+ has \d+ facts of which no object takes more than half, not 90"
    ):
        some(90)


def test_ends_are_the_residual_stream_after_each_layer_at_the_last_token(pocket):
    texts = ["Lyon is a city in France.", "France has the capital Paris.", "Gold has the chemical symbol Au."]
    found = truth.ends(pocket, texts)
    for text, resid in zip(texts, found, strict=True):
        tokens = torch.tensor([[pocket.tokenizer.bos, *pocket.tokenizer.encode(text)]])
        sites = [Site(layer, "resid_post") for layer in range(pocket.n_layers)]
        kept = pocket.record(tokens, sites)
        for layer, site in enumerate(sites):
            assert_close(resid[layer], kept[site][0, -1], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="a prompt is empty"):
        truth.ends(pocket, [""])


def test_a_shared_direction_sorts_a_topic_that_it_has_not_seen_and_own_ones_do_not():
    about = truth.stated(some())
    shared, own = (planted(about, shared=which) for which in (True, False))
    assert probes.right(probes.scores(shared, shared, about), about.true)[:, 1].all()
    assert probes.right(probes.scores(own, own, about), about.true)[:, 1].double().mean() < 0.7
    spoilt = truth.Statements(about.texts, about.true ^ (about.topic == 0), about.topic, about.fact)
    hits = probes.right(probes.scores(shared, shared, spoilt), spoilt.true)[:, 1]
    assert not hits[about.topic == 0].any() and hits[about.topic != 0].all()  # its own labels do not help a topic


def test_an_offset_between_models_spoils_the_cut_and_centring_mends_it():
    about = truth.stated(some())
    source = planted(about)
    target = planted(about, seed=1)
    target[:, 1, 0] += 3.0
    by = {one: probes.scores(source, target, about, by=one)[:, 1] for one in probes.CENTRINGS}
    share = {one: probes.accuracy(score, about).mean().item() for one, score in by.items()}
    assert share == {"none": 0.5, "others": 1.0, "topic": 1.0}
    assert all(probes.auroc(score, about).mean() == 1 for score in by.values())
    target[about.topic == 2, 1, 0] += 3.0  # an offset of one topic alone only its own mean takes away
    share = {
        one: probes.accuracy(probes.scores(source, target, about, by=one)[:, 1], about)[2] for one in probes.CENTRINGS
    }
    assert share == {"none": 0.5, "others": 0.5, "topic": 1.0}


def test_the_layer_of_a_topic_is_chosen_on_the_others():
    about = truth.stated(some())
    resid = planted(about, layers=(2,))
    assert torch.equal(probes.layers([resid], about), torch.full((N_TOPICS,), 2))
    here = about.topic == 3
    resid[here, 0, 0] += 9 * torch.where(about.true, 1.0, -1.0)[here]  # layer 0 holds the truth of topic 3 alone
    resid[here, 2, 0] = 0
    assert probes.layers([resid], about)[3] == 2
    assert probes.at(torch.arange(3.0).expand(len(about.true), 3), torch.tensor([2] * N_TOPICS), about).eq(2).all()


def test_one_topic_is_not_enough_and_a_direction_without_length_is_said():
    about = truth.stated(some())
    here = about.topic == 0
    only = probes.subset(about, here)
    assert len(only.texts) == 8 and only.fact.max() == 3
    with pytest.raises(ValueError, match="takes two topics or more, got one"):
        probes.scores(planted(only), planted(only), only)
    with pytest.raises(ValueError, match="nothing points from one to the other"):
        probes.scores(torch.ones(len(here), 1, 4), torch.ones(len(here), 1, 4), about)


@pytest.mark.long
def test_the_table_has_a_row_for_every_topic_and_one_for_all():
    about = truth.stated(some(8))
    read = {"base": planted(about), "post": planted(about, seed=1)}
    layer = probes.layers([*read.values()], about)
    found = probes.transfer(read, about, layer=layer)
    table = probes.table(found, about, layer=layer, generator=seeded())
    assert len(table) == 4 * 3 * (N_TOPICS + 1)
    assert {"direction_from", "read_in", "topic", "accuracy"} <= {*table.columns}
    assert table.accuracy.min() == pytest.approx(1) and table.auroc.min() == pytest.approx(1)
    theirs, less = probes.carried(found, about, one="base", into="post", by="none", generator=seeded())
    assert theirs.value == pytest.approx(1) and (less.low, less.high) == (0, 0)


def test_curves_by_layer_tell_wordings_apart():
    claimed = some(8)
    about = {wording: truth.stated(claimed, wording) for wording in truth.FRAMES}
    plain = planted(about["statement"])
    read = {wording: {"base": plain} for wording in truth.FRAMES}  # belongs together: the same in every wording
    curves = probes.by_layer(read["statement"], read, about, generator=seeded())
    at = curves[(curves.layer == 1) & (curves.measure == "auroc")].set_index("wording").value
    assert dict(at) == pytest.approx({"statement": 1.0, "paraphrase": 1.0, "negation": 0.0})
    layer = torch.ones(N_TOPICS, dtype=torch.long)
    turned, kept = (
        probes.ranked(read, about, layer, wording=one, generator=seeded()) for one in ("negation", "statement")
    )
    assert (turned.value, kept.value) == pytest.approx((0.0, 1.0))


def test_models_that_share_a_direction_are_alike_up_to_noise_and_others_are_not():
    about = truth.stated(some(12))
    one, same = (truth.differences(planted(about, noise=1.0, seed=seed), about) for seed in (0, 1))
    other = truth.differences(planted(about, noise=1.0, seed=2).roll(1, -1), about)
    chosen = {"n_draws": 200, "generator": seeded()}
    alike, unlike = truth.compare(one, same, **chosen), truth.compare(one, other, **chosen)
    assert alike.corrected(1).low < 1 < alike.corrected(1).high and alike.ceiling[:, 1].mean() < 0.99
    assert alike.same[1] < 1 and alike.beyond_lot(1).low > 0
    assert abs(unlike.corrected(1).value) < 0.3
    assert "two halves of the facts do not give one direction" in alike.corrected(0)  # nothing was planted there
    three = {"base": one, "sft": same, "post": other}
    found = likeness.compare_all(three, n_draws=20, draw=drawing.seeded(0))
    assert [*found] == [("base", "sft"), ("base", "post"), ("sft", "post")]
    again = truth.compare(same, other, n_draws=20, generator=drawing.named(0, "cosine of sft and post"))
    assert_close(found["sft", "post"].across, again.across)
    table = likeness.table({"base and post": alike})
    assert list(table.layer) == [0, 1, 2] and (table.by_lot_low <= table.by_lot_high).all()


def test_a_difference_of_means_is_the_mean_of_the_differences():
    about = truth.stated(some())
    resid = planted(about)
    by_means = resid[about.true].mean(0) - resid[~about.true].mean(0)
    assert_close(truth.differences(resid, about).mean(0), by_means)
    negated = truth.stated(some(), "negation")
    assert_close(truth.differences(resid, negated).mean(0), -by_means)


def test_models_of_one_history_agree_along_any_labels():
    about = truth.stated(some(12))
    resid = truth.differences(planted(about, layers=(), noise=1.0), about)
    found = truth.compare(resid, resid, n_draws=100, generator=seeded())
    assert_close(found.by_lot, torch.ones_like(found.by_lot))
    assert abs(found.beyond_lot(1).high) < 1e-5


def test_statements_are_asked_behind_the_lines_of_their_topic():
    claimed = some(2)
    lines = some(4, seed=1, without=claimed)
    about = truth.stated(claimed)
    asked = truth.ask(about, lines, generator=seeded())
    for text, span, topic, plain in zip(asked.texts, asked.spans, about.topic, about.texts, strict=True):
        assert text[slice(*span)] == plain and text.endswith(f"{plain} {verdicts.QUESTION}")
        before = text[: span[0]].splitlines()
        ours = [one for one in lines if one.topic == topic]
        told = {
            f"{one.told('statement', rightly=place < 2)} This statement is:": place < 2
            for place, one in enumerate(ours)
        }
        assert {line.rpartition(" ")[0]: line.endswith("TRUE") for line in before} == told
    assert asked.texts[0][: asked.spans[0][0]] == asked.texts[1][: asked.spans[1][0]]  # the same for both of a fact
    assert truth.ask(about, generator=seeded()).texts[0] == f"{about.texts[0]} {verdicts.QUESTION}"


class Pieces:
    """A tokenizer that knows a few texts."""

    def __init__(self, *pieces):
        self.pieces = pieces

    def encode(self, text, **_):
        return next(ids for end, ids in self.pieces if text.endswith(end))


def of_pieces(*pieces):
    return Tokenizer(Pieces(*pieces))


def test_verdicts_are_read_at_the_first_token_that_tells_them_apart(pocket):
    assert verdicts.words(pocket.tokenizer, "It is:").tolist() == [
        pocket.tokenizer.encode(f" {w}")[0] for w in verdicts.WORDS
    ]
    with pytest.raises(ValueError, match="begin with one token here, 7, so one cannot tell them apart"):
        verdicts.words(of_pieces(("TRUE", [1, 7, 8]), ("FALSE", [1, 7, 9]), (":", [1])), "It is:")
    with pytest.raises(ValueError, match="change when a verdict follows"):
        verdicts.words(of_pieces(("TRUE", [2, 7]), ("FALSE", [1, 8]), (":", [1])), "It is:")


def asked_of(n_facts=2, seed=0):
    about = truth.stated(some(n_facts, seed))
    few = probes.subset(about, about.topic < 3)
    return few, truth.ask(few, generator=seeded())


@pytest.mark.long
def test_probabilities_are_the_models_own(tiny):
    _, asked = asked_of()
    found, ids = truth.probabilities(tiny, asked), verdicts.words(tiny.tokenizer, asked.texts[0])
    for row, text in zip(found, asked.texts, strict=True):
        tokens = torch.tensor([[tiny.tokenizer.bos, *tiny.tokenizer.encode(text)]])
        probability = tiny.run(tokens, "logits").logits[0, -1].softmax(-1)
        assert_close(row, probability[ids], rtol=1e-3, atol=1e-6)


@pytest.mark.long
def test_a_shift_of_nothing_changes_nothing_and_one_behind_the_last_layer_only_where_it_is_read(tiny):
    few, asked = asked_of()
    clean, last = truth.probabilities(tiny, asked), tiny.n_layers - 1
    long = torch.randn(len(few.texts), tiny.final_layer.d_model, generator=seeded())
    nothing = truth.Shifted(0 * long, (0, last), "statement")
    assert torch.equal(truth.probabilities(tiny, asked, shift=nothing), clean)
    unread = truth.Shifted(long, (last,), "statement")
    assert torch.equal(truth.probabilities(tiny, asked, shift=unread), clean)
    read = truth.probabilities(tiny, asked, shift=truth.Shifted(long, (last,), "verdict"))
    resid = truth.ends(tiny, asked.texts)[:, last]
    by_hand = tiny.final_layer.logits((resid + long).to(tiny.final_layer.W_U)).softmax(-1)
    assert_close(read, by_hand[:, verdicts.words(tiny.tokenizer, asked.texts[0])], rtol=1e-3, atol=1e-5)
    earlier = truth.probabilities(tiny, asked, shift=truth.Shifted(long, (0,), "statement"))
    assert not torch.equal(earlier, clean)


def test_shifts_at_a_statement_meet_its_last_two_tokens_behind_judged_lines(pocket):
    claimed = some(2)
    asked = truth.ask(truth.stated(claimed), some(4, seed=1, without=claimed), generator=seeded())
    shift = truth.Shifted(torch.zeros(len(asked.texts), 128), (1, 2), "statement")
    for group in truth.verdicts.prompts.encode(pocket.tokenizer, [*asked.texts]):
        one, two = shift.edits(group, asked)
        assert (one.site, two.site) == (Site(1, "resid_post"), Site(2, "resid_post"))
        for tokens, at, index in zip(group.tokens, one.positions, group.index.tolist(), strict=True):
            before = pocket.tokenizer.backend.decode(tokens[1 : at[1] + 1])
            assert before == asked.texts[index][: asked.spans[index][1]] and at[1] - at[0] == 1


def test_the_shift_goes_from_each_kind_to_the_other_by_what_other_topics_say():
    about = truth.stated(some())
    resid = planted(about)
    found = truth.toward_the_other(resid, about, layer=1)
    assert (found[about.true, 0] < -1.9).all() and (found[~about.true, 0] > 1.9).all()
    spoilt = resid.clone()
    spoilt[about.topic == 0] = 99.0
    assert_close(truth.toward_the_other(spoilt, about, layer=1)[about.topic == 0], found[about.topic == 0])
    drawn = steering.at_random(found, about, generator=seeded())
    assert_close(drawn.norm(dim=-1), found.norm(dim=-1))
    assert_close(drawn[about.true], -drawn[~about.true])
    cosine = torch.cosine_similarity(drawn[about.true][:-1], drawn[about.true][1:])
    assert cosine.abs().max() < 0.99  # another direction for every fact
    assert steering.window(5, n_layers=3) == (3, 4, 5) and steering.window(1, n_layers=5) == (0, 1)
    with pytest.raises(ValueError, match="1 layer or more, got n_layers=0"):
        steering.window(1, n_layers=0)


def test_indirect_effects_are_one_for_a_full_turn_and_nought_for_none():
    about = truth.stated(some())
    clean = torch.where(about.true, 0.6, -0.2).double()
    turned = torch.where(about.true, -1.0, 1.0).double()
    like = torch.where(about.true, -0.2, 0.6).double()
    half = (clean + like) / 2

    def of(shifted):
        rows = steering.clusters(clean, shifted, about, about.topic)
        assert rows.shape == (N_TOPICS, 4)
        return steering.effect(rows, n=len(clean), generator=seeded())

    assert of(clean).both.value == 0 and of(turned).both.value == pytest.approx(1)
    assert of(like).true.value == pytest.approx(0.8 / 1.6) and of(like).false.value == pytest.approx(0.8 / 1.2)
    assert of(like).like_the_other.value == pytest.approx(1) and of(half).like_the_other.value == pytest.approx(0.5)
    blind = steering.clusters(0 * clean, turned, about, about.topic)
    assert "does not tell true from false" in steering.effect(blind, n=80, generator=seeded()).like_the_other
    one, other = (steering.clusters(clean, shifted, about, about.topic) for shifted in (turned, clean))
    assert steering.less([one, other], n=80, generator=seeded()).value == pytest.approx(1)
    assert steering.asymmetry(one, n=80, generator=seeded()).value == pytest.approx(0)


@pytest.fixture(scope="module")
def small_grid(pocket):
    about = truth.stated(some(8))
    asked = truth.ask(about, generator=seeded())
    clean = {"base": verdicts.difference(truth.probabilities(pocket, asked))}
    clean["post"] = clean["base"]
    resid = truth.ends(pocket, asked.texts)
    where = grid.Where("verdict", {"base": resid, "post": 0.5 * resid}, 5, n_layers=1)
    models = {"base": pocket, "post": pocket}
    chosen = {"clean": clean, "n_random": 1, "draw": drawing.seeded(0)}
    return grid.run(models, asked, about, where, **chosen), (models, asked, about, where)


@pytest.mark.long
def test_every_direction_goes_into_every_model_at_both_lengths(small_grid):
    found, _ = small_grid
    own, random = ("base", "base"), ("random", "base")
    assert {*found.moved} == {
        *((one, other) for one in ("base", "post") for other in ("base", "post")),
        *(("post, own length", "base"), ("base, own length", "post"), random, ("random", "post")),
    }
    # the post model's direction is half as long here and otherwise the same
    assert_close(found.moved["post, own length", "base"], found.moved[own], rtol=1e-4, atol=1e-5)
    assert_close(found.moved["base, own length", "post"], found.moved["post", "post"], rtol=1e-4, atol=1e-5)
    assert_close(found.strength["base", "base"], found.strength["post, own length", "base"])
    assert found.effect(own, generator=seeded()).both.value > 0.8
    assert found.less(own, random, generator=seeded()).low > 0.5
    beside = grid.beside_random(found, draw=drawing.seeded(0))
    assert beside["base"][1].low > 0.5
    natural, scaled = grid.beside_own(found, draw=drawing.seeded(0))["post", "base"]
    assert natural.high < 0 and abs(scaled.value) < 1e-3
    assert (
        grid.transferred(found, generator=seeded()).low > 0
        and abs(grid.unlike_own(found, generator=seeded()).value) > 0.1
    )


@pytest.mark.long
def test_one_topic_is_clustered_by_fact_and_several_by_topic(small_grid):
    found, (_, _, about, _) = small_grid
    one, all_but = torch.tensor([3]), torch.tensor([0, 1, 2, 4, 5, 6, 7, 8, 9])
    assert found.clusters(("base", "base"), topics=one).shape == (8, 4) and found.count(one) == 16
    assert found.clusters(("base", "base"), topics=all_but).shape == (9, 4) and found.count() == 160
    assert isinstance(grid.least_asymmetric(found, topics=one, generator=seeded()).value, float)
    sure = grid.baseline(found.clean, about, topics=one, generator=seeded())
    assert sure["base"].value > 0.5 and sure["base"].n_sequences == 8


@pytest.mark.long
def test_effects_and_sweep_are_tables_with_a_row_for_each_kind(small_grid):
    found, (models, asked, about, where) = small_grid
    table = grid.effects(found, draw=drawing.seeded(0))
    assert {"direction_from", "model", "from_label", "indirect_effect"} <= {*table.columns}
    assert len(table) == len(found.moved) * (N_TOPICS + 1) * 3
    one, given = {"base": models["base"]}, {"clean": found.clean, "multiples": (1.0,)}
    swept = truth.sweeping.sweep(one, asked, about, where, **given, generator=seeded())
    assert len(swept) == 2 * 2 * 2
    still = swept[(swept.multiple == 0) & swept.label].pd
    assert still.to_list() == pytest.approx([found.clean["base"][about.true].mean().item()] * 2, abs=1e-5)
    own = swept[(swept.direction == "own direction") & (swept.multiple == 1)].set_index("label").pd
    assert own[True] < 0 < own[False]


@pytest.mark.long
def test_judged_lines_are_taken_only_where_they_help(pocket):
    pilot = truth.stated(some(2))
    lines = some(4, seed=1, without=some(2))
    assert verdicts.better_lines(pocket, pilot, lines, generator=seeded()) == ()
    probability = truth.probabilities(pocket, truth.ask(pilot, generator=seeded()))
    assert verdicts.accuracy(probability, pilot).mean() > 0.8


def test_models_that_do_not_judge_are_named():
    sure, blind = Estimate(0.5, 0.4, 0.6, 9, 9), Estimate(0.0, -0.1, 0.1, 9, 9)
    loud, mute = torch.tensor([[0.7, 0.2]]), torch.tensor([[0.2, 0.2]])
    assert verdicts.silence({"base": loud, "post": loud}, {"base": sure, "post": sure}) == ""
    told = verdicts.silence({"base": loud, "post": mute}, {"base": sure, "post": sure})
    assert told == "asked for a verdict, the post model says TRUE or FALSE with a probability of 0.40 only"
    told = verdicts.silence({"base": loud}, {"base": blind})
    assert told == "asked for a verdict, the base model does not tell true from false statements"


def test_a_model_without_room_for_lines_is_asked_without_them(gpt2_folder):
    model, pilot, lines = door.load(str(gpt2_folder)), truth.stated(some(2)), some(40, seed=1)
    assert verdicts.better_lines(model, pilot, lines, generator=seeded()) == ()


@pytest.mark.long
def test_what_is_recalled_is_what_the_model_would_write(pocket):
    right = some(3)
    claimed = [*right, *(dataclasses.replace(one, object=one.wrong) for one in right)]
    found = training.recalled(pocket, claimed)
    prompts = [one.answered[: one.answered.rindex(one.object)].rstrip() for one in claimed]
    said = pocket.continuations(prompts, n_tokens=10)
    by_hand = [words.strip().startswith(one.object) for words, one in zip(said, claimed, strict=True)]
    assert found.tolist() == by_hand and found[: len(right)].double().mean() > 0.8 and not found[len(right) :].any()


def trace(*rows):
    found = [
        (name, step, statistic, value, value - 0.05, value + 0.05, 80)
        for name, step, *values in rows
        for statistic, value in zip((training.RECALLED, training.FOUND), values, strict=True)
    ]
    return pd.DataFrame(found, columns=["checkpoint", "step", "statistic", "value", "low", "high", "n"])


def test_memory_is_what_is_recalled_at_the_last_checkpoint_without_the_direction():
    end = ("final", 30, 0.9, 0.95)
    found = trace(("a", 10, 0.2, 0.48), ("b", 20, 0.7, 0.52), ("c", 30, 0.8, 0.9), end)
    assert training.last_without(found) == "b" and training.memory(found).value == 0.7
    assert "is there at every checkpoint" in training.memory(trace(("a", 10, 0.2, 0.9), end))
    assert "never comes" in training.memory(trace(("a", 10, 0.2, 0.5), ("final", 10, 0.9, 0.5)))
    assert "needs training checkpoints" in training.memory(trace())


@pytest.mark.long
def test_a_checkpoint_is_measured_with_intervals(pocket):
    claimed = some(3)
    asked = truth.ask(truth.stated(claimed), generator=seeded())
    found = training.measure(pocket, claimed, asked, generator=seeded())
    assert set(found) == {training.RECALLED, training.FOUND, training.JUDGED}
    assert all(one.low <= one.value <= one.high and one.value > 0.6 for one in found.values())


def test_the_control_is_found_beside_a_local_model(tmp_path):
    here = Source("base", "directory", str(tmp_path / "base"), "x")
    assert training.control(here) == "" and training.control(here, "named") == "named"
    (tmp_path / "base-random-verdicts").mkdir()
    assert training.control(here) == str(tmp_path / "base-random-verdicts")
    assert training.control(Source("a/b", "hub", "a/b", "x")) == ""


@pytest.mark.long
def test_a_shift_costs_what_the_loss_says(tiny):
    tokens = torch.randint(1, 99, (8, 12), generator=seeded())
    scored = tiny.scored(tokens)
    logits = tiny.run(tokens, "logits").logits[scored]
    plain = cost.loss(tiny, tokens, scored)
    wanted = measures.loss(logits, tokens.roll(-1, 1)[scored]).double()
    assert_close(plain, wanted, rtol=1e-3, atol=tolerance(torch.float32, scale=1e3))
    still = torch.zeros(2, tiny.final_layer.d_model)
    shifts = {"none": still, "long": still + 5}
    found = cost.changes(tiny, tokens, scored, shifts, layers=(0, 1), generator=seeded())
    assert (found["none"].value, found["none"].high) == (0, 0) and found["long"].value != 0


def test_a_model_in_half_precision_is_read_in_single(gpt2_folder):
    model = door.load(str(gpt2_folder), dtype="bfloat16")
    few, asked = asked_of()
    assert truth.ends(model, asked.texts).dtype == torch.float32
    shift = truth.Shifted(torch.ones(len(few.texts), 32), (0,), "statement")
    assert truth.probabilities(model, asked, shift=shift).isfinite().all()
