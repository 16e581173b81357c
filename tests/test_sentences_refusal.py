"""What chapter 10 says: right for directions that work, carry over or do not, and where there is nothing to see."""

import pandas as pd
import pytest
import torch

from lib.refusal import Choice, second_direction
from lib.resampling import Estimate, share
from lib.sentences import refusal as says


def measured(low, high, n=40):
    return Estimate((low + high) / 2, low, high, n, n)


def choice(depth=4, place=3, reason=""):
    return Choice(depth, place, torch.ones(2), reason)


PLACES = {name: ("instruction", "\n", "Assistant", ":") for name in ("base", "sft", "post")}


def test_the_choice_is_told_with_what_was_given_up():
    strength = {"base": 0.25, "post": 1.5}
    told = says.choices({"base": choice(2, 0, "no luck"), "post": choice()}, PLACES, strength)
    assert "for the base model, at depth 2 on the instruction's last token, 25 % of the residual" in told
    assert "for the post-trained model, at depth 4 on the template's token ':', 150 %" in told
    assert "kept in full for the post-trained model." in told
    assert told.endswith("No direction passes every condition in the base model: no luck.")
    assert "No direction passes" not in says.choices({"post": choice()}, PLACES, strength)
    assert "kept in full" not in says.choices({"post": choice(reason="no")}, PLACES, strength)


def test_the_chosen_are_rows_with_their_scores():
    scores = pd.DataFrame({"depth": [4, 4], "place": [2, 3], "bypass": [1.0, -2.345], "induce": 0.5, "kl": 0.01})
    table = says.rows({"post": choice()}, {"post": scores}, PLACES, {"post": 0.4})
    assert table.loc["post"].to_dict() == {
        "depth": 4, "read at": ":", "bypass": -2.35, "induce": 0.5, "kl": 0.01, "strength": 0.4, "given up": "nothing",
    }  # fmt: skip


def row(direction, kind, prompts, refusals, n=35, model="post"):
    found = share(refusals, n)
    ends = {"share": found.value, "share_low": found.low, "share_high": found.high}
    head = {"direction_from": direction, "model": model, "intervention": kind, "prompts": prompts}
    return head | {"refusals": refusals, "n": n, "random": direction[:6] == "random"} | ends


def table(clean=(34, 0), own=(2, 30), random=((33, 0), (34, 1)), model="post"):
    rows = [
        row("none", "none", "harmful", clean[0], model=model),
        row("none", "none", "harmless", clean[1], model=model),
    ]
    rows += [
        row(model, "ablation", "harmful", own[0], model=model),
        row(model, "addition", "harmless", own[1], model=model),
    ]
    for number, (ends, begins) in enumerate(random, start=1):
        rows.append(row(f"random {number}", "ablation", "harmful", ends, model=model))
        rows.append(row(f"random {number}", "addition", "harmless", begins, model=model))
    return pd.DataFrame(rows)


def test_a_model_is_told_untouched():
    told = says.baseline(pd.concat([table(), table(clean=(0, 0), model="base")]))
    assert "the post-trained model refuses 34 of 35 harmful requests (97 %) and 0 of 35 harmless requests" in told
    assert "the base model refuses 0 of 35 harmful requests (0 %)" in told


def test_a_direction_at_home_stands_beside_random_ones():
    told = says.at_home(table(), "post")
    assert (
        "with it taken out 2 of 35 harmful requests (5.7 %) are refused (34 without, with a random one 33 to 34)"
        in told
    )
    assert "with it added 30 of 35 harmless requests (86 %) are refused (0 without, with a random one 0 to 1)" in told
    alone = says.at_home(table(own=(1, 0), random=()), "post")
    assert "random" not in alone and "1 of 35 harmful requests (2.9 %) is refused" in alone


@pytest.mark.parametrize(
    ("hits", "said"), [(19, "so it carries over"), (1, "so it does not carry over"), (10, "which leaves it open")]
)
def test_what_carries_over_is_told_by_its_interval(hits, said):
    told = says.carried({"ablation": share(hits, 20)}, direction_from="base", model="post")
    assert f"under ablation it turns {hits} of the 20 that the own direction turns, {said}" in told
    assert told.startswith("The direction of the base model in the post-trained model: ")


