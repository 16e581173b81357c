"""What a last mark does to a direction.

Where harmful requests come from one data set and harmless ones from another, they may end differently: the one with a
full stop, the other without. The difference of their means then holds the mark as well as the harm. How much of it is
which shows when the same requests are read three ways: matched, with the harmful ones' marks left out, and harmless
ones alone, without and with their marks."""

from typing import Any

from lib.model import Model
from lib.refusal import requests
from lib.refusal.asking import Template, read
from lib.refusal.cosines import whole
from lib.refusal.depths import PLACES
from lib.refusal.requests import Requests


def table(model: Model, train: Requests, template: Template, *, name: str, depth: int) -> Any:
    """The cosines of the direction from unmatched requests with that from matched ones and with that of the mark alone,
    with their intervals over pairs: model, place, matched, mark.

    Raises ValueError as `asking.ask` does."""
    import pandas

    ways = {"matched": train, "unmatched": requests.unmatched(train), "mark": requests.marked(train)}
    reading = {way: read(model, some, template) for way, some in ways.items()}
    rows = []
    for place_name, place in PLACES.items():
        at = {way: one.at(place)[:, depth] for way, one in reading.items()}
        row: dict[str, Any] = {"model": name, "place": place_name}
        for way in ("matched", "mark"):
            found = whole(at["unmatched"], at[way])
            row |= {way: found.value, f"{way}_low": found.low, f"{way}_high": found.high}
        rows.append(row)
    return pandas.DataFrame(rows)
