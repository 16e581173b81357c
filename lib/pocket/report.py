"""What the pocket models show, measured: `python -m lib.pocket.report` prints one JSON.

`targets` says for each aim what was wanted, what came, and whether it is met; `models` holds loss, entropy,
calibration and refusals of the base model and its two post-trained stages."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool

from lib import (
    calibration,
    drawing,
    effects,
    induction,
    kinds,
    measures,
    neuron_weights,
    null_space,
    resampling,
    source,
    token_frequency,
)
from lib import model as door
from lib.model import Model
from lib.pocket import behaviour, corpus, knowing, targets

N_DOCUMENTS = 600
N_SEQUENCES, SEQUENCE_LENGTH = 16, 256
TAIL = 0.05
"""Share of the spectrum in which chapter 02's rule looks for the cut."""
TOKENS_PER_ENTRY = 100
"""Tokens of text counted for each entry of the vocabulary."""
N_BINS = 15


def loss_and_surprisal(model: Model) -> dict[str, float]:
    """Mean loss over whole held-out documents, each behind its own BOS and up to its EOS, beside the
    generator's surprisal of the same documents; both in nats a token."""
    drawn = [corpus.document(index, seed=corpus.HELD_OUT_SEED) for index in range(N_DOCUMENTS)]
    encoded = [(model.tokenizer.encode(document), spent) for document, spent in drawn]
    encoded = sorted((pair for pair in encoded if len(pair[0]) <= 510), key=lambda pair: len(pair[0]))
    end, total, surprisal, n = model.tokenizer.eos, 0.0, 0.0, 0
    for start in range(0, len(encoded), 32):
        batch = encoded[start : start + 32]
        width = len(batch[-1][0]) + 2
        tokens = torch.full((len(batch), width), end)
        for row, (ids, _) in zip(tokens, batch, strict=True):
            row[1 : len(ids) + 1] = torch.tensor(ids)
        loss = measures.loss(model.run(tokens, "logits", batch_size=32).logits[:, :-1], tokens[:, 1:])
        for row, (ids, spent) in zip(loss, batch, strict=True):
            total, surprisal, n = total + row[: len(ids) + 1].sum().item(), surprisal + spent, n + len(ids) + 1
    return {"loss": total / n, "surprisal": surprisal / n, "excess": total / surprisal - 1, "n": n}


def neurons(model: Model) -> dict[str, Any]:
    """Entropy and token-frequency neurons of the last layer, by the rules of the book (`kinds`), and what they do."""
    W_U = model.final_layer.weight_coordinates()
    spectrum = null_space.spectrum(W_U, centres=model.final_layer.centres)
    dim, drop = null_space.largest_drop(spectrum, tail=TAIL)
    chance = null_space.chance(dim=dim, d_model=len(W_U), centres=model.final_layer.centres)
    weights = neuron_weights.measure(model.W_out, W_U, null_space.basis(spectrum, dim=dim))
    tokens = model.sequences("pocket", n_sequences=N_SEQUENCES, sequence_length=SEQUENCE_LENGTH)
    unigram = token_frequency.unigram(model, "pocket", n_tokens=TOKENS_PER_ENTRY * model.final_layer.d_vocab)
    log_unigram = unigram.log_probability.to(W_U)
    effect: Any = effects.measure(model, tokens, scored=model.scored(tokens), log_unigram=log_unigram)
    entropy, frequency = kinds.entropy(model), kinds.frequency(effect)
    candidates = weights.rho >= min(3 * chance, 0.9)
    strong = above_matched(effect.mean("abs_entropy_change"), weights.norm, candidates=candidates)
    mediated = entropy.neurons & (effect.norm_mediated >= 0.5) & strong
    return {
        "dim": dim,
        "drop": drop,
        "chance": chance,
        "entropy": entropy.units,
        "entropy_mediated": mediated.nonzero()[:, 0].tolist(),
        "frequency": frequency.units,
        "rho": weights.rho[entropy.neurons].double().tolist(),
        "norm_mediated": effect.norm_mediated[entropy.neurons].tolist(),
        "frequency_mediated": effect.frequency_mediated[frequency.neurons].tolist(),
        "tokens": int(effect.n.sum()),
    }


def above_matched(
    effect: torch.Tensor, norm: torch.Tensor, *, candidates: Bool[torch.Tensor, " neuron"], n_matched: int = 20
) -> Bool[torch.Tensor, " neuron"]:
    """Which candidates' effect exceeds the 95th percentile of the other neurons nearest to them in norm."""
    others = (~candidates).nonzero()[:, 0]
    above = torch.zeros_like(candidates)
    for neuron in candidates.nonzero()[:, 0].tolist():
        nearest = others[(norm[others].log() - norm[neuron].log()).abs().argsort()[:n_matched]]
        above[neuron] = len(nearest) > 0 and bool(effect[neuron] > effect[nearest].quantile(0.95))
    return above


