import pytest
import torch

from lib import text


def words(document):
    return [int(word) for word in document.split()]


def cut(documents, n_sequences=2, sequence_length=6):
    return text.sequences(documents, words, bos=0, eos=9, n_sequences=n_sequences, sequence_length=sequence_length)


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


def test_an_empty_file_a_directory_and_bytes_are_refused(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(text.TextError, match=r"empty\.txt is empty"):
        text.documents(str(tmp_path / "empty.txt"))
    with pytest.raises(text.TextError, match="is a directory"):
        text.documents(str(tmp_path))
    with pytest.raises(text.TextError, match="not UTF-8"):
        text.documents(str(tmp_path / "bytes.txt"))


def test_a_hub_data_set_is_streamed_by_its_text_column(monkeypatch):
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda name, split, streaming: [{"text": name}, {"text": split}])
    assert list(text.documents("org/set")) == ["org/set", "train"]
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split, streaming: [{"body": ""}])
    with pytest.raises(text.TextError, match="no column `text` \\(it has body\\)"):
        text.documents("org/set")


def test_a_text_that_is_nowhere_is_said_in_one_sentence(monkeypatch):
    import datasets

    def unreachable(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(text.TextError, match="is not 'pocket', not a file, and cannot be streamed"):
        text.documents("nowhere/at-all")
