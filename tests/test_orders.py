"""What each chapter is asked for is written down by content, and only where it changed."""

import json
import shutil

import pytest

from lib import book, source
from lib.book import orders, request
from lib.book.request import BookError
from lib.source import SourceError

ONE = ["01_final_layer"]


@pytest.fixture
def own(gpt2_folder, tmp_path):
    return shutil.copytree(gpt2_folder, tmp_path / "final")


def asked(run):
    return {path.stem: (path.stat().st_mtime_ns, json.loads(path.read_text())) for path in (run / "asked").iterdir()}


def test_a_request_is_written_once_and_anew_when_it_is_another(own, tmp_path):
    (tmp_path / "a.txt").write_text("one")
    given = {"text": str(tmp_path / "a.txt"), "seed": "3"}
    run = tmp_path / "run"
    book.order(str(own), given, wanted=ONE).write(run)
    first = asked(run)
    book.order(str(own), given, wanted=ONE).write(run)
    assert asked(run) == first
    (tmp_path / "a.txt").write_text("two")
    book.order(str(own), given, wanted=ONE).write(run)
    before, after = first[ONE[0]][1], asked(run)[ONE[0]][1]
    assert {name for name in before["made_of"] if before["made_of"][name] != after["made_of"][name]} == {"text"}
    assert before["parameters"] == after["parameters"] == {"model": str(own), **given, "seed": 3}
    assert before["fingerprint"] != after["fingerprint"]


def test_a_model_that_lies_elsewhere_is_asked_for_by_its_content_and_nothing_is_stale(own, tmp_path):
    elsewhere = shutil.copytree(own, tmp_path / "moved" / own.name)
    one, other = (book.order(str(folder), {"seed": "1"}, wanted=ONE) for folder in (own, elsewhere))
    assert one.slug == other.slug and one.asked[ONE[0]]["fingerprint"] == other.asked[ONE[0]]["fingerprint"]
    one.write(tmp_path)
    before = asked(tmp_path)[ONE[0]]
    other.write(tmp_path)
    after = asked(tmp_path)[ONE[0]]
    assert after[0] == before[0] and after[1]["parameters"]["model"] == str(elsewhere.resolve())
    book.order(str(elsewhere), {"seed": "2"}, wanted=ONE).write(tmp_path)
    assert asked(tmp_path)[ONE[0]][0] > before[0]


def test_a_folder_has_a_run_of_its_own_for_all_that_it_ever_holds(own):
    first = book.order(str(own), {}, wanted=ONE)
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(config | {"layer_norm_epsilon": 0.5}))
    second = book.order(str(own), {}, wanted=ONE)
    assert first.slug.startswith("final--") and second.slug.startswith("final--") and first.slug != second.slug
    assert first.model == second.model == str(own)


def test_an_embedded_model_keeps_its_folder_and_a_chapter_about_checkpoints_counts_them():
    found = book.order("pocket", {"count": "3"}, wanted=book.chapters())
    assert found.slug == "pocket" and "beside" in found.asked["12_emergence"]["made_of"]
    assert "beside" not in found.asked[ONE[0]]["made_of"]
    assert found.asked["03_entropy_neurons"]["parameters"] == {"model": "pocket", "count": 3}


def test_a_text_that_nobody_can_tell_is_refused_before_a_kernel_starts(monkeypatch):
    monkeypatch.setattr(orders.identity.documents, "fingerprint", lambda _: "")
    with pytest.raises(BookError, match="the text 'nowhere/at-all' is neither 'pocket' nor 'python', not a file"):
        book.order("pocket", {"text": "nowhere/at-all"}, wanted=ONE)


def card(**made_of):
    return {"fingerprint": {"model": "m", "library": "l", "environment": "e"} | made_of}


def test_why_the_hub_does_not_tell_of_a_text_is_passed_on(monkeypatch):
    monkeypatch.setattr(
        "huggingface_hub.HfApi.dataset_info", lambda *_, **__: (_ for _ in ()).throw(OSError("gated\nx"))
    )
    with pytest.raises(book.BookError, match=r"not a data set that the hub tells of \(OSError: gated\); correct the"):
        book.order("pocket", {"text": "org/data"}, wanted=book.chapters()[:1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"device": "gpu"}, "parameter device of chapter 01_final_layer has to be cpu, or cuda for a GPU, got 'gpu'"),
        ({"dtype": "float16"}, "parameter dtype of .* has to be one of float32, bfloat16, float64, got 'float16'"),
        ({"n_sequences": "2"}, "n_sequences of chapter 01_final_layer has to be 8 or more, got 2"),
    ],
)
def test_what_no_chapter_takes_is_refused_before_a_kernel_starts(given, said):
    with pytest.raises(book.BookError, match=said):
        book.order("pocket", given, wanted=book.chapters()[:2])


