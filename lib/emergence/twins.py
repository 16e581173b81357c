"""The dropout twin: two models alike in all but dropout, and the end of their unembeddings' spectra."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lib import drawing, null_space, resampling, vocabulary
from lib.model import Model
from lib.resampling import Estimate
from lib.source import Source


def named_twins(source: Source, plain: str, dropout: str) -> tuple[str, str] | None:
    """The two models to compare, without and with dropout: as named, or a local model's `<name>-plain` and
    `<name>-plain-dropout` beside it; None where there are none. Raises ValueError when only one of two is named."""
    if bool(plain) != bool(dropout):
        raise ValueError(f"twins are two models: name both, got plain={plain!r} and dropout={dropout!r}")
    if plain:
        return plain, dropout
    if source.kind == "hub":
        return None
    folder = Path(source.location)
    beside = [folder.with_name(f"{folder.name}-{end}") for end in ("plain", "plain-dropout")]
    return (str(beside[0]), str(beside[1])) if all(path.is_dir() for path in beside) else None


def tail_size(
    eigenvalue: Float[Tensor, "*resample d_model"], *, tail: float, n_zero: int
) -> Float[Tensor, "*resample"]:
    """Root mean square of the last share `tail` of the singular values, the `n_zero` exact zeros left out.

    `eigenvalue` ascends: squared singular values. Raises ValueError when the tail is empty."""
    n_tail = null_space.tail_length(eigenvalue.shape[-1], tail=tail)
    if n_tail <= n_zero:
        raise ValueError(f"a tail of {tail:g} of {eigenvalue.shape[-1]} directions holds none that is not exactly zero")
    return eigenvalue[..., n_zero:n_tail].clamp(min=0).mean(-1).sqrt()


def tail_ratio(plain: Model, dropout: Model, *, tail: float, n_resamples: int, generator: torch.Generator) -> Estimate:
    """`tail_size` without dropout over that with dropout; above 1 when dropout makes the end quieter.

    The interval is the scatter of halves of the vocabulary, the same ones in both. Raises ValueError for vocabularies
    that differ."""
    if plain.final_layer.d_vocab != dropout.final_layer.d_vocab:
        got = f"{plain.final_layer.d_vocab:,} and {dropout.final_layer.d_vocab:,} tokens"
        raise ValueError(f"twins share a vocabulary, but {plain.name} and {dropout.name} have {got}")
    state, sizes = generator.get_state(), []
    for model in (plain, dropout):
        generator.set_state(state)  # the same tokens are drawn for both
        blocks = vocabulary.grams(model.final_layer.weight_coordinates(), generator=generator)
        halves = drawing.halves(len(blocks), n_halves=n_resamples, generator=generator)
        eigenvalue = torch.linalg.eigvalsh(torch.stack([blocks.sum(0), *(blocks[half].sum(0) for half in halves)]))
        sizes.append(tail_size(eigenvalue, tail=tail, n_zero=int(model.final_layer.centres)))
    value, *again = sizes[0] / sizes[1]
    return resampling.scatter(value.item(), torch.stack(again), n=plain.final_layer.d_vocab)


def twin_spectra(plain: Model, dropout: Model) -> Any:
    """The singular values of both unembeddings, largest first: a pandas table (index, plain, dropout)."""
    import pandas

    layers = {"plain": plain.final_layer, "dropout": dropout.final_layer}
    pair = {
        name: pandas.Series(null_space.spectrum(layer.weight_coordinates(), centres=layer.centres).singular_value)
        for name, layer in layers.items()
    }
    return pandas.DataFrame(pair).reset_index(names="index")
