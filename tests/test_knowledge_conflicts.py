"""What a model knows, which of it passes the filters, what contradicts it, and whose answer it gives then."""

import csv

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import facts, knowledge_conflicts
from lib import model as door
from lib.knowledge_conflicts import CK, EITHER, ND, PK, answers, base, conflict, filters, gathering, labels
from lib.knowledge_conflicts.answers import Answer, Answered
from lib.knowledge_conflicts.base import Example, Question

# questions


def test_questions_are_the_facts_with_their_object_left_out():
    found = base.questions()
    assert len(found) == sum(len(facts.relation(name).facts) for name in facts.RELATIONS)
    assert len({question.fact for question in found}) == len(found)
    for question in found:
        assert facts.relation(question.relation).state(question.subject, question.object).startswith(question.start)
        assert not question.start.endswith(" ") and question.object not in (question.start, question.example.start)
    assert {question.relation for question in found if question.is_example} == set(facts.RELATIONS)
    assert {name for name in facts.RELATIONS} == set(base.OBJECTS) and set(base.GROUPS) < set(base.OBJECTS)


COLUMNS = [*base.NEEDED, "group", "description"]
ROWS = [
    ("capital-of", "Burg", "has its capital in", "Oslo", "places", "a city"),
    ("capital-of", "the kingdom of Tarn", "has its capital in", "Rome", "places", "a city"),
    ("owned-by", "Goodbooks", "is owned by", "Acme", "firms", ""),
]


def write(path, rows=ROWS, columns=COLUMNS):
    with path.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([columns, *rows])
    return str(path)


def test_a_readers_own_table_gives_questions_too(tmp_path):
    first, second, third = base.questions(write(tmp_path / "facts.csv"))
    assert second.start == "the kingdom of Tarn has its capital in" and second.object == "Rome"
    assert (second.group, second.description, third.description) == ("places", "a city", "the missing words")
    assert first.is_example and second.example == Example("Burg", "Burg has its capital in", "Oslo")
    assert third.fact == "owned-by: Goodbooks" and third.is_example
    bare = base.questions(write(tmp_path / "bare.csv", [row[:4] for row in ROWS], COLUMNS[:4]))
    assert {question.group for question in bare} == {""} and len(bare) == 3


@pytest.mark.parametrize(
    ("rows", "columns", "says"),
    [
        ([("a", "b")], ["rel_lemma", "statement_object"], "lacks statement_subject, statement_relation$"),
        ([], COLUMNS, "holds its header only"),
        ([*ROWS[:1], ("x", "y", " ", "z", "", "")], COLUMNS, "fact 2 has no statement_relation"),
        ([("x", "y")], COLUMNS, "fact 1 has no statement_relation"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_sentence(tmp_path, rows, columns, says):
    with pytest.raises(ValueError, match=says):
        base.questions(write(tmp_path / "facts.csv", rows, columns))


def test_a_table_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="facts_csv needs a file"):
        base.questions(str(tmp_path / "nowhere.csv"))
    (tmp_path / "latin.csv").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match="needs CSV text in UTF-8"):
        base.questions(str(tmp_path / "latin.csv"))


# answers


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (" Lyon, France. More", "Lyon"),
        (" St. Louis, Missouri", "St"),
        (' "Lyon"', ""),
        ("\nLyon", ""),
        (" Lyon\\nFrance", "Lyon"),
        (" Lyon [1] <b> (a); b", "Lyon"),
        (" New York City", "New York City"),
        ("", ""),
    ],
)
def test_an_answer_ends_before_the_first_separator(text, says):
    assert answers.answer(text) == says and answers.answer(text, lower=True) == says.lower()


def test_a_repeated_beginning_is_passed_over():
    assert answers.answer(" France has the capital Paris.", after="France has the capital") == "Paris"
    assert answers.answer("Paris.", after="France has the capital") == "Paris"


def a_question(relation="capital", group="places", subject="France", object_="Paris", example=None, start=""):
    shown = example or Example("Norway", f"Norway {relation}", "Oslo")
    return Question(relation, group, subject, start or f"{subject} {relation}", object_, "a city", shown)


