"""A part of a text is found by its characters, whatever the tokenizer makes of it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import model as door
from lib import prompts

TEXTS = [
    "France has the capital Paris.",
    "Ιταλία naïve 東京 has the capital",
    "Iron is a metal",
    "The old town of Paris.",
]


def texts_of(model, found, at):
    return model.tokenizer.backend.decode(found.tokens[0, at], clean_up_tokenization_spaces=False)


def test_prompts_come_in_groups_of_one_length_behind_a_bos_each(pocket):
    groups = prompts.encode(pocket.tokenizer, TEXTS * 2)
    lengths = [group.tokens.shape[1] for group in groups]
    assert lengths == sorted(set(lengths)) and sum(len(group.texts) for group in groups) == 2 * len(TEXTS)
    for group in groups:
        for text, index, ids in zip(group.texts, group.index.tolist(), group.tokens.tolist(), strict=True):
            assert text == (TEXTS * 2)[index]
            assert ids == [pocket.tokenizer.bos, *pocket.tokenizer.encode(text)]
    rows = [(group, group.index[:, None].float()) for group in groups]
    assert prompts.in_order(rows)[:, 0].tolist() == [*range(2 * len(TEXTS))]


@given(start=st.integers(0, 25), length=st.integers(1, 8), text=st.sampled_from(TEXTS))
def test_the_tokens_of_a_span_hold_it_and_lose_it_when_one_is_left_out(pocket, start, length, text):
    end = min(start + length, len(text))
    start = min(start, end - 1)
    (group,) = prompts.encode(pocket.tokenizer, [text])
    (at,) = group.positions([(start, end)])
    assert at == [*range(at[0], at[-1] + 1)] and at[0] > 0
    assert text[start:end] in texts_of(pocket, group, at)
    before, behind = (texts_of(pocket, group, some) for some in (slice(1, at[0]), slice(at[-1] + 1, None)))
    assert len(before.rstrip("\ufffd")) <= start and len(behind.lstrip("\ufffd")) <= len(text) - end


def test_the_last_token_of_a_part_is_where_it_ends(pocket):
    text = "Paris is the capital of France. The capital of France is"
    (group,) = prompts.encode(pocket.tokenizer, [text])
    for occurrence in (0, 1):
        at = int(group.last_of(["capital of France"], occurrence=occurrence))
        upto = texts_of(pocket, group, slice(1, at + 1))
        assert upto == text[: [30, 53][occurrence]]
    assert torch.equal(group.last_of([text]), torch.tensor([[group.tokens.shape[1] - 1]]))


def test_a_part_that_is_not_there_or_not_one_is_said(pocket):
    with pytest.raises(ValueError, match="'Rome' does not stand in 'Paris'"):
        prompts.span("Paris", "Rome")
    with pytest.raises(ValueError, match="'a' stands 2 times in 'banal'; say which by `occurrence`"):
        prompts.span("banal", "a")
    with pytest.raises(ValueError, match="stands 2 times in 'banal', so there is no occurrence 2"):
        prompts.span("banal", "a", occurrence=2)
    assert prompts.span("banal", "a", occurrence=-1) == (3, 4)
    with pytest.raises(ValueError, match="a prompt is empty"):
        prompts.encode(pocket.tokenizer, ["France", ""])
    (group,) = prompts.encode(pocket.tokenizer, ["Paris"])
    with pytest.raises(ValueError, match="no token of 'Paris' covers the characters 5 … 6"):
        group.positions([(5, 7)])


class Backend:
    """A tokenizer with one chat template, one BOS and nothing else."""

    bos_token, is_fast = "<s>", False

    def __init__(self, template):
        self.chat_template = template

    def apply_chat_template(self, said, *, tokenize, add_generation_prompt):
        assert not tokenize and add_generation_prompt
        return "<s>" + "".join(f"[{turn['role']}]{turn['content']}" for turn in said) + "[assistant]"


def test_a_chat_is_written_as_the_model_was_trained_to_read_it_and_the_bos_is_left_to_the_prompts(pocket):
    tokenizer = door.Tokenizer(Backend("a template"))
    assert tokenizer.has_chat_template
    assert tokenizer.chat("Why?", system="Be brief.") == "[system]Be brief.[user]Why?[assistant]"
    assert tokenizer.chat("Why?") == "[user]Why?[assistant]"
    asked = pocket.tokenizer.chat("What is the capital of France?")
    assert asked == "User: What is the capital of France?\nAssistant:"


def test_every_model_can_be_asked_under_the_plain_template(pocket):
    for tokenizer in (door.Tokenizer(Backend(None)), door.Tokenizer(Backend("a template")), pocket.tokenizer):
        assert tokenizer.chat("Why?", template="plain") == "User: Why?\nAssistant:"
        assert tokenizer.chat("Why?", system="Be brief.", template="plain") == "Be brief.\nUser: Why?\nAssistant:"
    with pytest.raises(ValueError, match="a chat template is one of own, plain, got 'fancy'"):
        pocket.tokenizer.chat("Why?", template="fancy")


def test_what_a_tokenizer_lacks_is_said_in_one_sentence():
    tokenizer = door.Tokenizer(Backend(None))
    assert not tokenizer.has_chat_template
    with pytest.raises(door.ModelError, match="the tokenizer has no chat template"):
        tokenizer.chat("Why?")
    with pytest.raises(door.ModelError, match="does not say which characters a token covers"):
        tokenizer.encode_with_offsets("Why?")
