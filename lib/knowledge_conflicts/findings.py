"""What a run says about the claims of Tighidet et al. (2025), each as the statistic that its claim asks for.

A share that cannot be had (no prompt has the label it is a share of) is a text that says so."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lib import controls, drawing, paired
from lib.controls import Against, Matched
from lib.drawing import named
from lib.knowledge_conflicts import audit, scores, sets, tallies
from lib.knowledge_conflicts.labels import CK, LABELS, ND, PK
from lib.knowledge_conflicts.scores import Share
from lib.knowledge_conflicts.tallies import Tallies
from lib.knowledge_conflicts.valued import Place
from lib.neuron_weights import NeuronWeights
from lib.resampling import Estimate

Found = Estimate | Share | tuple[Any, Any] | str
ON_EFFECT = ("C10", "C13", "C14", "C17", "C20", "C21")
"""Claims that rest on sets matched on effect."""
CONVERTED = {"C13": (CK,), "C14": (CK, PK)}
"""Claims about conversion ratios, and the labels of these."""
SHARES: dict[str, tuple[tallies.Statistic, str]] = {
    "C13": (tallies.conversion(CK), ""),
    "C17": (tallies.transition(PK, CK), PK),
    "C20": (tallies.transition(ND, CK), ND),
    "C14": (tallies.CONVERSION_TO_CONTEXT, ""),
    "C21": (tallies.NET_FLOW, ""),
}
"""Statistics that are held against sets matched on effect, and the label of which prompts they are a share."""


def beside(
    tallied: Tallies, rows: Mapping[str, slice], matched: Mapping[str, Matched], *, seed: int
) -> dict[str, Against | str]:
    """The chosen neurons beside sets matched on effect, by claim; `C11` beside those matched on norm or on effect,
    whichever says less. A text where all prompts, or none, have the label that a share is of."""
    found: dict[str, Against | str] = {}
    reasons = tallies.missing(tallied.by_fact(0).sum(0))
    for claim, (statistic, label) in SHARES.items():
        reason = reasons.get(label, "") or _all_alike(tallied, CONVERTED.get(claim, ()))
        found[claim] = reason or _against(tallied, statistic, sets.EFFECT, rows, matched, seed=seed, claim=claim)
    each = [
        _against(tallied, tallies.CHANGES, kind, rows, matched, seed=seed, claim=f"C11 {kind}")
        for kind in (sets.NORM, sets.EFFECT)
    ]
    return found | {"C11": controls.weakest(*each)}


def _against(
    tallied: Tallies,
    statistic: tallies.Statistic,
    kind: str,
    rows: Mapping[str, slice],
    matched: Mapping[str, Matched],
    *,
    seed: int,
    claim: str,
) -> Against:
    generator = named(seed, f"{claim} beside others")
    return tallied.against(statistic, rows[kind], n_candidates=matched[kind].n_candidates, generator=generator)


def _all_alike(tallied: Tallies, labels: Sequence[str]) -> str:
    """Why a conversion ratio of one of the labels cannot be had, where all prompts have it."""
    found = {LABELS[place] for place in tallied.clean.tolist()}
    alike = [label for label in labels if found == {label}]
    return f"every prompt is labelled {alike[0]} by the clean model, so nothing can be converted" if alike else ""


def of_answers(tallied: Tallies, noise: Bool[Tensor, " prompt"]) -> dict[str, Found]:
    """The claims about the chosen neurons alone: C7, C9, C18, C22, and of C21 the share of facts that move to CK."""
    clean, after = tallies.names(tallied.clean), tallies.names(tallied.ablated[0])
    fact = tallied.fact.tolist()
    stay = [(now, about) for was, now, about in zip(clean, after, fact, strict=True) if was == CK]
    _, toward = scores.moved_toward(CK, clean, after, fact)
    return {
        "C7": scores.clustered([label == CK for label in clean], fact),
        "C9": tallies.apart(tallied.exact(tallies.CHANGES), scores.clustered(noise.tolist(), fact)),
        "C18": scores.clustered([now == CK for now, _ in stay], [about for _, about in stay])
        if stay
        else "no prompt is labelled CK by the clean model",
        "C22": tallied.exact(tallies.TRADE),
        "toward": toward if toward.n else "no fact moves toward the context or away from it on balance",
    }


def of_sizes(tallied: Tallies, by_value: Mapping[str, Place]) -> dict[str, Found]:
    """The numbers published for the authors' facts; `by_value` places the neurons among their sampler's sets."""
    counts = tallied.transitions()
    n_of = {label: Share(int((tallied.clean == place).sum()), counts.n) for place, label in enumerate(LABELS)}
    found: dict[str, Share | Estimate] = {
        "C7.size": n_of[CK],
        "C8.nd": n_of[ND],
        "C8.pk": n_of[PK],
        "C9.size": scores.global_transition(counts),
        "C10.size": by_value["mean"].percentile,
        "C25.size": by_value["median"].percentile,
        "C13.size": scores.conversion(counts, CK),
        "C14.size": scores.conversion(counts, PK),
        "C15.size": scores.conversion(counts, ND),
        "C16.size": scores.transition(counts, ND, CK),
        "C17.size": scores.transition(counts, PK, CK),
        "C18.size": scores.transition(counts, CK, CK),
        "C19.pk": scores.transition(counts, CK, PK),
        "C19.nd": scores.transition(counts, CK, ND),
        "C6": Estimate(float(counts.n), float(counts.n), float(counts.n), counts.n, tallied.n_facts),
    }
    empty = "no prompt has the label that this would be a share of"
    return {claim: one if not isinstance(one, Share) or one.n else empty for claim, one in found.items()}


def of_weights(weights: NeuronWeights, units: Sequence[int]) -> dict[str, Found]:
    """The claims about the weights of the neurons that the authors name; a text where they name none here."""
    if not units:
        return dict.fromkeys(("C3", "C4", "C5"), "the authors name no neuron of this model")
    one = torch.zeros(len(weights.norm), dtype=torch.bool).index_fill(0, torch.tensor([*units]), True)
    ratio = weights.norm[one].median() / weights.norm[~one].median()
    numbers = {"C3": weights.rho[one].min(), "C4": weights.logit_variance[one].max(), "C5": ratio}
    return {claim: _exactly(value.item(), n=len(units)) for claim, value in numbers.items()}


def of_published(neurons: Mapping[str, Sequence[str]]) -> dict[str, Found]:
    """What the published numbers say by themselves; see `audit`. `neurons` are those that the authors name, as
    `layer.unit`, by model."""
    units = {model: [int(neuron.split(".")[1]) for neuron in names] for model, names in neurons.items()}
    return dict(audit.measured(units, sampler=sets.as_in_the_paper))


def halves(first: Found, second: Found) -> Found:
    """Both halves of a claim; where one cannot be had, the text that says why."""
    return next((half for half in (first, second) if isinstance(half, str)), (first, second))


def entered(
    alone: Mapping[str, Found], against: Mapping[str, Against | str], *, place: Mapping[str, Estimate], both: Estimate
) -> dict[str, Found]:
    """The claims about what this run counted, by their short ids: those about the chosen neurons `alone`, those
    `against` controls, the percentiles in `place` by kind of set, and the lower one of two values (`both`)."""
    beyond = {claim: one if isinstance(one, str) else one.difference for claim, one in against.items()}
    found: dict[str, Found] = {**alone, **beyond}
    converted = against["C14"]
    found["C10"] = place[sets.FREE], place[sets.EFFECT]
    found["C14"] = halves(converted if isinstance(converted, str) else converted.chosen, found["C14"])
    found["C21"] = halves(found["C21"], found.pop("toward"))
    return found | {"C28": both}


def _exactly(value: float, *, n: int) -> Estimate:
    return Estimate(value, value, value, n, 1)


def direction(tallied: Tallies) -> paired.SignTest:
    """Whether facts move toward CK more often than away from it."""
    return scores.moved_toward(
        CK, tallies.names(tallied.clean), tallies.names(tallied.ablated[0]), tallied.fact.tolist()
    )[0]


def percentiles(
    tallied: Tallies, rows: Mapping[str, slice], *, draw: Callable[[str], torch.Generator]
) -> dict[str, Estimate]:
    """The percentile (0 … 100) of the chosen neurons' global transition score among the control sets of each kind."""
    return {kind: tallied.percentile(some, generator=draw(f"percentile {kind}")) for kind, some in rows.items()}


