from dataclasses import fields, replace

import pytest
import torch
from torch.testing import assert_close

from lib import ablation, effects, measures, null_space, resampling, temperature, token_frequency
from lib import model as door
from tests.conftest import tolerance

pytestmark = pytest.mark.long

N = 12


@pytest.fixture
def tokens(generator):
    return torch.randint(1, 1500, (2, N), generator=generator)


@pytest.fixture
def log_unigram(generator):
    return torch.randn(4000, generator=generator)


def unigram(model, log_unigram):
    return log_unigram[: model.final_layer.d_vocab].double().log_softmax(-1)


def measured(model, tokens, log_unigram, **chosen):
    return effects.measure(
        model, tokens, scored=model.scored(tokens), log_unigram=unigram(model, log_unigram), **chosen
    )


class Hooked:
    """The whole model run again with some neurons replaced by a hook, and what the two runs differ by."""

    def __init__(self, model, tokens, log_unigram):
        self.model, self.tokens, self.keep = model, tokens, model.scored(tokens)
        self.log_unigram = unigram(model, log_unigram)
        self.target = tokens.roll(-1, 1)[self.keep]
        self.activation = model.run(tokens, "activation").activation
        self.clean, self.resid = self.run(self.activation, [])

    def run(self, value, neurons):
        def put(activation, hook):
            changed = activation.clone()
            changed[..., neurons] = value.expand_as(changed)[..., neurons].to(changed)
            return changed

        name, kept = f"blocks.{self.model.n_layers - 1}.mlp.hook_post", {}
        resid = {"resid": f"blocks.{self.model.n_layers - 1}.hook_resid_post"}
        with self.model.bridge.hooks(fwd_hooks=[(name, put)]), door.recording(self.model.bridge, resid, kept):
            logits = door.forward(self.model.bridge, self.tokens, logits=True)
        return logits[self.keep][:, : self.model.final_layer.d_vocab], kept["resid"][self.keep]

    def reciprocal_rank(self, logits):
        return 1 / (1 + (logits > logits.gather(-1, self.target[:, None])).sum(-1))

    def kl(self, logits):
        return (self.log_unigram.exp() * (self.log_unigram - logits.double().log_softmax(-1))).sum(-1)

    def expected(self, value, neurons, *, own_norm=False):
        """Per-token changes; with `own_norm` the final norm is recomputed from the hooked residual stream."""
        layer = self.model.final_layer
        clean, (logits, resid) = self.clean, self.run(value, neurons)
        if own_norm:
            clean, logits = layer.logits(self.resid), layer.logits(resid)
        scale = layer.scale(self.resid.to(layer.W_U.dtype))
        frozen = layer.logits(resid.to(layer.W_U.dtype), scale=scale)
        v = self.log_unigram - self.log_unigram.mean()
        u = (v / v.norm()).to(logits)
        back = logits + torch.outer((clean - logits) @ u, u)
        before = measures.loss(clean, self.target)
        return {
            "loss_change": measures.loss(logits, self.target) - before,
            "direct_loss_change": measures.loss(frozen, self.target) - before,
            "frequency_loss_change": measures.loss(back, self.target) - before,
            "entropy_change": measures.entropy(logits) - measures.entropy(clean),
            "kl_change": self.kl(logits) - self.kl(clean),
            "reciprocal_rank_change": self.reciprocal_rank(logits) - self.reciprocal_rank(clean),
            "prediction_change": logits.argmax(-1) != clean.argmax(-1),
        }


def means(change):
    """The quantities of `Effects` from per-token changes."""
    quantity = {
        "total": change["loss_change"].abs(),
        "direct": change["direct_loss_change"].abs(),
        "direct_frequency": change["frequency_loss_change"].abs(),
        "loss_change": change["loss_change"],
        "entropy_change": change["entropy_change"],
        "abs_entropy_change": change["entropy_change"].abs(),
        "prediction_change": change["prediction_change"],
        "kl_change": change["kl_change"],
        "abs_kl_change": change["kl_change"].abs(),
        "reciprocal_rank_change": change["reciprocal_rank_change"],
    }
    assert set(quantity) == set(effects.QUANTITIES)
    return {name: value.double().mean() for name, value in quantity.items()}