def test_a_device_that_is_not_here_stops_a_run_before_it_begins(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(book.BookError, match="this machine has no usable GPU"):
        book.make("chapter", model="pocket", chapter="01", assignments="device=cuda", jobs=1)


def test_a_partner_is_looked_at_like_the_model_itself(own, chapter_of_a_pair, tmp_path, monkeypatch):
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(SourceError, match=r"are quantised \(gptq\)"):
        book.order("pocket", {"post_trained": str(own)}, wanted=[chapter_of_a_pair])
    own.rename(tmp_path / "gpt2")
    monkeypatch.chdir(tmp_path)
    for given in ({"post_trained": "gpt2"}, {"plain": "gpt2"}):
        with pytest.raises(SourceError, match="is a folder here and may be a model on the hub"):
            book.order("pocket", given, wanted=[chapter_of_a_pair, *book.chapters()[-1:]])
    with pytest.raises(SourceError, match="may be a model on the hub"):
        book.make("book", model="pocket", chapter="", assignments="", post_trained="gpt2", jobs=1)


def test_a_graph_takes_the_settings_that_it_knows_and_chapters_that_there_are():
    book.refuse_settings({"model": "pocket", "threads": 1})
    with pytest.raises(book.BookError, match="the graph has no setting 'n_sequences'; its settings are model, "):
        book.refuse_settings({"model": "pocket", "n_sequences": 8})
    assert book.chapters_named(["2"]) == book.chapters_named(2) == [book.chapters()[1]] and not book.chapters_named(
        None
    )
    with pytest.raises(book.BookError, match="there is no chapter '99'"):
        book.chapters_named(["99"])


def test_one_book_is_about_one_model():
    orders.refuse_mixture({"01": card(), "02": card(text="t"), "03": card(text="u")})
    with pytest.raises(BookError, match="the model of chapter 01 is m and that of 03 is n"):
        orders.refuse_mixture({"01": card(), "02": card(), "03": card(model="n")})
    pair = {"post_trained": "p", "sft": "s"}
    orders.refuse_mixture({"01": card(), "08": card(**pair), "11": card(**pair)})
    with pytest.raises(BookError, match="the post_trained of chapter 08 is p and that of 11 is q"):
        orders.refuse_mixture({"01": card(), "08": card(**pair), "11": card(**pair | {"post_trained": "q"})})
    with pytest.raises(BookError, match="the sft of chapter 08 is s and that of 11 is t"):
        orders.refuse_mixture({"01": card(), "08": card(**pair), "11": card(**pair | {"sft": "t"})})


def test_a_chapter_that_is_not_what_was_asked_for_is_not_published(tmp_path):
    made = book.order("pocket", {}, wanted=ONE)
    made.write(tmp_path)
    fits = {"metadata": {"asked": made.asked[ONE[0]]["fingerprint"]}}
    orders.refuse_other(tmp_path, ONE[0], fits)
    with pytest.raises(BookError, match=r"chapter 01_final_layer in .* was made of something else than is asked for"):
        orders.refuse_other(tmp_path, ONE[0], {"metadata": {}})


def test_a_revision_given_among_the_parameters_is_the_models(monkeypatch):
    resolved = source.Source("org/name", "hub", "org/name", "c0ffee")
    seen = []
    monkeypatch.setattr(source, "resolve", lambda model, revision="": seen.append((model, revision)) or resolved)
    monkeypatch.setattr(orders.machine, "needed", lambda *_, **__: 1)
    found = book.order("org/name", {"revision": "1234567"}, wanted=ONE)
    assert seen[0] == ("org/name", "1234567") and found.slug == "org--name--1234567"
    assert found.asked[ONE[0]]["made_of"]["model"] == "c0ffee"


@pytest.fixture
def chapter_of_a_pair(tmp_path, monkeypatch):
    """One of the book's chapters, of a pair."""
    known = request.defaults
    monkeypatch.setattr(request, "defaults", lambda name: known(name) | ({"post_trained": ""} if name in ONE else {}))
    return ONE[0]


def test_a_book_has_the_chapters_of_a_pair_where_there_is_a_partner(chapter_of_a_pair, gpt2_folder):
    every, alone = book.chapters(), str(gpt2_folder)
    assert book.chapters_about("pocket", {}) == every == book.chapters_about(alone, {"post_trained": alone})
    left = {*every} - {*book.chapters_about(alone, {})}
    assert chapter_of_a_pair in left and all(map(book.is_of_a_pair, left))
    assert {*book.chapters_about(alone, {"post_trained": ""})} == {*every} - left


def test_another_partner_is_another_run_and_one_that_changed_is_read_again(chapter_of_a_pair, own, tmp_path):
    partner = shutil.copytree(own, tmp_path / "tuned")
    given = {"post_trained": str(partner)}
    first = book.order(str(own), given, wanted=ONE)
    assert first.slug == f"{source.slug(str(own))}+{source.slug(str(partner))}"
    assert book.order("pocket", {}, wanted=ONE).slug == "pocket"
    (partner / "config.json").write_text((partner / "config.json").read_text() + " ")
    second = book.order(str(own), given, wanted=ONE)
    before, after = (found.asked[chapter_of_a_pair]["made_of"] for found in (first, second))
    assert {name for name in before if before[name] != after[name]} == {"post_trained"}
    with pytest.raises(source.SourceError, match="has no post-trained partner that this book knows"):
        book.order(str(own), {}, wanted=ONE)


def test_the_memory_of_a_chapter_of_a_pair_is_that_of_all_its_models(chapter_of_a_pair):
    wanted = [chapter_of_a_pair, "02_null_space"]
    found = book.order("pocket", {"dtype": "float64"}, wanted=wanted).memory
    sources = [source.resolve(name) for name in ("pocket", "pocket-chat", "pocket-sft")]
    assert found == {
        wanted[0]: orders.machine.needed(*sources, dtype="float64"),
        wanted[1]: orders.machine.needed(sources[0], dtype="float64"),
    }
    assert found[wanted[0]] > found[wanted[1]]