def as_many(tallied: Tallies, rows: Mapping[str, slice]) -> dict[str, tuple[int, int]]:
    """How many control sets of each kind change the labels of as many prompts as the chosen neurons, or of more; and of
    how many sets."""
    own = tallied.scores(slice(1))
    scores_of = {kind: tallied.scores(some) for kind, some in rows.items()}
    return {kind: (int((score >= own).sum()), len(score)) for kind, score in scores_of.items()}


def shift_beside(tallied: Tallies, shift: Float[Tensor, "set prompt"], matched: Matched, *, seed: int) -> Against:
    """The mean change of the log-odds beside that of the other sets, facts and sets drawn together."""
    sums = torch.zeros(len(shift), tallied.n_facts, dtype=torch.float64).index_add_(1, tallied.fact, shift.double())
    n = tallied.fact.bincount(minlength=tallied.n_facts).double()
    weight = drawing.weights(tallied.n_facts, generator=named(seed, "log-odds beside others"))
    found = controls.beside(
        lambda draw, one: (draw @ one) / (draw @ n),
        sums[0],
        list(sums[1:]),
        whole=torch.full_like(n, 1 / len(n)),
        drawn=list(weight),
        n=shift.shape[1],
        n_sequences=tallied.n_facts,
    )
    return tallies.widened(found, matched.n_candidates)
