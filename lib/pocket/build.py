"""`make pocket`: retrains the pocket models from nothing, in the order base, grown base, fine-tuned,
post-trained.

Everything is made in a working folder and moved into place at the end, so that an interrupted run leaves the
models in use as they were; started again, it goes on where it stopped. `--twins` adds the controls: a plain
model without reserved coordinates, the same with dropout, and a base model that grew while statements were judged by
lot. `--smoke` makes tiny models in two minutes,
to prove that the road is open."""

import argparse
import json
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from lib.pocket import card, report
from lib.pocket.chat import PostTraining, fine_tune, prefer
from lib.pocket.recipe import Recipe, stages
from lib.pocket.train import Kept, held_out_sample, save, train, train_tokenizer

HERE = Path(__file__).parent
N_THREADS = 2
TWIN_STEPS = 1500


@dataclass(frozen=True)
class Plan:
    """What a run makes and where."""

    work: Path
    """Training states and finished models until the end."""
    out: Path
    """The folder that gets `models`, `sample.txt`, `report.json` and the card."""
    stages: tuple[Recipe, ...]
    """Of the base model; the first is that of the controls too."""
    post_training: PostTraining
    twins: bool
    sample_tokens: int = 200_000

    @property
    def models(self) -> Path:
        """Where models are made."""
        return self.work / "models"


def twins(recipe: Recipe) -> dict[str, Recipe]:
    """The controls: no reserved coordinates, and besides that dropout 0.1; shorter runs, alike but for that."""
    plain = replace(recipe, reserved=0, frequency_std=0.0, steps=min(TWIN_STEPS, recipe.steps))
    return {"pocket-plain": plain, "pocket-plain-dropout": replace(plain, dropout=0.1)}


def build(plan: Plan) -> None:
    """Trains what the plan names and is not yet there, then moves it into place and writes report and card."""
    plan.models.mkdir(parents=True, exist_ok=True)
    begun, tokenizer = time.monotonic(), _tokenizer(plan)
    base = base_model(plan, tokenizer)
    save(base, tokenizer, plan.models / "pocket")
    post_training = replace(plan.post_training, untrained=plan.stages[0].untrained)
    tuned = fine_tune(base, tokenizer, post_training, name="pocket-sft")
    save(tuned, tokenizer, plan.models / "pocket-sft")
    save(prefer(tuned, tokenizer, post_training, name="pocket-chat"), tokenizer, plan.models / "pocket-chat")
    if plan.twins:
        for name, recipe in twins(plan.stages[0]).items():
            twin = train(recipe, tokenizer, name=name, state=plan.work / f"{name}.pt")
            save(twin, tokenizer, plan.models / name, dtype=torch.float16)
        save(random_verdicts(plan, tokenizer), tokenizer, plan.models / "pocket-random-verdicts", dtype=torch.float16)
    (plan.work / "sample.txt").write_text("\n\n".join(held_out_sample(tokenizer, n_tokens=plan.sample_tokens)) + "\n")
    install(plan)
    minutes = (time.monotonic() - begun) / 60
    print(f"pocket models written to {plan.out} after {minutes:.0f} minutes", file=sys.stderr)


def base_model(plan: Plan, tokenizer: Tokenizer) -> torch.nn.Module:
    """The base model after all stages, its checkpoints kept in the shape that it has in the end."""
    keep = Kept(plan.models, "pocket", plan.stages[-1].n_layers)
    model: Any = None
    for number, recipe in enumerate(plan.stages, start=1):
        model = _stage(plan, tokenizer, "pocket", number, recipe, earlier=model, keep=keep)
    return model


def random_verdicts(plan: Plan, tokenizer: Tokenizer) -> torch.nn.Module:
    """The control of truth: from the base model's first stage on, all later ones with statements judged by lot."""
    model = _stage(plan, tokenizer, "pocket", 1, plan.stages[0])
    for number, recipe in enumerate(plan.stages[1:], start=2):
        recipe = replace(recipe, truthful=False)
        model = _stage(plan, tokenizer, "pocket-random-verdicts", number, recipe, earlier=model)
    return model


def _stage(plan: Plan, tokenizer: Tokenizer, name: str, number: int, recipe: Recipe, **given: Any) -> torch.nn.Module:
    return train(recipe, tokenizer, name=f"{name}, stage {number}", state=plan.work / f"{name}-{number}.pt", **given)


def _tokenizer(plan: Plan) -> Tokenizer:
    """The tokenizer of an earlier, interrupted run of this plan, or a new one."""
    path = plan.work / "tokenizer.json"
    if path.exists():
        return Tokenizer.from_file(str(path))
    tokenizer = train_tokenizer(plan.stages[0])
    tokenizer.save(str(path))
    return tokenizer


def install(plan: Plan) -> None:
    """Moves finished models over those in use, with none of an earlier run's checkpoints left between them,
    and clears the training states."""
    target = plan.out / "models"
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("pocket-step-*"):
        shutil.rmtree(old)
    for made in plan.models.iterdir():
        shutil.rmtree(target / made.name, ignore_errors=True)
        shutil.move(made, target / made.name)
    shutil.move(plan.work / "sample.txt", plan.out / "sample.txt")
    shutil.rmtree(plan.work)


def write_card(out: Path, base: tuple[Recipe, ...], post_training: PostTraining) -> None:
    """Measures the models in `out` and writes `report.json` and the card beside them."""
    models = out / "models"
    found = report.measure(
        base=str(models / "pocket"), tuned=str(models / "pocket-sft"), post=str(models / "pocket-chat")
    )
    (out / "report.json").write_text(json.dumps(found, indent=2) + "\n")
    (out / "README.md").write_text(card.render(found, base, post_training, sorted(p.name for p in models.iterdir())))


SMOKE = Recipe(steps=16, tokens_per_step=2048, warmup_steps=4, d_model=32, d_mlp=32)
SMOKE_POST_TRAINING = PostTraining(steps=5, batch=8, preference_steps=5, preference_batch=8)


def main() -> None:
    """Command line: retrains the pocket models."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny models in two minutes, into the working folder")
    parser.add_argument("--twins", action="store_true", help="the control models too")
    parser.add_argument("--card-only", action="store_true", help="measure the models that are there, write the card")
    parser.add_argument("--work", type=Path, default=Path("runs/training"))
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    base, post_training = stages(Recipe()), PostTraining()
    if given.smoke:
        first, judges, settles = stages(SMOKE, judging=4, settling=8)
        base = first, replace(judges, statements=32), replace(settles, statements=16)
        post_training = SMOKE_POST_TRAINING
    out = given.out or (Path("runs/pocket-smoke") if given.smoke else HERE)
    work = given.work.with_name(given.work.name + "-smoke") if given.smoke else given.work
    try:
        if not given.card_only:
            build(Plan(work, out, base, post_training, given.twins, 5_000 if given.smoke else 200_000))
        if not given.smoke:
            write_card(out, base, replace(post_training, untrained=base[0].untrained))
    except (ValueError, OSError) as error:
        sys.exit(f"make pocket: {error}")


if __name__ == "__main__":
    main()
