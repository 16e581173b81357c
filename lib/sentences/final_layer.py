"""What chapter 01 finds: a prediction, confidence and its price, the scale as a temperature, calibration."""

from pandas import DataFrame

from lib.resampling import Estimate
from lib.sentences.wording import counted, listed, measured, number, share, side


def predictions(sure: DataFrame, unsure: DataFrame) -> str:
    """Of the most and the least confident scored prediction (columns rank, probability): how they spread."""
    first, other = sure.probability.max(), unsure.probability.max()
    wide = int((unsure.probability.cumsum() < 0.9).sum()) + 1
    return (
        f"The surest prediction gives its likeliest token {share(first)}, the least sure one {share(other)}; the "
        f"latter needs {counted(wide, 'token')} of {len(unsure):,} to gather nine tenths of the probability."
    )


def price(loss: Estimate, entropy: Estimate, difference: Estimate) -> str:
    """Mean loss, mean entropy and loss minus entropy, in nats: whether a model announces what predictions cost."""
    told = side(
        difference,
        above="the model is surer than its success allows",
        below="the model is less sure than its success would allow",
        neither="on average its confidence is about right",
    )
    return (
        f"A prediction costs {number(loss.value)} nats where {number(entropy.value)} were announced; the difference is "
        f"{measured(difference)}, so {told}."
    )


def climb(rank: Estimate, bins: DataFrame) -> str:
    """Rank correlation of entropy and loss, with the mean loss of the surest and of the least sure bin (columns
    entropy, loss, low, high; in nats)."""
    goes = side(
        rank,
        above="Unsure predictions cost more",
        below="Unsure predictions cost less",
        neither="Whether unsure predictions cost more cannot be told",
    )
    first, last = bins.iloc[0], bins.iloc[-1]
    on_line = int(((bins.low <= bins.entropy) & (bins.entropy <= bins.high)).sum())
    cheaper, dearer = int((bins.high < bins.entropy).sum()), int((bins.low > bins.entropy).sum())
    return (
        f"{goes}: the rank correlation is {measured(rank)}. Mean loss goes from {number(first.loss)} nats in the "
        f"surest bin to {number(last.loss)} in the least sure one. The intervals of {on_line} of {len(bins)} bins meet "
        f"the line where loss equals entropy, {cheaper} lie below it and {dearer} above."
    )


def temperature(sweep: DataFrame) -> str:
    """How mean entropy goes with the scale (columns factor, entropy, low, high; in nats)."""
    rows = sweep.sort_values("factor")
    lowest, highest = rows.iloc[0], rows.iloc[-1]
    steps = rows.entropy.diff().dropna()
    if highest.low > lowest.high:
        goes = "at every step" if (steps > 0).all() else "though not at every step"
        told = f"A larger scale makes the model less sure, {goes}"
    elif highest.high < lowest.low:
        told = "A larger scale makes the model surer"
    else:
        told = "The scale hardly moves the mean entropy"
    return (
        f"{told}: from {number(lowest.entropy)} nats at {number(lowest.factor)} times the clean scale to "
        f"{number(highest.entropy)} at {number(highest.factor)} times."
    )


def rising(risen: float, n: int) -> str:
    """The share of `n` tokens whose entropy rises with a scale larger by a tenth."""
    if risen == 1:
        return f"At all {n:,} tokens a scale larger by a tenth raises the entropy."
    return (
        f"A scale larger by a tenth raises the entropy at {share(risen)} of {n:,} tokens; at the others the bias wins."
    )


def calibration(error: Estimate, plain: float, bins: DataFrame) -> str:
    """The calibration error, the plain one with its noise, and where the bins lie (confidence, accuracy, low, high).

    A bin in which every prediction is right, or every one wrong, has an interval of no width and is counted apart."""
    flat = bins[bins.low == bins.high]
    bins = bins[bins.low < bins.high]
    above = int((bins.low > bins.confidence).sum())
    below = int((bins.high < bins.confidence).sum())
    verdict = (
        "which speaks against perfect calibration"
        if error.low > 0
        else "and a perfectly calibrated model is not ruled out"
    )
    told = (
        f"The plain error is {number(plain)}; without its noise the calibration error is {measured(error)}, {verdict}. "
        f"{_sides(above, below, len(bins))}"
    )
    if flat.empty:
        return told
    sure = f", at confidences from {number(flat.confidence.min())} on" if (flat.accuracy == 1).all() else ""
    what = "every prediction is right" if sure else "predictions are all right or all wrong"
    return f"{told} In {len(flat)} more {what}{sure}."


def _sides(above: int, below: int, n: int) -> str:
    parts = (above, "above the line, where a model is timid"), (below, "below it, where a model is overconfident")
    told = [f"{count} lie{'' if count > 1 else 's'} {what}" for count, what in parts if count]
    if not n:
        return "No bin holds both right and wrong predictions."
    if not told:
        return (
            "The bin touches the line within its interval."
            if n == 1
            else f"All {n} bins touch the line within their intervals."
        )
    rest = "; the intervals of the others touch the line" if above + below < n else ""
    return f"Of {n} bins {listed(told)}{rest}."
