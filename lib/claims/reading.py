"""Reading `book/claims`: a fault in a file is an error that names the file and the line, and nothing is dropped.

YAML by itself keeps the last of two equal keys and knows no schema, so that a misspelt `above` would leave a claim
without its bound. Here the tree of a file is built by hand, which notes the line of every entry and refuses keys
given twice; the schema in `claim` then judges keys, types and numbers; and an id occurs once in all files."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lib.claims.claim import LOOKS_LIKE, Claim, Entry, Published, SecondHalf, Strict, Text
from lib.claims.names import known_as

CLAIMS = Path(__file__).parents[2] / "book" / "claims"
Place = tuple[str | int, ...]
"""Where something stands in a file: keys, and numbers in lists, from the top."""


class ClaimsError(ValueError):
    """A claims file with a fault; the message is one sentence with file and line."""


class Sheet(Strict):
    """What a file holds: the claims of one paper."""

    paper: Text
    citation: Text
    claims: tuple[Entry, ...]


SCHEMA_AT_DEPTH: dict[int, type[Strict]] = {1: Sheet, 3: Entry, 4: SecondHalf, 5: Published}


@cache
def load() -> dict[str, Claim]:
    """Every claim of the book, by id with its paper (`stolfo2024.C3`). Raises as `read` does."""
    return read(CLAIMS)


def read(folder: Path) -> dict[str, Claim]:
    """Every claim of every file in a folder, by id.

    Raises ClaimsError for what is no YAML, for unknown and repeated keys, wrong types, unknown chapters and sources,
    impossible numbers, a claim that cannot fail, and an id given twice."""
    claims: dict[str, Claim] = {}
    place_of: dict[str, str] = {}
    for file in sorted(folder.glob("*.y*ml")):
        for claim, place in File(file).claims():
            if claim.id in claims:
                raise ClaimsError(f"{place}: the claim {claim.id} is given already in {place_of[claim.id]}")
            claims[claim.id], place_of[claim.id] = claim, place
    return claims


def named_neurons(*claim_ids: str, model: str) -> list[int]:
    """Units of the neurons that claims name in a model, each once and in the paper's order; empty where they name none.

    Raises KeyError for a claim that there is not."""
    named = [neuron for claim_id in claim_ids for neuron in load()[claim_id].neurons.get(known_as(model), ())]
    return [int(neuron.split(".")[1]) for neuron in dict.fromkeys(named)]


class File:
    """A claims file as plain values, with the line of each. Raises ClaimsError for what is no YAML."""

    def __init__(self, path: Path):
        self.name = path.name
        self.lines: dict[Place, int] = {}
        try:
            root = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            self.lines[()] = mark.line + 1 if mark else 1
            raise self.fault((), f"this is not YAML ({getattr(error, 'problem', None) or error})") from None
        try:
            self.content = self._plain(root, ()) if root else None
        except RecursionError:
            raise self.fault((), "an alias stands inside what it is an alias of") from None

    def claims(self) -> Iterator[tuple[Claim, str]]:
        """The claims, each with its place: file and line. Raises ClaimsError for the first fault."""
        try:
            sheet = Sheet.model_validate(self.content)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            first = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")  # a misspelt key is missing too
            raise self.fault(first["loc"], self._about(first["loc"]) + _in_words(first)) from None
        for number, entry in enumerate(sheet.claims):
            fields = dict(entry) | {"id": f"{sheet.paper}.{entry.id}"}
            yield Claim(paper=sheet.paper, citation=sheet.citation, **fields), self.place(("claims", number))

    def place(self, at: Place) -> str:
        """File and line of an entry, or of the nearest thing around it that has a line."""
        known = next((at[:depth] for depth in range(len(at), 0, -1) if at[:depth] in self.lines), ())
        return f"{self.name}, line {self.lines.get(known, 1)}"

    def fault(self, at: Place, what: str) -> ClaimsError:
        """An error about an entry."""
        return ClaimsError(f"{self.place(at)}: {what}")

    def _about(self, at: Place) -> str:
        """Whose fault it is: the claim that `at` leads into."""
        entry = self.content["claims"][at[1]] if self.content and len(at) > 1 else None
        return f"claim {entry['id']}: " if isinstance(entry, dict) and "id" in entry else ""

    def _plain(self, node: yaml.Node, at: Place) -> Any:
        """A node as dict, tuple or plain value; notes its line."""
        self.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._plain(member, (*at, number)) for number, member in enumerate(node.value))
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise self.fault(at, f"{node.value!r} is no value that is known here; put it in quotes") from None

    def _mapping(self, node: yaml.MappingNode, at: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            place = (*at, name)
            if name in found:
                before = self.lines[place]
                self.lines[place] = key.start_mark.line + 1
                raise self.fault(place, f"the key {name!r} is given already in line {before}")
            self.lines[place] = key.start_mark.line + 1
            found[name] = self._plain(value, place)
        return found


def _in_words(fault: Any) -> str:
    """What pydantic found, for a reader of the file."""
    at = fault["loc"]
    where = ".".join(map(str, at[2:] or at)) or "the file"
    if fault["type"] == "extra_forbidden":
        return f"unknown key {at[-1]!r}; the keys here are {', '.join(SCHEMA_AT_DEPTH[len(at)].model_fields)}"
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    if fault["type"] == "string_pattern_mismatch":
        return f"{where} should look like {LOOKS_LIKE[fault['ctx']['pattern']]}, got {fault['input']!r}"
    what = fault["msg"].split(" or instance of")[0].replace("Input ", "").replace("tuple", "list")
    return f"{where} {what.replace('Tuple ', '')}, got {fault['input']!r}"
