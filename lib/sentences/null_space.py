"""What chapter 02 finds: a write in the plane, the end of the spectrum, and what a write into it does to real text."""

from collections.abc import Sequence

from pandas import DataFrame

from lib.null_space import Sharpness
from lib.sentences.wording import Number, counted, listed, measured, number, share, side

LEAST = 0.001
"""Numbers below it are said to be, since three decimals show nothing of them."""


def toy(plane: DataFrame, tokens: DataFrame) -> str:
    """A write in the plane: both residual streams (rows `before`, `after`; column scale) and what the model predicts of
    each token (columns token, before, after)."""
    tokens, scale = tokens.astype({"before": float, "after": float}), plane.scale.astype(float)
    before, after = scale.loc["before"], scale.loc["after"]
    first = tokens.loc[tokens.before.idxmax()]
    order = tokens.before.rank().equals(tokens.after.rank())
    kept = "no token changes its place" if order else "the order of the tokens changes"
    goes = "rises" if after > before else "falls" if after < before else "stays"
    return (
        f"The scale {goes} from {number(before)} to {number(after)}, a temperature of {number(after / before)}: "
        f"“{first.token}” goes from {share(first.before)} to {share(first.after)}, and {kept}."
    )


def centring(removed: float) -> str:
    """The share of the squared length of `W_U` that centring over the vocabulary takes away."""
    return f"Centring over the vocabulary takes away {share(removed)} of the squared length of the unembedding."


def spectrum(table: DataFrame, *, dim: int, n_zero: int) -> str:
    """Singular values in descending order (columns singular_value, random_low, random_high): how far the last `dim` of
    them, `n_zero` of those exactly zero, lie below their neighbour and below random unembeddings."""
    values = table.singular_value.tolist()
    above, below = values[-dim - 1], values[-dim]
    usual = table.random_low.iloc[len(table) - dim]
    zero = f" (and {counted(n_zero, 'exact zero')})" * bool(n_zero)
    if below >= usual:
        under = f"; that is no smaller than random unembeddings have there, {number(usual)} or more"
    else:
        under = f"; random unembeddings have at least {number(usual)} there"
    return (
        f"Below the cut {_lie(dim - n_zero)}{zero}, the largest of them {small(below)}, where the next above "
        f"the cut has {number(above)}: a drop by a factor of {times(above, below)}{under}."
    )


def _lie(n: int) -> str:
    return f"{counted(n, 'singular value')} {'lies' if n == 1 else 'lie'}"


def sharp(found: Sharpness) -> str:
    """Whether the drop is sharper than that of unembeddings without structure, and how sure its place is."""
    told = side(
        found.over_random,
        above="The drop is sharper than that of a spectrum without structure",
        below="The drop is blunter than that of a spectrum without structure",
        neither="The drop is not told from that of a spectrum without structure",
        bound=1.0,
    )
    low, high = found.dim.low, found.dim.high
    place = f"is {number(low)} in nearly all" if low == high else f"runs from {number(low)} to {number(high)}"
    return (
        f"{told}: measured on tokens that did not choose the cut it is a factor of {measured(found.drop)}, "
        f"{measured(found.over_random)} times that of random unembeddings. Over halves of the vocabulary `dim` {place}."
    )


def steady(shares: Sequence[float], cuts: Sequence[tuple[int, float]]) -> str:
    """Whether `dim` depends on the share of the spectrum in which the rule looks: a cut (dim, drop) for each share."""
    dims = [dim for dim, _ in cuts]
    ends = f"tails from {share(min(shares))} to {share(max(shares))}"
    if len(set(dims)) == 1:
        return f"All {len(dims)} {ends} make the same cut, at `dim` {dims[0]}."
    told = listed([f"{dim} ({_often(dims.count(dim))})" for dim in sorted(set(dims))])
    return f"The cut moves with the tail: over {len(dims)} {ends} `dim` is {told}, so any one is a choice."


def _often(n: int) -> str:
    return "once" if n == 1 else "twice" if n == 2 else f"{n} times"


def chance(by_formula: float, drawn: float) -> str:
    """Rho of a random write by the formula, and the root mean square of many drawn ones."""
    return f"A random write has a rho of {number(by_formula)} by the formula, of {number(drawn)} when writes are drawn."


def written(effects: DataFrame) -> str:
    """What a write into the null space and a random one of the same length do: KL divergences from the clean prediction
    in nats (rows by write, `null space` or `random`, and effect, `norm frozen`, `norm free` or `not temperature`; the
    columns KL (nats), low, high)."""
    told = {key: tuple(effects.loc[key, ["KL (nats)", "low", "high"]]) for key in effects.index}
    own, other = told["null space", "norm frozen"], told["random", "norm frozen"]
    if own[2] < other[1]:
        quiet = "The null space is the quieter one"
    elif own[1] > other[2]:
        quiet = "The null space is read more than a random direction"
    else:
        quiet = "The null space is no quieter than a random direction"
    free = [told[write, "norm free"][0] for write in ("null space", "random")]
    hot = [told[write, "not temperature"][0] for write in ("null space", "random")]
    rest = [_part(left, all_of_it) for left, all_of_it in zip(hot, free, strict=True)]
    return (
        f"{quiet}: with the norm frozen a write into it moves the prediction by {_interval(own)} nats, a random one by "
        f"{_interval(other)}. With the norm free they move it by {small(free[0])} and {small(free[1])} nats; what a "
        f"temperature does not explain is {rest[0]} of the first and {rest[1]} of the second."
    )


def _part(left: float, whole: float) -> str:
    part = left / whole if whole > 0 else 0.0
    return f"less than {share(LEAST)}" if 0 < part < LEAST else share(part)


def quiet(growth: DataFrame, *, dim: int) -> str:
    """How much quieter the space is than a random write, and whether it ends at `dim`: the direct change of the logits
    by number of directions (columns dim, change, random). It does where one direction more at least doubles it."""
    change = growth.set_index("dim").change
    own, usual = change.loc[dim], growth.random.iloc[0]
    told = (
        f"At `dim` {dim} a write inside the space moves the logits by {small(own)} (root mean square), "
        f"{times(usual, own)} times less than a random write"
    )
    if dim + 1 not in change.index:
        return f"{told}."
    by = change.loc[dim + 1] / max(own, 1e-300)
    if by >= 2:
        return (
            f"{told}. One direction more multiplies that by {times(change.loc[dim + 1], own)}: the space is set apart."
        )
    return f"{told}. One direction more multiplies that by {number(by)} only: the space is not set apart."


def small(value: Number) -> str:
    """A number that is not negative, `less than 0.001` where three decimals would show nothing of it."""
    return f"less than {number(LEAST)}" if 0 < value < LEAST else number(value)


def _interval(told: tuple[float, float, float]) -> str:
    value, low, high = told
    if 0 < value < LEAST:
        return small(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def times(more: Number, less: Number) -> str:
    """How many times one number is another, `more than 1,000` beyond that."""
    factor = more / max(less, 1e-300)
    return "more than 1,000" if factor > 1000 else number(factor)
