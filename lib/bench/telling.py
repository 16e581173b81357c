"""How far the comparison is: a line for each step on the error stream, with the time that is gone.

The result alone goes to the output."""

import sys
import time

BEGAN = time.monotonic()


def step(text: str) -> None:
    """Says what begins now."""
    minutes, seconds = divmod(int(time.monotonic() - BEGAN), 60)
    print(f"bench {minutes:02}:{seconds:02}  {text}", file=sys.stderr, flush=True)
