"""Writing on is ours: no setting beside the weights changes it, and no edit means something else under a cache."""

import json
import shutil
from contextlib import nullcontext

import pytest
import torch

from lib import model as door
from lib.model import editing, generating
from tests.conftest import D_VOCAB, tolerance

pytestmark = pytest.mark.long

N_NEW = 8
HOSTILE = {
    "sampling": {"do_sample": True, "temperature": 5.0, "top_k": 50},
    "a temperature": {"temperature": 0.1},
    "a penalty on repetitions": {"repetition_penalty": 5.0},
    "no two alike": {"no_repeat_ngram_size": 1},
    "beams": {"num_beams": 3},
    "a least length": {"min_length": 40, "min_new_tokens": 40},
    "a greatest length": {"max_length": 3, "max_new_tokens": 2},
    "a forced end": {"forced_eos_token_id": 7},
    "a forced start": {"forced_bos_token_id": 9},
    "no cache": {"use_cache": False},
}


@pytest.fixture
def tokens(generator):
    return torch.randint(1, D_VOCAB, (3, 7), generator=generator)


def written(model, tokens, **chosen):
    chosen = {"n_tokens": N_NEW, "stops": (), "d_vocab": D_VOCAB} | chosen
    return generating.greedy(model.bridge, tokens, **chosen)


def assert_each_was_the_likeliest(model, tokens, rows):
    """Runs the whole sequence anew before every new token, without a cache, inside whatever edit is under way."""
    for new in torch.tensor(rows).mT:
        logits = model.run(tokens, "logits").logits[:, -1]
        own = logits.gather(-1, new[:, None])[:, 0]
        # two roads to one logit: some 20 products of up to 48 terms, one after another
        slack = tolerance(torch.float32, scale=logits.abs().max().item(), n_ops=20 * 48)
        assert (own >= logits.amax(-1) - slack).all()
        tokens = torch.cat([tokens, new[:, None]], 1)


def spoilt(folder, to, **settings):
    """The same weights with other generation settings beside them."""
    copied = shutil.copytree(folder, to / "spoilt")
    file = copied / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return door.load(str(copied))


@pytest.mark.parametrize("settings", [*HOSTILE, "forbidden words", "all at once"])
def test_no_setting_beside_the_weights_changes_what_is_written(gpt2_folder, tmp_path, settings):
    plain, prompts = door.load(str(gpt2_folder)), ["France has the capital", "Iron", "The old town of"]
    expected = plain.continuations(prompts, n_tokens=N_NEW)
    ids = torch.tensor([[plain.tokenizer.bos, *plain.tokenizer.encode(prompts[1])]])
    first = written(plain, ids)[0][:1]
    forbidding = {"bad_words_ids": [first], "suppress_tokens": first, "begin_suppress_tokens": first}
    every = {name: value for some in HOSTILE.values() for name, value in some.items()} | forbidding
    chosen = {"forbidden words": forbidding, "all at once": every} | HOSTILE
    assert spoilt(gpt2_folder, tmp_path, **chosen[settings]).continuations(prompts, n_tokens=N_NEW) == expected


def test_a_written_token_is_the_likeliest_of_those_that_there_are(tiny, tokens):
    rows = written(tiny, tokens)
    assert [len(row) for row in rows] == [N_NEW] * 3
    assert_each_was_the_likeliest(tiny, tokens, rows)


def test_a_row_of_the_vocabulary_without_a_token_is_never_written(gpt2_folder, tokens):
    model = door.load(str(gpt2_folder))
    with torch.no_grad():
        model.bridge.original_model.lm_head.weight[D_VOCAB:] *= 1000
    assert max(map(max, written(model, tokens))) < D_VOCAB


def test_writing_ends_before_any_of_the_stops_and_no_earlier(gpt2_folder, tokens):
    model = door.load(str(gpt2_folder))
    whole = written(model, tokens)
    stops = {whole[0][3], whole[1][0]}
    cut = written(model, tokens, stops=stops)
    assert cut[1] == [] and len(cut[0]) <= 3
    for row, shorter in zip(whole, cut, strict=True):
        assert row[: len(shorter)] == shorter and not stops & set(shorter)
        assert len(shorter) == N_NEW or row[len(shorter)] in stops


@pytest.mark.parametrize("named", [[0, 11, 5], 11, None])
def test_where_a_checkpoint_stops_is_told_and_obeyed_only_when_asked(gpt2_folder, tmp_path, named):
    plain, prompt = door.load(str(gpt2_folder)), "France has the capital"
    expected = plain.continuations([prompt], n_tokens=N_NEW)
    third = written(plain, torch.tensor([[plain.tokenizer.bos, *plain.tokenizer.encode(prompt)]]))[0][2]
    named = [third if id == 11 else id for id in named] if isinstance(named, list) else named and third
    model = spoilt(gpt2_folder, tmp_path, eos_token_id=named)
    assert model.continuations([prompt], n_tokens=N_NEW) == expected
    asked = model.continuations([prompt], n_tokens=N_NEW, stops=model.stop_ids)
    if named is None:
        assert model.stop_ids == (0,) and asked == expected
    else:
        assert model.stop_ids == ((0, third, 5) if isinstance(named, list) else (0, third))
        assert expected[0].startswith(asked[0]) and len(asked[0]) < len(expected[0])


