"""Text whose tokens are coloured by a number: what one neuron does, read as a reader reads.

The ground of a token says how strong the number is, its hue which sign it has; what is negative has a dotted line below
it as well, so that colour is never alone, and every token tells its number when it is pointed at. Colours are thin
enough over a light and over a dark page for the text on them to stay legible."""

import html
from collections.abc import Sequence

from lib.plots.style import ENTROPY, OTHER

STRONGEST = 0.5
"""Opacity of the ground of the strongest token."""
STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Shades of the legend, as parts of the strongest."""


class ColouredText:
    """Tokens with a number each, for a notebook to show.

    Raises ValueError unless there are as many numbers as tokens, and at least one."""

    def __init__(self, tokens: Sequence[str], values: Sequence[float], *, quantity: str) -> None:
        if len(tokens) != len(values) or not tokens:
            raise ValueError(
                f"coloured text needs a number for each token, got {len(tokens)} tokens and {len(values)} numbers"
            )
        self.tokens, self.values, self.quantity = list(tokens), [float(value) for value in values], quantity
        self.strongest = max(map(abs, self.values))

    def __repr__(self) -> str:
        told = " ".join(f"{token!r} {_signed(value)}" for token, value in zip(self.tokens, self.values, strict=True))
        return f"{self.quantity}: {told}"

    def _repr_html_(self) -> str:
        body = "".join(map(self._span, self.tokens, self.values))
        text = f'<p style="white-space: pre-wrap; line-height: 2; margin: 0.5rem">{body}</p>'
        return f'<div class="coloured-text">{text}{self._legend()}</div>'

    def _span(self, token: str, value: float) -> str:
        shown = html.escape(token.replace("\n", "↵\n"))
        told = f"{html.escape(repr(token), quote=True)}: {_signed(value)}"
        return f'<span title="{told}" style="{self.style(value)}">{shown}</span>'

    def style(self, value: float) -> str:
        """The CSS of a token with this number."""
        red, green, blue = (int((ENTROPY if value >= 0 else OTHER)[at : at + 2], 16) for at in (1, 3, 5))
        opacity = STRONGEST * abs(value) / self.strongest if self.strongest else 0.0
        line = "; border-bottom: 2px dotted" if value < 0 and opacity >= STRONGEST / 10 else ""
        return f"background-color: rgba({red}, {green}, {blue}, {opacity:.3f}){line}"

    def _legend(self) -> str:
        steps = [step * self.strongest for step in STEPS]
        shades = " ".join(
            f'<span style="{self.style(step)}; padding: 0 0.4rem">{_signed(step)}</span>' for step in steps
        )
        return f'<p style="margin: 0.5rem">{html.escape(self.quantity)}: {shades}</p>'


def _signed(value: float) -> str:
    """Three decimals with a true minus, a plus where it is positive, neither where nothing is left of it."""
    text = f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
    return text if text.strip("+0.\N{MINUS SIGN}") else "0"


def coloured_text(tokens: Sequence[str], values: Sequence[float], *, quantity: str) -> ColouredText:
    """Text to show whose tokens are coloured by `values`, of which the legend tells the `quantity` with its unit.

    Raises ValueError as `ColouredText` does."""
    return ColouredText(tokens, values, quantity=quantity)
