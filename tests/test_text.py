import pytest
import torch

from lib import text


def cut(documents, n_sequences=2, sequence_length=6):
    encoded = ([int(word) for word in document.split()] for document in documents)
    return text.sequences(encoded, bos=0, eos=9, n_sequences=n_sequences, sequence_length=sequence_length)


def test_sequences_are_bos_and_running_text_with_documents_parted_by_eos():
    assert cut(["1 2 3", "4 5 6 7 8", "1"]).tolist() == [[0, 1, 2, 3, 9, 4], [0, 5, 6, 7, 8, 9]]


def test_scored_positions_leave_out_the_start_the_end_and_the_joints():
    tokens = torch.tensor([[0, 1, 2, 3, 4, 5, 9, 6, 7, 8]])
    kept = text.scored(tokens, bos=0, eos=9)
    assert kept.nonzero()[:, 1].tolist() == [3, 4, 7, 8]


def test_text_that_is_too_short_is_refused_with_the_number_that_fits():
    with pytest.raises(text.TextError, match=r"need 10 tokens of text, but the text has 7, enough for 1"):
        cut(["1 2 3 4 5 6"])


@pytest.mark.parametrize("size", [{"n_sequences": 0}, {"sequence_length": 3}])
def test_no_sequence_at_all_is_refused(size):
    with pytest.raises(text.TextError, match="at least 1 sequence of at least 6 tokens"):
        cut(["1 2 3"], **size)


def test_blank_lines_part_the_documents_of_a_file(tmp_path):
    file = tmp_path / "two.txt"
    file.write_text("one\nstill one\n\ntwo\n")
    assert list(text.documents(str(file))) == ["one\nstill one", "two"]


