"""Pairs of statements, grids of patches, and what maps say: on hand-made maps, on the pocket pair, on tiny models."""

from dataclasses import replace

import numpy
import pytest
import torch
from scipy.stats import pearsonr, rankdata

from lib import drawing, knowledge, pair, patching
from lib import model as door
from lib.knowledge import asking, maps, resampled
from lib.knowledge.statements import Topic
from tests import in_process
from tests.conftest import ARCHITECTURES, build

QUESTION = "This statement is:"
COLUMNS = ("The", "s1", "s2", "is", "o1", ".", ":")
N_LAYERS = 8


@pytest.fixture(scope="module")
def models():
    return pair.load("pocket", dtype="float32", device="cpu").models


@pytest.fixture(scope="module")
def tokenizer(models):
    return models["base"].tokenizer


def made(tokenizer, *names, n_lines=4, n_pairs=16):
    draw = drawing.seeded(0)
    return knowledge.data_sets(tokenizer, names, question=QUESTION, n_pairs=n_pairs, n_lines=n_lines, draw=draw)


# statements


@pytest.mark.long
def test_pairs_share_the_object_and_the_layout_and_no_fact_stands_in_two(tokenizer):
    for one in made(tokenizer, "city", "continent", "spanish", "comparison"):
        about = knowledge.topic(one.name)
        subjects = [said.subject for both in one.pairs for said in (both.true, both.false)]
        assert len(subjects) == len({*subjects}) == 2 * len(one.pairs) and one.n_false == len(one.pairs)
        assert not {*subjects} & {said.subject for said in one.context}
        assert [said.true for said in one.context].count(True) == 2 == len(one.context) / 2
        for both in one.pairs:
            assert both.true.object == both.false.object and both.true.text != both.false.text
            for said in (both.true, both.false):
                assert about.holds(said.subject, said.object) == said.true
                assert knowledge.layout(tokenizer, said, f" {QUESTION}") == one.columns
            assert both.true.true and not both.false.true
        assert sum(one.objects.values()) == len(one.pairs)


def test_a_layout_names_subject_object_and_words(tokenizer):
    said = Topic("t", "The {subject} is a kind of {object}.", (), lambda *_: True).say("he is", "bird")
    named = knowledge.layout(tokenizer, said, " Now:")
    assert named[0] == "The" and named[-1] == ":" and "o1" in named and named[1] == "s1"
    assert said.text[slice(*said.spans[0])] == "he is" and said.text[slice(*said.spans[1])] == "bird"


def test_the_layout_is_that_of_most_true_statements(tokenizer):
    (one,) = made(tokenizer, "city")
    about = knowledge.topic("city")
    of = [knowledge.layout(tokenizer, about.say(*fact), f" {QUESTION}") for fact in about.facts]
    counts = {layout: of.count(layout) for layout in of}
    assert counts[one.columns] == max(counts.values()) == one.n_of_layout and one.n_statements == len(of)


def test_what_cannot_be_paired_is_said(tokenizer):
    with pytest.raises(ValueError, match=r"there is no topic 'colour'; there are animal, .* comparison"):
        made(tokenizer, "colour")
    with pytest.raises(ValueError, match=r"half of them true.*, got 3"):
        made(tokenizer, "city", n_lines=3)
    with pytest.raises(ValueError, match="none of city, capital has more than 4 here; name others by topics"):
        made(tokenizer, "city", "capital", n_pairs=4)
    kept = made(tokenizer, "city", "birthplace")  # some sixty people, hardly two of one layout
    assert [one.name for one in kept] == ["city"]


# prompts


