"""The one door to real models: load, fold, prove, run; read and edit any layer; write on.

`load` reads a Hugging Face checkpoint, wraps it with the plain TransformerBridge for its hook names, and folds
the last layer by hand (`loading`). Before it hands the model out it checks, on a few random tokens, that the
folded last layer gives the model's own logits and that the last MLP writes what its weights say (`proof`).
Everything else in the library sees only `Model`: token ids in, tensors out (`language_model`, `running`).

Inside a model a place has a name (`sites`) and can be read or changed (`edits`, `editing`), in a plain pass as well as
while the model writes (`generating`, `path`); what it would have written without some last-layer neurons follows from
the path that it did write (`without`)."""

from lib.checkpoint import ModelError
from lib.model.edits import Edit, add, project_out, replace
from lib.model.hooks import attaching, forward, recording
from lib.model.language_model import Model
from lib.model.loading import DTYPES, fold, load, wrap
from lib.model.path import Path
from lib.model.proof import prove
from lib.model.running import Recorded, Run
from lib.model.sites import Site
from lib.model.tokenizer import Tokenizer

__all__ = [
    "DTYPES",
    "Edit",
    "Model",
    "ModelError",
    "Path",
    "Recorded",
    "Run",
    "Site",
    "Tokenizer",
    "add",
    "attaching",
    "fold",
    "forward",
    "load",
    "project_out",
    "prove",
    "recording",
    "replace",
    "wrap",
]
