"""The questions of the page: which claims answer each, what more is told of it, and which figure shows it."""

from lib.real_model import drawing, measured
from lib.real_model.asking import Findings, Question
from lib.real_model.measured import Pair
from lib.real_model.results import SIZES
from lib.sentences import real_model as says

RULES = "agreement of the rules"


def _dims(pair: Pair) -> Findings:
    removed = {run.name: measured.n_zero(run) for run in pair}
    found = {
        f"`{run.name}`": (measured.cut(run) - removed[run.name], run.report[SIZES][1] - removed[run.name])
        for run in pair
    }
    return [says.dims(found)], {}


def _above_chance(pair: Pair) -> Findings:
    found = {}
    for run in pair:
        table = run.table("neurons.csv")
        over = table.rho / measured.chance(run)
        chosen, others = over[table.stolfo], over[~table.stolfo]
        above, beside = ((int((some > 1).sum()), len(some)) for some in (chosen, others))
        found[f"`{run.name}`"] = above, beside, float(chosen.mean())
    return [says.above_chance(found)], {}


def _agreement(pair: Pair) -> Findings:
    found = measured.agreement(pair)
    shared = {f"`{run.name}`": len(beyond) for run, beyond in zip(pair, found.beyond, strict=True)}
    told = says.overlap(shared, both=found.both, apart=found.apart, n=found.n)
    outcomes = {says.agreement(pairs) if pairs else RULES: outcome for outcome, pairs in found.outcomes.items()}
    return [told], outcomes


def _flipped(pair: Pair) -> Findings:
    found = {
        f"`{run.name}`": (measured.flipped(run), measured.flipped(run, neurons="matched on effect")) for run in pair
    }
    return [says.flipped(found)], {}


