import collections

import pytest

from lib import facts

SIZES = {
    "capital": 120,
    "continent": 120,
    "language": 120,
    "currency": 120,
    "city": 250,
    "element": 100,
    "animal": 120,
    "inventor": 60,
    "birthplace": 60,
    "spanish": 150,
}


def test_every_relation_has_its_table_and_no_other_is_there():
    assert set(facts.RELATIONS) == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_a_table_is_large_enough_single_valued_and_clean(name):
    relation = facts.relation(name)
    subjects = [fact.subject for fact in relation.facts]
    assert len(subjects) >= SIZES[name]
    assert [s for s, n in collections.Counter(subjects).items() if n > 1] == []
    for fact in relation.facts:
        for words in (fact.subject, fact.object):
            assert words and words == words.strip() and words.isascii() and not set(words) & set('.,"{}\n')


@pytest.mark.parametrize("name", ["capital", "element", "spanish"])
def test_these_relations_can_be_read_backwards_too(name):
    relation = facts.relation(name)
    assert len(relation.objects) == len(relation.facts)


@pytest.mark.parametrize("name", SIZES)
def test_frames_put_the_object_last_and_the_first_one_the_subject_first(name):
    relation = facts.relation(name)
    assert (
        relation.statement.split("{object}")[0]
        .removeprefix("The ")
        .removeprefix("English word ")
        .startswith("{subject}")
    )
    assert len(set(relation.frames)) == len(relation.frames) >= 3
    for frame in relation.frames:
        assert frame.endswith(" {object}.") and frame.count("{subject}") == 1
    assert relation.question.endswith("?") and "{object}" not in relation.question


def test_the_four_tables_of_countries_are_about_the_same_countries():
    tables = [
        {fact.subject for fact in facts.relation(n).facts} for n in ("capital", "continent", "language", "currency")
    ]
    assert tables[0] == tables[1] == tables[2] == tables[3]


def test_a_prompt_is_a_statement_without_its_object():
    assert facts.prompt(facts.relation("capital").statement, "France") == "France has the capital"
    with pytest.raises(ValueError, match="object"):
        facts.prompt("{object} is the capital of {subject}.", "France")


def test_the_other_objects_are_all_but_one():
    continent = facts.relation("continent")
    assert set(continent.others("Asia")) == set(continent.objects) - {"Asia"}
    assert continent.state("France", "Asia") == "France is a country in Asia."


def test_comparisons_are_true_and_complete():
    pairs = list(facts.comparisons(largest=9))
    assert len(pairs) == 72
    assert all(("larger" in statement) == (first > second) for first, second, statement in pairs)


def test_an_unknown_relation_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="capital"):
        facts.relation("capitl")