def test_an_empty_file_an_empty_folder_and_bytes_are_refused(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(text.TextError, match=r"empty\.txt is empty"):
        text.documents(str(tmp_path / "empty.txt"))
    with pytest.raises(text.TextError, match=r"holds no text; files that can be read end in \.txt, \.jsonl, \.parquet"):
        text.documents(str((tmp_path / "none").mkdir() or tmp_path / "none"))
    with pytest.raises(text.TextError, match="not UTF-8"):
        text.documents(str(tmp_path / "bytes.txt"))


@pytest.mark.parametrize(("name", "asked"), [
    ("org/set", ("org/set", None, None)),
    ("allenai/c4:en@abc", ("allenai/c4", "en", "abc")),
    ("org/set@abc", ("org/set", None, "abc")),
])  # fmt: skip
def test_a_hub_data_set_is_streamed_by_its_text_column(monkeypatch, name, asked):
    import datasets

    def load(repository, *, name, revision, split, streaming):
        assert (repository, name, revision, split, streaming) == (*asked, "train", True)
        return iter([{"text": "one"}, {"text": "one"}, {"text": ""}, {"text": None}, {"text": "two\n"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    found = text.documents(name)
    assert list(found) == ["one", "two"] and found.skipped == "2 rows without text were skipped"


def test_a_data_set_without_a_text_column_and_one_that_fails_say_why(monkeypatch):
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: iter([{"body": ""}]))
    with pytest.raises(text.TextError, match=r"no column `text` \(it has body\)"):
        text.documents("org/set")

    def unreachable(*_, **__):
        raise ConnectionError("no route\nto it")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(text.TextError, match=r"not a file or folder, and cannot .* \(ConnectionError: no route\)"):
        text.documents("nowhere/at-all")


def test_a_byte_order_mark_is_no_text_and_a_line_of_blanks_is_blank(tmp_path):
    file = tmp_path / "typed.txt"
    file.write_bytes("\ufeffone\r\n \t\r\ntwo\n\n\nthree".encode())
    assert list(text.documents(str(file))) == ["one", "two", "three"]


def test_rows_are_read_by_field_and_a_folder_is_all_its_files(tmp_path):
    import pyarrow
    from pyarrow import parquet

    (tmp_path / "a.jsonl").write_text('{"text": "one", "id": 1}\n\n{"text": " "}\n{"text": "two\\n\\nstill two"}\n')
    parquet.write_table(pyarrow.table({"id": [1, 2], "text": ["three", None]}), tmp_path / "b.parquet")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.txt").write_text("four\n\nfive")
    (tmp_path / "notes.pdf").write_bytes(b"\xff")
    found = text.documents(str(tmp_path))
    assert list(found) == ["one", "two\n\nstill two", "three", "four", "five"] and found.n_skipped == 2


@pytest.mark.parametrize(("name", "content", "why"), [
    ("a.jsonl", b'{"text": "one"}\nplain', r"line 2 of .*a\.jsonl is not JSON; a \.jsonl file has one object a line"),
    ("a.jsonl", b'{"body": "one"}', r"line 1 of .*a\.jsonl has no field `text` \(it has body\); rename"),
    ("a.jsonl", b"[1]", r"has no field `text` \(it has none\)"),
    ("a.jsonl", b"\n", r"a\.jsonl is empty"),
    ("a.parquet", b"no table", r"a\.parquet is not a parquet file that can be read"),
])  # fmt: skip
def test_rows_that_cannot_be_read_are_refused_by_file_and_line(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(text.TextError, match=why):
        list(text.documents(str(tmp_path / name)))


def test_ends_of_names_are_read_in_any_case_and_data_is_no_running_text(tmp_path):
    (tmp_path / "A.JSONL").write_text('{"text": "one"}\n')
    (tmp_path / "B.TXT").write_text("two")
    (tmp_path / "empty.txt").write_text("")
    assert [*text.documents(str(tmp_path))] == ["one", "two"]
    assert [*text.documents(str(tmp_path / "A.JSONL"))] == ["one"]
    for name in ("c.json", "D.CSV"):
        (tmp_path / name).write_text("[]")
        with pytest.raises(text.TextError, match=rf"{name} holds data and not running text; save it as \.jsonl"):
            text.documents(str(tmp_path / name))


def test_rows_without_text_are_counted_for_the_card_and_nothing_but_them_is_refused(tmp_path):
    from lib import documents

    some, none = tmp_path / "some.jsonl", tmp_path / "none.jsonl"
    some.write_text('{"text": "one"}\n{"text": null}\n{"text": "\\ud800 two"}\n{"text": " "}\n')
    assert [*text.documents(str(some))] == ["one", "\ufffd two"]
    assert documents.skipped(str(some)) == 2 and documents.skipped("pocket") == 0
    none.write_text('{"text": 3}\n{"text": null}\n')
    with pytest.raises(text.TextError, match=r"no row of none\.jsonl holds text, of 2 that were read"):
        [*text.documents(str(none))]


def test_what_looks_like_a_special_token_in_text_is_letters(pocket, tmp_path):
    (tmp_path / "web.txt").write_text("one <|endoftext|> two")
    (ids,) = pocket.encoded(str(tmp_path / "web.txt"))
    assert pocket.tokenizer.eos not in ids and pocket.tokenizer.backend.decode(ids) == "one <|endoftext|> two"
    assert pocket.tokenizer.eos in pocket.tokenizer.encode("one <|endoftext|> two")  # as in a chat template


def test_no_text_named_is_the_sample_for_a_pocket_model_and_the_manual_for_any_other(pocket):
    assert text.suiting("", kind="pocket") == "pocket" and text.suiting("a.txt", kind="pocket") == "a.txt"
    assert next(pocket.encoded("")) == next(pocket.encoded("pocket"))
    assert text.suiting("", kind="hub") == text.suiting("", kind="directory") == "python"
    manual = list(text.documents("python"))
    assert len(manual) > 50 and sum(map(len, manual)) > 300_000 and manual[0].startswith('The "assert" statement')


def test_a_text_is_known_by_content_wherever_it_lies(tmp_path):
    for name, words in {"a": "one", "b": "one", "c": "two"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(words)
    one, same, other = (text.fingerprint(str(tmp_path / name)) for name in "abc")
    assert one == same != other
    assert len({text.fingerprint("python"), text.fingerprint("pocket"), one}) == 3


def test_a_text_is_described_without_its_place(tmp_path):
    (tmp_path / "mine.txt").write_text("one")
    assert text.described(str(tmp_path / "mine.txt")) == "the file mine.txt"
    assert text.described(str(tmp_path)) == f"the folder {tmp_path.name}"
    assert text.described("allenai/c4:en") == "the data set allenai/c4:en"
