"""Which neurons are taken away: those that the reader names, those that a paper names, or those that a rule finds.

Most rules look at weights alone. Two look at what neurons do, and what they do is measured on running text, so that no
prompt of the chapter has a part in the choice."""

from collections.abc import Mapping, Sequence
from typing import cast

from lib import effects, kinds, selection, token_frequency
from lib.effects import FrequencyEffects
from lib.kinds import Kind
from lib.knowledge_conflicts import sets
from lib.model import Model
from lib.neuron_weights import NeuronWeights

BY_HAND = "by hand"
BY_EFFECT = ("causal", "frequency")
"""The rules that look at effects."""


def chosen(
    model: Model,
    weights: NeuronWeights,
    rule: str,
    *,
    count: int,
    units: str,
    named: Mapping[str, Sequence[int]],
    text: str,
    n_sequences: int,
    sequence_length: int,
) -> Kind:
    """The neurons of the last layer to take away: `units` (such as "3, 17"), else those that are `named` for the rule,
    else at most `count` that the rule finds, else, where it finds none, what comes nearest (`Kind.stands_in`).

    `weights` are those of the last layer. Only the rules of `BY_EFFECT` read the `text`, in `n_sequences` of
    `sequence_length` tokens. Raises ValueError for an unknown rule, and as `sets.named` and `selection.mask_of` do."""
    if units:
        return Kind(sets.named(units, d_mlp=len(weights.norm)), BY_HAND)
    if named.get(rule):
        return Kind(selection.mask_of(named[rule], d_mlp=len(weights.norm)), kinds.BY_THE_PAPER)
    if rule not in BY_EFFECT:
        return kinds.by_rule(rule, weights, count=count)
    effect = on_running_text(model, text, n_sequences=n_sequences, sequence_length=sequence_length)
    if rule == "causal":
        total, direct = effect.mean("total"), effect.mean("direct")
        return Kind(selection.causal(total, direct, count=count), rule)
    return kinds.frequency_or_nearest(effect, count=count)


def on_running_text(model: Model, text: str, *, n_sequences: int, sequence_length: int) -> FrequencyEffects:
    """What each neuron of the last layer does on a text (in nats), with the unigram distribution of 100 of its tokens
    for every entry of the vocabulary. Raises as `Model.sequences` and `token_frequency.unigram` do."""
    tokens = model.sequences(text, n_sequences=n_sequences, sequence_length=sequence_length)
    unigram = token_frequency.unigram(model, text, n_tokens=100 * model.final_layer.d_vocab)
    found = effects.measure(model, tokens, scored=model.scored(tokens), log_unigram=unigram.log_probability)
    return cast(FrequencyEffects, found)  # as they are where a unigram distribution is given
