"""What claims call chapters and models."""

CHAPTERS = tuple(f"{number:02}" for number in range(1, 14))
"""The chapters of the whole book, those to be written among them."""
ALSO_CALLED = {"openai-community/gpt2": "gpt2"}


def known_as(*models: str) -> str:
    """The name under which claims speak of a model, or of a pair: `base + post-trained`."""
    return " + ".join(ALSO_CALLED.get(model, model) for model in models)
