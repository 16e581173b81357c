import pytest
import torch

from lib import induction
from lib import model as door


def test_a_head_that_looks_one_past_the_first_occurrence_scores_one_and_one_that_does_not_zero():
    """BOS, a b c, a b c: the second a looks at the first b, and so on."""
    pattern = torch.zeros(1, 1, 2, 7, 7)
    pattern[0, 0, 0, [4, 5, 6], [2, 3, 4]] = 1
    pattern[0, 0, 1, [4, 5, 6], [1, 2, 3]] = 1
    assert induction.repeat_attention(pattern).tolist() == [[1.0, 0.0]]


def test_an_untrained_model_has_no_induction_head(gpt2_folder, generator):
    model = door.load(str(gpt2_folder))
    score = induction.induction_score(model, n_sequences=2, length=20, generator=generator)
    assert score.shape == (3, 4) and score.max() < 0.3


def test_a_sequence_too_short_to_repeat_is_refused(gpt2_folder, generator):
    with pytest.raises(ValueError, match="at least 2 tokens"):
        induction.induction_score(door.load(str(gpt2_folder)), n_sequences=1, length=1, generator=generator)
