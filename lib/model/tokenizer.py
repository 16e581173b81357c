"""Text to token ids and back."""

from dataclasses import dataclass
from typing import Any

from lib.checkpoint import ModelError


@dataclass(frozen=True)
class Tokenizer:
    """Text to token ids and back, adding no special tokens of its own."""

    backend: Any
    """The Hugging Face tokenizer."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, no BOS added."""
        return self.backend.encode(text, add_special_tokens=False, verbose=False)

    def decode(self, token: int) -> str:
        """The text of one token, its spaces kept."""
        return self.backend.decode([token], clean_up_tokenization_spaces=False)

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
