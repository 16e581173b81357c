"""The library behind the chapters: one idea per module, `from lib import null_space`.

Importing the package imports nothing else; each module costs what it needs, and only `lib.model`
brings in transformers and transformer_lens, when a model is loaded."""
