"""Writing on is ours: no setting beside the weights changes it."""

import json
import shutil

import pytest
import torch

from lib import model as door
from lib.model import generating
from tests.conftest import D_VOCAB, tolerance

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


@pytest.fixture(scope="module")
def tiny(tiny_folder):
    return door.load(str(tiny_folder))


@pytest.fixture
def tokens(generator):
    return torch.randint(1, D_VOCAB, (3, 7), generator=generator)


def written(model, tokens, **chosen):
    chosen = {"n_tokens": N_NEW, "stops": (), "d_vocab": D_VOCAB} | chosen
    return generating.greedy(model.bridge, tokens, **chosen)


def assert_each_was_the_likeliest(model, tokens, rows):
    """Runs the whole sequence anew before every new token, without a cache."""
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