def test_prompts_of_a_pair_differ_in_the_subject_alone(tokenizer):
    (one,) = made(tokenizer, "continent")
    asked = knowledge.verdicts(tokenizer, one, question=QUESTION, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(len(one.pairs))[:, None]
    source, target = asked.pairs.source, asked.pairs.target
    assert torch.equal(source[:, : int(asked.positions[0, 0])], target[:, : int(asked.positions[0, 0])])
    differ = (source != target)[rows, asked.positions].any(0)
    assert {asked.columns[at] for at in differ.nonzero()[:, 0].tolist()} <= {"s1", "s2", "s3", "s4", "s5"}
    text = tokenizer.backend.decode(source[0, 1:])
    assert text.count("\n") == 4 and text.count(" TRUE") == 2 == text.count(" FALSE") and text.endswith(QUESTION)
    assert tokenizer.decode(int(asked.pairs.right[0])) == " TRUE"
    assert tokenizer.decode(int(asked.pairs.wrong[0])) == " FALSE"
    assert len({tuple(row) for row in source[:, : int(asked.positions[0, 0])].tolist()}) > 1  # orders of their own


def test_an_object_is_asked_for_behind_true_lines_without_a_question(tokenizer):
    (one,) = made(tokenizer, "continent")
    asked = knowledge.objects(tokenizer, one, generator=torch.Generator().manual_seed(0))
    text = tokenizer.backend.decode(asked.pairs.target[0, 1:])
    assert text.count("\n") == 2 and "TRUE" not in text and text.endswith(" is a country in")
    assert asked.columns[-1] == "in" and "o1" not in asked.columns
    own = dict(knowledge.topic("continent").facts)
    assert own[one.pairs[0].false.subject].startswith(tokenizer.decode(int(asked.pairs.wrong[0])).strip())
    (numbers,) = made(tokenizer, "comparison")
    with pytest.raises(ValueError, match="a subject of comparison has many objects"):
        knowledge.objects(tokenizer, numbers, generator=torch.Generator())


def test_verdicts_that_begin_alike_are_refused(tokenizer, monkeypatch):
    (one,) = made(tokenizer, "continent")
    monkeypatch.setattr(asking, "VERDICTS", {True: " FALSE", False: " FALSE"})
    with pytest.raises(ValueError, match="TRUE and FALSE begin with one token here"):
        knowledge.verdicts(tokenizer, one, question=QUESTION, generator=torch.Generator().manual_seed(0))


def test_a_first_token_is_one_behind_the_prompts_own(tokenizer):
    assert tokenizer.decode(knowledge.first_token(tokenizer, "It is:", " TRUE")) == " TRUE"
    with pytest.raises(ValueError, match="the tokens of the prompt change when 'nce' follows"):
        knowledge.first_token(tokenizer, "Fra", "nce")


# grids


@pytest.mark.long
def test_the_base_judges_single_statements_and_its_maps_end_where_they_must(models, tokenizer):
    (one,) = made(tokenizer, "city", n_lines=0)
    asked = knowledge.verdicts(tokenizer, one, question=QUESTION, generator=torch.Generator())
    grid = knowledge.measure(models, asked, reader="base")
    assert grid.name == "base" and knowledge.knowing(grid).value > 0.8 and knowledge.knows(grid)
    assert torch.equal(grid.right, knowledge.answered(models["base"], asked))
    assert grid.recovery[-1, -1] == pytest.approx(1, abs=1e-3)
    assert grid.recovery[-1, :-1].abs().max() < 1e-4 and grid.recovery[0, grid.sites["subject"]] > 0.05
    assert knowledge.verdict_mass(models["base"], asked).mean() > 0.9
    across = knowledge.measure(models, asked, reader="post", writer="base")
    post = knowledge.measure(models, asked, reader="post")
    assert across.name == "base into post" and torch.equal(across.patched.target, post.patched.target)
    assert (across.gain - post.gain).abs().max() > 1e-2
    lines = knowledge.of_lines(models, {0: [asked]})
    assert lines.loc[0, "base"] == pytest.approx(knowledge.knowing(grid).value)


def test_first_choices_stand_where_they_differ_and_right_objects_where_they_hardly_do(models, tokenizer, monkeypatch):
    (one,) = made(tokenizer, "continent", n_lines=0)
    asked = knowledge.objects(tokenizer, one, generator=torch.Generator())
    found = knowledge.recall(models["base"], asked)
    assert found.own and found.right.value > 0.5 and found.right.n == 2 * len(one.pairs)
    given = found.asked.pairs
    assert (given.right != given.wrong).all() and len(given.right) <= len(one.pairs)
    monkeypatch.setattr(asking, "_first_choice", lambda model, tokens, batch_size: torch.full((len(tokens),), 7))
    found = knowledge.recall(models["base"], asked)
    assert not found.own and found.right.value == 0
    same = replace(asked.pairs, wrong=asked.pairs.right)
    with pytest.raises(ValueError, match="the objects of no pair of continent begin with different tokens"):
        knowledge.recall(models["base"], replace(asked, pairs=same))


# maps


def grid(pattern, *, noise=0.05, n=24, seed=0, gap=4.0, name="base", writer=None):
    """A grid whose recovery is a pattern, each pair with noise of its own."""
    generator = torch.Generator().manual_seed(seed)
    false = -1 + 0.1 * torch.randn(n, generator=generator)
    gain = gap * (pattern + noise * torch.randn(n, *pattern.shape, generator=generator))
    patched = patching.Patched(false + gap, false, false[:, None, None] + gain)
    return knowledge.Grid("city", "verdict", COLUMNS, name, writer or name, patched)


def stairs(subject=(0, 3), object_=(3, 5), last=(5, 8)):
    """A relay in blocks."""
    drawn = torch.zeros(N_LAYERS, len(COLUMNS))
    for at, (first, behind) in zip((2, 4, 6), (subject, object_, last), strict=True):
        drawn[first:behind, at] = 0.9
    return drawn


def test_the_papers_normalisation_is_its_bins_one_by_one(generator):
    map_ = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    edges = numpy.linspace(map_.min() - 1e-5, map_.max() + 1e-5, 21)
    number = numpy.digitize(map_.numpy(), edges)  # 1 … 20
    assert torch.equal(knowledge.normalised(map_), torch.from_numpy(numpy.maximum(number - 10, 0) / 10))
    assert knowledge.normalised(map_).max() == 1 and knowledge.normalised(map_).min() == 0
    both = torch.stack([map_, 3 * map_ - 5])  # each map by its own range
    assert (knowledge.normalised(both)[0] - knowledge.normalised(both)[1]).abs().max() <= 0.1 + 1e-9
    assert torch.equal(knowledge.normalised(both)[0], knowledge.normalised(map_))


def test_correlations_are_those_of_the_textbook(generator):
    one, other = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    other[0] = one[0, 0]  # ties
    assert knowledge.correlation(one, other).item() == pytest.approx(pearsonr(one.flatten(), other.flatten()).statistic)
    assert torch.equal(knowledge.ranks(other).flatten(), torch.from_numpy(rankdata(other.flatten())))


def test_a_cartoon_is_three_blocks_of_its_map():
    map_ = knowledge.normalised(stairs() + 0.3 * torch.eye(8, 7))
    drawn = knowledge.cartoon(map_, COLUMNS)
    assert torch.equal(drawn, (stairs() > 0).double())
    assert knowledge.correlation(map_, drawn) > 0.9
    assert knowledge.cartoon(torch.zeros(8, 7).double(), COLUMNS).sum() == 0


def test_the_largest_difference_is_looked_for_where_it_is_meant():
    one, other = torch.zeros(2, 3, 7)
    other[1, 6], other[1, 4], other[0, 0] = 0.3, 0.1, 0.9
    assert knowledge.largest_difference(one, other).item() == pytest.approx(0.9)
    assert knowledge.largest_difference(one, other, COLUMNS).item() == pytest.approx(0.1)


def test_maps_of_one_pattern_reach_the_ceiling_and_moved_ones_do_not():
    rich = stairs() + 0.15 * torch.rand(8, 7, generator=torch.Generator().manual_seed(4))
    one, same = [grid(rich)], [grid(rich, seed=1, name="post")]
    moved = [grid(stairs((0, 1), (1, 2), (2, 8)), seed=2, name="post")]
    alike = knowledge.compare(one, same, generator=torch.Generator().manual_seed(0))
    other = knowledge.compare(one, moved, generator=torch.Generator().manual_seed(0))
    assert alike.correlation.value > 0.98 and alike.below_ceiling.high < 0.05 < other.below_ceiling.low
    assert other.correlation.high < alike.correlation.low and other.of_knowledge.low > 0.2 >= alike.of_knowledge.high
    assert other.beyond_cartoon.value == pytest.approx(other.correlation.value - other.cartoon.value)
    assert alike.correlation.n == 24
    table = knowledge.of_likeness({"same": alike, "moved": other})
    assert len(table) == 2 * len(vars(alike)) and list(table.columns[:2]) == ["comparison", "quantity"]
    assert table.query("comparison == 'moved' and quantity == 'ceiling'").value.item() == other.ceiling.value


def test_a_map_of_three_blocks_and_nothing_else_goes_no_further_than_its_cartoon():
    one, other = [grid(stairs() / 0.9, noise=0)], [grid(stairs() / 0.9, noise=0, seed=1)]
    alike = knowledge.compare(one, other, generator=torch.Generator().manual_seed(0))
    assert alike.cartoon.value == pytest.approx(1) and alike.beyond_cartoon.value == pytest.approx(0, abs=1e-9)


def test_halves_of_too_few_pairs_are_refused():
    few = [grid(stairs(), n=14)]
    assert knowledge.too_few(few) == "a data set has 14 pairs, and 16 are needed to halve them"
    assert not knowledge.too_few([grid(stairs(), n=16)])
    with pytest.raises(ValueError, match="needs at least 8 pairs, got 7"):
        knowledge.compare(few, few, generator=torch.Generator())


def test_a_relay_has_its_depths_in_order_and_a_reversed_one_has_not():
    there = knowledge.relay([grid(stairs(), noise=0.01)], generator=torch.Generator().manual_seed(0))
    assert there.to_object.low > 0 < there.to_last.low and there.at_object.low > 0.8
    assert [at.value for at in there.depth.values()] == pytest.approx([1, 3.5, 6], abs=0.3)
    back = knowledge.relay([grid(stairs((5, 8), (3, 5), (0, 3)), noise=0.01)], generator=torch.Generator())
    assert back.to_object.high < 0 > back.to_last.high
    weak = stairs()
    weak[:, 4] *= 0.2
    assert knowledge.relay([grid(weak, noise=0.01)], generator=torch.Generator()).at_object.high < 0.3


def test_what_crosses_is_measured_where_the_reader_carries(generator):
    own = [grid(stairs())]
    half, same = stairs() / 2, stairs().clone()
    same[:, 0] = 5.0  # where the reader carries nothing
    less = knowledge.crossing(own, [grid(half, seed=1)], generator=torch.Generator().manual_seed(0))
    equal = knowledge.crossing(own, [grid(same, seed=1)], generator=torch.Generator().manual_seed(0))
    assert less.difference.value == pytest.approx(-0.45, abs=0.03) and less.difference.high < -0.3
    assert abs(equal.difference.value) < 0.05 and equal.own.value == pytest.approx(0.9, abs=0.03)
    assert less.n_cells == int((stairs() > 0).sum())
    assert knowledge.no_crossing([]) == "no topic is known to both models"
    assert "no cell recovers 0.5" in knowledge.no_crossing([grid(0 * stairs())]) and not knowledge.no_crossing(own)


def test_every_way_across_is_measured_or_says_why_not():
    own = {"base": [grid(stairs())], "post": [grid(0 * stairs())]}
    other = {("post", "base"): [grid(stairs() / 2, seed=1)], ("base", "post"): [grid(stairs(), seed=1)]}
    found = knowledge.crossings(own, other, draw=drawing.seeded(0))
    alone = knowledge.crossing(
        own["base"], other["post", "base"], generator=drawing.named(0, "post into base")
    )  # fmt: skip
    assert found["post", "base"] == alone and "no cell recovers 0.5" in found["base", "post"]
    table = knowledge.of_crossings(found)
    assert table.index.tolist() == [("post into base", part) for part in ("own", "other", "difference")]
    assert table.loc[("post into base", "other"), "low"] == alone.other.low


def test_what_all_models_know_from_enough_pairs_is_kept():
    def judged(name, *, rightly=True, n=24):
        one = replace(grid(stairs(), n=n), data=name)
        return one if rightly else replace(one, patched=replace(one.patched, target=one.patched.source))

    base = [judged("city"), judged("animal"), judged("element", rightly=False), judged("few", n=14)]
    post = [judged("city"), judged("animal", rightly=False), judged("element"), judged("few", n=14)]
    assert knowledge.known_to_all(base, post) == ["city"] and knowledge.known_to_all(base) == ["city", "animal"]
    kept = knowledge.of_topics({"base": base, "post": post}, ["element", "city"])
    assert [*kept] == ["base", "post"]
    assert all([one.data for one in some] == ["city", "element"] for some in kept.values())


def test_an_interval_over_pairs_covers_as_often_as_it_says():
    """A mean over two data sets of ten and twenty pairs, whose truth is 0.9."""
    hits = 0
    for seed in range(60):
        some = [grid(stairs(), noise=1.0, n=n, seed=100 * seed + n) for n in (10, 20)]
        found = resampled.over_pairs(
            lambda w, one: resampled.recovery_map(w, one)[:, 0, 2], some, generator=torch.Generator().manual_seed(seed)
        )
        hits += found.low <= 0.9 <= found.high
    assert hits >= 51  # of 60 at 95 %: fewer have a probability below 1e-3


# tables


def test_tables_hold_every_cell_and_say_what_is_known():
    grids = [grid(stairs()), grid(stairs() / 2, seed=1, name="post", writer="base"), grid(stairs(), name="post")]
    table = knowledge.of_patches(grids, generator=torch.Generator().manual_seed(0))
    assert len(table) == 3 * 8 * 7 and {*table.model} == {"base", "base into post", "post"}
    row = table[(table.model == "base") & (table.layer == 1) & (table.position == 2)].iloc[0]
    assert row.token == "s2" and row.recovery == pytest.approx(grids[0].recovery[1, 2].item())
    assert row.recovery_low < row.recovery < row.recovery_high and row.n == 24
    few = knowledge.of_patches([grid(stairs(), n=5)], generator=torch.Generator())
    assert few.recovery_low.isna().all() and few.recovery.notna().all()
    across = knowledge.across(table, "base", "post", ["city"])
    assert len(across) == 56 and (across.site == "last").sum() == 8 and across.own.corr(across.other) > 0.9
    assert knowledge.across(table, "base", "post", []).empty
    answers = knowledge.of_answers(grids, generator=torch.Generator().manual_seed(0))
    assert list(answers.right) == [1, 1, 1] and (answers.false < 0).all() and (answers.true_low > 2).all()


def test_knowing_takes_both_sides_and_more_than_coins():
    right = grid(stairs())
    assert knowledge.knows(right) and knowledge.knowing(right).value == 1
    always = replace(right, patched=replace(right.patched, target=right.patched.source))
    assert not knowledge.knows(always) and knowledge.knowing_all([right, always]).value == 0.5


# the chapter


@pytest.mark.long
@pytest.mark.parametrize("model_type", ["llama", "gpt_neox"])
def test_the_chapter_runs_for_a_model_that_knows_nothing(tmp_path, model_type):
    folder, other = (str(build(tmp_path / name, model_type, **ARCHITECTURES[model_type])) for name in ("one", "other"))
    given = {"topics": "continent city comparison", "n_pairs": 16, "n_lines": 0}
    names = in_process.run("08", model=folder, post_trained=other, **given)
    verdicts = {entry["claim"]: entry["verdict"] for entry in names["ledger"].entries}
    assert names["kept"] == [] and set(names["models"]) == {"base", "post"}
    assert verdicts.pop("du2025.C4") == "contradicted" and {*verdicts.values()} == {"not tested"}
    assert "is not tested, since no topic is known to both models" in names["read"]


def test_a_partner_of_another_size_is_one_sentence(tmp_path):
    folder = build(tmp_path / "one", "gpt2", **ARCHITECTURES["gpt2"])
    other = build(tmp_path / "other", "gpt2", **(ARCHITECTURES["gpt2"] | {"n_layer": 2}))
    with pytest.raises(door.ModelError, match="a pair needs two models of one number of layers"):
        in_process.run("08", model=str(folder), post_trained=str(other))


def test_sites_are_the_last_tokens_of_their_parts():
    assert knowledge.sites(COLUMNS) == {"subject": 2, "object": 4, "last": 6}
    assert knowledge.sites(("s1", "is", "in")) == {"subject": 0, "last": 2}
    assert maps.is_of("s12", "so") and not maps.is_of("so", "so") and not maps.is_of("is", "s")
