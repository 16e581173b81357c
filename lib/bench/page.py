"""The book's page on speed: its table and its figure, from a kept result."""

import re
from pathlib import Path
from typing import Any

import pandas

from lib.bench import chapters, patching
from lib.bench.ceiling import AIM

NAMES = {
    "published": "published procedure",
    "hooks": "hooks, full forward passes",
    "eager": "eager gear",
    "fused": "fused gear",
    "cumulant": "cumulant gear",
}
FULL = 4 * 256 * 3072
"""Pairs of token and neuron of a full run: every neuron of GPT-2 small's last layer, 4 sequences of 256 tokens."""
FIGURE = """```{figure} _static/how_fast.svg
:alt: Three panels, time against tokens, neurons and vocabulary for three gears, on logarithmic axes
How time grows with tokens, neurons and vocabulary. Dotted: proportional to the size, starting from the smallest. A gear
whose memory or caches gave out would bend upwards from its line; fixed costs make a line flatter than proportional.
```"""


def table(result: dict[str, Any]) -> str:
    """The comparison as a Markdown table."""
    head = ["model", "computed by", "neurons", "seconds", "times faster", "peak MiB", "largest error, nats"]
    head += ["share of the machine's ceiling", "all neurons, 1,024 tokens (extrapolated)"]
    rows = [head, ["---"] * 2 + ["---:"] * 7, *(_row(entry) for entry in result["effects"])]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(entry: dict[str, Any]) -> list[str]:
    full = FULL * entry["seconds"] / (entry["tokens"] * entry["neurons"])
    return [
        entry["model"],
        NAMES[entry["name"]],
        f"{entry['neurons']:,}",
        f"{entry['seconds']:.2f}",
        f"{entry['ratio']:.1f}",
        f"{entry['peak_mib']:,.0f}",
        f"{entry['max_abs_error']:.0e}",
        f"{entry['ceiling_share']:.0%} of {entry['ceiling']}" if "ceiling_share" in entry else "",
        _duration(full) if entry["model"] == "gpt2-small-shape" else "",
    ]


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def notes(result: dict[str, Any]) -> str:
    """What the table leaves out, in sentences; what a result was not asked for is left out here too."""
    machine, large = result["machine"], {e["name"]: e for e in result["effects"] if e["model"] == "gpt2-small-shape"}
    told = [
        f"Measured on {result['date']} at commit {result['commit']}: {machine['cpu']}, {machine['threads']} threads "
        f"of {machine['cores']}, {large['eager']['tokens']} tokens.",
        f"The cumulant gear sent {large['cumulant']['routed_share']:.1%} of its pairs through the exact one.",
    ]
    frequency = [f"{e['frequency_seconds']:.2f} s ({NAMES[n]})" for n, e in large.items() if "frequency_seconds" in e]
    if frequency:
        told.append(f"With the frequency-frozen variant on top: {', '.join(frequency)}.")
    return " ".join([*told, *_ceilings(large), *_gathering(result)])


def _ceilings(large: dict[str, dict[str, Any]]) -> list[str]:
    """What the machine does at best on the large model's shapes, and which gears stay below their aim."""
    if "ceiling_share" not in large["fused"]:
        return []
    best = {entry["ceiling"]: entry["ceiling_per_second"] / 1e9 for entry in large.values() if "ceiling" in entry}
    aims = [
        f"{large[name]['ceiling_share']:.0%} of the {large[name]['ceiling']} ({NAMES[name]}; the aim is {aim:.0%}"
        f"{'' if large[name]['ceiling_share'] >= aim else ', and it is missed'})"
        for name, aim in AIM.items()
    ]
    return [
        f"In the same run this machine took {best['exponentials']:.2f} billion bare exponentials a second on tiles of "
        f"the fused gear's shape, and did {best['products']:.0f} billion operations a second in bare products of the "
        f"cumulant gear's shapes. Of these ceilings {' and '.join(aims)} are reached."
    ]


def _gathering(result: dict[str, Any]) -> list[str]:
    """What gathering costs beside a plain pass of its own kind."""
    if "gather" not in result:
        return []
    taken = result["gather"]
    return [
        f"Gathering the last layer's activations and residual stream takes {taken['gather_seconds']:.2f} s for "
        f"{taken['sequences']} × {taken['sequence_length']} tokens, where the plain forward pass up to the unembedding "
        f"takes {taken['plain_seconds']:.2f} s ({taken['overhead']:+.0%}); with the logits it is "
        f"{taken['gather_logits_seconds']:.2f} s beside {taken['plain_logits_seconds']:.2f} s "
        f"({taken['overhead_logits']:+.0%})."
    ]


def _filled(text: str, mark: str, told: str) -> str:
    """A page with what is told between the marks of that name."""
    between = f"<!-- {mark} -->\n\n{told}\n\n<!-- end -->"
    return re.sub(f"<!-- {mark} -->.*?<!-- end -->", lambda _: between, text, flags=re.DOTALL)


def write(result: dict[str, Any], book: Path) -> None:
    """Puts table and notes between the marks of `how_fast.md`, and draws its figure."""
    import matplotlib.pyplot as plt

    from lib import plots
    from lib.plots import speed

    page = book / "how_fast.md"
    filled = {"measured": f"{table(result)}\n\n{notes(result)}\n\n{FIGURE}"}
    filled["chapters"] = chapters.told(result.get("chapters", []))
    filled["patching"] = patching.told(result["patching"])
    text = page.read_text()
    for mark, told in filled.items():
        text = _filled(text, mark, told)
    page.write_text(text)
    plots.use_style()
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
    growth = pandas.DataFrame(result["growth"])
    for ax, (axis, of_axis) in zip(axes, growth.groupby("axis", sort=False), strict=True):
        speed.seconds_against_size(of_axis, axis=axis, ax=ax)
    axes[0].set_ylabel("time (s)")
    axes[-1].legend()
    figure.savefig(book / "_static" / "how_fast.svg", metadata={"Date": None})
    plt.close(figure)
