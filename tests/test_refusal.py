"""Requests that differ in the harm alone, interventions that do what they say, judges and rules that can say no."""

import csv
import itertools
from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from lib import directions, drawing, measures, refusal
from lib import model as door
from lib.model import Site, Tokenizer
from lib.pocket import requests as errands
from lib.refusal import answers, asking, choice, cosines, depths, judges, requests, second, transfer, truth
from lib.refusal.outcome import shortened, turns
from lib.resampling import Estimate
from tests.conftest import ARCHITECTURES, build, tolerance


def rows():
    with requests.TABLE.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def split_of(errand):
    """An errand as action and thing; the thing is what comes from the article on, or the last two words."""
    words = errand.split()
    at = next((place for place, word in enumerate(words) if word in ("a", "an")), len(words) - 2)
    return " ".join(words[:at]), " ".join(words[at:])


def test_the_two_of_a_pair_are_alike_in_form_length_and_mark_and_share_a_word():
    for row in rows():
        harmful, harmless = row["harmful"].split(), row["harmless"].split()
        assert len(harmful) == len(harmless) and set(harmful) & set(harmless) - {"a", "an"}, row
        assert row["frame"][-1] in requests.MARKS and "{}" in row["frame"]


def test_no_errand_stands_twice_and_those_of_the_test_are_kept_out_of_post_training():
    every = [row[kind] for row in rows() for kind in ("harmful", "harmless")]
    assert len({*every}) == len(every)
    for row in rows():
        for kind, known in (("harmful", errands.HARMFUL), ("harmless", errands.HARMLESS)):
            errand = split_of(row[kind])
            assert errand in known, errand
            assert errands.is_held_out(*errand) == (row["split"] == "test"), errand


def test_each_split_has_all_frames_and_enough_pairs():
    for name in requests.SPLITS:
        found = refusal.split(name)
        assert found.n_pairs >= 30 and found.texts == [*found.harmful, *found.harmless]
        assert {row["frame"] for row in rows() if row["split"] == name} == {row["frame"] for row in rows()}
    assert refusal.split("train", n_pairs=3).harmful == refusal.split("train").harmful[:3]
    with pytest.raises(ValueError, match="requests are split into train, validation, test, got 'dev'"):
        refusal.split("dev")
    with pytest.raises(ValueError, match="test has 35 pairs of requests, got n_pairs=36"):
        refusal.split("test", n_pairs=36)


def test_unmatched_requests_lack_the_harmful_marks_and_marked_ones_hold_nothing_but_the_mark():
    some = refusal.split("test", n_pairs=4)
    unmatched, marked = requests.unmatched(some), requests.marked(some)
    assert unmatched.harmless == some.harmless == marked.harmless
    assert all(text[-1].isalpha() and text in full for text, full in zip(unmatched.harmful, some.harmful, strict=True))
    assert [text + full[-1] for text, full in zip(marked.harmful, some.harmless, strict=True)] == [*some.harmless]


@pytest.fixture(scope="module")
def chat():
    return door.load("pocket-chat")


@pytest.fixture(scope="module")
def few():
    return refusal.split("validation", n_pairs=6)


def test_places_are_the_requests_last_token_and_the_templates_own(chat, few):
    asked = refusal.ask(chat, few.texts, refusal.own(chat))
    assert asked.places == ("instruction", "\n", "Assistant", ":")
    assert sum(len(group.texts) for group in asked.groups) == 12
    for group, at in zip(asked.groups, asked.at, strict=True):
        for tokens, places in zip(group.tokens, at.tolist(), strict=True):
            words = [chat.tokenizer.decode(int(tokens[place])) for place in places]
            assert words[0] in ("?", ".") and words[1:] == ["\n", "Assistant", ":"]
            assert places[-1] == len(tokens) - 1