REPLACEMENTS = {
    "mean": lambda activation, generator: ablation.mean(activation),
    "zero": lambda activation, generator: ablation.zero(activation),
    "median": lambda activation, generator: ablation.median(activation),
    "resample": lambda activation, generator: ablation.resample(activation, generator=generator),
    "clip": lambda activation, generator: ablation.clip(
        activation, ablation.mean(activation), torch.arange(activation.shape[-1]) % 2 == 0
    ),
}


@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_every_kind_of_ablation_is_what_hooks_on_the_model_give(tiny_folder, tokens, log_unigram, generator, kind):
    model = door.load(str(tiny_folder))
    hooked = Hooked(model, tokens, log_unigram)
    value = REPLACEMENTS[kind](hooked.activation, generator)
    found = measured(model, tokens, log_unigram, replacement=value)
    for neuron in (0, 5, 47):
        for name, expected in means(hooked.expected(value, [neuron])).items():
            assert_close(found.mean(name)[neuron].double(), expected, atol=1e-4, rtol=0, msg=name)
    if kind == "mean":  # the same mean, summed over all positions in float64 and in float32; then products of d_model
        by_default, logits = measured(model, tokens, log_unigram).total, hooked.clean.abs().max().item()
        slack = tolerance(torch.float32, scale=logits, n_ops=tokens.numel() + 32)
        assert (by_default - found.total).abs().max() <= slack < 0.01 * found.total.max()


def test_sets_are_replaced_together(tiny_folder, tokens, log_unigram):
    model = door.load(str(tiny_folder))
    hooked, sets = Hooked(model, tokens, log_unigram), torch.zeros(3, 48, dtype=torch.bool)
    sets[0, [1, 5, 9]], sets[1, 20:], sets[2, 4] = True, True, True
    chosen = {"scored": hooked.keep, "log_unigram": hooked.log_unigram}
    found, each = effects.measure_sets(model, tokens, sets=sets, **chosen), measured(model, tokens, log_unigram)
    tokenwise = effects.by_token(model, tokens, sets=sets, **chosen)
    for column, members in enumerate(sets):
        change = hooked.expected(ablation.mean(hooked.activation), members.nonzero()[:, 0].tolist())
        for name, expected in means(change).items():
            assert_close(found.mean(name)[column].double(), expected, atol=1e-4, rtol=0, msg=name)
        for name, expected in change.items():
            assert_close(getattr(tokenwise, name)[column].double(), expected.double(), atol=2e-4, rtol=1e-3, msg=name)
    assert_close(found.total[:, 2], each.total[:, 4], atol=1e-6, rtol=1e-4)


def test_in_float64_the_closed_form_agrees_with_hooks_to_a_billionth(tiny_folder, tokens, log_unigram):
    model = door.load(str(tiny_folder), dtype="float64")
    # RMSNorm modules round to float32 inside, so there the norm is recomputed from the hooked residual stream
    own_norm = not model.final_layer.centres
    hooked = Hooked(model, tokens, log_unigram)
    found = effects.by_token(
        model,
        tokens,
        sets=torch.eye(48, dtype=torch.bool)[[0, 5, 47]],
        scored=hooked.keep,
        log_unigram=hooked.log_unigram,
    )
    if "a norm after the last MLP" in model.not_exact:
        pytest.skip("its norm after the MLP rounds to float32 too")
    averaged = measured(model, tokens, log_unigram)
    for column, neuron in enumerate((0, 5, 47)):
        change = hooked.expected(ablation.mean(hooked.activation), [neuron], own_norm=own_norm)
        for name, expected in change.items():
            assert_close(getattr(found, name)[column].double(), expected.double(), atol=1e-9, rtol=0, msg=name)
        for name, expected in means(change).items():
            assert_close(averaged.mean(name)[neuron], expected, atol=1e-9, rtol=0, msg=name)


