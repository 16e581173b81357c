"""What a run found, in words, on the page.

A figure's cell ends in `say(...)`: the sentence that says what this figure shows for this model, computed by
`lib.sentences`. The page repeats it in the figure's description for those who do not see it, and moves what `summary`
says in a chapter's last section to its top (`shown`)."""

from collections.abc import Sequence

SUMMARY = "What this run found"
"""The heading of a chapter's summary."""


FOUND = "**Found.**"
"""How a finding begins."""


class Said:
    """Sentences that a notebook shows as Markdown."""

    def __init__(self, markdown: str) -> None:
        self.markdown = markdown

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __repr__(self) -> str:
        return self.markdown


def say(*sentences: str) -> Said:
    """What was found, as one paragraph. Raises ValueError when there is nothing, or something empty, to say."""
    return Said(f"{FOUND} {' '.join(_checked(sentences))}")


def summary(*sentences: str) -> Said:
    """The few findings of a chapter that its reader should know first, as a list under one heading.

    Raises ValueError as `say` does."""
    return Said("\n".join([f"**{SUMMARY}**", "", *(f"- {sentence}" for sentence in _checked(sentences))]))


def _checked(sentences: Sequence[str]) -> Sequence[str]:
    if not sentences or not all(sentence.strip() for sentence in sentences):
        raise ValueError("there is nothing to say: a finding needs at least one sentence, and none may be empty")
    return sentences
