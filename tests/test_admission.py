"""Every folder of files that do not belong together is refused in one sentence; those that do are let in."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib import admission, book, source
from lib import model as door
from lib.source import SourceError
from tests.conftest import ARCHITECTURES, D_VOCAB, build


@pytest.fixture
def folder(gpt2_folder, tmp_path):
    return shutil.copytree(gpt2_folder, tmp_path / "given")


def configure(folder, **settings):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def tokens(folder, change):
    """Changes the tokens of a folder's tokenizer."""
    known = json.loads((folder / "tokenizer.json").read_text())
    vocab = known["model"]["vocab"]
    change(vocab)
    merges = known["model"]["merges"]
    known["model"]["merges"] = [pair for pair in merges if {*pair, "".join(pair)} <= {*vocab}]
    (folder / "tokenizer.json").write_text(json.dumps(known))


def changed(folder, name, change):
    weights = load_file(folder / "model.safetensors")
    weights[name] = change(weights[name])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def refused(folder, why):
    """Whether the model is refused with these words, by whoever loads it and before a kernel starts alike."""
    with pytest.raises(SourceError, match=why):
        door.load(str(folder))
    with pytest.raises(SourceError, match=why):
        book.order(str(folder), {}, wanted=book.chapters()[:1])


def test_an_adapter_is_refused_beside_its_base_and_alone(folder):
    (folder / "adapter_config.json").write_text("{}")
    refused(folder, "an adapter .* merge it first")
    (folder / "config.json").unlink()
    refused(folder, "an adapter .* merge it first")


@pytest.mark.parametrize("kind", ["bitsandbytes", "gptq", "awq"])
def test_quantised_weights_are_refused_by_name(folder, kind):
    configure(folder, quantization_config={"quant_method": kind})
    refused(folder, rf"are quantised \({kind}\)")