def test_tokens_are_told_apart_and_pool_to_the_means(pocket):
    tokens = pocket.sequences("pocket", n_sequences=3, sequence_length=40)
    scored, frequency = pocket.scored(tokens), torch.linspace(-1, 1, pocket.final_layer.d_vocab).log_softmax(0)
    sets = torch.eye(pocket.W_out.shape[0], dtype=torch.bool)[:4]
    found = effects.by_token(pocket, tokens, sets=sets, scored=scored, log_unigram=frequency)
    mean = effects.measure_sets(pocket, tokens, sets=sets, scored=scored, log_unigram=frequency)
    logits = pocket.run(tokens, "logits", "scale")
    assert_close(found.loss, measures.loss(logits.logits, tokens.roll(-1, 1))[scored], atol=1e-4, rtol=1e-4)
    assert_close(found.scale, logits.scale[scored])
    assert torch.equal(tokens[found.sequence, found.position + 1], found.target)
    assert_close(found.entropy_change.mean(1).double(), mean.mean("entropy_change"), atol=1e-6, rtol=1e-3)
    assert_close(found.prediction_change.double().mean(1), mean.mean("prediction_change"))


def test_the_best_temperature_is_found_and_leaves_nothing_of_a_pure_one(generator):
    clean = 3 * torch.randn(6, 500, generator=generator, dtype=torch.float64)
    wanted = torch.tensor([0.05, 0.5, 0.9, 1.0, 1.5, 20.0], dtype=torch.float64)
    assert_close(temperature.best(clean, clean / wanted[:, None]), wanted, rtol=1e-6, atol=0)
    bent = clean + torch.randn(6, 500, generator=generator, dtype=torch.float64)
    best = temperature.best(clean, bent)
    at = measures.kl_divergence(bent, clean / best[:, None])
    for factor in (0.99, 1.01):
        assert (measures.kl_divergence(bent, clean / (factor * best[:, None])) > at).all()


