"""True and false statements in pairs, to set the direction of truth beside that of refusal.

The two of a pair are about one subject, in one sentence: "France has the capital Paris.", "… Oslo.". The wrong object
is another fact's right one, so that no object tells the verdict by itself. They are read as they stand, in no template,
where the statement ends (Marks and Tegmark 2024; Du et al. 2025, section 4)."""

import torch
from jaxtyping import Float
from torch import Tensor

from lib import facts, prompts
from lib.model import Model, Site


def statements(*, n_each: int, generator: torch.Generator) -> tuple[list[str], list[str]]:
    """True statements and their false counterparts, up to `n_each` of every relation, drawn at random.

    Raises ValueError for fewer than one of each."""
    if n_each < 1:
        raise ValueError(f"a direction of truth takes statements, got n_each={n_each}")
    true, false = [], []
    for relation in map(facts.relation, facts.RELATIONS):
        for index in torch.randperm(len(relation.facts), generator=generator)[:n_each].tolist():
            fact = relation.facts[index]
            others = relation.others(fact.object)
            other = others[int(torch.randint(len(others), (), generator=generator))]
            true.append(relation.state(fact.subject, fact.object))
            false.append(relation.state(fact.subject, other))
    return true, false


def pair_differences(
    model: Model, true: list[str], false: list[str], *, batch_size: int = 64
) -> Float[Tensor, "pair depth d_model"]:
    """True minus false of every pair at the last token, at the depths of `asking.read`."""
    sites = [*(Site(layer, "resid_pre") for layer in range(model.n_layers)), Site(model.n_layers - 1, "resid_post")]
    parts = []
    for group in prompts.encode(model.tokenizer, [*true, *false]):
        kept = model.record(group.tokens, sites, positions=slice(-1, None), batch_size=batch_size)
        whole = torch.cat([kept[site] for site in sites], dim=1)
        parts.append((group, whole.to(torch.promote_types(whole.dtype, torch.float32)).cpu()))
    one, other = prompts.in_order(parts).chunk(2)
    return one - other
