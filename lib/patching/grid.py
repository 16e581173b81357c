"""The grid of sites and positions, run no further than a patch can be noticed.

In front of the patched block, and before the patched position, nothing changes; so a patch of the stream between blocks
costs only the blocks behind it and the tokens from its position on, behind a cache that one run of the target leaves
(`model.resuming`). Behind the last block a patch is noticed at the last position alone, and is read off there without
any run. Patches are taken in the order of their positions, as many together as fit a batch: mostly of one position and
many pairs, of several positions where the pairs are few. Nothing is approximated."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.model import Model, Site, resuming
from lib.patching.pairs import Pairs
from lib.patching.reading import of_stream

STREAMS = {"resid_pre": 0, "resid_post": 1}
"""The sites between blocks: how many blocks behind its layer's own a value enters that is put in there."""


def filled(
    model: Model,
    pairs: Pairs,
    sites: Sequence[Site],
    values: Sequence[Float[Tensor, "pair place d_model"]],
    *,
    at: Int[Tensor, "pair place"],
    told: Bool[Tensor, "pair place"],
    still: Float[Tensor, "pair site place"],
    rows: int,
) -> Float[Tensor, "pair site place"]:
    """Logit differences of all patches that can make one (`told`), in batches of so many `rows`; of the others what
    they are `still`.

    All pairs run once together, so their number bounds the memory as well: keys and values of all of their positions,
    and the streams in front of every block from the first patched position on."""
    found = still.clone()
    told, at, end = told.cpu(), at.cpu(), pairs.target.shape[1] - 1
    blocks = {number: site.layer + STREAMS[site.where] for number, site in enumerate(sites)}
    inner = {number: block for number, block in blocks.items() if block < model.n_layers}
    for number in blocks.keys() - inner.keys():  # what enters the final norm
        pair, place = (told & (at == end)).nonzero(as_tuple=True)
        found[pair, number, place] = _read(model, pairs, pair, values[number][pair, place])
    if not inner or not told.any():
        return found
    started = resuming.start(model.bridge, pairs.target, first=int(at[told].min()), blocks={*inner.values()})
    cells = told.nonzero()[at[told].argsort(stable=True)]
    for pair, place in (some.unbind(1) for some in cells.split(rows)):
        position = at[pair, place]
        rest = started.behind(pair, int(position.min()))
        for number, block in inner.items():
            stream = rest.stream(block)
            stream[torch.arange(len(pair)), position - rest.positions.start] = values[number][pair, place].to(stream)
            found[pair, number, place] = _read(model, pairs, pair, rest.run(block, stream))
    return found


def _read(
    model: Model, pairs: Pairs, pair: Int[Tensor, " row"], resid: Float[Tensor, "row d_model"]
) -> Float[Tensor, " row"]:
    return of_stream(model, resid, pairs.right[pair], pairs.wrong[pair])