def test_a_write_in_the_exact_null_space_acts_as_a_temperature_through_the_norm_alone(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    basis = null_space.spectrum(model.final_layer.W_U, centres=True).direction[:, -6:-1].float()
    quiet = replace(
        model.final_layer,
        W_U=model.final_layer.W_U - basis @ (basis.mT @ model.final_layer.W_U),
        b_U=torch.zeros_like(model.final_layer.b_U),
    )
    inside = replace(model, final_layer=quiet, W_out=model.W_out @ basis @ basis.mT * 20)
    found = measured(inside, tokens, log_unigram)
    assert found.mean("direct").max() < 1e-5 < found.mean("total").min()
    assert (found.norm_mediated > 0.99).all()
    assert measured(model, tokens, log_unigram).norm_mediated.max() < 0.9
    chosen = {"scored": model.scored(tokens), "sets": torch.eye(48, dtype=torch.bool)[:5]}
    told = effects.as_temperature(inside, tokens, **chosen)
    assert told.kl_from_clean.max() > 1e-4 > 1e-5 > told.kl_left.abs().max()
    ordinary = effects.as_temperature(model, tokens, **chosen)
    assert ordinary.kl_left.max() > 1e-4


def test_a_write_along_the_frequency_direction_is_frequency_mediated(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    layer = model.final_layer
    frequency = unigram(model, log_unigram).float()
    centred = frequency - frequency.mean()
    W_U = layer.W_U.clone()
    W_U[:2] = torch.stack([centred, -centred])
    planted = torch.zeros_like(model.W_out)
    planted[:, 0], planted[:, 1] = 1.0, -1.0
    found = measured(replace(model, final_layer=replace(layer, W_U=W_U), W_out=planted), tokens, log_unigram)
    assert found.frequency_mediated.median() > 0.5 > measured(model, tokens, log_unigram).frequency_mediated.median()


def test_a_constant_activation_has_no_effect_and_mediates_nothing(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    found = measured(model, tokens, log_unigram, replacement=model.run(tokens, "activation").activation)
    assert found.total.max() == 0
    assert found.norm_mediated.tolist() == found.frequency_mediated.tolist() == [0.0] * 48


def test_a_mean_is_over_tokens_not_over_sequences(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    scored = model.scored(tokens)
    scored[0, 5:] = False
    found = effects.measure(model, tokens, scored=scored, log_unigram=unigram(model, log_unigram))
    assert found.n.tolist() == scored.sum(1).tolist() == [2, 8]
    assert_close(found.mean("total"), 0.2 * found.total[0] + 0.8 * found.total[1])


def made_up(generator, *, n_sequences=12, n_neurons=3, kind=effects.FrequencyEffects):
    value = {name: torch.rand(n_sequences, n_neurons, generator=generator).double() for name in kind.quantities()}
    return kind(**value, n=torch.arange(1, n_sequences + 1))


def test_an_interval_is_that_of_resampling_tokens_by_sequence(generator):
    found = made_up(generator)
    sequence = torch.repeat_interleave(torch.arange(12), found.n)
    draws = [torch.Generator().manual_seed(3) for _ in range(4)]
    low, high = found.interval("total", generator=draws[0])
    expected = resampling.mean(found.total[sequence, 1], sequence, generator=draws[1])
    # a resample that ties with the mean in exact arithmetic may not tie after rounding, and that moves the ends
    assert (low[1].item(), high[1].item()) == pytest.approx((expected.low, expected.high), abs=0.02)
    share = found.estimate("norm_mediated", 2, generator=draws[2])
    left = resampling.ratio(found.direct[sequence, 2], found.total[sequence, 2], sequence, generator=draws[3])
    assert share.value == pytest.approx(1 - left.value, abs=1e-6)
    assert (share.low, share.high) == pytest.approx((1 - left.high, 1 - left.low), abs=0.02)
    assert (share.n, share.n_sequences) == (78, 12)


def test_the_shares_of_a_draw_are_the_sums_over_its_tokens(generator):
    found, draw = made_up(generator), torch.tensor([3, 3, 0])
    left, total = effects.shares(found, "direct")(draw)
    sequence = torch.cat([torch.full((int(found.n[s]),), s) for s in draw.tolist()])
    assert_close(left, found.direct[sequence].sum(0))
    assert_close(total, found.total[sequence].sum(0))
    whole = effects.shares(found, "direct_frequency")(torch.arange(12))
    assert_close(1 - whole[0] / whole[1], found.frequency_mediated)


def test_pooling_is_the_mean_over_columns_and_needs_one(generator):
    found, mask = made_up(generator), torch.tensor([True, False, True])
    assert_close(found.pooled(mask).mean("direct")[0], found.mean("direct")[mask].mean())
    with pytest.raises(ValueError, match="the mask holds none"):
        found.pooled(~mask & mask)


def test_a_question_without_an_answer_is_refused(generator):
    with pytest.raises(ValueError, match="not 'totl'"):
        made_up(generator).mean("totl")
    with pytest.raises(ValueError, match="at least 8 sequences, got 7; ask for more"):
        made_up(generator, n_sequences=7).interval("total", generator=generator)


def test_without_a_unigram_distribution_what_needs_it_is_lacking_and_nothing_else(tiny_folder, tokens, log_unigram):
    model = door.load(str(tiny_folder))  # among them one whose last layer is recomputed
    sets, scored = torch.rand(3, 48, generator=torch.Generator().manual_seed(1)) < 0.2, model.scored(tokens)
    for measure in (effects.measure, effects.measure_sets, effects.by_token):
        chosen = {"scored": scored} | ({} if measure is effects.measure else {"sets": sets})
        without = measure(model, tokens, **chosen)
        whole = measure(model, tokens, **chosen, log_unigram=unigram(model, log_unigram))
        lacking = {field.name for field in fields(whole)} - {field.name for field in fields(without)}
        assert lacking and not any(hasattr(without, name) for name in lacking)
        for field in fields(without):
            if field.name != "report":
                assert torch.equal(getattr(without, field.name), getattr(whole, field.name)), field.name


def test_what_needs_a_unigram_distribution_is_refused_in_one_sentence_without_one(gpt2_folder, tokens, generator):
    model = door.load(str(gpt2_folder))
    found = made_up(generator, kind=type(effects.measure(model, tokens, scored=model.scored(tokens))))
    said = "these effects were measured without a unigram distribution; to have '{}', pass log_unigram"
    for name in ("direct_frequency", "frequency_mediated", "kl_change"):
        with pytest.raises(AttributeError, match=said.format(name)):
            getattr(found, name)
        with pytest.raises((AttributeError, ValueError), match="pass log_unigram"):
            found.table("total", name, generator=generator)
    with pytest.raises(ValueError, match=said.format("abs_kl_change")):
        found.mean("abs_kl_change")
    told = effects.by_token(model, tokens, sets=torch.eye(48, dtype=torch.bool)[:2], scored=model.scored(tokens))
    with pytest.raises(AttributeError, match=said.format("kl")):
        _ = told.kl
    for one in (found, told):
        with pytest.raises(AttributeError, match="has no 'totl'"):
            _ = one.totl


def test_nothing_to_score_is_said(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    frequency = unigram(model, log_unigram)
    with pytest.raises(ValueError, match="no position is scored"):
        effects.measure(model, tokens, scored=torch.zeros_like(tokens, dtype=torch.bool), log_unigram=frequency)
    scored = model.scored(tokens)
    scored[1] = False
    with pytest.raises(ValueError, match="sequence 1 has no scored position"):
        effects.measure(model, tokens, scored=scored, log_unigram=frequency)


@pytest.mark.parametrize("where", ["W_U", "W_out", "resid"])
def test_a_tensor_that_is_not_finite_is_named(gpt2_folder, tokens, log_unigram, where):
    model = door.load(str(gpt2_folder))
    if where == "resid":
        with torch.no_grad():
            model.bridge.original_model.transformer.h[-1].mlp.c_proj.bias[3] = torch.nan
    elif where == "W_U":
        W_U = model.final_layer.W_U.clone()
        W_U[0, 0] = torch.inf
        model = replace(model, final_layer=replace(model.final_layer, W_U=W_U))
    else:
        model = replace(model, W_out=model.W_out / 0)
    with pytest.raises(ValueError, match=rf"^{where} holds .* entries of .* that are not finite"):
        measured(model, tokens, log_unigram)


def test_a_part_of_effects_is_that_of_some_sequences_however_often(generator):
    found = made_up(generator, n_sequences=9)
    twice = found.part(torch.tensor([1, 1]))
    assert_close(twice.mean("total"), found.total[1])
    assert int(twice.n.sum()) == 2 * int(found.n[1])


def test_a_table_has_each_neurons_means_with_their_intervals(generator):
    found = made_up(generator, n_neurons=48)
    table = found.table("total", "norm_mediated", generator=generator)
    assert list(table) == [name + end for name in ("total", "norm_mediated") for end in ("", "_low", "_high")]
    assert_close(torch.from_numpy(table.norm_mediated.to_numpy()), found.norm_mediated)
    assert len(table) == 48 and (table.total_low < table.total).all() and (table.total < table.total_high).all()


def test_a_frequency_direction_without_some_tokens_gives_finite_effects(gpt2_folder, tokens, log_unigram):
    model = door.load(str(gpt2_folder))
    keep = torch.arange(model.final_layer.d_vocab) % 3 > 0
    seen = token_frequency.among(unigram(model, log_unigram), keep)
    found = effects.measure(model, tokens, scored=model.scored(tokens), log_unigram=seen)
    logits = model.run(tokens, "logits").logits[model.scored(tokens)].double()
    kl = effects.by_token(
        model, tokens, sets=torch.eye(48, dtype=torch.bool)[:1], scored=model.scored(tokens), log_unigram=seen
    ).kl
    p = seen[keep].exp()
    assert_close(kl.double(), (p * (p.log() - logits.log_softmax(-1)[:, keep])).sum(-1), atol=1e-4, rtol=1e-4)
    assert all(getattr(found, name).isfinite().all() for name in effects.QUANTITIES)
