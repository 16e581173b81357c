import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lib import controls, drawing, induction, measures
from lib import model as door
from lib.induction import Head, natural, repeats
from lib.text import TextError
from tests import planted as planting

pytestmark = pytest.mark.long


def test_a_head_that_looks_one_past_the_first_occurrence_scores_one_and_one_that_does_not_zero():
    """BOS, a b c, a b c: the second a looks at the first b, and so on."""
    pattern = torch.zeros(2, 1, 2, 7, 7)
    pattern[:, 0, 0, [4, 5, 6], [2, 3, 4]] = 1
    pattern[:, 0, 1, [4, 5, 6], [1, 2, 3]] = 1
    pattern[1, 0, 0, 6, 4] = 0  # one of three in the second sequence
    assert_close(induction.repeat_attention(pattern), torch.tensor([[[1.0, 0.0]], [[2 / 3, 0.0]]]))


def test_the_score_of_every_head_is_a_double_loop_over_its_pattern(pocket, generator):
    found = induction.of_random_tokens(pocket, n_sequences=5, length=6, generator=generator)
    pattern = pocket.run(found.tokens, "pattern").pattern
    by_hand = torch.zeros(5, pocket.n_layers, pocket.n_heads)
    for query in range(7, 13):
        assert (found.tokens[:, query - 6] == found.tokens[:, query]).all()
        by_hand += pattern[..., query, query - 5] / 6
    assert_close(induction.head_scores(pocket, found.tokens), by_hand)


