"""A made-up run: small tables with known neurons, ledgers with given numbers, as a book's run and as a kept one."""

import json

import numpy
import pandas
import torch

from lib import book, claims, selection
from lib.claims.carrying import Measurement
from lib.neuron_weights import NeuronWeights

SIZES = "layers, d_model, d_mlp, d_vocab"
UP, NONE, DOWN = (0.5, 0.4, 0.6), (0.0, -0.1, 0.1), (-0.5, -0.6, -0.4)
"""A value with its interval: above nought, across it, below it."""


def entry(claim_id, measured=UP, *, but=None, reason=""):
    """What a ledger says of a claim when so much is measured (value, low, high); not tested with a `reason`."""
    claim = claims.load()[claim_id]
    numbers = dict.fromkeys(("measured", "low", "high", "n"))
    if reason:
        verdict = "not tested"
    else:
        numbers = dict(zip(numbers, (*measured, 100), strict=True))
        second = Measurement(*but, 100) if but else None
        verdict, reason = claim.judge(Measurement(*measured, 100), model="made up", but=second)
    if claim.but:
        names = ("but_measured", "but_low", "but_high", "but_n")
        numbers |= dict(zip(names, (*but, 100) if but else (None,) * 4, strict=True))
    about = {"statement": claim.statement, "chapter": claim.chapter, "model": "made up", "parameters": {"seed": 0}}
    return {"claim": claim_id, "verdict": verdict, "reason": reason} | numbers | about


def ledger(value=UP):
    """An entry for every claim of chapters 01 to 07 that some model can test, all with one number."""
    known = [claim for claim in claims.load().values() if claim.chapter <= "07" and claim.has_direction]
    known = [claim for claim in known if not claim.reason and not claim.exact]
    found = [entry(claim.id, value, but=value if claim.but else None) for claim in known]
    whole = entry("stolfo2024.C3.dim", (2.0, 2.0, 2.0))
    return [one for one in found if not one["claim"].endswith((".size", ".print"))] + [whole]


def tables(seed=0, n=48, d_model=32):
    """Every table that the page reads, by chapter and file name."""
    random = numpy.random.default_rng(seed)
    weights = {"norm": random.uniform(0.5, 3, n), "logit_variance": random.uniform(1e-4, 1e-2, n)}
    weights["rho"] = random.uniform(0.1, 0.9, n)
    read = NeuronWeights(*map(torch.tensor, weights.values()))
    total = random.uniform(0.01, 0.1, n)
    direct = total * random.uniform(0.2, 1.2, n)
    chosen = {name: rule(read).numpy() for name, rule in selection.RULES.items()}
    chosen["causal"] = selection.causal(torch.tensor(total), torch.tensor(direct)).numpy()
    place = {"layer": 3, "unit": range(n)}
    share, pairs = 1 - direct / total, [(one, other) for one in ("CK", "PK", "ND") for other in ("CK", "PK", "ND")]
    ends = {"norm_mediated": share, "norm_mediated_low": share - 0.1, "norm_mediated_high": share + 0.1}
    effects = pandas.DataFrame(
        place | {"total": total, "direct": direct, "rho": weights["rho"], "settled": True} | ends
    )
    kl = pandas.DataFrame(place | {"kind": "other", "abs_kl_change": total, "frequency_mediated": share})
    kl.loc[:2, "kind"], kl["frequency_mediated_low"], kl["frequency_mediated_high"] = (
        "followed",
        share - 0.1,
        share + 0.1,
    )
    heads = pandas.DataFrame({"layer": [0, 0, 1, 1], "head": [0, 1, 0, 1], "induction_score": [0.0, 0.1, 0.9, 0.2]})
    heads["induction_score_low"], heads["induction_score_high"] = heads.induction_score, heads.induction_score
    counts = pandas.DataFrame([("chosen", *pair, 5 + place) for place, pair in enumerate(pairs)])
    values = numpy.geomspace(10, 1, d_model) * numpy.where(numpy.arange(d_model) < d_model - 2, 1, 1e-2)
    return {
        ("02", "spectrum.csv"): pandas.DataFrame({"index": range(d_model), "singular_value": values}),
        ("03", "neurons.csv"): pandas.DataFrame(place | weights | chosen),
        ("04", "effects.csv"): effects.assign(chosen=chosen["stolfo"]),
        ("05", "frequency.csv"): kl,
        ("06", "heads.csv"): heads.assign(shuffled=0.01),
        ("07", "transitions.csv"): counts.set_axis(["set", "clean", "ablated", "count"], axis=1),
    }


def card(model, fingerprint, folder):
    """The run card of a chapter about such a model."""
    given = {"model": str(model), "text": "", "seed": 0, "dim": 0, "rho_floor": 0.4, "top": 0.5, "min_share": 0.3}
    return {
        "model": getattr(model, "name", model),
        "source": "directory",
        "revision": fingerprint,
        "architecture": "made up",
        SIZES: [4, 32, 48, 100],
        "coordinates": "gain folded into W_U, not centred over d_model (RMSNorm)",
        "parameters": given | {"results": str(folder)},
        "fingerprint": {"model": fingerprint, "library": "l", "environment": "e"},
        "device": "cpu",
        "versions": {"torch": "2"},
        "code": "c",
        "date": "2026-01-02 03:04 UTC",
    }


def run(folder, model="a", *, fingerprint="f", entries=None, seed=0, chapters=("02", "03", "04", "05", "06", "07")):
    """A run in a folder as chapters and staging leave it, with its `run.json`; its folder is returned."""
    entries, cards = ledger() if entries is None else entries, {}
    for number in chapters:
        chapter = book.chapter_named(number)
        results = folder / "results" / chapter
        results.mkdir(parents=True)
        cards[chapter] = card(model, fingerprint, results)
        (results / "card.json").write_text(json.dumps(cards[chapter]))
        cards[chapter] = cards[chapter] | {"seconds": 2.5, "processor_seconds": 4.0, "peak_gib": 0.25, "threads": 2}
        own = [one for one in entries if one["chapter"] == number or (number == chapters[0] and one["chapter"] == "01")]
        (results / "claims.json").write_text(json.dumps(own))
    for (number, name), table in tables(seed).items():
        if number in chapters:
            table.to_csv(folder / "results" / book.chapter_named(number) / name, index=False)
    (folder / "run.json").write_text(json.dumps({"chapters": cards}))
    return folder
