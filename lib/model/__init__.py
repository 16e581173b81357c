"""The one door to real models: load, fold, prove, run.

`load` reads a Hugging Face checkpoint, wraps it with the plain TransformerBridge for its hook names, and folds
the last layer by hand (`loading`). Before it hands the model out it checks, on a few random tokens, that the
folded last layer gives the model's own logits and that the last MLP writes what its weights say (`proof`).
Everything else in the library sees only `Model`: token ids in, tensors out (`running`)."""

from lib.checkpoint import ModelError
from lib.model.hooks import forward, recording
from lib.model.loading import DTYPES, fold, load, wrap
from lib.model.proof import prove
from lib.model.running import Model, Recorded, Run
from lib.model.tokenizer import Tokenizer

__all__ = [
    "DTYPES",
    "Model",
    "ModelError",
    "Recorded",
    "Run",
    "Tokenizer",
    "fold",
    "forward",
    "load",
    "prove",
    "recording",
    "wrap",
]