def test_an_untrained_model_has_no_induction_head(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    score = induction.induction_score(model, n_sequences=2, length=20, generator=generator)
    assert score.shape == (3, 4) and score.max() < 0.3


def test_a_sequence_too_short_to_repeat_is_refused(pocket, generator):
    with pytest.raises(ValueError, match="at least 2 tokens"):
        induction.induction_score(pocket, n_sequences=1, length=1, generator=generator)
    with pytest.raises(ValueError, match="at least 4 tokens, got 3"):
        induction.of_random_tokens(pocket, n_sequences=1, length=3, generator=generator)


def test_a_sequence_that_does_not_fit_twice_is_refused_with_the_length_that_does(gpt2_folder):
    with pytest.raises(ValueError, match=r"twice are 65 tokens, .* has room for 64; set length to 31 or less"):
        induction.of_text(door.load(str(gpt2_folder)), "pocket", n_sequences=2, length=32)


SCORE = torch.tensor([[0.1, 0.2, 0.0, 0.05], [0.9, 0.3, 0.8, 0.1]])


def test_the_strongest_heads_are_those_above_the_threshold_or_the_highest_where_none_is():
    assert induction.strongest(SCORE, count=3, threshold=0.7) == [Head(1, 0), Head(1, 2)]
    assert induction.strongest(SCORE, count=3, threshold=0.95) == [Head(1, 0), Head(1, 2), Head(1, 1)]


def test_matched_heads_are_of_the_same_layer_no_induction_heads_and_different(generator):
    heads = induction.strongest(SCORE, count=2, threshold=0.7)
    controls = induction.matched_heads(SCORE, heads, threshold=0.7, generator=generator)
    assert {*controls} == {Head(1, 1), Head(1, 3)}
    crowded = torch.tensor([[0.1, 0.2], [0.9, 0.8]])
    elsewhere = induction.matched_heads(crowded, [Head(1, 0), Head(1, 1)], threshold=0.7, generator=generator)
    assert {*elsewhere} == {Head(0, 0), Head(0, 1)}
    assert induction.matched_heads(SCORE[1:, ::2], [Head(0, 0)], threshold=0.5, generator=generator) == []


def test_subsets_are_singles_pairs_and_all_by_name():
    found = induction.subsets([Head(1, 0), Head(0, 2), Head(2, 3)])
    assert list(found)[:4] == ["L1H0", "L0H2", "L2H3", "L1H0 + L0H2"]
    assert len(found) == 7 and found["L1H0 + L0H2 + L2H3"] == [Head(1, 0), Head(0, 2), Head(2, 3)]
    assert induction.mask([Head(1, 0)], like=SCORE).nonzero().tolist() == [[1, 0]]


def test_pairs_hold_the_same_token_with_the_same_next_token(pocket):
    found = induction.of_text(pocket, "pocket", n_sequences=3, length=8)
    assert found.tokens.shape == (3, 17) and (found.tokens[:, 0] == pocket.tokenizer.bos).all()
    for shift in (0, 1):
        here, there = (found.tokens.gather(1, at + shift) for at in (found.first, found.repeat))
        assert (here == there).all()
    assert found.first[0].tolist() == [3, 4, 5, 6, 7] and found.repeat[0].tolist() == [11, 12, 13, 14, 15]
    assert found.n_pairs == 15 and not (found.first_mask & found.repeat_mask).any()


def test_a_change_is_the_mean_at_the_repeat_less_that_at_the_first_pass():
    found = repeats.twice(torch.arange(1, 6)[None], bos=0)
    value = torch.arange(11.0)[None, :, None].expand(1, 11, 2).clone()
    value[..., 1] = 0
    value[0, found.repeat[0], 1] = 3
    assert found.change(value).tolist() == [[5.0, 3.0]]
    assert found.change(value[..., 1]).tolist() == [3.0]
    assert value[..., 1][found.repeat_mask].tolist() == [3.0, 3.0] and value[..., 1][found.first_mask].sum() == 0


@given(st.integers(4, 12), st.integers(0, 2**31))
def test_the_shuffled_half_holds_the_same_tokens(length, seed):
    generator = torch.Generator().manual_seed(seed)
    found = repeats.twice(torch.arange(1, 3 * length + 1).view(3, length), bos=0)
    control = induction.shuffled(found, generator=generator)
    assert_close(control.tokens[:, : length + 1], found.tokens[:, : length + 1])
    assert_close(control.tokens[:, length + 1 :].sort(1).values, found.tokens[:, length + 1 :])


def test_random_sequences_repeat_themselves_and_hold_no_bos_inside(pocket, generator):
    tokens = induction.of_random_tokens(pocket, n_sequences=50, length=40, generator=generator).tokens
    assert (tokens[:, 1:41] == tokens[:, 41:]).all() and (tokens[:, 1:] != pocket.tokenizer.bos).all()


def test_text_without_enough_long_documents_is_refused_with_what_there_is(pocket, tmp_path):
    (tmp_path / "short.txt").write_text("One short line.\n\nThe ship sailed to the harbour and then the ship sank.")
    with pytest.raises(TextError, match=r"2 documents of at least 8 tokens are needed, .* has 1; lower"):
        induction.of_text(pocket, str(tmp_path / "short.txt"), n_sequences=2, length=8)


def never(token):
    return False


@pytest.mark.parametrize(
    ("ids", "n_gram", "places"),
    [
        ([1, 2, 3, 9, 1, 2, 3, 8], 3, [(0, 4)]),
        ([1, 2, 3, 1, 2, 3, 8], 3, []),  # back to back
        ([1, 2, 3, 9, 1, 2, 3], 3, []),  # nothing follows
        ([1, 1, 2, 9, 1, 1, 2, 8], 3, []),  # a token twice in the n-gram
        ([1, 2, 9, 1, 2, 8, 1, 2, 7], 2, []),  # three occurrences
        ([5, 1, 2, 3, 4, 9, 1, 2, 3, 4, 8], 3, [(1, 6), (2, 7)]),  # a longer repeat holds two
        ([1, 2, 9, 3, 4, 6, 3, 4, 7, 1, 2, 8], 2, [(0, 9), (3, 6)]),  # the earliest first occurrence comes first
        ([1, 2], 3, []),
    ],
)
def test_repeats_of_a_document_written_by_hand(ids, n_gram, places):
    assert list(natural.repeated(ids, n_gram, never)) == places


def test_a_banned_token_keeps_an_ngram_out():
    assert list(natural.repeated([1, 2, 3, 9, 1, 2, 3, 8], 3, {2}.__contains__)) == []


def test_line_breaks_and_special_tokens_are_banned(pocket):
    is_banned = natural.banned(pocket.tokenizer)
    line, word = pocket.tokenizer.encode("\n")[0], pocket.tokenizer.encode(" the")[0]
    assert is_banned(line) and is_banned(pocket.tokenizer.bos) and not is_banned(word)


def test_natural_repeats_are_found_where_the_text_has_them_and_nowhere_else(pocket, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(
        "Then the old ship sailed and the old ship sank.\n\nNothing comes back.\n\nHe said the quiet storm moved, "
        "then the quiet storm broke."
    )
    found = induction.natural_repeats(pocket, str(text), n_sequences=9, sequence_length=64, n_gram=3)
    words = [[pocket.tokenizer.decode(token) for token in row] for row in found.tokens.gather(1, found.first).tolist()]
    assert ["".join(row).strip() for row in words] == ["the old ship", "the quiet storm"]
    assert_close(found.tokens.gather(1, found.first), found.tokens.gather(1, found.repeat))
    assert (found.tokens.gather(1, found.first + 1) == found.tokens.gather(1, found.repeat + 1))[:, :-1].all()


def test_filling_up_does_not_reach_the_repeats(pocket):
    """A document is read the same whether EOS follow it or not."""
    found = induction.natural_repeats(pocket, "pocket", n_sequences=6, sequence_length=120, n_gram=3)
    whole = induction.read(pocket, found.tokens)
    for row in range(len(found.tokens)):
        end = int(found.repeat[row].max()) + 2
        alone = induction.read(pocket, found.tokens[row : row + 1, :end])
        assert_close(whole.entropy[row, : end - 1], alone.entropy[0], atol=1e-4, rtol=1e-4)


def test_a_text_without_natural_repeats_gives_none(pocket, tmp_path):
    (tmp_path / "plain.txt").write_text("Nothing comes back here.")
    found = induction.natural_repeats(pocket, str(tmp_path / "plain.txt"), n_sequences=9, sequence_length=64, n_gram=6)
    assert len(found.tokens) == 0 and found.n_pairs == 0
    with pytest.raises(ValueError, match="at least 2 tokens, got n_gram=1"):
        induction.natural_repeats(pocket, "pocket", n_sequences=9, sequence_length=64, n_gram=1)


def test_a_reading_is_entropy_and_loss_of_the_models_own_logits(tiny_folder, generator):
    model = door.load(str(tiny_folder))
    tokens = torch.randint(model.final_layer.d_vocab, (3, 12), generator=generator)
    reading, run = induction.read(model, tokens), model.run(tokens, "logits", "activation")
    assert_close(reading.entropy, measures.entropy(run.logits)[:, :-1], atol=1e-4, rtol=1e-4)
    assert_close(reading.loss, measures.loss(run.logits[:, :-1], tokens[:, 1:]), atol=1e-3, rtol=1e-4)
    assert_close(reading.activation, run.activation[:, :-1])


def test_a_head_at_rest_at_one_query_leaves_everything_before_it_as_it_was(pocket, generator):
    """At the first queried position both ways of resting from there on agree; resting everywhere is another thing."""
    tokens = torch.randint(1, 2000, (4, 12), generator=generator)
    heads = induction.mask([Head(1, 0), Head(0, 2)], like=torch.zeros(pocket.n_layers, pocket.n_heads))
    queries = torch.tensor([5, 9])
    resting = induction.Resting.of(pocket, tokens, [heads])
    one = resting.one_at_a_time(heads, queries=queries)
    for column, query in enumerate(queries.tolist()):
        with pocket.bos_ablated(heads, queries=slice(query, None)):
            expected = pocket.run(tokens, "activation").activation[:, query]
        assert_close(one[:, column], expected, atol=1e-4, rtol=1e-4)
    everywhere = resting.all_at_once(heads, queries=queries)
    clean = pocket.run(tokens, "activation").activation[:, queries]
    assert (one - clean).abs().max() > 1e-3 and (one - everywhere).abs().max() > 1e-3


@pytest.mark.parametrize("where", ["first", "last", "both"])
def test_what_a_pass_left_behind_is_enough_for_heads_at_rest(tiny_folder, generator, where):
    """As with the edit that runs everything, one position at a time in a run of its own each, and at all of them."""
    model = door.load(str(tiny_folder))
    tokens = torch.randint(model.final_layer.d_vocab, (3, 9), generator=generator)
    layers = {"first": [0], "last": [model.n_layers - 1], "both": [0, model.n_layers - 1]}[where]
    heads = induction.mask([Head(layer, 1) for layer in layers], like=torch.zeros(model.n_layers, model.n_heads))
    queries, resting = torch.tensor([2, 7]), induction.Resting.of(model, tokens, [heads])
    close = {"atol": 1e-4, "rtol": 1e-4}
    with model.bos_ablated(heads, queries=slice(-1, None)):
        alone = [model.run(tokens[:, : query + 1], "activation").activation[:, -1] for query in queries.tolist()]
    assert_close(resting.one_at_a_time(heads, queries=queries), torch.stack(alone, 1).float(), **close)
    with model.bos_ablated(heads):
        everywhere = model.run(tokens, "activation").activation[:, queries]
    assert_close(resting.all_at_once(heads, queries=queries), everywhere.float(), **close)


def test_without_heads_to_rest_nothing_changes(pocket, generator):
    tokens = torch.randint(1, 2000, (4, 12), generator=generator)
    nobody, queries = torch.zeros(pocket.n_layers, pocket.n_heads, dtype=torch.bool), torch.tensor([5, 11])
    clean = pocket.run(tokens, "activation").activation[:, queries]
    resting = induction.Resting.of(pocket, tokens, [nobody])
    assert_close(resting.one_at_a_time(nobody, queries=queries), clean, atol=1e-4, rtol=1e-4)
    assert_close(resting.all_at_once(nobody, queries=queries), clean, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planting.build(tmp_path_factory.mktemp("planted"))


def test_the_planted_induction_head_is_found_and_no_other(planted, generator):
    score = induction.induction_score(planted.model, n_sequences=4, length=20, generator=generator)
    assert induction.strongest(score, count=3, threshold=0.7) == [Head(*planted.induction)]
    control = induction.of_random_tokens(planted.model, n_sequences=4, length=20, generator=generator)
    shuffled = induction.shuffled(control, generator=generator)
    assert induction.head_scores(planted.model, shuffled.tokens).mean(0)[planted.induction] < 0.3


def test_the_planted_head_and_no_other_makes_the_repeat_cheap(planted, generator):
    pairs = induction.of_random_tokens(planted.model, n_sequences=4, length=20, generator=generator)
    assert pairs.change(induction.read(planted.model, pairs.tokens).loss).max() < -1
    heads = induction.mask([Head(*planted.induction)], like=torch.zeros(2, 3))
    with planted.model.bos_ablated(heads):
        at_rest = induction.read(planted.model, pairs.tokens)
    assert pairs.change(at_rest.loss).mean() > -0.5


def test_the_fall_of_a_neuron_is_its_activation_less_that_with_heads_at_rest(pocket, generator):
    pairs = induction.of_random_tokens(pocket, n_sequences=8, length=8, generator=generator)
    heads, queries = {"one": [Head(1, 0)], "two": [Head(1, 0), Head(0, 2)]}, torch.tensor([12])
    others = {"other": [Head(1, 1)], "another": [Head(0, 1)]}
    found = induction.rest(pocket, pairs, unit=5, heads=heads, queries=queries, controls=others)
    table = found.table(generator=generator)
    reaction = table.loc[induction.WHOLE]
    clean = pocket.run(pairs.tokens, "activation").activation[..., 5]
    size = (clean[:, 12] - clean[:, 4]).mean().abs() * pocket.W_out[5].norm()
    assert reaction.fall == pytest.approx(size.item(), rel=1e-3) and reaction.n == 8
    assert reaction.all_at_once == pytest.approx(reaction.fall)
    assert list(table.index) == [induction.WHOLE, "one", "two"] and (table.low <= table.high).all()
    for name, some in (heads | others).items():
        members = induction.mask(some, like=torch.zeros(pocket.n_layers, pocket.n_heads))
        resting = induction.Resting.of(pocket, pairs.tokens, [members])
        at_rest = resting.one_at_a_time(members, queries=queries)[..., 5]
        fall = (clean[:, 12:13] - at_rest).mean() * pocket.W_out[5].norm() * (clean[:, 12] - clean[:, 4]).mean().sign()
        assert (found.repeat - found.at_rest[name]).mean().item() == pytest.approx(fall.item(), abs=1e-4)
        assert name in others or table.fall[name] == pytest.approx(fall.item(), abs=1e-4)


def rested(generator, *, by, reaction=1.0):
    """A reaction to a repeat, of which a set of heads takes away `by` and two others about nothing."""
    repeat = reaction + 0.1 * torch.randn(16, 4, generator=generator)
    falls = {"two": by, "other": 0.02, "another": -0.02}
    at_rest = {name: repeat - fall + 0.1 * torch.randn(16, 4, generator=generator) for name, fall in falls.items()}
    return induction.Rest(repeat, torch.zeros(16, 4), at_rest, {})


def test_heads_that_drive_a_neuron_are_told_from_heads_that_do_not(generator):
    rest = rested(generator, by=0.6)
    driven, others = rest.driven("two", ["other", "another"], generator=generator)
    falls = {name: (rest.repeat - value).mean().item() for name, value in rest.at_rest.items()}
    assert driven.chosen.value == pytest.approx(falls["two"], abs=1e-6) and driven.difference.low > 0.5
    usual = (falls["other"] + falls["another"]) / 2
    assert driven.controls.value == pytest.approx(usual, abs=1e-6)
    assert others.value == pytest.approx(usual / (rest.repeat - rest.first).mean().item(), abs=1e-6)
    assert others.high < 0.25
    idle, _ = rested(generator, by=0.0).driven("two", ["other", "another"], generator=generator)
    assert idle.difference.low < 0 < idle.difference.high


def test_nothing_drives_a_neuron_that_does_not_react(generator):
    said = rested(generator, by=0.0, reaction=0.0).driven("two", ["other", "another"], generator=generator)
    assert said == "the neuron is not seen to react to the repeat, so there is nothing that heads could drive"


def test_without_other_heads_nothing_is_compared(generator):
    assert rested(generator, by=0.6).driven("two", [], generator=generator) == "no head is left to match"


def texts_of(generator):
    """Readings of a text and of its shuffled control whose entropy is told by hand."""
    pairs = repeats.twice(torch.randint(1, 50, (8, 6), generator=generator), bos=0)
    value = torch.rand(8, 12, generator=generator)
    one, other = value.clone(), value.clone()
    one[:, 7:] -= 0.5
    other[:, 7:] += 0.25
    read, control = ({"text": induction.Reading(v, 2 * v, v[..., None])} for v in (one, other))
    return {"text": pairs}, read, control


def test_changes_are_those_of_each_text_and_minus_its_control(generator):
    texts, read, control = texts_of(generator)
    found = induction.changes(texts, read, control, generator=generator)
    entropy, loss = found["text", "entropy"], found["text", "loss"]
    assert entropy.own.value == pytest.approx(texts["text"].change(read["text"].entropy).mean().item(), abs=1e-6)
    other = texts["text"].change(control["text"].entropy).mean().item()
    assert entropy.shuffled.value == pytest.approx(other, abs=1e-6)
    assert entropy.minus_shuffled.value == pytest.approx(-0.75, abs=1e-5)
    assert loss.minus_shuffled.value == pytest.approx(-1.5, abs=1e-5)
    assert loss.minus_shuffled.n == texts["text"].n_pairs == loss.own.n
    table = induction.change_table(found)
    assert table.loc[("text", "loss", "minus shuffled"), "low"] == loss.minus_shuffled.low and len(table) == 6


def test_curves_are_means_by_position_and_pushes_depart_from_the_first_pass(generator):
    texts, read, _ = texts_of(generator)
    table = induction.curves(read, "loss", generator=generator)
    one = table[table.series == "text"].set_index("position")
    assert one.index.tolist() == [*range(1, 12)] and (one.low < one.high).all()
    assert one["mean"][3] == pytest.approx(read["text"].loss[:, 3].mean().item())
    push = induction.pushes(texts["text"], read["text"].activation)
    assert push.shape == (11, 1) and push.index[0] == 1
    first = texts["text"].first[0].tolist()
    assert push.loc[first, 0].mean() == pytest.approx(0.0, abs=1e-6)


def test_a_neuron_that_leaves_the_others_on_the_repeat_is_outside_their_range_there():
    push = pandas.DataFrame({unit: [0.0, 0.1 * unit, 0.2, 0.1] for unit in range(5)}, index=range(1, 5))
    push[4] = [0.0, 0.15, 5.0, -5.0]
    assert induction.outside(push, 4, shown=[4], start=3) == (0.0, 1.0)
    assert induction.outside(push, 1, shown=[4], start=3) == (0.0, 0.0)


def test_standing_is_one_for_the_largest_and_nought_for_the_smallest(generator):
    change = torch.tensor([[3.0, -4.0, 1.0, 2.0]]).repeat(8, 1)
    largest, smallest = torch.tensor([True, True, False, False]), torch.tensor([False, False, True, False])
    assert induction.standing(change, largest, n=9, generator=generator).value == 1.0
    assert induction.standing(change, smallest, n=9, generator=generator).value == 0.0


def test_the_standing_beyond_that_of_others_is_a_double_loop_over_neurons(generator):
    change, chosen = torch.randn(9, 30, generator=generator), torch.arange(30) < 4
    change[:, :2] += 3
    sets = controls.matched(chosen, torch.ones(30), n_sets=40, generator=generator)
    found = induction.standing_beyond(change, chosen, sets, n=9, generator=generator)

    def standing(members):
        size, others = change.mean(0).abs(), [j for j in range(30) if j not in members]
        return sum(float(size[i] > size[j]) for i in members for j in others) / len(members) / len(others)

    usual = [standing(row.nonzero()[:, 0].tolist()) for row in sets.neuron]
    assert found.chosen.value == pytest.approx(standing([0, 1, 2, 3]))
    assert found.controls.value == pytest.approx(sum(usual) / len(usual))


@pytest.mark.parametrize(("gain", "stands_out"), [(0.0, False), (4.0, True)])
def test_neurons_stand_out_by_what_they_do_and_not_by_being_chosen(gain, stands_out, generator):
    chosen = torch.arange(60) < 6
    change = torch.randn(60, generator=generator) + gain * chosen + 0.3 * torch.randn(16, 60, generator=generator)
    sets = controls.matched(chosen, torch.ones(60), n_sets=200, generator=generator, nearest=54)
    found = induction.standing_beyond(change, chosen, sets, n=16, generator=generator)
    assert (found.difference.low > 0) == stands_out


def test_one_neurons_reaction_is_held_against_single_neurons_of_like_size(generator):
    change, size = torch.randn(12, 60, generator=generator), torch.rand(60, generator=generator) + 1
    found = induction.reaction_beyond(change, 7, size, n=12, generator=generator)
    assert found.chosen.value == pytest.approx(change[:, 7].mean().item(), abs=1e-6)
    assert found.controls.value == pytest.approx(change.mean(0).mean().item(), abs=0.1)
    assert found.difference.low < 0 < found.difference.high
    change[:, 7] += 5
    assert induction.reaction_beyond(change, 7, size, n=12, generator=generator).difference.low > 0


def test_the_followed_neuron_reacts_most_among_some_or_is_the_one_asked_for():
    change, some = torch.tensor([3.0, -4.0, 1.0]), torch.tensor([True, False, True])
    assert induction.follow(change, among=some) == 0
    assert induction.follow(change, among=~some & some) == 1  # among all where there is none
    assert induction.follow(change, among=some, unit=2) == 2
    with pytest.raises(ValueError, match=r"neurons 0 … 2 .*, got 3"):
        induction.follow(change, among=some, unit=3)
    assert induction.follow(change, among=some, named=[1, 2]) == 1  # the first that a paper names
    assert induction.follow(change, among=some, unit=0, named=[1, 2]) == 0  # but after the one asked for
    with pytest.raises(ValueError, match=r"neurons 0 … 2 .*, got 9"):
        induction.follow(change, among=some, named=[9])


def test_a_change_counts_in_the_direction_that_a_neuron_took_before_or_that_a_paper_says():
    change, before = torch.tensor([[2.0, -3.0, 4.0, 5.0]]), torch.tensor([1.0, -1.0, -1.0, 0.0])
    assert induction.as_before(change, before).tolist() == [[2.0, 3.0, -4.0, 0.0]]
    assert induction.as_before(change, before, rises=[2]).tolist() == [[2.0, 3.0, 4.0, 0.0]]
    assert before.tolist() == [1.0, -1.0, -1.0, 0.0]


def test_a_standing_is_told_beside_the_controls_that_say_least_for_it(generator):
    chosen = torch.arange(30) < 4
    change = {name: torch.randn(9, 30, generator=generator) for name in ("text", "natural")}
    large = torch.zeros(40, 30, dtype=torch.bool).index_fill(1, torch.arange(26, 30), True)
    change["text"][:, 26:] += 9  # beside these nothing stands out
    sets = {"norm": controls.matched(chosen, torch.ones(30), n_sets=40, generator=generator)}
    sets["effect"] = controls.Matched(large, 1.0, 26)

    def draw(name):
        return drawing.named(0, name)

    n = {"text": 9, "natural": 7}
    found = induction.standings(change, chosen, sets, n=n, draw=draw)
    for name, kinds in {"text": ["effect"], "natural": ["norm", "effect"]}.items():
        each = [
            induction.standing_beyond(
                change[name], chosen, sets[kind], n=n[name], generator=draw(f"standing on {name} beside {kind}")
            )
            for kind in kinds
        ]
        assert found[name] == controls.weakest(*each) and found[name].difference.n == n[name]


def test_clipping_takes_away_what_a_neuron_adds_on_the_repeat_and_nothing_else(pocket, generator):
    found = induction.of_random_tokens(pocket, n_sequences=8, length=6, generator=generator)
    read, chosen = induction.read(pocket, found.tokens), torch.arange(128) < 3
    rises = found.change(read.activation).mean(0) > 0
    sets = {"norm": torch.stack([torch.arange(128) == 9, (torch.arange(128) > 100)])}
    clipped = induction.clip_away(
        pocket, found, activation=read.activation, rises=rises, chosen=chosen, sets=sets
    )  # fmt: skip
    assert_close(clipped.clean, found.at_repeat(read.entropy), rtol=1e-4, atol=1e-4)
    first = read.activation[torch.arange(8)[:, None], found.first].mean((0, 1))
    cut = torch.where(rises, read.activation.minimum(first), read.activation.maximum(first))
    delta = (cut - read.activation)[..., chosen] @ pocket.W_out[chosen]
    resid = pocket.run(found.tokens, "resid").resid[:, :-1] + delta
    by_hand = found.at_repeat(measures.entropy(pocket.final_layer.logits(resid)))
    assert_close(clipped.together, by_hand, rtol=1e-3, atol=1e-3)
    assert_close(clipped.controls["norm"][0], clipped.alone[9])
    assert clipped.loss_change.shape == (128, clipped.loss.numel()) and len(clipped.controls["norm"]) == 2
    like = torch.isin(torch.arange(128), torch.tensor([5, 6]))
    rows = clipped.compared(9, like, name="neuron 1.9")
    assert [*rows] == ["neuron 1.9", induction.TOGETHER, "others of like effect", "sets matched on norm"]
    assert_close(rows["others of like effect"], clipped.alone[5:7].mean(0))
    assert_close(rows["sets matched on norm"], clipped.controls["norm"].mean(0))


def test_the_two_entropy_ratios_differ_as_a_ratio_of_means_and_a_mean_of_ratios_do(generator):
    clean, ablated = torch.tensor([[1.0, 3.0]]).repeat(8, 1), torch.tensor([[0.5, 3.0]]).repeat(8, 1)
    ratio = induction.entropy_ratio(clean, ablated, generator=generator)
    assert ratio.ratio_of_means.value == pytest.approx(3.5 / 4)
    assert ratio.mean_of_ratios.value == pytest.approx(0.75)
    nought = induction.entropy_ratio(0 * clean, 0 * clean, generator=generator)
    assert nought.mean_of_ratios.value == 0.0  # finite where nothing is uncertain


def test_the_largest_reduction_is_measured_where_it_was_not_chosen(generator):
    """Of many noisy ratios the lowest is below 1 also where an ablation does nothing."""
    clean, size = torch.ones(400, 40), torch.ones(50)
    noise = clean + 0.5 * torch.randn(50, 400, 40, generator=generator)
    assert 1 - noise[3].mean(0).min() > 0.04
    found = induction.largest_reduction(clean, noise, 3, size, generator=generator)
    assert found.chosen.low < 0 < found.chosen.high and found.difference.low < 0 < found.difference.high
    position = noise[3, ::2].mean(0).argmin()
    assert found.chosen.value == pytest.approx(1 - noise[3, 1::2, position].mean().item(), abs=1e-6)
    noise[3, :, 7] = 0.3
    found = induction.largest_reduction(clean, noise, 3, size, generator=generator)
    assert found.chosen.value == pytest.approx(0.7) and found.difference.low > 0.6
    assert found.controls.low < 0 < found.controls.high
    with pytest.raises(ValueError, match="at least 8 sequences, got 7"):
        induction.largest_reduction(clean[:15], noise[:, :15], 3, size, generator=generator)


def test_tables_have_a_row_per_head_neuron_position_and_bin(pocket, generator):
    score = torch.rand(8, 2, 3, generator=generator)
    heads = induction.head_table(score, 0 * score, generator=generator)
    assert heads[["layer", "head"]].values.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert_close(torch.tensor(heads.induction_score).float(), score.mean(0).flatten())
    changes, members = {"text": torch.randn(8, 4, generator=generator)}, torch.tensor([False, True, False, False])
    neurons = induction.reaction_table(changes, layer=2, kinds={"entropy": members}, generator=generator)
    assert list(neurons.kind) == ["other", "entropy", "other", "other"] and list(neurons.unit) == [0, 1, 2, 3]
    clean = torch.rand(8, 6, generator=generator) + 1
    ratios = induction.ratio_table(clean, torch.stack([clean, clean / 2]), generator=generator)
    assert ratios.entropy_ratio_at_repeat.tolist() == pytest.approx([1.0, 0.5])
    by_position = induction.ratio_by_position(clean, {"half": clean / 2}, start=9)
    assert list(by_position.position) == [9, 10, 11, 12, 13, 14]
    assert by_position.ratio_of_means.tolist() == pytest.approx([0.5] * 6)


@pytest.mark.parametrize(("n_sequences", "has_ends"), [(8, True), (7, False)])
def test_a_bin_of_the_loss_change_has_an_interval_where_it_has_the_sequences(n_sequences, has_ends, generator):
    loss, sequence = torch.arange(72.0), torch.arange(72) % n_sequences
    bins = induction.binned(loss, -loss, sequence, n_bins=3, generator=generator)
    assert bins.loss.tolist() == [11.5, 35.5, 59.5] and bins.loss_change.tolist() == [-11.5, -35.5, -59.5]
    assert (bins.low <= bins.loss_change).tolist() == (bins.high >= bins.loss_change).tolist() == [has_ends] * 3


def test_heads_above_the_threshold_are_counted(generator):
    score = torch.tensor([[[0.9, 0.1], [0.8, 0.2]]]).repeat(8, 1, 1)
    assert induction.n_above(score, threshold=0.7, length=10, generator=generator).value == 2


def test_the_best_head_is_chosen_on_one_half_of_the_sequences_and_measured_on_the_other(generator):
    score = 0.5 + 0.1 * torch.randn(40, 5, 8, generator=generator)
    found = induction.best_score(score, length=10, generator=generator)
    best = score[::2].flatten(1).mean(0).argmax()
    assert found.value == pytest.approx(score[1::2].flatten(1).mean(0)[best].item(), abs=1e-6) and found.n == 200
    assert found.low <= 0.5 <= found.high < score.mean(0).max() + 0.05  # no head is better than another
    score[:, 1, 2] = 0.9
    assert induction.best_score(score, length=10, generator=generator).low == pytest.approx(0.9)


def test_the_best_of_four_hundred_heads_that_do_nothing_has_an_interval_around_its_estimate(generator):
    covered = 0
    for _ in range(40):
        score = torch.randn(32, 20, 20, generator=generator)
        found = induction.best_score(score, length=10, generator=generator)
        assert found.low <= found.value <= found.high
        covered += found.low <= 0 <= found.high
    assert covered >= 34


def test_a_best_head_has_risen_when_the_final_one_is_better_and_not_when_all_are_alike(generator):
    first, final = 0.1 + 0.05 * torch.randn(2, 40, 5, 8, generator=generator)
    alike = induction.best_score_risen(first, final, length=10, generator=generator)
    assert alike.low < 0 < alike.high
    final[:, 3, 1] += 0.7
    risen = induction.best_score_risen(first, final, length=10, generator=generator)
    start = int(first[::2].flatten(1).mean(0).argmax())
    by_hand = final[1::2, 3, 1].mean() - first[1::2].flatten(1)[:, start].mean()
    assert risen.value == pytest.approx(by_hand.item(), abs=1e-6) and risen.low > 0.6


def test_control_sets_of_heads_are_different_draws_of_as_many_heads(generator):
    heads = induction.strongest(SCORE, count=1, threshold=0.7)
    found = induction.matched_sets(SCORE, heads, threshold=0.7, n_sets=9, generator=generator)
    assert sorted(found) == [[Head(1, 1)], [Head(1, 3)]]  # of the same layer, and not the other induction head
    one = induction.matched_sets(SCORE, heads, threshold=0.7, n_sets=1, generator=generator)
    assert len(one) == 1 and one[0] in found
    crowded = torch.tensor([[0.9, 0.8]])
    assert induction.matched_sets(crowded, [Head(0, 0)], threshold=0.5, n_sets=3, generator=generator) == []