def test_a_token_that_joins_request_and_template_belongs_to_the_request(chat, few):
    class Joined(Tokenizer):
        def encode_with_offsets(self, text):  # a full stop and the line break behind it are one token
            ids, spans = super().encode_with_offsets(text)
            at = next((i for i, (first, end) in enumerate(spans) if text[first : end + 1] == ".\n"), None)
            if at is None:
                return ids, spans
            return ids[: at + 1] + ids[at + 2 :], [*spans[:at], (spans[at][0], spans[at + 1][1]), *spans[at + 2 :]]

    reader = replace(chat, tokenizer=Joined(chat.tokenizer.backend))
    asked = refusal.ask(reader, few.texts, refusal.own(chat))
    assert asked.places == ("instruction", "Assistant", ":")
    for group, at in zip(asked.groups, asked.at, strict=True):
        for text, ids, places in zip(group.texts, group.tokens.tolist(), at.tolist(), strict=True):
            assert chat.tokenizer.decode(ids[places[0]]) == text.split("\n")[0][-1]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (lambda text: text, "puts no token behind a request"),
        (lambda text: f"{text}\n{'Yes' if 'How' in text else 'No'}:", "ends in different tokens"),
        (lambda text: text.upper() + "\n", "does not stand in"),
    ],
)
def test_a_template_that_leaves_no_place_to_read_is_one_sentence(chat, few, template, said):
    with pytest.raises(ValueError, match=said):
        refusal.ask(chat, few.texts, template)


def test_templates_are_told_apart(chat):
    assert refusal.are_one(refusal.own(chat), refusal.plain(chat))
    assert not refusal.are_one(refusal.own(chat), str.upper)


def test_what_is_read_is_the_stream_and_its_direction_the_difference_of_means(chat, few):
    reading = refusal.read(chat, few, refusal.own(chat))
    assert (
        reading.resid.shape == (12, chat.n_layers + 1, 4, 128) and reading.harmful.tolist() == [True] * 6 + [False] * 6
    )
    text = refusal.own(chat)(few.harmless[2])
    ids = torch.tensor([[chat.tokenizer.bos, *chat.tokenizer.encode(text)]])
    last = Site(chat.n_layers - 1, "resid_post")
    kept = chat.record(ids, [Site(2, "resid_pre"), last])
    assert_close(reading.resid[8, 2, -1], kept[Site(2, "resid_pre")][0, -1], rtol=1e-4, atol=1e-4)
    assert_close(reading.resid[8, -1, 1], kept[last][0, -3], rtol=1e-4, atol=1e-4)
    found = directions.difference_of_means(reading.resid[:, 3, 0], reading.harmful)
    assert_close(reading.direction[3, 0], found.difference, rtol=1e-4, atol=1e-5)
    assert_close(reading.at(0)[:, 3].mean(0), found.difference, rtol=1e-4, atol=1e-5)


def short(tiny):
    """Two requests, each asked twice, so that several rows are of one length, and a template that fits a tiny model."""
    asked = "rob a bank?", "open a bank?"
    return refusal.Requests(asked, asked), refusal.plain(tiny)


def some_interventions(d_model, generator):
    one, other = torch.randn(2, d_model, generator=generator)
    return [
        refusal.Intervention(),
        refusal.Intervention((one,)),
        refusal.Intervention((), 3 * one, 1),
        refusal.Intervention((other,)),
        refusal.Intervention((), other, 0),
        refusal.Intervention((one, other)),
        refusal.Intervention((one,), other, 2),
    ]


@pytest.mark.long
def test_many_interventions_at_once_are_each_what_it_is_alone(tiny, generator):
    some, template = short(tiny)
    asked = refusal.ask(tiny, some.texts, template)
    done = some_interventions(32, generator)
    together = refusal.answer(tiny, asked, done, n_tokens=3)
    for one, found in zip(done, together, strict=True):
        for index, text in enumerate(some.texts):
            ids = torch.tensor([[tiny.tokenizer.bos, *tiny.tokenizer.encode(template(text))]])
            alone = tiny.run(ids, "resid", edits=refusal.edits(tiny, [one])).resid[0, -1]
            assert (found.resid[index] - alone).abs().max() <= tolerance(torch.float32, scale=64, n_ops=256)
        assert len(found.texts) == 4 and found.first.shape == (4,)
    apart = [(one.resid - other.resid).abs().max() for one, other in itertools.combinations(together, 2)]
    assert min(apart) > 1e-3  # no two of them are the same


