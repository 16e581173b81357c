"""The library behind the chapters: one idea per module, `from lib import null_space`.

Importing the package imports nothing else; each module costs what it needs, and only `lib.model`
brings in transformers and transformer_lens, when a model is loaded."""

import sys
from importlib.util import find_spec

for _needed in ("torch", "transformer_lens", "jaxtyping"):
    if find_spec(_needed) is None:
        raise ImportError(
            f"the chapters need {_needed}, which the Python of this kernel ({sys.executable}) does not have; "
            "use the kernel of the repository's .venv (make lab opens one)"
        )
