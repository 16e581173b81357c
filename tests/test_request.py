"""What a run may be asked for, read as it was meant or refused in one sentence."""

import pytest

from lib import book
from lib.book import request
from lib.book.request import BookError


def test_assignments_are_read_as_a_shell_reads_them():
    assert book.parsed("""seed=3 text='my "own" file é.txt' revision=1234567""") == {
        "seed": "3",
        "text": 'my "own" file é.txt',
        "revision": "1234567",
    }
    assert book.parsed("") == {}


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        ("seed", "takes name=value pairs parted by spaces, got 'seed'"),
        ("seed=1 seed=2", "gives seed twice, as '1' and '2'; give it once"),
        ("text='a b", "a quote that is not closed, got text='a b"),
    ],
)
def test_what_cannot_be_read_is_refused(assignments, said):
    with pytest.raises(BookError, match=said):
        book.parsed(assignments)


def chosen(assignments, *wanted):
    return book.chosen(book.parsed(assignments), wanted=list(wanted) or book.chapters())


def test_parameters_take_the_type_that_their_chapter_declares(monkeypatch):
    defaults = {"revision": "", "text": "", "n": 1, "share": 0.5, "all": True}
    monkeypatch.setattr(request, "defaults", lambda _: defaults)
    given = "revision=1234567 text=2024 n=8 share=1 all=false"
    assert chosen(given, "x")["x"] == {"revision": "1234567", "text": "2024", "n": 8, "share": 1.0, "all": False}
    for wrong, kind in (
        ("n=many", "int, got 'many'"),
        ("n=8.5", "int, got '8.5'"),
        ("all=perhaps", "bool, got 'perhaps'"),
    ):
        with pytest.raises(BookError, match=f"of chapter x is of type {kind}"):
            chosen(wrong, "x")


def test_a_value_that_papermill_took_for_a_number_is_refused_with_the_way_to_give_it():
    with pytest.raises(BookError, match=r"revision .* is of type str, got 1234567; papermill .* -r revision 1234567"):
        book.checked("01_final_layer", {"revision": 1234567})


def test_each_chapter_of_a_book_takes_the_parameters_that_it_has():
    given = chosen("count=3 seed=1")
    assert given["03_entropy_neurons"] == {"count": 3, "seed": 1} and given["01_final_layer"] == {"seed": 1}
    with pytest.raises(BookError, match="the book has no parameter 'cuont'; its parameters are model, "):
        chosen("cuont=3")
    with pytest.raises(BookError, match="chapter 01_final_layer has no parameter 'count'; its parameters are"):
        chosen("count=3", "01_final_layer")


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        ("model=pocket-chat", "the model is named by MODEL=…, not among the parameters, got model=pocket-chat"),
        ("results=X", "tables go to runs/<model>/results, and results=X cannot send them elsewhere"),
    ],
)
def test_what_is_named_elsewhere_is_not_passed_over(assignments, said):
    with pytest.raises(BookError, match=said):
        chosen(assignments)


def test_files_and_folders_are_made_absolute_and_the_embedded_text_is_no_file(tmp_path, monkeypatch):
    for name in ("2024", "pocket", "it's é.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "twin").mkdir()
    monkeypatch.chdir(tmp_path)
    given = chosen("text=2024 plain=./twin", "12_emergence")["12_emergence"]
    assert given == {"text": str(tmp_path / "2024"), "plain": str(tmp_path / "twin")}
    assert chosen("text=pocket", "01_final_layer")["01_final_layer"] == {"text": "pocket"}
    assert chosen('text="it\'s é.txt"', "01_final_layer")["01_final_layer"] == {"text": str(tmp_path / "it's é.txt")}


def test_the_checked_cell_can_run_again_later_in_a_session():
    namespace = book.defaults("01_final_layer")
    book.parameters(namespace, chapter="01_final_layer")
    namespace["tokens"] = [1, 2]
    assert "tokens" not in book.parameters(namespace, chapter="01_final_layer")


def test_a_partner_is_named_once_and_a_folder_of_it_made_absolute(tmp_path, monkeypatch):
    (tmp_path / "tuned").mkdir()
    monkeypatch.chdir(tmp_path)
    assert request.with_partner({"seed": "1"}, "") == {"seed": "1"}
    assert request.with_partner({}, "./tuned") == {"post_trained": str(tmp_path / "tuned")}
    assert request.with_partner({}, "a/b@c") == {"post_trained": "a/b@c"}
    with pytest.raises(BookError, match="given twice, as POST_TRAINED=a and post_trained=b; give it once"):
        request.with_partner({"post_trained": "b"}, "a")


def test_a_chapter_of_one_model_has_no_use_for_a_partner():
    with pytest.raises(BookError, match="chapter 01_final_layer has no parameter 'post_trained'"):
        book.order("pocket", request.with_partner({}, "pocket-sft"), wanted=["01_final_layer"])
