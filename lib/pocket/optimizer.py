"""How the base model's weights move: Muon, AdamW and what decays."""

import torch
from torch import Tensor

from lib.pocket.recipe import Recipe


def schedule(step: int, recipe: Recipe) -> float:
    """Share of the learning rates at a step: linear warm-up to the recipe's peak, then a straight line to a twentieth
    of it, from the first step on or over the last `falling` ones."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    if recipe.falling:
        return recipe.peak * warm * max(0.05, min(1.0, (recipe.steps - step) / recipe.falling))
    return recipe.peak * warm * (1 - 0.95 * step / recipe.steps)


class Optimizer:
    """Muon for the matrices inside the blocks but for the MLPs' output weights, AdamW for those and for the rest.

    Muon moves every direction of a matrix alike; a neuron's output weight is to keep to the directions that it
    has a use for. Matrices decay, those of the MLPs at a rate of their own, vectors do not. In the coordinates of the
    embedding that are not trained neither it nor what neurons write decays: there nothing pushes them but the loss."""

    def __init__(self, model: torch.nn.Module, recipe: Recipe) -> None:
        self.recipe = recipe
        self.in_part: list[tuple[Tensor, float]] = []
        matrices: dict[float, list[Tensor]] = {}
        rest: dict[float, list[Tensor]] = {}
        for name, weight in model.named_parameters():
            write = name.endswith("mlp.c_proj.weight")
            by_muon = recipe.matrix_learning_rate > 0 and ".h." in name and weight.dim() > 1 and not write
            decay = recipe.mlp_weight_decay if ".mlp." in name else recipe.weight_decay
            if write or name.endswith("wte.weight"):
                self.in_part.append((weight, recipe.write_decay if write else decay))
                decay = 0.0
            if weight.dim() == 1:
                decay = 0.0
            (matrices if by_muon else rest).setdefault(decay, []).append(weight)
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(_groups(rest), lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True),
        ]
        if matrices:
            rate, adjust = recipe.matrix_learning_rate, "match_rms_adamw"
            self.parts.append(torch.optim.Muon(_groups(matrices), lr=rate, adjust_lr_fn=adjust))
        self.peaks = [part.defaults["lr"] for part in self.parts]

    def step(self, share: float) -> None:
        """One step at a share of the peak learning rates; clears the gradients."""
        with torch.no_grad():
            for weight, decay in self.in_part:
                if weight.grad is None:  # not trained at present
                    continue
                weight[:, self.recipe.untrained :] *= 1 - share * self.recipe.learning_rate * decay
        for part, peak in zip(self.parts, self.peaks, strict=True):
            for group in part.param_groups:
                group["lr"] = peak * share
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        """The state of each part."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        """Takes up the state of each part."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def _groups(weights: dict[float, list[Tensor]]) -> list[dict]:
    return [{"params": some, "weight_decay": decay} for decay, some in weights.items()]