def confidence(model: Model) -> dict[str, float]:
    """Mean entropy and loss in nats, and the calibration error, on the embedded sample."""
    tokens = model.sequences("pocket", n_sequences=N_SEQUENCES, sequence_length=SEQUENCE_LENGTH)
    scored = model.scored(tokens)
    logits, target = model.run(tokens, "logits").logits[scored], tokens.roll(-1, 1)[scored]
    correct = logits.argmax(-1) == target
    sequence = torch.arange(len(tokens))[:, None].expand_as(tokens)[scored]
    draw = drawing.seeded(0)
    loss = resampling.mean(measures.loss(logits, target), sequence, generator=draw("loss"))
    error = calibration.error(
        measures.confidence(logits), correct, sequence, n_bins=N_BINS, generator=draw("calibration")
    )
    return {
        "entropy": measures.entropy(logits).mean().item(),
        "loss": loss.value,
        "loss_low": loss.low,
        "loss_high": loss.high,
        "calibration_error": error.value,
        "calibration_error_low": error.low,
        "calibration_error_high": error.high,
        "n": len(target),
    }


def half_precision(model: Model, half: Model) -> dict[str, float]:
    """What keeping weights in half precision costs: the same model from its last checkpoint, beside it."""
    tokens = model.sequences("pocket", n_sequences=2, sequence_length=SEQUENCE_LENGTH)
    rho = []
    for one in (model, half):
        W_U = one.final_layer.weight_coordinates()
        spectrum = null_space.spectrum(W_U, centres=one.final_layer.centres)
        dim, _ = null_space.largest_drop(spectrum, tail=TAIL)
        rho.append(null_space.rho(one.W_out.double(), null_space.basis(spectrum, dim=dim)))
    difference = model.run(tokens, "logits").logits - half.run(tokens, "logits").logits
    return {
        "largest_logit_difference": difference.abs().max().item(),
        "largest_rho_difference": (rho[0] - rho[1]).abs().max().item(),
    }


def last_checkpoint(base: str) -> str:
    """Name or folder of the last checkpoint kept beside a base model.

    Raises FileNotFoundError when there is none."""
    folder = source.POCKET_MODELS / base if base in source.pocket_names() else Path(base)
    kept = sorted(folder.parent.glob(f"{folder.name}-step-*"))
    if not kept:
        raise FileNotFoundError(f"no checkpoint {folder.name}-step-… lies beside {folder}")
    return str(kept[-1])


def measure(*, base: str = "pocket", tuned: str = "pocket-sft", post: str = "pocket-chat") -> dict[str, Any]:
    """The whole report on three models, by name or folder."""
    loaded = {"pocket": door.load(base), "pocket-sft": door.load(tuned), "pocket-chat": door.load(post)}
    pocket, generator = loaded["pocket"], torch.Generator().manual_seed(0)
    models = {name: confidence(model) | behaviour.refusals(model) for name, model in loaded.items()}
    scores = induction.induction_score(pocket, n_sequences=8, length=50, generator=generator).flatten()
    control = Path(source.resolve(base).location).with_name("pocket-random-verdicts")
    aims = targets.of_weights(
        loss_and_surprisal(pocket), neurons(pocket), scores, d_model=pocket.final_layer.d_model
    ) | targets.of_knowledge(
        behaviour.recalled(pocket),
        knowing.judged(pocket),
        knowing.truth_direction(pocket),
        knowing.truth_direction(door.load(str(control))) if control.exists() else None,
    )
    sure = {name: knowing.answers(loaded[name]) for name in ("pocket", "pocket-chat")}
    aims |= targets.of_behaviour(sure, behaviour.conflicts(pocket), models["pocket"], models["pocket-chat"])
    return {
        "targets": {name: asdict(target) for name, target in aims.items()},
        "models": models,
        "half_precision": half_precision(pocket, door.load(last_checkpoint(base))),
    }


def main() -> None:
    """Command line: measures the three pocket models, or others in their place, and prints the report."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--base", default="pocket", help="name or folder of the base model")
    parser.add_argument("--tuned", default="pocket-sft", help="name or folder of the fine-tuned model")
    parser.add_argument("--post", default="pocket-chat", help="name or folder of the post-trained model")
    arguments = parser.parse_args()
    print(json.dumps(measure(base=arguments.base, tuned=arguments.tuned, post=arguments.post), indent=2))


if __name__ == "__main__":
    main()