def test_frames_put_the_same_question_differently(pocket, gpt2_folder):
    question = a_question()
    bare, one_shot, told = (answers.framed(question, frame, pocket.tokenizer) for frame in answers.FRAMES)
    assert bare == "France capital" and one_shot == "Norway capital Oslo. France capital"
    plain = answers.framed(question, "instruction", door.load(str(gpt2_folder)).tokenizer)
    assert plain.endswith("\n\nNorway capital Oslo.\nFrance capital") and "a city" in plain
    assert told == pocket.tokenizer.chat(plain) != plain
    with pytest.raises(ValueError, match="frame must be one of bare, one_shot, instruction, got 'plain'"):
        answers.framed(question, "plain", pocket.tokenizer)


@pytest.mark.long
def test_stopping_at_separators_changes_no_answer_whatever_the_model(tiny):
    texts = [question.start for question in base.questions()[::240]]
    stops = answers.stop_ids(tiny)
    some = answers.written(tiny, texts, stops=stops)
    whole = answers.written(tiny, texts, stops=tiny.stop_ids)
    ends = zip(answers.decoded(tiny, some.ids), answers.decoded(tiny, whole.ids), strict=True)
    assert all(answers.answer(one) == answers.answer(other) for one, other in ends)
    assert sum(map(len, some.ids)) <= sum(map(len, whole.ids)) and some.first == whole.first


@pytest.mark.long
def test_what_is_written_is_what_continuations_write_in_the_order_of_the_texts(pocket):
    texts = [question.start for question in base.questions()[::40]]
    found = answers.written(pocket, texts, stops=(), n_tokens=4, batch_size=3)
    assert answers.decoded(pocket, found.ids) == pocket.continuations(texts, n_tokens=4)
    alone = [answers.written(pocket, [text], stops=(), n_tokens=1) for text in texts[:5]]
    torch.testing.assert_close(found.resid[:5], torch.cat([one.resid for one in alone]), atol=1e-4, rtol=1e-4)
    assert found.first[:5] == tuple(one.first[0] for one in alone)
    assert answers.written(pocket, [], stops=()).resid.shape == (0, pocket.W_out.shape[1])


def test_a_stop_that_is_left_out_is_written_over(pocket):
    with_period, without = answers.stop_ids(pocket), answers.stop_ids(pocket, but=".")
    gone = {pocket.tokenizer.decode(id) for id in {*with_period} - {*without}}
    assert "." in gone and all(text.lstrip(" ").startswith(".") for text in gone)
    assert pocket.tokenizer.eos in without


# filters


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [  # the published examples (Winkler 1990), and names that have nothing in common
        ("MARTHA", "MARHTA", 0.9611),
        ("DWAYNE", "DUANE", 0.84),
        ("DIXON", "DICKSONX", 0.8133),
        ("JELLYFISH", "SMELLYFISH", 0.8963),
        ("abc", "xyz", 0.0),
        ("", "", 1.0),
        ("a", "", 0.0),
        ("Paris", "Paris", 1.0),
    ],
)
def test_jaro_winkler_has_its_published_values(one, other, alike):
    assert filters.jaro_winkler(one, other) == pytest.approx(alike, abs=5e-5)
    assert filters.jaro_winkler(other, one) == pytest.approx(alike, abs=5e-5)


@given(st.text("abcd", max_size=8), st.text("abcd", max_size=8))
def test_jaro_winkler_is_a_similarity(one, other):
    alike = filters.jaro_winkler(one, other)
    assert 0 <= alike <= 1 and (alike == 1) == (one == other)


def an_answer(text, first=0, **asked):
    return Answer(a_question(**asked), text, first)


@pytest.mark.parametrize(
    ("subject", "text", "apart"),
    [
        ("France", "Paris", True),
        ("Mexico", "Mexico City", False),
        ("New York City", "new york", False),
        ("France", "", False),
        ("Algiers", "Algeria", False),  # 0.90
        ("France", "french", True),
    ],
)
def test_answers_that_stand_in_their_subject_or_nearly_are_dropped(subject, text, apart):
    assert filters.is_apart(an_answer(text, subject=subject)) == apart


@pytest.mark.parametrize(
    ("text", "object_", "leaks"),
    [("Oslo", "Paris", True), ("oslo", "Oslo", False), ("Norway", "Paris", True), ("Lima", "Paris", False)],
)
def test_what_the_example_shows_leaks_unless_it_is_true(text, object_, leaks):
    assert filters.leaks(an_answer(text, object_=object_)) == leaks


def test_the_example_itself_is_not_asked():
    own = a_question(subject="Norway", start="Norway capital", object_="Oslo")
    assert filters.leaks(Answer(own, "Oslo", 0))


