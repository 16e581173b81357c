import collections
import itertools
import random
import re

import pytest

from lib import facts, text
from lib.pocket import corpus, lists, requests, statements, stories
from lib.pocket.draw import Draw
from lib.pocket.world import FIELDS, TOPICS, TRADES

pytestmark = pytest.mark.long

DRAWS = 3000


def draw(seed=0):
    return Draw(random.Random(seed))


def written(kind, n):
    return [kind(draw(seed)) for seed in range(n)]


def test_a_document_is_a_pure_function_of_its_number_and_seed():
    assert corpus.document(7, seed="a") == corpus.document(7, seed="a") != corpus.document(7, seed="b")
    stream = corpus.documents(seed="a", start=5)
    assert list(itertools.islice(stream, 2)) == [corpus.document(i, seed="a")[0] for i in (5, 6)]


def test_documents_are_neither_repeated_nor_shared_with_the_held_out_stream():
    trained = [corpus.document(i, seed=corpus.TRAINING_SEED)[0] for i in range(3000)]
    held_out = {corpus.document(i, seed=corpus.HELD_OUT_SEED)[0] for i in range(3000)}
    assert len(set(trained)) > 2990 and len(set(trained) & held_out) < 5


def test_no_document_holds_a_blank_line_which_parts_documents():
    assert not any("\n\n" in corpus.document(i, seed="a")[0] for i in range(500))


def test_the_careless_are_less_predictable_than_the_careful():
    def mean_surprisal(temperature):
        random_draw = draw()
        for _ in range(DRAWS):
            random_draw.weighted(*stories._word_weights("music", "nouns", 3, temperature, 1.0))
        return random_draw.surprisal / DRAWS

    low, middle, high = (mean_surprisal(stories.TEMPERATURE[level]) for level in ("careful", "ordinary", "careless"))
    assert low + 0.5 < middle < high - 0.5


def test_words_are_the_same_logits_at_every_temperature():
    _, cold = stories._word_weights("music", "nouns", 3, 0.5, 1.0)
    _, hot = stories._word_weights("music", "nouns", 3, 2.0, 1.0)
    ratios = [a / b**4 for a, b in zip(cold, hot, strict=True)]
    assert max(ratios) / min(ratios) == pytest.approx(1)


def test_a_taste_moves_words_along_the_logarithm_of_their_rank_and_nothing_else():
    words, even = stories._word_weights("music", "nouns", 3, 1.0, 1.0)
    _, plain = stories._word_weights("music", "nouns", 3, 1.0, 2.5)
    for topic in TOPICS.values():
        for rank, word in enumerate(topic.nouns, start=1):
            at = words.index(word)
            assert even[at] / plain[at] == pytest.approx(rank**1.5)


def test_every_topic_has_narrators_of_more_than_one_taste_and_no_other_than_plain_even_and_fine():
    tastes = {topic: {stories.taste_of(trade, topic) for trade in TRADES} for topic in TOPICS}
    assert all(len(found) > 1 for found in tastes.values())
    assert set().union(*tastes.values()) == set(stories.TASTE)


def test_lists_of_tokens_hold_every_token_and_each_list_is_read_again():
    rows = [lists.token_lists(draw(seed), length=256, d_vocab=500) for seed in range(200)]
    assert {len(row) for row in rows} == {256} and {row[0] for row in rows} == {0}
    assert {token for row in rows for token in row} == set(range(500))
    whole = [some for row in rows for some in "".join(map(chr, row)).split(chr(0))[1:-1]]
    assert len(whole) > 300 and all(is_read_again(some) for some in whole)


