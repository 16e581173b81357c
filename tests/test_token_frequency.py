import json
import shutil

import pytest
import torch
from torch.testing import assert_close

from lib import model as door
from lib import text, token_frequency


def log_of(*counts):
    return token_frequency.log_unigram(torch.tensor(counts))


def test_counts_are_of_every_document():
    assert token_frequency.counts([[1, 1, 3], [3]], d_vocab=5).tolist() == [0, 2, 0, 2, 0]


def test_one_is_added_to_every_count():
    assert_close(log_of(0, 2, 1).exp(), torch.tensor([1, 3, 2], dtype=torch.float64) / 6)


def test_the_direction_has_unit_norm_no_mean_and_points_to_the_frequent():
    direction = token_frequency.direction(log_of(0, 9, 99))
    assert_close(direction.norm().item(), 1.0)
    assert abs(direction.sum().item()) < 1e-12 and direction[2] > direction[1] > direction[0]


def test_tokens_that_are_masked_before_centring_have_no_part_in_the_direction():
    whole, count = log_of(0, 0, 3, 9, 99), torch.tensor([0, 0, 3, 9, 99])
    seen = token_frequency.among(whole, count > 0)
    assert_close(seen.exp().sum().item(), 1.0)
    assert seen[:2].tolist() == [-torch.inf] * 2
    direction = token_frequency.direction(seen)
    assert direction[:2].tolist() == [0.0, 0.0]
    assert_close(direction[2:], token_frequency.direction(log_of(3, 9, 99)))
    assert abs(direction.sum().item()) < 1e-12


def test_what_cannot_be_counted_is_said(gpt2_folder):
    with pytest.raises(ValueError, match="token 7 lies outside a vocabulary of 5"):
        token_frequency.counts([[7]], d_vocab=5)
    with pytest.raises(ValueError, match="empty"):
        token_frequency.counts([], d_vocab=5)
    with pytest.raises(ValueError, match="equally frequent"):
        token_frequency.direction(log_of(4, 4))
    with pytest.raises(ValueError, match="needs at least 2 tokens, got 1 to keep"):
        token_frequency.among(log_of(4, 0), torch.tensor([True, False]))
    model = door.load(str(gpt2_folder))
    with pytest.raises(ValueError, match="got n_tokens=0"):
        token_frequency.unigram(model, "pocket", n_tokens=0)
    with pytest.raises(text.TextError, match="is neither 'pocket' nor 'python', not a file"):
        token_frequency.unigram(model, "no/such text", n_tokens=10)


@pytest.fixture
def model(gpt2_folder):
    return door.load(str(gpt2_folder))


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("The lion sleeps.\n\nThe lion eats. The lion sleeps again.")
    return path


def test_a_text_is_counted_in_the_models_tokens_up_to_a_limit(model, document):
    encode, eos = model.tokenizer.encode, model.tokenizer.eos
    ids = [*encode("The lion sleeps."), eos, *encode("The lion eats. The lion sleeps again."), eos]
    whole = token_frequency.unigram(model, str(document), n_tokens=1000)
    assert whole.count.tolist() == torch.tensor(ids).bincount(minlength=model.final_layer.d_vocab).tolist()
    assert whole.n_tokens == len(ids) and whole.count[eos] == 2
    assert token_frequency.unigram(model, str(document), n_tokens=3).count.nonzero()[:, 0].tolist() == sorted(ids[:3])


def test_too_little_text_for_the_vocabulary_is_said_with_both_numbers():
    sparse = token_frequency.Unigram(torch.tensor([0, 18, 18]))
    assert sparse.is_sparse and "12.0 tokens of text per vocabulary entry" in sparse.caution and "20" in sparse.caution
    enough = token_frequency.Unigram(torch.tensor([0, 30, 30]))
    assert not enough.is_sparse and enough.caution == ""
    assert enough.seen.tolist() == [False, True, True]


def test_long_counts_are_kept_and_found_again_until_the_text_changes(model, document, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(token_frequency, "WORTH_KEEPING", 5)
    first = token_frequency.unigram(model, str(document), n_tokens=1000)
    with monkeypatch.context() as without_counting:
        without_counting.setattr(token_frequency, "counts", None)
        assert token_frequency.unigram(model, str(document), n_tokens=1000).count.equal(first.count)
        document.write_text("Something else altogether is written here now.")
        with pytest.raises(TypeError):  # it has to count anew
            token_frequency.unigram(model, str(document), n_tokens=1000)
    assert not token_frequency.unigram(model, str(document), n_tokens=1000).count.equal(first.count)


def test_kept_counts_are_of_one_tokenizer(gpt2_folder, document, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(token_frequency, "WORTH_KEEPING", 5)
    own = shutil.copytree(gpt2_folder, tmp_path / "own")
    first = token_frequency.unigram(door.load(str(own)), str(document), n_tokens=1000).count
    used, unused = first.argmax().item(), first.argmin().item()
    known = json.loads((own / "tokenizer.json").read_text())
    names = {number: name for name, number in known["model"]["vocab"].items()}
    known["model"]["vocab"] |= {names[used]: unused, names[unused]: used}
    (own / "tokenizer.json").write_text(json.dumps(known))
    second = token_frequency.unigram(door.load(str(own)), str(document), n_tokens=1000).count
    assert second[unused] == first[used] and second[used] == first[unused] == 0


def test_a_damaged_or_unwritable_cache_costs_only_time(model, document, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(token_frequency, "WORTH_KEEPING", 5)
    first = token_frequency.unigram(model, str(document), n_tokens=1000)
    (kept,) = (tmp_path / "cache" / "confidence-companion").iterdir()
    kept.write_bytes(b"\x93NUMPY cut short")
    assert token_frequency.unigram(model, str(document), n_tokens=1000).count.equal(first.count)
    monkeypatch.setenv("XDG_CACHE_HOME", str(document))  # a file, so that no folder can be made in it
    assert token_frequency.unigram(model, str(document), n_tokens=1000).count.equal(first.count)


SHARE = torch.tensor([0.9, 0.8, 0.1, 0.0, -0.5])
KL = torch.tensor([0.3, 0.01, 0.4, 0.2, 0.1])


def test_the_percentile_is_that_of_the_worse_axis():
    assert token_frequency.lower_percentile(SHARE, KL).tolist() == pytest.approx([0.7, 0.1, 0.5, 0.3, 0.1])


def test_neurons_that_tie_share_their_percentile():
    assert token_frequency.lower_percentile(torch.ones(4), torch.ones(4)).tolist() == [0.5] * 4
    tied = token_frequency.lower_percentile(torch.tensor([0.2, 0.7, 0.2, 0.9]), torch.arange(4.0).flip(0))
    assert tied.tolist() == [0.25, 0.625, 0.25, 0.125]


def test_a_context_is_the_text_up_to_a_token_in_one_line(model):
    ids = model.tokenizer.encode("The lion sleeps.\nThe lion eats.")
    tokens = torch.tensor([[model.tokenizer.bos, *ids]])
    whole, end = token_frequency.contexts(model, tokens, torch.tensor([[0, len(ids)], [0, len(ids)]]), n_tokens=99), 1
    assert whole[0].endswith("The lion sleeps. ↵ The lion eats.")
    short = token_frequency.contexts(model, tokens, torch.tensor([[0, len(ids)]]), n_tokens=end)
    assert short == [model.tokenizer.decode(ids[-1])]
