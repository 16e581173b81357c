import itertools
import random

import torch

from lib import measures
from lib.pocket import corpus
from lib.pocket.train import Recipe, learning_rate


def test_a_document_is_a_pure_function_of_its_number_and_seed():
    assert corpus.document(7, seed="a") == corpus.document(7, seed="a") != corpus.document(7, seed="b")
    stream = corpus.documents(seed="a", start=5)
    assert list(itertools.islice(stream, 2)) == [corpus.document(i, seed="a")[0] for i in (5, 6)]


def test_held_out_documents_are_not_training_documents():
    trained = {corpus.document(i, seed=corpus.TRAINING_SEED)[0] for i in range(2000)}
    held_out = {corpus.document(i, seed=corpus.HELD_OUT_SEED)[0] for i in range(2000)}
    assert len(trained & held_out) < 5


def test_the_careless_are_less_predictable_than_the_careful():
    def mean_surprisal(temperature):
        draw = corpus.Draw(random.Random(0))
        for _ in range(3000):
            draw.ranked(range(24), temperature)
        return draw.surprisal / 3000

    low, middle, high = (mean_surprisal(corpus.TEMPERATURE[level]) for level in ("careful", "ordinary", "careless"))
    assert low + 0.5 < middle < high - 0.2


def test_the_learning_rate_warms_up_and_falls_to_a_tenth():
    recipe = Recipe()
    assert learning_rate(0, recipe) < recipe.learning_rate / 50
    assert abs(learning_rate(recipe.steps, recipe) - recipe.learning_rate / 10) < 1e-9


def test_the_pocket_model_is_trained_far_below_the_unigram_entropy_of_held_out_text(pocket):
    tokens = pocket.sequences("pocket", n_sequences=16, sequence_length=256)
    scored = pocket.scored(tokens)
    target = tokens.roll(-1, 1)[scored]
    loss = measures.loss(pocket.run(tokens, "logits").logits[scored], target).mean().item()
    unigram = measures.entropy(torch.bincount(target).double().log()).item()
    assert loss < unigram / 2
    assert abs(loss - 1.37) < 0.03  # the model card


def test_the_embedded_sample_is_what_the_generator_writes():
    from lib import text

    for index, found in enumerate(itertools.islice(text.documents("pocket"), 50)):
        assert found == corpus.document(index, seed=corpus.HELD_OUT_SEED)[0]
