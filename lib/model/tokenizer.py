"""Text to token ids and back, and what a chat model is handed."""

from dataclasses import dataclass
from typing import Any

from lib.checkpoint import ModelError

TEMPLATES = ("own", "plain")
"""How a question can be written: as the model was trained to read it, or the same way for every model."""


@dataclass(frozen=True)
class Tokenizer:
    """Text to token ids and back, adding no special tokens of its own."""

    backend: Any
    """The Hugging Face tokenizer."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, no BOS added."""
        return self.backend.encode(text, add_special_tokens=False, verbose=False)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of text that somebody wrote, none added: what looks like a special token is letters there."""
        return self.backend.encode(text, add_special_tokens=False, split_special_tokens=True, verbose=False)

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The same ids, and for each of them the characters that it covers: the first, and the first behind them.

        Raises ModelError for a tokenizer that does not tell."""
        if not self.backend.is_fast:
            raise ModelError("this tokenizer does not say which characters a token covers; save it as a fast one")
        found = self.backend(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return found["input_ids"], [tuple(pair) for pair in found["offset_mapping"]]

    def decode(self, token: int) -> str:
        """The text of one token, its spaces kept."""
        return self.backend.decode([token], clean_up_tokenization_spaces=False)

    @property
    def has_chat_template(self) -> bool:
        """Whether the model says how a question to it is written."""
        return bool(getattr(self.backend, "chat_template", None))

    def chat(self, question: str, *, system: str = "", template: str = "own") -> str:
        """A question to a model, up to where its answer begins, without the BOS.

        The template "own" is the one that the model was trained to read; "plain" (`plain_chat`) suits base models too,
        so that two models of a pair can be read under one. Raises ValueError for another template, ModelError where the
        tokenizer has no template of its own, or one that takes no `system` text."""
        if template not in TEMPLATES:
            raise ValueError(f"a chat template is one of {', '.join(TEMPLATES)}, got {template!r}")
        if template == "plain":
            return plain_chat(question, system=system)
        if not self.has_chat_template:
            raise ModelError("the tokenizer has no chat template; choose the template 'plain'")
        said = [{"role": "system", "content": system}] if system else []
        said.append({"role": "user", "content": question})
        from jinja2 import TemplateError

        try:
            text = self.backend.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise ModelError(f"the chat template does not take what it was given: {error}") from error
        return text.removeprefix(self.backend.bos_token or "")

    @property
    def bos(self) -> int:
        """The token that every sequence starts with; the end-of-text token where a model has no other."""
        return self.eos if self.backend.bos_token_id is None else self.backend.bos_token_id

    @property
    def eos(self) -> int:
        """The token that parts documents. Raises ModelError when the tokenizer has none."""
        if self.backend.eos_token_id is None:
            raise ModelError("the tokenizer has no end-of-sequence token, which is needed to part documents")
        return self.backend.eos_token_id


def plain_chat(question: str, *, system: str = "") -> str:
    """A question as text that any language model can go on with, a `system` text on a line before it."""
    before = f"{system}\n" if system else ""
    return f"{before}User: {question}\nAssistant:"