def sharded(folder):
    """Splits the one weight file in two, with an index; the one file stays."""
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    placed = {}
    for number, some in enumerate((names[::2], names[1::2]), start=1):
        shard = f"model-0000{number}-of-00002.safetensors"
        save_file({name: weights[name] for name in some}, folder / shard, {"format": "pt"})
        placed |= dict.fromkeys(some, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return folder


def test_an_old_weight_file_beside_new_shards_is_refused_and_either_alone_is_let_in(folder):
    sharded(folder)
    refused(folder, r"two sets of weights, model\.safetensors beside the shards that its index names")
    (folder / "model.safetensors").unlink()
    assert door.load(str(folder)).final_layer.d_vocab == D_VOCAB
    (folder / "consolidated.safetensors").write_bytes(b"as some publishers add; transformers never reads it")
    assert door.load(str(folder)).final_layer.d_vocab == D_VOCAB
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused(folder, r"lacks model-00002-of-00002\.safetensors")


@pytest.mark.parametrize("key", ["n_layer", "vocab_size"])
def test_a_configuration_smaller_than_its_weights_is_refused(folder, key):
    configure(folder, **{key: json.loads((folder / "config.json").read_text())[key] - 1})
    what = r"has weights of layer 2 \(.*h\.2\." if key == "n_layer" else "the weight .* is .* large, and its config"
    with pytest.raises(SourceError, match=f"{what}.* configuration and weights are of two models"):
        door.load(str(folder))


def test_shards_left_beside_one_file_are_refused(folder):
    sharded(folder)
    (folder / "model.safetensors.index.json").unlink()
    refused(folder, r"two sets of weights, model-00001-of-00002\.safetensors beside model\.safetensors")


def test_pickles_are_opened_only_for_who_trusts_them(folder, monkeypatch):
    monkeypatch.delenv(admission.TRUST_PICKLE, raising=False)
    before = door.load(str(folder))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    refused(folder, "are pickles, which can run code .* set TRUST_PICKLE=1")
    monkeypatch.setenv(admission.TRUST_PICKLE, "1")
    assert torch.equal(door.load(str(folder)).W_out, before.W_out)
    (folder / "pytorch_model.bin").rename(folder / "pytorch_model-00001-of-00001.bin")
    shards = dict.fromkeys(torch.load(folder / "pytorch_model-00001-of-00001.bin"), "pytorch_model-00001-of-00001.bin")
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    assert torch.equal(door.load(str(folder)).W_out, before.W_out)
    torch.save({}, folder / "pytorch_model.bin")
    refused(folder, r"two sets of weights, pytorch_model\.bin beside the shards that its index names")


def test_code_in_a_folder_is_never_run_and_nobody_is_asked(folder, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was put to the terminal"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    (folder / "modeling_own.py").write_text("raise SystemExit('this code was run')")
    own = {"AutoConfig": "modeling_own.Config", "AutoModelForCausalLM": "modeling_own.Model"}
    configure(folder, auto_map=own, model_type="own_architecture")
    with pytest.raises(SourceError, match="runs code of its own"):
        door.load(str(folder))


def test_a_hole_in_the_vocabulary_does_not_cut_the_last_token_out(folder):
    tokens(folder, lambda vocab: vocab.pop(next(t for t, id in vocab.items() if id == 1000)))
    model = door.load(str(folder))
    assert model.final_layer.d_vocab == D_VOCAB and admission.holes(model.tokenizer.backend, D_VOCAB) == [1000]


def test_a_tokenizer_with_many_holes_or_with_tokens_beyond_the_rows_is_of_another_model(folder):
    few = {id for id in range(100, 200)}
    tokens(folder, lambda vocab: [vocab.pop(t) for t in [t for t, id in vocab.items() if id in few]])
    with pytest.raises(SourceError, match=rf"has no token for 100 of {D_VOCAB:,} ids; it belongs to another model"):
        door.load(str(folder))
    tokens(folder, lambda vocab: vocab.update({f"word{i}": D_VOCAB + i for i in range(20)}))
    with pytest.raises(
        SourceError, match=rf"has the token 'word8' at {D_VOCAB + 8}, but the weights have {D_VOCAB + 8}"
    ):
        door.load(str(folder))


def test_a_broken_tokenizer_is_said_in_one_sentence(folder):
    known = json.loads((folder / "tokenizer.json").read_text())
    known["model"]["vocab"].popitem()
    (folder / "tokenizer.json").write_text(json.dumps(known))
    with pytest.raises(SourceError, match=r"could not be loaded: Token .* out of vocabulary"):
        door.load(str(folder))


def special(folder, **tokens_at):
    """Gives special tokens a place in the tokenizer and its settings."""
    known = json.loads((folder / "tokenizer.json").read_text())
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    for name, id in tokens_at.items():
        text = f"<{name}>"
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        known["added_tokens"].append({"id": id, "content": text, "special": True, **flags})
        settings[name] = text
    (folder / "tokenizer.json").write_text(json.dumps(known))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize("name", ["bos", "eos"])
def test_a_bos_or_eos_without_a_row_is_refused(tmp_path, name):
    folder = build(tmp_path / "m", "gpt2", **ARCHITECTURES["gpt2"], vocab_size=D_VOCAB)
    special(folder, **{f"{name}_token": D_VOCAB})
    with pytest.raises(SourceError, match=rf"the {name.upper()} of .* is token {D_VOCAB}, but the weights have"):
        door.load(str(folder))


def test_an_added_padding_token_without_a_row_is_let_in(tmp_path):
    folder = build(tmp_path / "m", "gpt2", **ARCHITECTURES["gpt2"], vocab_size=D_VOCAB)
    special(folder, pad_token=D_VOCAB)
    assert door.load(str(folder)).final_layer.d_vocab == D_VOCAB


def test_weights_that_are_not_finite_or_all_zero_are_named(folder):
    changed(folder, "transformer.h.1.mlp.c_fc.weight", lambda w: w.fill_(torch.nan))
    with pytest.raises(SourceError, match=r"the weight transformer\.h\.1\.mlp\.c_fc\.weight .* not finite"):
        door.load(str(folder))
    changed(folder, "transformer.h.1.mlp.c_fc.weight", torch.ones_like)
    changed(folder, "transformer.wte.weight", torch.zeros_like)
    with pytest.raises(SourceError, match=r"the embedding of .* is all zero"):
        door.load(str(folder))


def test_every_embedded_model_is_let_in_and_says_which_layers_are_silent():
    for name in source.pocket_names():
        admission.files(source.POCKET_MODELS / name, name)
    assert admission.silent(door.load("pocket").bridge.original_model) == []
    assert admission.silent(door.load("pocket-step-00000").bridge.original_model)
