"""Two models of a pair are proved to fit each other, and a partner that does not is one sentence."""

import json
import shutil

import pytest

from lib import pair, source
from lib.model import ModelError
from tests.conftest import ARCHITECTURES, D_VOCAB, build

CHOSEN = {"dtype": "float32", "device": "cpu"}


@pytest.mark.long
def test_the_embedded_pair_has_three_stages_and_each_is_called_by_its_own_name():
    found = pair.load("pocket", **CHOSEN)
    assert {name: model.name for name, model in found.models.items()} == {
        "base": "pocket",
        "sft": "pocket-sft",
        "post": "pocket-chat",
    }
    assert [*found.models] == ["base", "sft", "post"]


@pytest.mark.long
def test_a_partner_that_is_named_stands_alone(gpt2_folder):
    found = pair.load(str(gpt2_folder), str(gpt2_folder), **CHOSEN)
    assert found.sft is None and [*found.models] == ["base", "post"]
    named = pair.load("pocket", "pocket-sft", **CHOSEN)
    assert named.sft is None and named.post.name == "pocket-sft"


@pytest.mark.long
def test_every_architecture_makes_a_pair_with_itself(tiny, tiny_folder):
    pair.check(tiny, tiny)
    assert pair.load(str(tiny_folder), str(tiny_folder), **CHOSEN).post.name == tiny.name


MISFITS = {
    "architecture": ("llama", ARCHITECTURES["llama"]),
    "number of layers": ("gpt2", ARCHITECTURES["gpt2"] | {"n_layer": 2}),
    "d_model": ("gpt2", ARCHITECTURES["gpt2"] | {"n_embd": 16}),
    "d_mlp": ("gpt2", ARCHITECTURES["gpt2"] | {"n_inner": 40}),
}


@pytest.mark.long
@pytest.mark.parametrize("part", MISFITS)
def test_a_partner_of_another_shape_is_one_sentence(part, gpt2_folder, tmp_path):
    kind, config = MISFITS[part]
    folder = build(tmp_path / "other", kind, **config)
    with pytest.raises(ModelError, match=f"a pair needs two models of one {part}, but .* has .* and other@.* has") as e:
        pair.load(str(gpt2_folder), str(folder), **CHOSEN)
    assert "\n" not in str(e.value) and "Traceback" not in str(e.value)


def test_rows_that_pad_the_vocabulary_make_no_other_shape(gpt2_folder, tmp_path):
    folder = build(tmp_path / "padded", "gpt2", **ARCHITECTURES["gpt2"] | {"vocab_size": D_VOCAB + 40})
    assert pair.load(str(gpt2_folder), str(folder), **CHOSEN).post.final_layer.d_vocab == D_VOCAB


def test_a_partner_that_reads_other_tokens_is_one_sentence(gpt2_folder, tmp_path):
    folder = shutil.copytree(gpt2_folder, tmp_path / "other")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    first, second = [token for token in vocabulary if len(token) == 1][:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="do not read the same tokens, so their positions do not match"):
        pair.load(str(gpt2_folder), str(folder), **CHOSEN)


def test_a_base_without_a_partner_is_told_how_to_name_one(gpt2_folder):
    for alone in (str(gpt2_folder), "pocket-chat"):
        with pytest.raises(source.SourceError, match="has no post-trained partner that this book knows; name one by"):
            pair.load(alone, **CHOSEN)


def test_a_pair_is_filed_under_both_names_unless_its_partner_is_the_known_one(gpt2_folder):
    assert source.slug_of_pair("pocket") == source.slug_of_pair("pocket", "pocket-chat") == "pocket"
    assert source.slug_of_pair("pocket", "pocket-sft") == "pocket+pocket-sft"
    assert source.slug_of_pair("a/b", "c/d@e", revision="f") == "a--b--f+c--d--e"
    own = source.slug(str(gpt2_folder))
    assert source.slug_of_pair(str(gpt2_folder)) == own
    assert source.slug_of_pair(str(gpt2_folder), str(gpt2_folder)) == f"{own}+{own}"
    assert "+" not in source.slug("a+b/c")