@pytest.mark.parametrize("room", [0, 1])
def test_more_tokens_than_positions_is_one_sentence(gpt2_folder, room):
    model = door.load(str(gpt2_folder))
    prompt = "the " * 200
    n_prompt = 1 + len(model.tokenizer.encode(prompt))
    with pytest.raises(ValueError, match=rf"room for 64 tokens, got a prompt of {n_prompt} \(BOS included\) and 3 to"):
        model.continuations(["The", prompt], n_tokens=3)
    fits = 64 - 1 - len(model.tokenizer.encode("The"))
    if room == 0:
        assert model.continuations(["The"], n_tokens=fits)
    else:
        with pytest.raises(ValueError, match="shorten the prompt or ask for fewer"):
            model.continuations(["The"], n_tokens=fits + room)


def test_wrong_requests_are_said_in_one_sentence(gpt2_folder):
    model = door.load(str(gpt2_folder))
    with pytest.raises(ValueError, match=rf"stops must be token ids in 0 … {D_VOCAB - 1}, got -4"):
        model.continuations(["The"], n_tokens=3, stops=[5, -4])
    with pytest.raises(ValueError, match="n_tokens must be 0 or more, got -1"):
        model.continuations(["The"], n_tokens=-1)
    assert model.continuations(["The"], n_tokens=0) == [""] and model.continuations([], n_tokens=3) == []


def some_heads(model):
    heads = torch.zeros(model.n_layers, model.n_heads, dtype=torch.bool)
    heads[0, 1] = heads[1, 0] = heads[1, 3] = heads[2, 2] = True
    return heads


QUERIES = [slice(None), slice(2, None), slice(6, 10), slice(0, None, 2), slice(-1, None), slice(None, -2)]


@pytest.mark.parametrize("queries", QUERIES, ids=str)
def test_what_is_written_inside_an_edit_is_what_step_by_step_gives(tiny, tokens, queries):
    with tiny.bos_ablated(some_heads(tiny), queries=queries):
        rows = written(tiny, tokens)
        assert_each_was_the_likeliest(tiny, tokens, rows)
    assert rows != written(tiny, tokens)  # and the edit does something


@pytest.mark.parametrize("queries", QUERIES, ids=str)
def test_logits_inside_an_edit_are_the_same_however_the_sequence_is_cut(tiny, tokens, queries):
    model, heads = tiny.bridge.original_model, some_heads(tiny)
    with torch.inference_mode(), tiny.bos_ablated(heads, queries=queries):
        whole = model(input_ids=tokens, use_cache=False).logits
        first = model(input_ids=tokens[:, :3], use_cache=True)
        other = model(input_ids=tokens.flip(0)[:, :2], use_cache=True)  # another cache, begun in between
        refused = pytest.raises(door.ModelError, match="counted from the end move with every token")
        relative = (queries.start or 0) < 0 or (queries.stop or 0) < 0
        with refused if relative else nullcontext():
            then = model(input_ids=tokens[:, 3:6], past_key_values=first.past_key_values, use_cache=True)
            last = model(input_ids=tokens[:, 6:], past_key_values=then.past_key_values, use_cache=True)
            found = torch.cat([first.logits, then.logits, last.logits], 1)
            slack = tolerance(torch.float32, scale=whole.abs().max().item(), n_ops=20 * 48)
            assert (found - whole).abs().max() <= slack
    assert other.logits.shape[:2] == (3, 2)


def test_a_cache_from_outside_the_edit_is_refused(tiny, tokens):
    model = tiny.bridge.original_model
    with torch.inference_mode():
        begun = model(input_ids=tokens[:, :3], use_cache=True)
        refused = pytest.raises(door.ModelError, match="never passed their hook inside the edit")
        with refused, tiny.bos_ablated(some_heads(tiny)):
            model(input_ids=tokens[:, 3:], past_key_values=begun.past_key_values, use_cache=True)


def passes(model, tokens, monkeypatch):
    """How many tokens each pass through the model took in while it wrote."""
    last_logits, lengths = generating._last_logits, []

    def counted(bridge, new, cache, **chosen):
        lengths.append(new.shape[1])
        return last_logits(bridge, new, cache, **chosen)

    monkeypatch.setattr(generating, "_last_logits", counted)
    written(model, tokens, n_tokens=3)
    return lengths


@pytest.mark.parametrize(
    ("queries", "lengths"), [(None, [7, 1, 1]), (slice(2, None), [7, 1, 1]), (slice(-1, None), [7, 8, 9])]
)
def test_the_cache_is_used_where_it_may_be(gpt2_folder, tokens, queries, lengths, monkeypatch):
    model = door.load(str(gpt2_folder))
    with model.bos_ablated(some_heads(model), queries=queries) if queries else nullcontext():
        assert passes(model, tokens, monkeypatch) == lengths


def test_an_edit_that_nobody_vouches_for_is_written_without_a_cache(gpt2_folder, tokens, monkeypatch):
    model = door.load(str(gpt2_folder))

    def at_position_4(value, hook):
        value = value.clone()
        value[:, 4] += 3.0  # means nothing in a pass that holds one new token only
        return value

    with model.bridge.hooks(fwd_hooks=[("blocks.1.hook_resid_post", at_position_4)]):
        assert not editing.fits_cache(model.bridge)
        assert_each_was_the_likeliest(model, tokens, written(model, tokens))
        assert passes(model, tokens, monkeypatch) == [7, 8, 9]
    assert editing.fits_cache(model.bridge)


def test_an_edit_leaves_nothing_behind(tiny, tokens):
    before = tiny.run(tokens, "logits").logits
    with tiny.bos_ablated(some_heads(tiny)):
        assert not torch.equal(tiny.run(tokens, "logits").logits, before)
    assert torch.equal(tiny.run(tokens, "logits").logits, before)
    assert not any(block.attn._forward_pre_hooks for block in tiny.bridge.blocks)