def test_a_name_in_two_groups_is_dropped_with_the_first_and_then_free():
    gold = an_answer("Au", relation="symbol", group="nature", subject="gold")
    spanish = an_answer("oro", relation="spanish", group="words", subject="Gold")
    again = an_answer("oro", relation="metal", group="nature", subject="ore")
    assert filters.in_one_group([gold, spanish]) == [spanish]
    assert filters.in_one_group([spanish, gold]) == [gold]
    assert filters.in_one_group([spanish, again, gold]) == [again, gold]  # depends on the order, as the authors' does
    assert filters.in_one_group([gold, spanish, again]) == [again]
    assert filters.in_one_group([gold, gold]) == [gold, gold]  # in one group alone


# conflicts


def pararel():
    """Thirty facts in three relations and two groups, and what a model answers to each."""
    places, firms = ("capital", "places"), ("owner", "firms")
    told = [(*places, f"Land{i}", f"City{i % 6}q") for i in range(16)]
    told += [(*firms, f"Firm{i}", f"Boss{i % 3}z") for i in range(9)]
    told += [(*firms, "Bossy", "bossy"), (*firms, "Shop", "Holding"), (*firms, "Inn", "Holding")]
    told += [("river", "places", "Kiosk", "Firm0"), ("river", "places", "Stall", "Nile")]
    found = []
    for at, (relation, group, subject, text) in enumerate(told):
        example = Example("Plant", f"Plant {relation}", "Holding" if relation == "owner" else "Delta")
        found.append(an_answer(text, first=at, relation=relation, group=group, subject=subject, example=example))
    return found


def test_filters_are_applied_in_order_and_each_says_what_it_left():
    kept, steps = filters.survivors(pararel(), with_example=True)
    assert [(step.before, step.after) for step in steps] == [(30, 29), (29, 27), (27, 26)]
    firms = [answer.text for answer in kept if answer.question.group == "firms"]
    assert firms == [f"Boss{i % 3}z" for i in range(1, 9)]  # without Firm0, which is an answer about rivers
    kept, steps = filters.survivors(pararel(), with_example=False)
    assert [(step.before, step.after) for step in steps] == [(30, 29), (29, 29), (29, 28)]
    assert steps[1].note == "no example was shown" and sum(answer.text == "Holding" for answer in kept) == 2


def contradicted(pocket, kept, **chosen):
    resid = torch.randn(len(kept), pocket.W_out.shape[1], generator=torch.Generator().manual_seed(1))
    return resid, *conflict.conflicts(pocket, kept, resid, **chosen)


def test_each_fact_meets_the_least_likely_other_answers_of_its_relation(pocket):
    kept = [answer for answer in pararel() if answer.question.relation == "capital"]
    resid, made, step = contradicted(pocket, kept, per_fact=3)
    assert len(made) == 3 * len(kept) and (step.before, step.after, step.note) == (16, 16, "")
    first = {answer.text: answer.first for answer in reversed(kept)}  # of an object's answers the first counts
    for at, answer in enumerate(kept):
        mine, logits = made[3 * at : 3 * at + 3], pocket.final_layer.logits(resid[at : at + 1])[0]
        likely = sorted((text for text in first if text != answer.text), key=lambda text: float(logits[first[text]]))
        assert [one.context for one in mine] == likely[:3]
        assert {(one.fact, one.known) for one in mine} == {(answer.question.fact, answer.text)}
    assert made[0].prompt == f"Land0 capital {made[0].context}. Land0 capital"


def test_relations_with_fewer_answers_give_fewer_prompts_and_the_log_says_so(pocket):
    kept = [answer for answer in pararel() if answer.question.subject.startswith(("Firm", "Stall"))]
    _, made, step = contradicted(pocket, kept, per_fact=3)
    assert len(made) == 2 * 9 and (step.before, step.after) == (10, 9)  # the only answer about a river has no other
    assert step.note == "fewer than 4 different answers about owner, river, so fewer false objects"


def test_objects_that_may_be_taken_for_the_models_own_are_not_stated(pocket):
    kept = [
        an_answer(text, first=at, subject=f"Land{at}") for at, text in enumerate(("New York", "new york city", "Oslo"))
    ]
    _, made, _ = contradicted(pocket, kept, per_fact=3)
    assert [(one.known, one.context) for one in made[:2]] == [("New York", "Oslo"), ("new york city", "Oslo")]