def test_where_nothing_is_turned_the_reason_is_given():
    found = {"ablation": share(0, 20), "addition": "it turns 2 of 35, too few"}
    told = says.transfer(table(), found, found)
    assert len(told) == 4 and "addition says little, since it turns 2 of 35, too few" in told[2]
    assert told[3].startswith("The direction of the post-trained model in the base model")


def judged(both, opener, odds, neither, source="none"):
    counts = {"both": both, "opener_only": opener, "log_odds_only": odds, "neither": neither}
    return (
        {"direction_from": source, "model": "post", "intervention": "ablation" if source != "none" else "none"}
        | {"prompts": "harmful"}
        | counts
    )


def test_judges_that_disagree_are_told_where():
    told = says.judges(pd.DataFrame([judged(20, 1, 0, 5), judged(10, 4, 2, 3, "base")]), [" I", " No"])
    assert "(openers, and the log-odds of ' I' and ' No') disagree on 7 of 45 answers (16 %): 5 are" in told
    assert "2 by the log-odds alone" in told
    assert "Most of it, 6, is in the post-trained model under ablation of the direction from base." in told
    first = says.judges(pd.DataFrame([judged(20, 1, 0, 5)]), [" I"])
    assert "under no intervention on harmful requests" in first


def test_judges_that_agree_or_never_fire_are_told_as_such():
    assert "never disagree" in says.judges(pd.DataFrame([judged(20, 0, 0, 5)]), [" I"])
    assert "Neither judge sees a single refusal among 25 answers" in says.judges(
        pd.DataFrame([judged(0, 0, 0, 25)]), [" I"]
    )


def swept(**low):
    rows = [
        {"direction_from": name, "strength": at, "log_odds": value + 1, "log_odds_low": value}
        for name, values in low.items()
        for at, value in zip((0.5, 1.0), values, strict=True)
    ]
    found = pd.DataFrame(rows).replace({"random1": "random 1", "random2": "random 2"})
    return found.assign(random=found.direction_from.isin(["random 1", "random 2"]))


def test_the_strength_from_which_on_a_model_refuses_is_told():
    told = says.strengths(swept(base=(-9, -8), post=(-3, 2), random1=(-9, -9), random2=(-9, 3)), "post")
    assert told == (
        "In the post-trained model refusal of harmless requests becomes likelier than not with that of the "
        "post-trained model from a strength of 1 on, with no strength tried of that of the base model; of 2 random "
        "directions, 1 ever makes it so."
    )
    never = says.strengths(swept(base=(-9, -8), post=(-9, -8), random1=(-9, -9)), "base")
    assert "not with no strength tried of that of the base model and the post-trained model; of 1 random" in never
    assert never.endswith("direction, none ever makes it so.")
    assert says.strengths(swept(post=(1, 2)), "post").endswith("from a strength of 0.5 on.")


@pytest.mark.parametrize(
    ("matched", "said"),
    [
        (measured(0.7, 0.9), "more alike than not"),
        (measured(0.1, 0.3), "less than half as alike"),
        (measured(0.4, 0.6), "on neither side for sure"),
    ],
)
def test_a_cosine_is_judged_by_its_share_of_the_ceiling(matched, said):
    told = says.cosine(measured(0.2, 0.3), matched, one_template=False)
    assert "a cosine of 0.25 [0.2, 0.3]" in told and said in told and "templates are one" not in told
    assert "only the place differs" in says.cosine(measured(0.2, 0.3), matched, one_template=True)
    assert "nothing can be said: why not." in says.cosine(measured(0.2, 0.3), "why not", one_template=True)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (measured(0.3, 0.5), "truth is more alike between the models than refusal"),
        (measured(-0.5, -0.3), "refusal is more alike between the models than truth"),
        (measured(-0.1, 0.1), "neither is more alike for sure"),
    ],
)
def test_truth_and_refusal_are_set_side_by_side(found, said):
    shares = [measured(0.9, 1.1), measured(0.2, 0.4)]
    told = says.truth(found, shares, depth=6)
    assert (
        "At depth 6" in told
        and "truth reaches 1 [0.9, 1.1] of its ceiling and that of refusal 0.3" in told
        and said in told
    )
    assert says.truth("no direction", shares, depth=6).endswith("at depth 6: no direction.")


