from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from lib import effects, measures, null_space
from lib import model as door

N = 12


@pytest.fixture
def tokens(generator):
    return torch.randint(1, 1500, (2, N), generator=generator)


@pytest.fixture
def log_unigram(generator):
    return torch.randn(4000, generator=generator)


def measured(model, tokens, log_unigram):
    frequency = log_unigram[: model.final_layer.d_vocab].log_softmax(-1)
    return effects.measure(model, tokens, scored=model.scored(tokens), log_unigram=frequency)


def by_hooks(model, tokens, neuron, *, scale=None):
    """Loss, entropy and arg-max of the whole model run with one neuron mean-ablated by a hook."""
    name = f"blocks.{model.n_layers - 1}.mlp.hook_post"
    mean = model.run(tokens, "activation").activation[..., neuron].mean()

    def ablate(value, hook):
        changed = value.clone()
        changed[..., neuron] = mean
        return changed

    with model.bridge.hooks(fwd_hooks=[(name, ablate)]):
        run = model.run(tokens, "logits", "resid")
    logits = run.logits if scale is None else model.final_layer.logits(run.resid, scale=scale)
    keep = model.scored(tokens)
    return measures.loss(logits, tokens.roll(-1, 1))[keep], measures.entropy(logits)[keep], logits.argmax(-1)[keep]


def test_the_closed_form_is_what_hooks_on_the_model_give(tiny_folder, tokens, log_unigram):
    model = door.load(str(tiny_folder))
    if model.not_exact:
        with pytest.raises(ValueError, match="the closed form does not hold"):
            measured(model, tokens, log_unigram)
        return
    found, clean = measured(model, tokens, log_unigram), model.run(tokens, "logits", "scale")
    keep, target = model.scored(tokens), tokens.roll(-1, 1)
    before = measures.loss(clean.logits, target)[keep], measures.entropy(clean.logits)[keep]
    for neuron in (0, 5, 47):
        loss, entropy, best = by_hooks(model, tokens, neuron)
        frozen, _, _ = by_hooks(model, tokens, neuron, scale=clean.scale)
        expected = {
            "total": (loss - before[0]).abs().mean(),
            "direct": (frozen - before[0]).abs().mean(),
            "entropy_change": (entropy - before[1]).mean(),
            "abs_entropy_change": (entropy - before[1]).abs().mean(),
            "prediction_change": (best != clean.logits.argmax(-1)[keep]).float().mean(),
        }
        for name, value in expected.items():
            assert_close(found.mean(name)[neuron].float(), value, atol=1e-4, rtol=1e-3, msg=name)


def test_a_write_in_the_exact_null_space_acts_through_the_norm_alone(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    basis = null_space.spectrum(model.final_layer.W_U, centres=True).direction[:, -6:-1].float()
    quiet = replace(model.final_layer, W_U=model.final_layer.W_U - basis @ (basis.mT @ model.final_layer.W_U))
    inside = replace(model, final_layer=quiet, W_out=model.W_out @ basis @ basis.mT * 20)
    found = measured(inside, tokens, log_unigram)
    assert found.mean("direct").max() < 1e-5 < found.mean("total").min()
    assert (found.norm_mediated > 0.99).all()
    assert measured(model, tokens, log_unigram).norm_mediated.max() < 0.9


def test_a_write_along_the_frequency_direction_is_frequency_mediated(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    layer = model.final_layer
    frequency = log_unigram[: layer.d_vocab].log_softmax(-1)
    centred = frequency - frequency.mean()
    W_U = layer.W_U.clone()
    W_U[:2] = torch.stack([centred, -centred])
    planted = torch.zeros_like(model.W_out)
    planted[:, 0], planted[:, 1] = 1.0, -1.0
    found = measured(replace(model, final_layer=replace(layer, W_U=W_U), W_out=planted), tokens, log_unigram)
    assert found.frequency_mediated.median() > 0.5 > measured(model, tokens, log_unigram).frequency_mediated.median()


def test_a_constant_activation_has_no_effect(gpt2_folder, tokens, log_unigram, monkeypatch):
    model = door.load(str(gpt2_folder))
    clean, _ = effects.clean_run(model, tokens, model.scored(tokens))
    constant = replace(clean, activation=torch.full_like(clean.activation, 0.7))
    monkeypatch.setattr(effects, "clean_run", lambda *_: (constant, torch.full((48,), 0.7)))
    assert measured(model, tokens, log_unigram).total.max() == 0


def test_a_mean_is_over_tokens_not_over_sequences(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    scored = model.scored(tokens)
    scored[0, 5:] = False
    frequency = log_unigram[: model.final_layer.d_vocab].log_softmax(-1)
    found = effects.measure(model, tokens, scored=scored, log_unigram=frequency)
    assert found.n.tolist() == scored.sum(1).tolist() == [2, 8]
    assert_close(found.mean("total"), 0.2 * found.total[0] + 0.8 * found.total[1])


def test_nothing_to_score_is_said(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    frequency = log_unigram[: model.final_layer.d_vocab]
    with pytest.raises(ValueError, match="no position is scored"):
        effects.measure(model, tokens, scored=torch.zeros_like(tokens, dtype=torch.bool), log_unigram=frequency)
    scored = model.scored(tokens)
    scored[1] = False
    with pytest.raises(ValueError, match="sequence 1 has no scored position"):
        effects.measure(model, tokens, scored=scored, log_unigram=frequency)