QUESTIONS = {
    "spectrum": Question(
        tables=("spectrum.csv",),
        draw=drawing.spectrum,
        alt="Two panels: singular values over their median on a logarithmic axis, whole spectra and their ends.",
        caption="The spectra of both unembeddings, each over its own median; right, their last directions.",
        claims={"stolfo2024.C3": ("drop of the spectrum", "the drop of the spectrum over that of random unembeddings")},
        more=_dims,
    ),
    "rho": Question(
        tables=("neurons.csv", "spectrum.csv"),
        draw=drawing.rho,
        alt="A row for each model: dots for the rho of the chosen neurons, a grey line for that of all others.",
        caption=(
            "Rho in units of chance, of the neurons that the rule `stolfo` chooses and of the rest of the layer. "
            "Dotted: chance, and what the mean of others is claimed to stay below."
        ),
        claims={
            "stolfo2024.C4": (
                "writing into the null space",
                "the rho of the chosen neurons minus that of others of their length",
            )
        },
        second="the others' rho over chance",
        more=_above_chance,
    ),
    "logit-variance": Question(
        tables=("neurons.csv",),
        draw=drawing.logit_variance,
        alt="A panel for each model: LogitVar against norm, a dot for each neuron, those of the rule coloured.",
        caption="LogitVar against norm, every neuron of the last layer; coloured, those of the rule `stolfo`.",
        claims={
            "stolfo2024.C1": (
                "low LogitVar of long neurons",
                "the LogitVar of the rule's choice among shuffled norms over that of its own",
            )
        },
    ),
    "mediation": Question(
        tables=("effects.csv", "spectrum.csv", "neurons.csv"),
        draw=drawing.mediation,
        alt="A panel for each model: norm-mediated share against rho, a dot with its interval for each neuron.",
        caption="The share of every neuron's effect that goes through the final norm, against its rho.",
        claims={
            "stolfo2024.C2": (
                "an effect of the rule's neurons through the norm",
                "the chosen neurons' norm-mediated share minus that of others",
            ),
            "stolfo2024.C5": (
                "rho foretells that share",
                "the correlation of rho and share, minus that in random spaces",
            ),
            "stolfo2024.C8": ("larger shares at large rho", "the largest share at large rho minus that of others"),
            "stolfo2024.C9": (
                "entropy moved alone, through the norm",
                "the share where entropy moves alone, minus that of others",
            ),
            "companion.B4": ("rho goes with following the entropy", "the correlation of rho and following the entropy"),
        },
        second="the others' share",
        drawn=("stolfo2024.C2", "stolfo2024.C5", "stolfo2024.C8", "stolfo2024.C9", "companion.B4"),
    ),
    "rules": Question(
        tables=("neurons.csv", "effects.csv"),
        draw=drawing.rules,
        alt="A heat map for each model: the Jaccard index of every pair of rules.",
        caption="Jaccard index of every pair of rules; in brackets, how many neurons a rule chose.",
        more=_agreement,
        subject=RULES,
    ),
    "frequency": Question(
        tables=("frequency.csv",),
        draw=drawing.frequency,
        alt="A panel for each model: absolute KL change against frequency-mediated share, a dot for each neuron.",
        caption="How far each neuron moves predictions from the unigram distribution, and by which road.",
        claims={
            "stolfo2024.C13": (
                "an effect through token frequency",
                "the followed neurons' frequency-mediated share minus that of others",
            ),
            "stolfo2024.C11": (
                "the surer, the further from the unigram",
                "the correlation of entropy and distance to the unigram, minus that to permuted ones",
            ),
            "stolfo2024.C12": (
                "frequency neurons stand out",
                "the percentile of the followed neurons minus that of others",
            ),
            "stolfo2024.C14": (
                "more through frequency than entropy neurons",
                "the followed neurons' share minus that of entropy neurons",
            ),
            "stolfo2024.C15": (
                "frequency neurons are found twice",
                "the number of frequency neurons that are found twice",
            ),
        },
        second="the others' share",
        drawn=("stolfo2024.C13", "stolfo2024.C11", "stolfo2024.C12", "stolfo2024.C14"),
    ),
    "induction": Question(
        tables=("heads.csv",),
        draw=drawing.induction,
        alt="A panel for each model: the induction score of every head by layer, and that on shuffled repeats.",
        caption="How much attention each head pays to what followed the token the first time.",
        claims={
            "stolfo2024.C18.entropy": (
                "surer on a repeat",
                "the change of entropy on a repeat, beyond a shuffled one (nats)",
            ),
            "stolfo2024.C18.loss": (
                "less loss than shuffled and than before",
                "the change of loss on a repeat, beyond a shuffled one (nats)",
            ),
            "stolfo2024.C21": ("an induction head", "the induction score of the best head"),
            "stolfo2024.C18.activation": (
                "an entropy neuron reacts to a repeat",
                "the reaction of an entropy neuron minus that of others",
            ),
            "stolfo2024.C19": (
                "clipping it lowers entropy",
                "the entropy that clipping it takes away, minus that of others",
            ),
            "stolfo2024.C20": (
                "induction heads drive it",
                "how far it falls without induction heads, minus other heads",
            ),
            "stolfo2024.C22.synthetic": (
                "entropy neurons react more than others",
                "the reaction of entropy neurons, in ranks, minus that of others",
            ),
        },
        second="the change of entropy from the first pass to the repeat",
        drawn=(
            "stolfo2024.C18.entropy",
            "stolfo2024.C21",
            "stolfo2024.C18.activation",
            "stolfo2024.C19",
            "stolfo2024.C20",
            "stolfo2024.C22.synthetic",
        ),
    ),
    "conflicts": Question(
        tables=("transitions.csv",),
        draw=drawing.conflicts,
        alt="A panel for each model: lines from each label of the clean answers to that of the ablated ones.",
        caption=(
            "Whose answer is given when a prompt contradicts what the model knows, clean and with neurons ablated: "
            "that of the context (CK), the known one (PK), neither (ND)."
        ),
        claims={
            "tighidet2025.C21": ("copying held back", "the net flow to the context minus that of others"),
            "tighidet2025.C9": ("answers change beyond noise", "the share of answers that change, beyond noise"),
            "tighidet2025.C11": (
                "answers change more than with others",
                "the share of answers that change minus that of others",
            ),
            "tighidet2025.C13": (
                "answers converted to the context",
                "the conversion to the context minus that of others",
            ),
            "tighidet2025.C17": (
                "from knowledge to context",
                "the share from knowledge to context minus that of others",
            ),
            "tighidet2025.C7": ("most answers from the context", "the share of answers from the context"),
        },
        second="the share of moved facts that move to the context",
        drawn=(
            "tighidet2025.C21",
            "tighidet2025.C9",
            "tighidet2025.C11",
            "tighidet2025.C13",
            "tighidet2025.C17",
            "tighidet2025.C7",
        ),
        more=_flipped,
    ),
}
"""By the mark that stands for each in the page."""