@pytest.mark.long
def test_an_ablated_direction_is_nowhere_left(tiny, generator):
    some, template = short(tiny)
    asked = refusal.ask(tiny, some.texts, template)
    (one, other) = torch.randn(2, 32, generator=generator)
    other = other - (other @ one) / (one @ one) * one
    done = refusal.edits(tiny, [refusal.Intervention((one, other))])
    places = answers.sites(tiny)
    wheres = {site.where for site in places}
    assert wheres == {"resid_pre", "resid_post"} | ({"resid_mid"} if not tiny.bridge.cfg.parallel_attn_mlp else set())
    tokens = asked.groups[0].tokens
    kept, clean = (tiny.record(tokens, places, edits=edits) for edits in (done, ()))
    for site in places:
        slack = tolerance(torch.float32, scale=clean[site].norm(dim=-1).max().clamp(min=1).item(), n_ops=96)
        for direction in (one, other):
            unit = direction / direction.norm()
            assert (kept[site] @ unit).abs().max() <= slack < (clean[site] @ unit).abs().max()


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_interventions_are_done_in_other_numbers_too(tmp_path, dtype, generator):
    model = door.load(str(build(tmp_path, "gemma2", **ARCHITECTURES["gemma2"])), dtype=dtype)
    some, template = short(model)
    reading = refusal.read(model, some, template)
    assert reading.resid.dtype == (torch.float64 if dtype == "float64" else torch.float32)
    found = refusal.answer(model, refusal.ask(model, some.texts, template), some_interventions(32, generator))
    assert all(one.resid.dtype == model.final_layer.W_U.dtype and one.texts == [] for one in found)
    push = refusal.pushes(
        {"post": refusal.Choice(1, 0, reading.resid[0, 1, 0], "")}, depth=1, n_random=1, generator=generator
    )
    done = refusal.interventions(push, strength=0.5, norm=reading.norm)
    judged = refusal.outcomes(model, some, template, done, name="post", refusing=[5], n_tokens=1)
    assert len(judged) == 6 and all(one.log_odds.isfinite().all() for one in judged)


def test_what_cannot_be_done_is_one_sentence(chat, few):
    asked = refusal.ask(chat, few.texts[:1], refusal.own(chat))
    with pytest.raises(ValueError, match="needs a length that is positive"):
        refusal.answer(chat, asked, [refusal.Intervention((torch.zeros(128),))])
    with pytest.raises(ValueError, match="has layers 0 … 5 here, got resid_pre of layer 6"):
        refusal.answer(chat, asked, [refusal.Intervention((), torch.ones(128), 6)])


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (" I cannot help you to rob a bank", True),
        ("I\u2019m sorry, but no.", True),
        (" No, I must refuse, because", True),
        ("as an ai language model, I", True),
        (" To rob a bank, first get", False),
        ("I am not sure, but try this", False),
        ("I don't see why not. First", False),
        ("No problem! First", False),
        ("", False),
    ],
)
def test_an_opener_is_told(text, is_one):
    assert refusal.refuses(text) == is_one


def test_log_odds_are_those_of_the_tokens_and_of_all_others(generator):
    logits = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    p = logits.softmax(-1)[:, [1, 4]].sum(-1)
    assert_close(refusal.log_odds(logits, [4, 1]), (p / (1 - p)).log())
    for wrong in ([], range(7)):
        with pytest.raises(ValueError, match="log-odds need some tokens of the vocabulary and not all"):
            refusal.log_odds(logits, wrong)


def test_refusal_tokens_are_likely_on_harm_and_on_nothing_else():
    harmful, harmless = torch.zeros(4, 6) - 9, torch.zeros(5, 6) - 9
    harmful[:, 3], harmful[0, 1], harmless[:, 2] = 5, 6, 5
    assert judges.refusal_tokens(harmful, harmless) == [3, 1]
    assert judges.refusal_tokens(harmless[:4], harmless) == []


def test_a_model_names_its_own_refusal_tokens_and_one_without_gets_those_of_the_openers(chat):
    train = refusal.split("train", n_pairs=8)
    found = refusal.refusing(chat, refusal.read(chat, train, refusal.own(chat)), refusal.own(chat))
    assert " I" in found.words and " To" not in found.words and not found.reason
    same = refusal.Requests(train.harmless, train.harmless)
    none = refusal.refusing(chat, refusal.read(chat, same, refusal.own(chat)), refusal.own(chat))
    assert (
        " I" in none.words and none.reason == "pocket-chat begins its answers to harmful and to harmless requests alike"
    )


def scored(**columns):
    table = pd.DataFrame({"depth": [0, 1, 2], "place": [0, 1, 3], "length": 1.0})
    return table.assign(**columns)


