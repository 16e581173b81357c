"""Figures of chapter 12: measurements over training, and the twin that was trained with dropout."""

from matplotlib.axes import Axes
from pandas import DataFrame

from lib.plots.style import ENTROPY, FREQUENCY, OTHER, upright


def statistics_against_training(trace: DataFrame, *, statistics: list[str], ylabel: str, ax: Axes) -> Axes:
    """Some statistics of a trace (checkpoint, tokens_seen, step, statistic, value, low, high) at every checkpoint, with
    intervals; the final weights are a diamond at the last step. Controls, whose names hold a comma, are grey.

    Against tokens seen where every checkpoint knows them, else against steps; the start at 0 has a place of its own."""
    along = "tokens_seen" if trace.tokens_seen.notna().all() else "step"
    for name in statistics:
        rows = trace[trace.statistic == name]
        colour = OTHER if "," in name else FREQUENCY if "frequency" in name else ENTROPY
        points, final = rows[rows.checkpoint != "final"], rows[rows.checkpoint == "final"]
        for some, mark, label in ((points, {"linestyle": "-"}, name), (final, {"marker": "D"}, None)):
            style = mark | {"color": colour, "markersize": 4, "label": label}
            upright(some[along].astype(float), some.value, (some.low, some.high), ax=ax, **style)
    smallest = trace[trace[along] > 0][along].min()
    ax.set_xscale("symlog", linthresh=float(smallest))
    ax.set(xlabel="tokens seen" if along == "tokens_seen" else "step", ylabel=ylabel, xlim=(0, None))
    ax.legend()
    return ax


def onset_of_statistics(onsets: DataFrame, *, ax: Axes) -> Axes:
    """For each statistic that changes a dot at the step where it emerges, on a bar from its earliest to its latest."""
    known = onsets.dropna().sort_values(["step", "latest"], ascending=False)
    for place, row in enumerate(known.itertuples()):
        colour = OTHER if "," in row.Index else FREQUENCY if "frequency" in row.Index else ENTROPY
        ax.plot([row.earliest, row.latest], [place, place], color=colour, linewidth=5, alpha=0.4, solid_capstyle="butt")
        ax.plot(row.step, place, "o", color=colour)
    ax.set_xscale(
        "symlog", linthresh=max(1.0, float(known.step[known.step > 0].min() if (known.step > 0).any() else 1))
    )
    ax.set_yticks(range(len(known)), list(known.index))
    ax.set(xlabel="step from which on the statistic is beyond halfway", ylabel="", xlim=(0, None))
    return ax


def twins_against_index(twins: DataFrame, *, ax: Axes) -> Axes:
    """Singular values of two unembeddings (index, plain, dropout) on a log axis; exact zeros are left out."""
    for name, colour, label in (("plain", OTHER, "without dropout"), ("dropout", ENTROPY, "with dropout")):
        shown = twins[twins[name] > 0]
        ax.plot(shown["index"], shown[name], ".", color=colour, markersize=4, label=label)
    ax.set(yscale="log", xlabel="index", ylabel="singular value")
    ax.legend()
    return ax
