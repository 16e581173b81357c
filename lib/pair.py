"""A model before and after post-training: two checkpoints of one architecture that read the same tokens.

What is compared between them (a direction, a residual stream put into the other's run, a neuron's weights) means
something only where layer, width and token are the same in both. So a pair proves that before anything is measured."""

from dataclasses import dataclass

from lib import model as door
from lib import source
from lib.model import Model, ModelError


@dataclass(frozen=True)
class Pair:
    """The models of one comparison, from the base on; `sft` is there where the stage between the two is at hand."""

    base: Model
    post: Model
    sft: Model | None = None
    """After supervised fine-tuning alone, where a model of that name lies beside the post-trained one."""

    @property
    def models(self) -> dict[str, Model]:
        """The models that there are, by what they are called on the pages: base, sft, post."""
        found = {"base": self.base, "sft": self.sft, "post": self.post}
        return {name: model for name, model in found.items() if model is not None}


def load(model: str, post_trained: str = "", *, revision: str = "", dtype: str, device: str) -> Pair:
    """Both models, and the fine-tuned one between them where it is known (`source.between`).

    An empty `post_trained` stands for the partner that is known (`source.partner`). Raises SourceError where none is or
    one cannot be had, ModelError where the two are not of one shape or do not read the same tokens."""
    named, chosen = source.partners(model, post_trained), {"dtype": dtype, "device": device}
    base = door.load(model, revision=revision, **chosen)
    others = {name: door.load(other, **chosen) for name, other in named.items()}
    for other in others.values():
        check(base, other)
    return Pair(base=base, post=others["post_trained"], sft=others.get("sft"))


def check(base: Model, other: Model) -> None:
    """Raises ModelError unless two models agree in architecture, layers, widths and vocabulary."""
    kinds = {name: (shape(base)[name], shape(other)[name]) for name in shape(base)}
    for name, (one, two) in kinds.items():
        if one != two:
            raise ModelError(
                f"a pair needs two models of one {name}, but {base.name} has {one} and {other.name} has {two}; name "
                "the model that was post-trained from this base"
            )
    if base.tokenizer.backend.get_vocab() != other.tokenizer.backend.get_vocab():
        raise ModelError(f"{base.name} and {other.name} do not read the same tokens, so their positions do not match")


def shape(model: Model) -> dict[str, str | int]:
    """What two models of a pair have to share, by name."""
    final = model.final_layer
    return {
        "architecture": model.bridge.cfg.architecture,
        "number of layers": model.n_layers,
        "d_model": final.d_model,
        "d_mlp": model.W_out.shape[0],
        "d_vocab": final.d_vocab,
    }
