"""Whose answer is it? From the context (CK), from what the model knows (PK), or neither (ND).

Two ways to read an answer. The paper's (Tighidet et al. 2025, section 4.2, by their code): its first words are those of
the object, letter for letter but for case, and the context's object is tried first. The other knows that "the UK",
"U.K." and "United Kingdom!" are one name, and does not decide where both objects fit. How often the two disagree says
what the first one costs."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from lib.knowledge_conflicts.answers import SEPARATORS, answer

CK, PK, ND = "CK", "PK", "ND"
LABELS = (CK, PK, ND)
"""From the context, from what the model knows, from neither."""
EITHER = "CK or PK"
"""The reading by names leaves it open where the answer begins with both objects."""
NAMED_LABELS = (*LABELS, EITHER)
ARTICLES = ("the", "a", "an")
OPEN = re.compile(r"[\s\ufffd\\]+\Z")
"""What the next token may change at the end of a text: a letter that is not complete is decoded as U+FFFD, and a
backslash begins a separator of two."""


def by_words(said: str, *, context: str, known: str) -> str:
    """The paper's label of a text: by the first words before its first separator, split at single spaces.

    `context` is the object that the prompt stated, `known` the one that the model says without it."""
    words = answer(said, lower=True).split(" ")
    if _begins(words, context.lower().split(" ")):
        return CK
    return PK if _begins(words, known.lower().split(" ")) else ND


def is_settled(said: str, *, context: str, known: str) -> bool:
    """Whether `by_words` gives a text the same label whatever is written behind it.

    It does after a separator, and once the words of either object are all there or contradicted. The last word may
    still grow, so that it contradicts an object only where the object's word begins otherwise. What stands at the end
    and may become something else is not counted as written: blanks, half a letter, half a separator."""
    said = OPEN.sub("", said).lstrip()
    if any(separator in said for separator in SEPARATORS):
        return True
    told, own = (_begun(said, object_) for object_ in (context, known))
    return told is True or (told is False and own is not None)


def _begun(said: str, name: str) -> bool | None:
    """Whether a text that may go on begins with a name; None: that is open."""
    *whole, growing = said.lower().split(" ")
    words = name.lower().split(" ")
    if len(whole) >= len(words):
        return _begins(whole, words)
    may = whole == words[: len(whole)] and words[len(whole)].casefold().startswith(growing.casefold())
    return None if may else False


def by_names(said: str, *, context: str, known: str) -> str:
    """The label of a text read as names: without articles, accents, punctuation and case, initials as good as words.

    `EITHER` where the text begins with both objects: "New York City" when the one is New York and the other that."""
    fits = [label for label, object_ in ((CK, context), (PK, known)) if begins_with(said, object_)]
    return EITHER if len(fits) > 1 else fits[0] if fits else ND


def begins_with(said: str, object_: str) -> bool:
    """Whether a text begins with a name, in one of the ways to write it."""
    text, name = names(said), names(object_)
    if not text or not name:
        return False
    if len(name) > 1:
        return _begins(text, name) or text[0] == _initials(name)
    return text[0] == name[0] or (object_.isupper() and len(name[0]) > 1 and _initials(text[: len(name[0])]) == name[0])


def confusable(one: str, other: str) -> bool:
    """Whether an answer that is one of two names may be taken for the other."""
    return begins_with(one, other) or begins_with(other, one)


@lru_cache(maxsize=2**16)
def names(text: str) -> tuple[str, ...]:
    """The words of a text, plain: no accents, no case, no punctuation, no leading article; "U.K." is one word."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    joined = re.sub(r"\b(?:\w\.\s?){2,}", lambda found: re.sub(r"[.\s]", "", found[0]) + " ", plain)
    words = tuple(re.findall(r"\w+", joined.replace("'", "").replace("’", "")))
    return words[1:] if len(words) > 1 and words[0] in ARTICLES else words


def disagreement(said: Sequence[str], *, context: Sequence[str], known: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many texts have which label by words and which by names, every pair of labels there.

    Raises ValueError for lists of unequal length."""
    if not len(said) == len(context) == len(known):
        raise ValueError(
            f"every text needs both objects, got {len(said)} texts, {len(context)} and {len(known)} objects"
        )
    both = [
        (by_words(text, context=told, known=own), by_names(text, context=told, known=own))
        for text, told, own in zip(said, context, known, strict=True)
    ]
    found = Counter(both)
    return {(one, other): found[one, other] for one in LABELS for other in NAMED_LABELS}


def _begins(words: Sequence[str], name: Sequence[str]) -> bool:
    return any(name) and words[: len(name)] == name


def _initials(words: Sequence[str]) -> str:
    return "".join(word[0] for word in words)