def test_a_conflict_needs_an_object(pocket):
    with pytest.raises(ValueError, match="got per_fact=0"):
        contradicted(pocket, pararel(), per_fact=0)


def scripted(monkeypatch, pocket, found, *, right=True):
    """A model that answers as told."""
    if right:
        found = [Answer(a_question(**{**vars_of(one), "object_": one.text}), one.text, one.first) for one in found]
    resid = torch.zeros(len(found), pocket.W_out.shape[1])
    monkeypatch.setattr(answers, "ask", lambda *_, **__: Answered(tuple(found), resid))


def vars_of(answer):
    asked = answer.question
    return {"relation": asked.relation, "group": asked.group, "subject": asked.subject, "example": asked.example}


def test_gathering_logs_every_step_from_facts_to_prompts(monkeypatch, pocket, generator):
    scripted(monkeypatch, pocket, pararel())
    found = knowledge_conflicts.gather(pocket, frame="one_shot", generator=generator)
    assert found.log.index.tolist() == [
        "subject and object overlap",
        "leak from the example",
        "name in another group",
        "any fact is known at all",
        "another object to state",
        "drawn by lot",
    ]
    assert found.log.after.tolist() == [29, 29, 28, 28, 28, 28]  # what is true does not leak
    assert found.n_facts == 28 and len(found.prompts) == len(found.facts) and repr(found.right).startswith("30 of 30")
    assert all(before == after for before, after in zip(found.log.before[1:], found.log.after, strict=False))


def test_facts_are_drawn_evenly_over_relations_with_all_their_prompts(monkeypatch, pocket, generator):
    scripted(monkeypatch, pocket, pararel())
    whole = knowledge_conflicts.gather(pocket, generator=generator)
    some = gathering.drawn(whole.conflicts, n_facts=8, generator=generator)
    relations = [one.relation for one in {one.fact: one for one in some}.values()]
    assert [relations.count(name) for name in ("capital", "owner", "river")] == [3, 3, 2]
    assert [one for one in whole.conflicts if one.fact in {one.fact for one in some}] == some
    assert gathering.drawn(whole.conflicts, n_facts=1000, generator=generator) == list(whole.conflicts)
    with pytest.raises(ValueError, match="n_facts must be 0"):
        knowledge_conflicts.gather(pocket, n_facts=-1, generator=generator)


def test_a_model_that_knows_none_of_the_facts_is_not_contradicted(monkeypatch, pocket, generator):
    scripted(monkeypatch, pocket, pararel(), right=False)
    found = knowledge_conflicts.gather(pocket, generator=generator)
    assert found.conflicts == () and found.n_facts == 0 and found.prompts == []
    assert found.right.hits == 0 and found.log.after["any fact is known at all"] == 0
    assert found.labels([]) == [] and answers.written(pocket, found.prompts, stops=found.stops).ids == ()


@pytest.mark.long
def test_a_random_model_of_any_architecture_gives_no_prompts(monkeypatch, tiny, generator):
    some = base.questions()[::60]
    monkeypatch.setattr(base, "questions", lambda facts_csv: some)
    found = knowledge_conflicts.gather(tiny, n_facts=5, generator=generator)
    assert found.conflicts == () and (found.right.hits, found.right.n) == (0, len(some))


@pytest.mark.long
def test_the_embedded_model_is_contradicted_in_a_few_hundred_prompts(pocket, generator):
    found = knowledge_conflicts.gather(pocket, n_facts=40, generator=generator)
    assert found.n_facts == 40 and 100 <= len(found.prompts) <= 120 and found.right.value > 0.5
    assert len({one.relation for one in found.conflicts}) >= 8
    said = answers.decoded(pocket, answers.written(pocket, found.prompts, stops=found.stops).ids)
    given, named = found.labels(said), found.named_labels(said)
    assert {CK, PK} <= {*given} and sum(one == other for one, other in zip(given, named, strict=True)) > 0.95 * len(
        said
    )
    with pytest.raises(ValueError, match="got 0 for"):
        found.labels([])
    lower = knowledge_conflicts.gather(pocket, n_facts=40, lower=True, generator=generator)
    assert all(one.context == one.context.lower() and one.known == one.known.lower() for one in lower.conflicts)


# labels