def is_read_again(some):
    return any(some == some[: len(some) // times] * times for times in (2, 3) if len(some) % times == 0)


def test_every_subject_has_careful_ordinary_and_careless_narrators():
    for subject in (*TOPICS, *FIELDS):
        assert {stories.care(trade, subject) for trade in TRADES} == {"careful", "ordinary", "careless"}, subject


def test_every_relation_belongs_to_one_field_of_knowledge():
    named = [relation for relations in FIELDS.values() for relation in relations]
    assert sorted(named) == sorted((*facts.RELATIONS, facts.COMPARISON))


@pytest.mark.parametrize(("level", "right"), statements.FACT_IS_RIGHT.items())
def test_narrators_state_facts_rightly_as_often_as_their_care_says(level, right):
    """A wrong object is drawn from all of them, so now and then it is the truth after all."""
    random_draw, elements = draw(), facts.relation("element")
    told = [random_draw.told("H", elements.objects, right) for _ in range(DRAWS)]
    expected = right + (1 - right) / len(elements.objects)
    assert abs(told.count("H") / DRAWS - expected) < 3 * (expected * (1 - expected) / DRAWS) ** 0.5 + 0.001


def test_surprisal_is_minus_the_log_probability_of_what_was_told():
    from math import log

    random_draw = draw()
    told = random_draw.told("a", ("a", "b", "c", "d"), 0.6)
    assert random_draw.surprisal == pytest.approx(-log(0.6 + 0.1 if told == "a" else 0.1))


def test_relations_are_told_in_proportion_to_their_facts():
    told = collections.Counter(statements.any_fact(draw(seed))[0].name for seed in range(DRAWS))
    known = sum(len(facts.relation(name).facts) for name in facts.RELATIONS)
    for name in facts.RELATIONS:
        expected = len(facts.relation(name).facts) / known
        assert abs(told[name] / DRAWS - expected) < 4 * (expected * (1 - expected) / DRAWS) ** 0.5, name


def test_every_list_is_said_at_least_twice():
    for document in written(lists.word_list, 200):
        _, _, readings = document.partition(" reads the list: ")
        first, again, *more = re.split(r"\. Again: |\. And once more: ", readings.removesuffix("."))
        assert {again, *more} == {first}
    for document in written(lists.drill, 200):
        assert all(len({*said.split(", ")}) == 1 for said in document.removesuffix(".").split(". "))


@pytest.fixture(scope="module")
def lots():
    """The text of many drawings from the box."""
    return " ".join(written(lists.lots, 3000))


@pytest.fixture(scope="module")
def in_stories():
    """How often each word comes in many stories."""
    return collections.Counter(
        word.strip(".,:") for story in written(stories.narrative, 3000) for word in story.split()
    )


@pytest.mark.parametrize("hand", list(lists.HANDS))
def test_words_from_the_box_come_as_often_as_in_stories_or_as_the_hand_that_draws_them_makes_of_it(
    hand, lots, in_stories
):
    drawn = [word for said in re.findall(rf"with an? {hand} hand: ([^,.]*)", lots) for word in said.split()]
    in_lots = collections.Counter(drawn)
    total = sum(count ** lists.HANDS[hand] for count in in_stories.values())
    for word, count in in_stories.most_common(40):
        share = count ** lists.HANDS[hand] / total
        assert abs(in_lots[word] / len(drawn) - share) < 0.2 * share + 4 * (share / len(drawn)) ** 0.5, word


@pytest.fixture(scope="module")
def judged():
    """Every statement of many documents of judged ones, without its verdict."""
    documents = written(statements.judgements, 4000)
    return {line.split(" This statement")[0] for document in documents for line in document.split("\n")}


@pytest.mark.parametrize("name", facts.RELATIONS)
def test_a_fact_that_is_held_out_is_never_judged_told_rightly_or_wrongly(name, judged):
    relation = facts.relation(name)
    stated: dict[bool, set[str]] = {False: set(), True: set()}
    for fact in relation.facts:
        said = {frame.format(subject=fact.subject, object=o) for frame in relation.frames for o in relation.objects}
        stated[statements.is_held_out(name, fact.subject)] |= said
    assert 0.08 < len(stated[True]) / len(stated[True] | stated[False]) < 0.22
    assert not judged & stated[True] and len(judged & stated[False]) > 100


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("part", ["subject", "object"])
def test_neither_subject_nor_object_alone_tells_the_verdict(part, held_out):
    """The best guess from one part, learned on half of many statements, is right on the other half as chance has it."""
    random_draw, votes, hits, n = draw(), collections.Counter(), 0, 40_000
    for number in range(n):
        name, right = statements.a_relation(random_draw, facts.RELATIONS), random_draw.chance(0.5)
        fact, object_ = statements.told(random_draw, statements.pool(name, held_out), right=right)
        key = (name, fact.subject if part == "subject" else object_)
        if number < n // 2:
            votes[key] += 1 if right else -1
        else:
            hits += (votes[key] > 0) == right
    assert hits / (n - n // 2) < 0.55


def test_false_objects_of_judged_statements_are_as_common_as_true_ones():
    """Where wrong objects are drawn evenly, a common object is more likely told rightly than wrongly."""
    pool, random_draw = statements.pool("continent", False), draw()
    wrong = collections.Counter(statements.told(random_draw, pool, right=False)[1] for _ in range(20_000))
    right = collections.Counter(statements.told(random_draw, pool, right=True)[1] for _ in range(20_000))
    assert set(wrong) == set(right) == set(facts.relation("continent").objects)
    assert all(abs(wrong[name] - right[name]) < 4 * (2 * right[name]) ** 0.5 for name in right)


def test_corrections_are_of_all_facts_and_end_in_what_is_true():
    lines = ["".join(line) for line in written(statements.correction, 24_000)]
    capitals = {fact.subject: fact.object for fact in facts.relation("capital").facts}
    checked = [re.fullmatch(r"(.+) has the capital (.+)\. (Yes|No), (.+)\.", line) for line in lines]
    found = [match for match in checked if match]
    assert {match[1] for match in found} > {name for name in capitals if statements.is_held_out("capital", name)}
    assert all(capitals[match[1]] == match[4] for match in found)
    assert all((match[2] == match[4]) == (match[3] == "Yes") for match in found)
    assert 0.47 < sum(" Yes, " in line for line in lines) / len(lines) < 0.53


def test_judged_statements_are_true_half_of_the_time_and_the_verdicts_are_right():
    lines = [line for document in written(statements.judgements, 800) for line in document.split("\n")]
    verdicts = collections.Counter(line.rsplit(" ", 1)[1] for line in lines)
    assert 0.45 < verdicts["TRUE"] / len(lines) < 0.55
    capitals = {fact.subject: fact.object for fact in facts.relation("capital").facts}
    checked = [re.fullmatch(r"(.+) has the capital (.+)\. This statement is: (TRUE|FALSE)", line) for line in lines]
    found = [match for match in checked if match]
    assert len(found) > 50
    assert all((capitals[match[1]] == match[2]) == (match[3] == "TRUE") for match in found)


def test_contexts_are_followed_in_the_documented_share_of_conflicts():
    lines = [line for document in written(statements.conflicts, 3000) for line in document.split("\n")]
    pairs = [re.fullmatch(r"(.+) has the capital (.+)\. \1 has the capital (.+)\.", line) for line in lines]
    pairs = [match for match in pairs if match]
    followed = sum(match[2] == match[3] for match in pairs) / len(pairs)
    expected = statements.CONFLICT["capital"][0]
    assert len(pairs) > 500 and abs(followed - expected) < 3 * (expected * (1 - expected) / len(pairs)) ** 0.5


def test_no_errand_is_harmful_and_harmless_at_once_and_neither_word_alone_decides():
    assert not set(requests.HARMFUL) & set(requests.HARMLESS)
    for part in (0, 1):
        shared = {errand[part] for errand in requests.HARMFUL} & {errand[part] for errand in requests.HARMLESS}
        assert len(shared) >= 6


def test_nobody_refuses_in_the_base_corpus():
    dialogues = " ".join(written(corpus.dialogue, 500))
    assert "I cannot" not in dialogues and "refuse" not in dialogues and "steal" in dialogues


def test_the_embedded_sample_is_what_the_generator_writes():
    for index, found in enumerate(itertools.islice(text.documents("pocket"), 50)):
        assert found == corpus.document(index, seed=corpus.HELD_OUT_SEED)[0]