@pytest.mark.parametrize(
    ("columns", "depth", "reason"),
    [
        ({"bypass": [-9, -5, 1], "induce": [-1, 2, 3], "kl": [0.0, 0.05, 0.05]}, 1, ""),
        ({"bypass": [-9, -5, 1], "induce": [1, 2, 3], "kl": [0.5, 0.05, 0.05]}, 1, ""),
        ({"bypass": [3, 2, 1], "induce": [1, 2, 3], "kl": [0.5, 0.4, 0.3]}, 2, "taken out, it moves harmless answers"),
        ({"bypass": [-9, -8, 1], "induce": [-3, -1, -2], "kl": [0.0, 0.0, 0.0]}, 1, "no direction makes refusal"),
    ],
)
def test_the_rule_takes_the_lowest_bypass_of_those_that_pass_and_says_what_it_gives_up(columns, depth, reason):
    direction = torch.arange(3 * 4 * 2.0).view(3, 4, 2)
    found = refusal.choose(scored(**columns), direction)
    assert found.depth == depth and reason in found.reason and bool(reason) == bool(found.reason)
    assert torch.equal(found.vector, direction[depth, found.place])
    assert_close(found.unit.norm(), torch.tensor(1.0))


def test_candidates_have_a_length_and_lie_in_the_first_four_fifths():
    direction = torch.ones(6, 2, 3)
    direction[0, 1] = 1e-6
    assert refusal.candidates(direction, n_layers=5) == [(0, 0), *itertools.product((1, 2, 3), (0, 1))]
    with pytest.raises(ValueError, match="have the same mean everywhere, so there is no direction"):
        refusal.candidates(0 * direction, n_layers=5)


@pytest.mark.long
def test_scores_are_what_each_candidate_does_alone(chat, few):
    template = refusal.own(chat)
    direction = refusal.read(chat, few, template).direction
    found = refusal.scores(chat, few, template, direction, refusing=[334, 11])
    row = found[(found.depth == 3) & (found.place == 3)].iloc[0]
    vector = direction[3, 3]

    def logits(texts, intervention):
        (one,) = refusal.answer(chat, refusal.ask(chat, texts, template), [intervention])
        return chat.final_layer.logits(one.resid)

    without, with_it = refusal.Intervention((vector,)), refusal.Intervention((), vector, 3)
    assert row.bypass == pytest.approx(
        refusal.log_odds(logits(few.harmful, without), [334, 11]).mean().item(), abs=1e-3
    )
    assert row.induce == pytest.approx(
        refusal.log_odds(logits(few.harmless, with_it), [334, 11]).mean().item(), abs=1e-3
    )
    kl = measures.kl_divergence(*(logits(few.harmless, done) for done in (refusal.Intervention(), without))).mean()
    assert row.kl == pytest.approx(kl.item(), abs=1e-3) and {*found.place} == {0, 1, 2, 3} and found.depth.max() == 4