MATCHES = [  # text, context object, the model's own, by words, by names
    (" Lyon, France.", "lyon", "paris", CK, CK),
    (" New York City", "new york", "new york city", CK, EITHER),
    (" the uk", "Lima", "United Kingdom", ND, PK),
    (" U.K. law", "Lima", "United Kingdom", ND, PK),
    (" United Kingdom", "Lima", "UK", ND, PK),
    (" United Kingdom", "Lima", "U.K.", ND, PK),
    (" St. Louis, Missouri", "St. Louis", "Paris", ND, CK),
    (" Paris!", "Lyon", "Paris", ND, PK),
    (" The Paris", "Lyon", "Paris", ND, PK),
    (" Sao Tome", "Lyon", "São Tomé", ND, PK),
    (" PARIS and more", "Lyon", "Paris", PK, PK),
    (" not english", "french", "english", ND, ND),
    (" Parisian", "Lyon", "Paris", ND, ND),
    (" New  York", "New York", "Rome", ND, CK),
    ("", "Lyon", "Paris", ND, ND),
    ("...", "Lyon", "Paris", ND, ND),
    ("", "", "", ND, ND),
    (" a lot", "Al", "Au", ND, ND),
]


@pytest.mark.parametrize(("text", "context", "known", "words", "names"), MATCHES)
def test_labels_by_words_and_by_names(text, context, known, words, names):
    assert labels.by_words(text, context=context, known=known) == words
    assert labels.by_names(text, context=context, known=known) == names


def test_disagreement_counts_every_pair_of_labels():
    text, context, known, words, names = zip(*MATCHES, strict=True)
    found = labels.disagreement(text, context=context, known=known)
    assert sum(found.values()) == len(MATCHES) and len(found) == 3 * 4
    assert found[ND, PK] == sum((one, other) == (ND, PK) for one, other in zip(words, names, strict=True)) == 7
    with pytest.raises(ValueError, match="got 1 texts, 2 and 1 objects"):
        labels.disagreement(["a"], context=["a", "b"], known=["a"])


objects = st.text("abcdef", min_size=2, max_size=6).filter(lambda word: word not in labels.ARTICLES)


@given(objects, objects, st.text("ghij", min_size=1, max_size=5))
def test_a_stated_object_is_ck_and_a_known_one_pk_by_either_reading(context, known, more):
    for read in (labels.by_words, labels.by_names):
        if context != known:
            assert read(f" {context}. {more}", context=context, known=known) == CK
            assert read(f" {known.upper()}, {more}", context=context, known=known) == PK
        assert read(f" {more}.", context=context, known=known) == ND
    assert labels.by_words(f" {context}", context=context, known=context) == CK  # the context is tried first
    assert labels.by_names(f" {context}", context=context, known=context) == EITHER


letters = ["ab", "a", "B", " AB", "ab c", "Σ", "ς", "İ", "ß", "n"]
others = [" ", "  ", "\u00a0", "\ufffd", "\\", "\n", "."]
said = st.lists(st.sampled_from(letters + others), max_size=6).map("".join)


@given(said, said, objects | said, objects | said)
def test_a_settled_label_stays_whatever_is_written_behind_it(text, more, context, known):
    own = {"context": context, "known": known}
    if labels.is_settled(text, **own):
        assert labels.by_words(text + more, **own) == labels.by_words(text, **own)
        whole = text.rstrip("\ufffd")  # half a letter becomes another
        assert labels.by_words(whole + more, **own) == labels.by_words(text, **own)


SETTLED = [
    (" Rome and", "Lima", "Paris", True),
    (" Ro", "Lima", "Paris", True),
    (" Pa", "Lima", "Paris", False),
    (" Lima", "Lima", "Paris", False),  # or Limassol
    (" Lima.", "Lima", "Paris", True),
    (" lima is", "Lima", "Paris", True),
    (" New Delhi", "New York", "Paris", True),
    (" New", "New York", "Paris", False),
    (" New York", "New York City", "New York", False),
    (" New York is", "New York City", "New York", True),
    ("", "Lima", "Paris", False),
    (" Li\ufffd", "Lima", "Paris", False),
    (" Paris\u00a0", "Lima", "Paris", False),
    ("\n", "Lima", "Paris", False),  # blanks may be taken away
]


@pytest.mark.parametrize(("text", "context", "known", "is_settled"), SETTLED)
def test_when_a_label_is_settled(text, context, known, is_settled):
    assert labels.is_settled(text, context=context, known=known) is is_settled