def marks(matched, mark):
    return pd.DataFrame({"model": ["base", "post"], "place": "instruction", "matched": matched, "mark": mark})


def test_a_mark_that_outweighs_the_harm_is_said():
    told = says.punctuation(marks([0.2, 0.8], [0.9, 0.1]))
    assert "in the base model, read at the instruction, 0.2 with the matched one's and 0.9 with the mark's" in told
    assert told.endswith("In 1 of 2 readings (50 %) it is nearer to the mark than to the harm.")
    assert says.punctuation(marks([0.9, 0.9], [0.1, 0.1])).endswith("It is nearer to the harm in every reading.")


def sorted_by(instruction, answer):
    rows = [
        {"place": place, "depth": depth, "share": low + 0.1, "share_low": low}
        for place, lows in (("instruction", instruction), ("answer", answer))
        for depth, low in enumerate(lows)
    ]
    return pd.DataFrame(rows)


def test_where_harm_is_told_is_said_for_both_places():
    base, post = sorted_by((0.4, 0.6, 0.7), (0.4, 0.4, 0.4)), sorted_by((0.6, 0.6, 0.6), (0.4, 0.4, 0.8))
    told = says.sorting({"base": base, "post": post})
    assert told == (
        "At the instruction's last token the base model tells harm from depth 1 on (80 % at best) and the post-trained "
        "model tells harm from depth 0 on (70 % at best). Where the answer begins the base model does not tell harm by "
        "its end (50 % at best) and the post-trained model tells harm from depth 2 on (90 % at best)."
    )


def test_two_places_have_a_cosine_or_none():
    told = says.two_places({"base": "nothing to compare", "post": measured(0.1, 0.3)}, 4)
    assert told.endswith("over its ceiling: the base model nothing to compare; the post-trained model 0.2 [0.1, 0.3].")


def twice(first, both, added, *, clean=34, beside=(30, 31)):
    two = second_direction
    rows = [row(two.FIRST, "ablation", "harmful", first), row(two.BOTH, "ablation", "harmful", both)]
    rows += [row(f"{two.BESIDE} {i}", "ablation", "harmful", hits) for i, hits in enumerate(beside, start=1)]
    rows += [row(two.FIRST, "addition", "harmless", 30), row(two.ALONE, "addition", "harmless", added)]
    rows += [row("none", "none", "harmful", clean), row("none", "none", "harmless", 0)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("counts", "less", "said"),
    [
        ((26, 3, 0), "fewer than before", "does not lie in the first direction alone"),
        ((26, 25, 33), "not clearly fewer than before", "does not lie in the first direction alone"),
        ((1, 1, 0), "not clearly fewer than before", "Nothing here asks for a second direction."),
        ((26, 25, 0), "not clearly fewer than before", "is not in the second either."),
    ],
)
def test_whether_one_direction_is_enough_is_said(counts, less, said):
    told = says.second(twice(*counts), choice(depth=3))
    first, both, added = counts
    assert f"{first} of 35 harmful requests are still refused, without both {both} of 35, {less}" in told
    assert "(with a random one beside the first 86 % to 89 %)" in told
    assert f"(depth 3) makes the model refuse {added} of 35 harmless ones" in told and said in told
    assert "random" not in says.second(twice(*counts, beside=()), choice())
    assert says.second(twice(*counts, clean=1), choice()).endswith("so that this says nothing.")


def test_the_dearest_intervention_and_the_free_ones_are_told():
    head = {"model": "post", "intervention": "addition", "low": -0.1, "high": 2.5, "random": False}
    costs = [head | {"direction_from": name, "loss_change": cost} for name, cost in (("base", 0.001), ("post", 2.0))]
    told = says.cost(pd.DataFrame([*costs, head | {"direction_from": "random 1", "loss_change": 0.5, "random": True}]))
    assert "is addition of the direction from post in the post-trained model, 2 [−0.1, 2.5] nats a token" in told
    assert "1 of 2 interventions (50 %) cost less than a hundredth of a nat." in told
    assert told.endswith("Random directions cost 0.5 to 0.5 nats.")
    assert "Random" not in says.cost(pd.DataFrame(costs))
