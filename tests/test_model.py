import shutil

import pytest
import torch
from torch.testing import assert_close

from lib import model as door
from lib.source import SourceError
from tests.conftest import ARCHITECTURES, D_VOCAB, build


def plain_logits(folder, tokens):
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.inference_mode():
        return plain(tokens).logits[..., :D_VOCAB]


@pytest.mark.long
def test_the_doors_logits_are_those_of_the_plain_model(tiny_folder, generator):
    tokens = torch.randint(D_VOCAB, (3, 12), generator=generator)
    model = door.load(str(tiny_folder))
    run = model.run(tokens, "resid", "scale", "activation", "logits", batch_size=2)
    expected = plain_logits(tiny_folder, tokens)
    assert_close(run.logits, expected, atol=1e-4, rtol=0)
    assert_close(model.final_layer.logits(run.resid), expected, atol=1e-4, rtol=0)
    assert_close(model.final_layer.logits(run.resid, scale=run.scale), expected, atol=1e-4, rtol=0)
    frozen = model.final_layer.logits(run.resid, scale=2 * run.scale)
    assert (frozen - expected).abs().max() > 0.05


@pytest.mark.long
def test_padded_rows_of_the_vocabulary_are_left_out(tiny_folder):
    assert door.load(str(tiny_folder)).final_layer.d_vocab == D_VOCAB


def test_only_what_was_named_is_kept(pocket):
    run = pocket.run(torch.zeros(2, 6, dtype=torch.long), "resid")
    assert set(run) == {"resid"}
    with pytest.raises(AttributeError, match="this run holds resid; to have 'logits', name it"):
        _ = run.logits


def test_attention_patterns_sum_to_one_and_look_only_back(pocket, generator):
    pattern = pocket.run(torch.randint(D_VOCAB, (2, 9), generator=generator), "pattern").pattern
    assert pattern.shape == (2, pocket.n_layers, 4, 9, 9)
    assert_close(pattern.sum(-1), torch.ones(2, pocket.n_layers, 4, 9))
    assert pattern.triu(1).abs().max() == 0


def test_batches_do_not_change_what_is_measured(pocket, generator):
    tokens = torch.randint(D_VOCAB, (5, 20), generator=generator)
    one, all_at_once = (pocket.run(tokens, "resid", batch_size=size).resid for size in (1, 5))
    assert_close(one, all_at_once, atol=1e-4, rtol=1e-4)


def test_bfloat16_weights_keep_a_float32_last_layer(gpt2_folder):
    assert door.load(str(gpt2_folder), dtype="bfloat16").final_layer.W_U.dtype == torch.float32


def test_a_detail_that_the_door_does_not_know_is_refused(tmp_path):
    folder = build(tmp_path, "granite", **ARCHITECTURES["llama"], residual_multiplier=0.5)
    with pytest.raises(door.ModelError, match="writes something else than its activations times W_out"):
        door.load(str(folder))


def test_the_self_check_notices_a_wrong_last_layer(pocket):
    from dataclasses import replace

    bent = replace(pocket, final_layer=replace(pocket.final_layer, b_U=pocket.final_layer.b_U + 1))
    with pytest.raises(door.ModelError, match="misses its logits"):
        door.prove(bent)


def test_a_checkpoint_without_a_head_is_refused_instead_of_given_a_random_one(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = build(tmp_path, "llama", **ARCHITECTURES["llama"])
    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if k != "lm_head.weight"}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(door.ModelError, match=r"lacks lm_head\.weight"):
        door.load(str(folder))


