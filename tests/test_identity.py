"""What a chapter's numbers are made of changes with everything that they are made of, and with nothing else."""

import shutil

import pytest

from lib import identity, source


@pytest.fixture
def parameters(gpt2_folder, tmp_path):
    folder = shutil.copytree(gpt2_folder, tmp_path / "m")
    for name in ("m-step-1", "m-plain"):
        shutil.copytree(gpt2_folder, tmp_path / name)
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "facts.csv").write_text("subject")
    return {
        "model": str(folder),
        "text": str(tmp_path / "a.txt"),
        "checkpoints": "",
        "facts_csv": str(tmp_path / "facts.csv"),
        "post_trained": str(tmp_path / "m-plain"),
    }


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


def append(path):
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("m/model.safetensors", {"model"}),
        ("m/tokenizer.json", {"model"}),
        ("a.txt", {"text"}),
        ("facts.csv", {"facts"}),
        ("m-step-1/model.safetensors", {"beside"}),
        ("m-plain/config.json", {"beside", "post_trained"}),
        ("m/README.md", set()),
        ("b.txt", set()),
    ],
)
def test_each_part_answers_for_what_it_reads(file, named, parameters, tmp_path):
    (tmp_path / "m/README.md").write_text("a note")
    (tmp_path / "b.txt").write_text("another text")
    before = identity.made_of(parameters)
    append(tmp_path / file)
    assert changed(before, identity.made_of(parameters)) == named


def test_a_loaded_model_is_taken_at_its_word_and_checkpoints_count_where_a_chapter_reads_them(parameters):
    loaded = source.Source("m", "directory", parameters["model"], "as loaded")
    found = identity.made_of({"text": "pocket"}, loaded=loaded)
    assert found["model"] == "as loaded" and set(found) == {"model", "text", "library", "environment"}
    assert "beside" in identity.made_of(parameters)


def test_checkpoints_that_are_named_count_too(parameters, tmp_path):
    named = parameters | {"checkpoints": "other-1"}
    (tmp_path / "other-1").mkdir()
    before = identity.made_of(named)
    (tmp_path / "other-1" / "config.json").write_text("{}")
    assert changed(before, identity.made_of(named)) == {"beside"}


COUNTS = {
    "lib/a.py": True,
    "lib/facts/capital.csv": True,
    "book/claims/x.yml": True,
    "lib/facts/notes.md": False,
    "lib/pocket/trials.md": False,
    "lib/pocket/train.py": False,
    "lib/bench/run.py": False,
    "lib/pocket/models/p/model.safetensors": False,
    "lib/pocket/sample.txt": False,
    "lib/.a.py.swp": False,
    "lib/__pycache__/a.pyc": False,
    "book/intro.md": False,
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of a few files in place of ours."""
    for name in COUNTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(identity, "LIBRARY", tmp_path / "lib")
    monkeypatch.setattr(identity, "CLAIMS", tmp_path / "book/claims")
    return tmp_path


@pytest.mark.parametrize(("name", "counts"), COUNTS.items())
def test_the_library_is_code_and_what_it_reads_and_no_note(name, counts, library):
    before = identity.library.__wrapped__()
    append(library / name)
    assert (identity.library.__wrapped__() != before) == counts


def test_the_environment_is_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)  # whatever these tests themselves run under
    monkeypatch.setattr(identity, "REQUIREMENTS", tmp_path / "requirements.txt")
    (tmp_path / "requirements.txt").write_text("# numbers\nnumpy==1\n")
    monkeypatch.setattr(identity, "version", lambda _: "1")
    before = identity.environment.__wrapped__()
    (tmp_path / "requirements.txt").write_text("numpy==1\n# a note\n")
    assert identity.environment.__wrapped__() == before
    monkeypatch.setattr(identity, "version", lambda _: "2")
    assert identity.environment.__wrapped__() != before
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    monkeypatch.setattr(identity, "version", lambda _: "1")
    assert identity.environment.__wrapped__() != before


def test_a_pair_is_made_of_its_partner_and_of_the_stage_between_though_neither_was_named():
    found = identity.made_of({"model": "pocket", "post_trained": ""})
    assert found["post_trained"] == source.resolve("pocket-chat").revision
    assert found["sft"] == source.resolve("pocket-sft").revision
    named = identity.made_of({"model": "pocket", "post_trained": "pocket-chat"})
    assert changed(found, named) == set() == {*found} ^ {*named}
    other = identity.made_of({"model": "pocket", "post_trained": "pocket-sft"})
    assert other["post_trained"] == found["sft"] and "sft" not in other
    assert "post_trained" not in identity.made_of({"model": "pocket"})


def test_a_pair_without_a_partner_is_refused(parameters):
    with pytest.raises(source.SourceError, match="has no post-trained partner"):
        identity.made_of(parameters | {"post_trained": ""})


def test_folders_and_files_are_told_by_their_own_names():
    given = {"model": "/a/b", "text": "/a/c.txt", "results": "/a/r", "post_trained": "org/name", "seed": 3}
    told = {"model": "b", "text": "c.txt", "results": "", "post_trained": "org/name", "seed": 3}
    assert identity.told(given) == told
