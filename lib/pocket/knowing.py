"""What a pocket model knows about its own statements and answers: whether they are true, and how sure it is of them.

A model that judges rightly need not hold truth in one place, and one that holds it need not say so; so the verdict is
asked for, and the direction of truth is looked for where a statement ends. Confidence is read on answers."""

import random
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib import calibration, directions, facts, measures, resampling
from lib.model import Model, Site
from lib.pocket import chat, statements
from lib.pocket.behaviour import share
from lib.pocket.draw import Draw

N_JUDGED = 1000
N_STATEMENTS = 120
"""Statements of each relation that the direction of truth is looked for in."""
N_ASKED = 200
N_BINS = 15
BATCH = 64


def last(model: Model, texts: list[str]) -> tuple[Int[Tensor, "text position"], Int[Tensor, " text"]]:
    """Texts behind a BOS each, padded with EOS, and the position of each one's last token."""
    encoded = [[model.tokenizer.bos, *model.tokenizer.encode(some)] for some in texts]
    width = max(map(len, encoded))
    tokens = torch.tensor([ids + [model.tokenizer.eos] * (width - len(ids)) for ids in encoded])
    return tokens, torch.tensor([len(ids) - 1 for ids in encoded])


def judged(model: Model) -> dict[str, Any]:
    """How often TRUE and FALSE are told apart on facts that the corpus never judges, half of them told rightly.

    No statement is asked twice; of the right ones there are fewer, so that they say how many are asked."""
    draw, once = Draw(random.Random("judged")), {}
    for _ in range(N_JUDGED):
        name = statements.a_relation(draw, facts.RELATIONS)
        once[statements.about(draw, name, held_out=True)] = name
    rightly, wrongly = ([(asked, name) for asked, name in once.items() if asked[1] == kind] for kind in (True, False))
    both = [*rightly, *wrongly[: len(rightly)]]
    asked, names = [asked for asked, _ in both], [name for _, name in both]
    tokens, end = last(model, [statements.ask_verdict(statement) for statement, _ in asked])
    yes, no = (model.tokenizer.encode(f" {word}")[0] for word in ("TRUE", "FALSE"))
    parts = [
        model.run(some, "logits", batch_size=BATCH).logits[torch.arange(len(some)), at][:, [yes, no]]
        for some, at in zip(tokens.split(BATCH), end.split(BATCH), strict=True)
    ]
    said = torch.cat(parts)
    hit = (said[:, 0] > said[:, 1]) == torch.tensor([right for _, right in asked])
    of = {name: hit[[other == name for other in names]] for name in facts.RELATIONS}
    by_relation = {name: some.double().mean().item() for name, some in of.items()}
    return share("share", int(hit.sum()), len(hit)) | {"n": len(hit), "by_relation": by_relation}


def truth_direction(model: Model) -> dict[str, Any]:
    """How well one direction tells true statements from false ones of a relation that it was not found on.

    After each layer, where the statement ends: the difference between the mean of the true and of the false ones of all
    other relations, cut halfway between them. The shares of right answers by layer, and the largest of them."""
    draw, texts, right, relation = Draw(random.Random("direction")), [], [], []
    for number, name in enumerate(facts.RELATIONS):
        for _ in range(N_STATEMENTS):
            statement, true = statements.about(draw, name, held_out=None)
            texts.append(statement)
            right.append(true)
            relation.append(number)
    resid = ends(model, texts)
    told = torch.tensor(right), torch.tensor(relation)
    hits = [directions.left_out(after, *told) for after in resid.unbind(1)]
    by_layer = [hit.double().mean().item() for hit in hits]
    best = max(range(len(hits)), key=lambda layer: by_layer[layer])
    found = share("share", int(hits[best].sum()), len(texts))
    return found | {"layer": best, "by_layer": by_layer, "n": len(texts)}


def ends(model: Model, texts: list[str]) -> Float[Tensor, "text layer d_model"]:
    """The residual stream after every layer at each text's last token."""
    tokens, end = last(model, texts)
    after = [Site(layer, "resid_post") for layer in range(model.n_layers)]
    kept = model.record(tokens, after, positions=end[:, None], batch_size=BATCH)
    return torch.cat([kept[site] for site in after], dim=1)


def answers(model: Model) -> dict[str, float | int]:
    """Mean entropy in nats and calibration error at the tokens of right answers to questions that post-training left
    out, with intervals over questions."""
    pairs = [(item.question, item.good) for item in chat.distinct("fact", seed="confidence", n=N_ASKED)]
    tokens, answered = chat.encoded(model.tokenizer.backend.backend_tokenizer, pairs)
    logits = model.run(tokens, "logits", batch_size=BATCH).logits[:, :-1][answered[:, 1:]]
    target = tokens[:, 1:][answered[:, 1:]]
    question = answered[:, 1:].nonzero()[:, 0]
    entropy, sure = measures.entropy(logits), measures.confidence(logits)
    correct = logits.argmax(-1) == target
    generator = torch.Generator().manual_seed(0)

    error = calibration.error(sure, correct, question, n_bins=N_BINS, generator=generator)
    found: dict[str, float | int] = {"n": len(pairs)}
    for name, estimate in (
        ("entropy", resampling.mean(entropy, question, generator=generator)),
        ("calibration_error", error),
    ):
        found |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return found


def surer(base: dict[str, float | int], post: dict[str, float | int]) -> bool:
    """Whether the post-trained model's answers have less entropy and another calibration error than the base model's,
    each with its interval apart from the other's."""
    apart = (
        base["calibration_error_high"] < post["calibration_error_low"]
        or post["calibration_error_high"] < base["calibration_error_low"]
    )
    return post["entropy_high"] < base["entropy_low"] and apart