def test_a_truncated_weight_file_is_named(gpt2_folder, tmp_path):
    folder = shutil.copytree(gpt2_folder, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(SourceError, match=r"a weight file in .* is cut short or damaged"):
        door.load(str(folder))


@pytest.mark.parametrize(("lost", "said"), [("config.json", "no config.json"), ("tokenizer.json", "no tokenizer")])
def test_an_incomplete_directory_is_refused_with_what_it_lacks(gpt2_folder, tmp_path, lost, said):
    folder = shutil.copytree(gpt2_folder, tmp_path / "part")
    (folder / lost).unlink()
    with pytest.raises(SourceError, match=said):
        door.load(str(folder))


def test_unknown_dtype_and_missing_gpu_are_said_in_one_sentence():
    with pytest.raises(ValueError, match="dtype must be one of float32, bfloat16, float64, got 'half'"):
        door.load("pocket", dtype="half")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no usable GPU; use device='cpu'"):
            door.load("pocket", device="cuda")


def test_token_ids_outside_the_vocabulary_are_refused(pocket):
    with pytest.raises(ValueError, match=rf"token ids must lie in 0 … {D_VOCAB - 1}, got 0 … 5000"):
        pocket.run(torch.tensor([[0, 5000]]), "resid")


def test_a_continuation_is_the_most_likely_token_again_and_again(pocket):
    prompt = "France has the capital"
    written = pocket.continuations([prompt], n_tokens=3)[0]
    ids = [pocket.tokenizer.bos, *pocket.tokenizer.encode(prompt)]
    for _ in range(3):
        ids.append(int(pocket.run(torch.tensor([ids]), "logits").logits[0, -1].argmax()))
    assert written == "".join(pocket.tokenizer.decode(token) for token in ids[-3:])


def test_continuations_come_in_the_order_of_the_prompts_whatever_their_lengths(pocket):
    prompts = ["France has the capital", "Iron has the chemical symbol", "Italy has the capital", "The"]
    together = pocket.continuations(prompts, n_tokens=4, batch_size=2)
    assert together == [pocket.continuations([prompt], n_tokens=4)[0] for prompt in prompts]


def test_a_continuation_ends_before_the_end_of_text(pocket):
    assert (
        "<|endoftext|>"
        not in pocket.continuations(["Question: What is the capital of France? Answer:"], n_tokens=60)[0]
    )


def test_an_empty_prompt_is_refused(pocket):
    with pytest.raises(ValueError, match="a prompt is empty"):
        pocket.continuations(["France", ""], n_tokens=3)


def activation_with_edited_softmax(folder, tokens, heads, queries, monkeypatch):
    """Last-layer activations of the plain model when the pattern rows of some heads are one-hot at key 0."""
    from itertools import count

    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    layer, softmax, kept = count(), torch.nn.functional.softmax, []

    def edited(scores, *args, **kwargs):
        pattern = softmax(scores, *args, **kwargs)
        for head in heads[next(layer)].nonzero()[:, 0].tolist():
            pattern[:, head, queries] = torch.nn.functional.one_hot(torch.tensor(0), pattern.shape[-1]).to(pattern)
        return pattern

    write_out = [module for name, module in plain.named_modules() if name.split(".")[-1] in OUTPUT_WEIGHTS][-1]
    write_out.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))
    with monkeypatch.context() as patch, torch.inference_mode():
        patch.setattr(torch.nn.functional, "softmax", edited)
        plain(tokens)
    assert next(layer) == len(heads)  # one softmax per layer, in order
    return kept[0].view(*tokens.shape, -1)


OUTPUT_WEIGHTS = ("c_proj", "dense_4h_to_h", "down_proj", "fc2")


@pytest.mark.long
@pytest.mark.parametrize("queries", [slice(None), slice(-1, None), slice(3, 5)])
def test_a_bos_ablated_head_is_one_whose_pattern_is_one_hot_at_the_first_key(
    tiny_folder, queries, generator, monkeypatch
):
    tokens = torch.randint(D_VOCAB, (3, 12), generator=generator)
    model = door.load(str(tiny_folder))
    heads = torch.zeros(model.n_layers, model.n_heads, dtype=torch.bool)
    heads[0, 1] = heads[1, 0] = heads[1, 3] = True
    with model.bos_ablated(heads, queries=queries):
        ablated = model.run(tokens, "activation", batch_size=2).activation
    expected = activation_with_edited_softmax(tiny_folder, tokens, heads, queries, monkeypatch)
    assert_close(ablated, expected, atol=1e-5, rtol=1e-4)
    clean = model.run(tokens, "activation").activation
    assert (ablated - clean).abs().max() > 1e-3  # and it does something
    unedited = activation_with_edited_softmax(tiny_folder, tokens, heads & False, queries, monkeypatch)
    assert_close(clean, unedited, atol=1e-5, rtol=1e-4)  # and stops doing it


def test_a_mask_over_other_heads_than_the_models_is_refused(pocket):
    refused = pytest.raises(ValueError, match=f"has {pocket.n_layers} layers of 4 heads, got a mask of shape")
    with refused, pocket.bos_ablated(torch.zeros(2, 4, dtype=torch.bool)):
        pass


def test_a_sequence_longer_than_the_model_has_positions_is_refused(gpt2_folder):
    with pytest.raises(ValueError, match="has room for 64 tokens, got sequences of 65"):
        door.load(str(gpt2_folder)).run(torch.zeros(1, 65, dtype=torch.long), "resid")