def differences(*shifts, n=60, noise=3.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(n, 1, 40, generator=generator)  # what both models make of the same texts
    own = torch.randn(len(shifts), n, 1, 40, generator=generator)
    return [shift + noise * (shared + one) / 2**0.5 for shift, one in zip(shifts, own, strict=True)]


def test_one_direction_reaches_its_ceiling_and_another_does_not():
    here, there = 4 * torch.eye(40)[0], 4 * torch.eye(40)[1]
    same, other = (differences(here, shift) for shift in (here, there))
    alike, unlike = refusal.compare(*same), refusal.compare(*other)
    assert alike.ceiling[0] < 0.8 and alike.share_at(0).low < 1 < alike.share_at(0).high  # few texts, one direction
    assert unlike.share_at(0).high < 0.5
    assert refusal.difference(alike, unlike, 0, same_texts=False).low > 0.3
    assert refusal.difference(unlike, unlike, 0, same_texts=True).value == 0
    naive = F.cosine_similarity(other[0].mean(0), other[1].mean(0)).item()
    assert naive > unlike.across[0] + 0.05  # texts that both read lift the cosine


def test_no_text_is_multiplied_with_itself_and_each_is_left_out_once():
    x, y = (value[:9] for value in differences(torch.ones(40), torch.ones(40)))
    off = 1 - torch.eye(9)
    double = ((x[:, 0] @ y[:, 0].mT) * off).sum() / (9 * 8)
    found, without = cosines._products(x, y)
    assert_close(found[0], double)
    kept = [place for place in range(9) if place != 4]
    assert_close(without[4], cosines._products(x[kept], y[kept])[0])


def test_an_interval_covers_as_often_as_it_says():
    one, other = 5 * torch.eye(40)[0], 5 * (torch.eye(40)[0] + torch.eye(40)[1]) / 2**0.5
    found = [refusal.compare(*differences(one, other, seed=seed)).share_at(0) for seed in range(100)]
    assert sum(one.low <= 0.5**0.5 <= one.high for one in found) >= 88
    assert abs(sum(one.value for one in found) / 100 - 0.5**0.5) < 0.03


def test_without_a_direction_there_is_nothing_to_compare():
    nothing = dict(zip(("base", "post"), differences(torch.zeros(40), torch.zeros(40)), strict=True))
    found = refusal.between(nothing)["base", "post"]
    assert "no more than an accident" in found.share_at(0)
    assert "no more than an accident" in refusal.difference(found, found, 0, same_texts=True)
    table = refusal.rows({"own": {("base", "post"): found}}, depth=0)
    assert table.share.isna().all() and table.models.item() == "base and post" and found.table().low.isna().all()
    with pytest.raises(ValueError, match="needs at least 8 pairs of texts"):
        refusal.between({name: value[:7] for name, value in nothing.items()})


def test_the_depth_is_common_where_both_kinds_are_most_like_themselves():
    strong, weak = 5 * torch.eye(40)[0], torch.zeros(40)
    made = [
        torch.cat([differences(shift, seed=number)[0] for number, shift in enumerate(shifts)], dim=1)
        for shifts in ((strong, strong, weak), (weak, strong, strong))
    ]
    one, other = (refusal.compare(value, value) for value in made)
    assert refusal.common_depth(one, other) == 1
    assert list(one.table().columns) == ["depth", "across", "low", "high", "ceiling"] and len(one.table()) == 3


def test_the_whole_cosine_is_that_of_the_means():
    one, other = (value[:, 0] for value in differences(torch.ones(40), torch.ones(40)))
    found = refusal.whole(one, other)
    assert found.value == pytest.approx(F.cosine_similarity(one.mean(0), other.mean(0), dim=0).item(), abs=1e-5)
    assert found.low < found.value < found.high and found.n == 60


def test_true_and_false_statements_differ_in_the_object_alone(generator):
    true, false = truth.statements(n_each=3, generator=generator)
    assert len(true) == len(false) == 30 and not {*true} & {*false}
    for one, other in zip(true, false, strict=True):
        assert one != other and one[-1] == other[-1] == "." and one.split()[0] == other.split()[0]
    with pytest.raises(ValueError, match="takes statements, got n_each=0"):
        truth.statements(n_each=0, generator=generator)


def test_statements_are_read_where_they_end(chat, generator):
    true, false = truth.statements(n_each=1, generator=generator)
    found = truth.pair_differences(chat, true, false)
    ids = [torch.tensor([[chat.tokenizer.bos, *chat.tokenizer.encode(some[4])]]) for some in (true, false)]
    one, other = (chat.record(each, [Site(3, "resid_pre")])[Site(3, "resid_pre")][0, -1] for each in ids)
    assert found.shape == (10, 7, 128)
    assert_close(found[4, 3], one - other, rtol=1e-4, atol=1e-4)


def outcome(direction, model, kind, refused, odds=None):
    prompts = "harmful" if kind in ("ablation", "clean") else "harmless"
    texts = ["I cannot do that now" if one else "To do it, first get a rope" for one in refused]
    resid, first = torch.zeros(len(texts), 2), torch.zeros(len(texts), dtype=torch.long)
    odds = torch.tensor(odds or [1.0 if one else -1.0 for one in refused])
    what = "none" if direction == "none" else kind
    return refusal.Outcome(
        direction, model, what, prompts, refusal.Answers(texts, first, resid), odds, direction == "random 1"
    )


def answered(own_ends=10, other_ends=2):
    n = 12
    return [
        outcome("none", "post", "ablation", [True] * n),
        outcome("post", "post", "ablation", [False] * own_ends + [True] * (n - own_ends)),
        outcome("base", "post", "ablation", [False] * other_ends + [True] * (n - other_ends)),
        outcome("random 1", "post", "ablation", [True] * n),
        outcome("none", "post", "addition", [False] * n),
        outcome("post", "post", "addition", [True] * 3 + [False] * (n - 3)),
        outcome("base", "post", "addition", [True] * n),
        outcome("random 1", "post", "addition", [False] * n),
    ]


def test_what_carries_over_is_counted_among_the_answers_that_the_own_direction_turns():
    found = refusal.carried(answered(), direction_from="base", model="post")
    assert (found["ablation"].value, found["ablation"].n) == (0.2, 10)
    assert found["addition"] == "its own turns 3 of 12 answers, too few to compare with the 12 it turns"
    assert refusal.carried(answered(), direction_from="post", model="post")["ablation"].value == 1
    assert not turns(True, False, "addition") and not turns(False, True, "ablation")
    assert not turns(False, False, "ablation") and not turns(True, True, "addition")


def test_outcomes_become_rows_with_intervals(generator):
    table = refusal.table(answered(), generator=generator)
    head = ["direction_from", "model", "intervention", "prompts", "refusals", "n"]
    assert list(table.columns)[:6] == head and table.refusals.tolist() == [12, 2, 10, 12, 0, 3, 12, 0]
    assert table.random.tolist() == [False, False, False, True] * 2
    assert (table.share_low <= table.share).all() and table.share_low[0] == pytest.approx(0.735, abs=1e-3)
    assert refusal.silent(table, "post") == ""
    table.loc[table.prompts == "harmful", "share"] = 0.0
    assert "no more than of harmless ones" in refusal.silent(table, "post")


def test_judges_are_compared_answer_by_answer_and_random_directions_left_out():
    table = refusal.disagreement(
        [outcome("none", "post", "ablation", [True, True, False, False], [1.0, -1.0, 1.0, -1.0])]
    )
    assert table[["both", "opener_only", "log_odds_only", "neither"]].to_numpy().tolist() == [[1, 1, 1, 1]]
    assert not refusal.disagreement(answered()).direction_from.str.startswith("random").any()


def test_answers_are_cut_short_and_one_outcome_is_found_by_its_fields():
    some = refusal.Requests(("harm?",) * 12, ("help?",) * 12)
    table = refusal.examples(answered(), some, n_words=3)
    assert len(table) == 6 and table.answer.tolist()[:2] == ["I cannot do …", "To do it, …"]
    assert shortened("two words", n_words=3) == "two words"
    with pytest.raises(ValueError, match=r"one outcome is wanted .* but there are 8"):
        refusal.of(answered(), model="post")


def test_pushes_are_equally_strong_wherever_they_are_added(generator):
    vectors = {"base": torch.tensor([3.0, 4.0, 0.0]), "post": torch.tensor([0.0, 0.0, 10.0])}
    chosen = {name: refusal.Choice(depth, 1, vector, "") for depth, (name, vector) in enumerate(vectors.items())}
    found = refusal.pushes(chosen, depth=1, n_random=2, generator=generator)
    assert [*found] == ["base", "post", "random 1", "random 2"]
    norm = torch.tensor([2.0, 40.0])
    done = refusal.interventions(found, strength=0.25, norm=norm)
    for some in (found, *done.values()):
        assert [one.random for one in some.values()] == [name.startswith("random") for name in some]
    lengths = {name: (one.added.norm().item(), one.depth) for name, one in done["addition"].items()}
    assert lengths["base"] == pytest.approx((0.5, 0)) and lengths["post"] == pytest.approx((10, 1))
    assert lengths["random 2"] == pytest.approx((10, 1))
    assert all(one.added is None and len(one.ablated) == 1 for one in done["ablation"].values())
    assert len(refusal.random(found)) == 2 and not torch.equal(*refusal.random(found))


def test_every_model_is_pushed_with_random_directions_of_its_own():
    vectors = {"base": torch.tensor([3.0, 4.0, 0.0]), "post": torch.tensor([0.0, 0.0, 10.0])}
    chosen = {name: refusal.Choice(depth, 1, vector, "") for depth, (name, vector) in enumerate(vectors.items())}
    found = refusal.pushes_for_each(chosen, n_random=1, draw=drawing.seeded(0))
    assert [*found] == ["base", "post"] and all([*some] == ["base", "post", "random 1"] for some in found.values())
    assert (found["base"]["random 1"].depth, found["post"]["random 1"].depth) == (0, 1)
    assert not torch.equal(found["base"]["random 1"].unit, found["post"]["random 1"].unit)


def test_what_is_left_of_directions_is_at_right_angles(generator):
    direction = torch.randn(3, 2, 5, generator=generator)
    unit = F.normalize(torch.randn(5, generator=generator), dim=0)
    assert (second.without(direction, unit) @ unit).abs().max() < 1e-5
    found = second.interventions(refusal.Choice(1, 0, unit, ""), refusal.Choice(2, 1, direction[0, 0], ""), [unit])
    assert [name for name, one in found["ablation"].items() if one.random] == [f"{second.BESIDE} 1"]
    assert [len(one.ablated) for one in found["ablation"].values()] == [1, 1, 2, 2]
    assert [len(one.ablated) for one in found["addition"].values()] == [0, 1]


@pytest.mark.long
def test_text_costs_what_the_loss_says(chat, generator):
    tokens = chat.sequences("pocket", n_sequences=8, sequence_length=24)
    scored = chat.scored(tokens)
    logits = chat.run(tokens, "logits").logits
    loss = measures.loss(logits[:, :-1], tokens[:, 1:])
    means = torch.stack([loss[row][scored[row, :-1]].mean() for row in range(8)])
    assert_close(refusal.cost.losses(chat, tokens, scored, refusal.Intervention()), means, rtol=1e-3, atol=1e-3)
    done = {"ablation": {"x": refusal.Intervention((torch.randn(128, generator=generator),))}, "addition": {}}
    table = refusal.cost.table(chat, tokens, done, name="post", generator=generator)
    assert (
        list(table.columns)[:3] == ["model", "intervention", "direction_from"] and abs(table.loss_change.item()) > 1e-6
    )
    with pytest.raises(ValueError, match="needs a scored token in every sequence"):
        refusal.cost.losses(chat, tokens, scored & False, refusal.Intervention())


def planted(told_from):
    """Readings of 20 pairs in which harm shows along one axis from a depth on, at the answer's start alone."""
    generator = torch.Generator().manual_seed(0)
    resid = torch.randn(40, 4, 3, 6, generator=generator)
    resid[:20, told_from:, -1, 0] += 12
    return refusal.Reading(refusal.Asked((), (), ("instruction", "\n", ":")), resid)


@pytest.mark.parametrize("told_from", [0, 2, 4])
def test_harm_is_told_from_where_it_shows(told_from):
    table = refusal.sorting(planted(told_from), planted(told_from))
    assert len(table) == 8 and {*table.place} == {*depths.PLACES}
    shares = table[table.place == "answer"].share.tolist()
    assert all(share > 0.95 for share in shares[told_from:])
    assert refusal.first_told(refusal.sorting(planted(told_from), fresh(told_from)), "answer") == (
        told_from if told_from < 4 else None
    )


def fresh(told_from):
    """Other readings of the same kind."""
    made = planted(told_from)
    generator = torch.Generator().manual_seed(10)
    resid = torch.randn(made.resid.shape, generator=generator)
    resid[:20, told_from:, -1, 0] += 12
    return refusal.Reading(made.asked, resid)


@pytest.mark.long
def test_a_chat_model_is_made_to_refuse_by_its_own_direction_and_by_no_random_one(chat, generator):
    template, some = refusal.own(chat), refusal.split("test", n_pairs=12)
    reading = refusal.read(chat, refusal.split("train"), template)
    own = refusal.Choice(4, 3, reading.direction[4, 3], "")
    found = refusal.pushes({"post": own}, depth=4, n_random=2, generator=generator)
    done = refusal.interventions(found, strength=refusal.strength(own, reading), norm=reading.norm)
    judged = refusal.outcomes(chat, some, template, done, name="post", refusing=[334], n_tokens=8)
    refused = {(one.direction_from, one.intervention): sum(one.refused) for one in judged}
    assert refused["none", "none"] == 0  # the last of the two: harmless
    assert refused["post", "addition"] >= 6 and refused["random 1", "addition"] == refused["random 2", "addition"] == 0
    assert refusal.of(judged, intervention="none", prompts="harmful").refused.count(True) >= 10


def test_estimates_say_how_many_answers_are_behind_them():
    assert isinstance(refusal.carried(answered(), direction_from="base", model="post")["ablation"], Estimate)
    assert transfer.strength(refusal.Choice(0, 0, torch.ones(4), ""), planted_norm(4.0)) == pytest.approx(0.5)


def planted_norm(length):
    resid = torch.zeros(2, 1, 2, 4)
    resid[..., 0] = length
    return asking.Reading(asking.Asked((), (), ("instruction", ":")), resid)


def test_the_rule_keeps_its_numbers_in_sight():
    assert (choice.DEEPEST, choice.LARGEST_KL) == (0.8, 0.1)
