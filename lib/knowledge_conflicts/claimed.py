"""Claims about answers as they are, and claims whose numbers hold for the authors' facts, neurons and models only.

A share of other facts, or of other neurons, is no test of a published number; then the reason why nothing is measured
stands in the place of the measurement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib import neuron_weights, null_space, selection
from lib.knowledge_conflicts import scores
from lib.knowledge_conflicts.audit import published
from lib.knowledge_conflicts.gathering import Gathered
from lib.knowledge_conflicts.labels import CK, ND, PK
from lib.knowledge_conflicts.scores import Share
from lib.model import Model
from lib.paired import Transitions
from lib.resampling import Estimate

Found = dict[str, Estimate | str]
"""By the claim's short id: a measurement, or why there is none."""
NONE_KNOWN = "the model knows none of the facts, so nothing contradicts it"
OTHER_FACTS = "it is about the authors' facts in lower case, and their five models; name your copy by facts_csv"
OTHER_NEURONS = "it is about the neurons that the authors name in five models"
OF_PROMPTS = ("C6", "C7.size", "C8.nd", "C8.pk")
OF_TRANSITIONS = {
    "C9.size": scores.global_transition,
    "C13.size": lambda found: scores.conversion(found, CK),
    "C14.size": lambda found: scores.conversion(found, PK),
    "C15.size": lambda found: scores.conversion(found, ND),
    "C16.size": lambda found: scores.transition(found, ND, CK),
    "C17.size": lambda found: scores.transition(found, PK, CK),
    "C18.size": lambda found: scores.transition(found, CK, CK),
    "C19.pk": lambda found: scores.transition(found, CK, PK),
    "C19.nd": lambda found: scores.transition(found, CK, ND),
}
"""Scores of the authors' ablation, by claim."""


@dataclass(frozen=True)
class Setting:
    """Whether a run is the authors' own: their model, facts and letter case."""

    model: str
    """As claims know it."""
    facts_csv: str
    lower: bool

    @property
    def is_theirs(self) -> bool:
        """Whether published numbers can be expected."""
        return self.model in published() and bool(self.facts_csv) and self.lower


def of_prompts(found: Gathered, labels: Sequence[str], *, setting: Setting) -> Found:
    """The claims about clean answers: whose they are, and in the authors' setting how many."""
    if not labels:
        return dict.fromkeys(("C7", *OF_PROMPTS), NONE_KNOWN)
    shares = {label: scores.clustered([one == label for one in labels], found.facts) for label in (CK, ND, PK)}
    if not setting.is_theirs:
        return {"C7": shares[CK], **dict.fromkeys(OF_PROMPTS, OTHER_FACTS)}
    n = len(labels)
    counted = Estimate(float(n), float(n), float(n), n, found.n_facts)
    return {"C7": shares[CK], "C6": counted, "C7.size": shares[CK], "C8.nd": shares[ND], "C8.pk": shares[PK]}


def of_transitions(found: Transitions, *, setting: Setting, percentiles: Mapping[str, Estimate]) -> Found:
    """The published scores of the authors' ablation, and the `percentiles` of C10.size and C25.size, by claim.

    Transition scores take prompts as independent, as the published ranges do."""
    if not setting.is_theirs or not found.n:
        reason = OTHER_FACTS if found.n else NONE_KNOWN
        return dict.fromkeys((*OF_TRANSITIONS, "C10.size", "C25.size"), reason)
    return {claim: _or_none(score(found)) for claim, score in OF_TRANSITIONS.items()} | dict(percentiles)


def _or_none(share: Share) -> Estimate | str:
    if not share.is_defined:
        return "0 of 0: no prompt had such a label"
    return Estimate(share.value, share.low, share.high, share.n, share.n)


def of_named(model: Model, units: Sequence[int], *, known_as: str) -> Found:
    """The claims about the weights of the neurons that the authors name in a model, in a null space of as many
    directions as they took. All the vocabulary is read and nothing sampled, so every interval is its value.

    `known_as` is the model's name in the claims. Raises ValueError for units that the layer does not have."""
    if not units or known_as not in published():
        return dict.fromkeys(("C3", "C4", "C5"), OTHER_NEURONS)
    chosen = selection.mask_of(units, d_mlp=len(model.W_out)).to(model.W_out.device)
    W_U = model.final_layer.weight_coordinates()
    spectrum = null_space.spectrum(W_U, centres=model.final_layer.centres)
    basis = null_space.basis(spectrum, dim=int(published()[known_as].number["dim"]))
    found = neuron_weights.measure(model.W_out, W_U, basis)
    values = {
        "C3": found.rho[chosen].min(),
        "C4": found.logit_variance[chosen].max(),
        "C5": found.norm[chosen].median() / found.norm[~chosen].median(),
    }
    return {claim: Estimate(*[value.item()] * 3, n=len(units), n_sequences=1) for claim, value in values.items()}
