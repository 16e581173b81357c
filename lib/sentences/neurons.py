"""What chapter 03 finds: how freely each rule chose, whether its neurons stand apart, and what the rules agree on."""

from collections.abc import Sequence

from pandas import DataFrame, Series

from lib.resampling import Estimate
from lib.sentences.wording import counted, listed, measured, neurons, number, share, side

NEAR = 1.5
"""Times chance below which a rho counts as that of a random write, as claim C4 has it."""
APART = 2.0
"""Times the highest LogitVar of a set that the next neuron has to have for the set to stand apart."""


def freedom(rules: DataFrame, *, n: int) -> str:
    """How freely rules chose in a layer of `n`: a row for each (columns asked, passing, found), `passing` being the
    neurons that its floors let pass."""
    floored = rules[rules.passing < n]
    lets = listed([f"{row.passing:,} (`{name}`)" for name, row in floored.iterrows()]) if len(floored) else "all"
    told = [f"Of {counted(n, 'neuron')} the floors let {lets} pass."]
    forced = floored[(floored.found > 0) & (floored.passing <= 1.5 * floored.found)]
    if len(forced):
        of_how_many = [f"{row.found:,} of {row.passing:,} for `{name}`" for name, row in forced.iterrows()]
        told.append(f"Where so few pass, the floors have all but chosen: {listed(of_how_many)}.")
    for name, row in floored[floored.passing >= 0.8 * n].iterrows():
        told.append(f"The floor of `{name}` bars only {n - row.passing:,}: it chooses nearly as if it had none.")
    few = [f"`{name}` finds {row.found:,} of {row.asked:,}" for name, row in rules.iterrows() if row.found < row.asked]
    return " ".join([*told, *([f"Fewer than asked for: {listed(few)}."] if few else [])])


def plane(table: DataFrame, *, rule: str) -> str:
    """Where the neurons of a rule lie (a row for each neuron: layer, unit, norm, logit_variance, and `rule`, whether
    it is chosen), and whether they stand apart from the other neurons of the longest quarter."""
    table = table.astype({"norm": float, "logit_variance": float})
    chosen, rest = table[table[rule]], table[(table.norm >= table.norm.quantile(0.75)) & ~table[rule]]
    ends = f"{number(chosen.norm.min())} to {number(chosen.norm.max())}"
    names = neurons(chosen.unit.tolist(), layer=int(table.layer.iloc[0]))
    told = f"The rule chooses {names}: {ends} long, where half of the layer is below {number(table.norm.median())}."
    if len(rest):
        gap = rest.logit_variance.min() / max(chosen.logit_variance.max(), 1e-300)
        where = "they stand apart" if gap >= APART else "they are the edge of a cloud"
        told += f" The quietest of the other long neurons has {number(gap)} times their highest LogitVar: {where}."
    trend = table.norm.rank().corr(table.logit_variance.rank())
    return f"{told} Over the layer norm and LogitVar have a rank correlation of {number(trend)}."


def outlying(ratio: Estimate) -> str:
    """LogitVar of what a rule chooses under shuffled norms, over that of its own choice."""
    told = side(
        ratio,
        above="Long neurons are read less here than chance would have it",
        below="Long neurons are read more here than chance would have it",
        neither="That long neurons are read less is not told from chance",
        bound=1.0,
    )
    return f"{told}: with norms shuffled, the rule's choice has {measured(ratio)} times the LogitVar."


def writes(table: DataFrame, *, dim: int) -> str:
    """Where chosen neurons write: their mean squared cosine with each singular direction (chosen), that of control sets
    (control) and the end of these sets' band (control_high); the null space is the last `dim`."""
    inside, above = table.tail(dim), table.chosen > table.control_high
    within, beyond = int(above.tail(dim).sum()), int(above.iloc[:-dim].sum())
    return (
        f"On average {share(inside.chosen.sum())} of a chosen write's squared length lies in the null space, and "
        f"{share(inside.control.sum())} of a control's. The chosen lie above the band in {within} of "
        f"{counted(dim, 'direction')} of the space and in {beyond} of the {counted(len(table) - dim, 'other')}."
    )


def matched(ratio: float, *, fair: bool) -> str:
    """How like the controls are: the median ratio of their norms to those of the chosen."""
    told = f"The controls have {number(ratio)} times the norm of the chosen (median)"
    return f"{told}." if fair else f"{told}, so they are no fair match in length."


def inside(chosen: Estimate, controls: Estimate, difference: Estimate, others: Estimate) -> str:
    """Mean rho of the chosen, of control sets, their difference, and that of control sets in units of chance."""
    first = side(
        difference,
        above="The chosen write more into the null space than others of their length",
        below="The chosen write less into the null space than others of their length",
        neither="The chosen write no more into the null space than others of their length, as far as can be told",
    )
    second = side(
        others,
        above="The others write there too",
        below="The others hardly write there",
        neither="Whether the others write there cannot be told",
        bound=NEAR,
    )
    return (
        f"{first}: rho is {number(chosen.value)} and {number(controls.value)}, the difference {measured(difference)}. "
        f"{second}: their rho is {measured(others)} times chance."
    )


def agreement(pairs: DataFrame) -> str:
    """Which pairs of rules share more neurons than random sets: a row for each pair (columns rule, other, shared,
    P(as many) and alike, whether both sort by the same number)."""
    alike, other = pairs[pairs.alike], pairs[~pairs.alike]
    beyond = other[other["P(as many)"] < 0.05 / max(len(other), 1)]
    names = f": {listed([_pair(row) for _, row in beyond.iterrows()])}" if len(beyond) else ""
    share_more = f"{len(beyond)} {'shares' if len(beyond) == 1 else 'share'} more than chance{names}"
    told = f"Of {counted(len(other), 'pair')} sorted by different numbers {share_more}."
    if len(alike):
        told += (
            f" Those that sort by the same number are no witnesses to each other, whatever they share: "
            f"{listed([_pair(row) for _, row in alike.iterrows()])}."
        )
    return told


def _pair(row: Series) -> str:
    return f"`{row.rule}` and `{row.other}` ({row.shared})"


def causal(table: DataFrame, *, rules: Sequence[str]) -> str:
    """How many of the neurons that act most through the norm (column causal) each rule on weights finds, and whether
    they are long: a row for each neuron (norm, and a column for each rule)."""
    if table.causal.isna().any():
        return "The rule `causal` needs the last layer and is left out here: nothing says which rule finds what acts."
    acts = table[table.causal.astype(bool)]
    if acts.empty:
        return "No neuron acts through the norm here, so there is nothing for a rule to find."
    hits = sorted(((int(acts[rule].sum()), rule) for rule in rules), key=lambda hit: -hit[0])
    told = listed([f"`{rule}` finds {found}" for found, rule in hits])
    long = int((acts.norm >= table.norm.quantile(0.75)).sum())
    if 2 * long < len(acts):
        are = "is" if long == 1 else "are"
        end = f"Only {long} of these {are} in the longest quarter: rules by norm fail here, since what acts is short."
    else:
        all_of = f"All {long}" if long == len(acts) else f"Of those that act, {long} of {len(acts)}"
        end = f"{all_of} belong to the longest quarter, where a rule by norm can find them."
    return f"Of the {counted(len(acts), 'neuron')} that act most through the norm {told}. {end}"


def followed(units: Sequence[int], *, layer: int, rule: str) -> str:
    """Which neurons bear the name in later chapters, and by which rule."""
    by = f"by the rule `{rule}`" if rule.isidentifier() else rule
    return f"What later chapters call entropy neurons: {neurons(units, layer=layer)}, {by}."


def named(table: DataFrame, units: Sequence[int], *, rules: Sequence[str], name: str) -> str:
    """How many of the neurons that a paper names each rule finds (a column of `table` for each); also for a model of
    which no paper names any."""
    if not units:
        return f"No paper names neurons of layer {table.layer.iloc[0]} of {name}, so there is nothing to recover."
    own = table.loc[list(units)]
    found = listed([f"`{rule}` finds {int(own[rule].sum())}" for rule in rules])
    percentile = table[["norm", "logit_variance", "rho"]].rank(pct=True).loc[own.index].median()
    return (
        f"Of the {counted(len(own), 'neuron')} that the paper names {found}. Half of them lie above "
        f"{share(percentile.norm)} of the layer in norm, {share(percentile.logit_variance)} in LogitVar and "
        f"{share(percentile.rho)} in rho."
    )


def by_dim(sweep: DataFrame, *, dim: int) -> str:
    """Mean rho of the chosen at every `dim` (columns dim, chosen, control_high, chance), and whether it hangs on it."""
    at, last = sweep[sweep.dim == dim].iloc[0], sweep.iloc[-1]
    rise, by_chance = last.chosen - at.chosen, last.chance - at.chance
    ends = f"from {number(at.chosen)} at `dim` {dim} to {number(last.chosen)} at {last.dim:.0f}"
    climbs = f"chance from {number(at.chance)} to {number(last.chance)}"
    if at.chosen < NEAR * at.chance:
        told = f"The chosen have no preferred place: rho goes {ends}, {climbs}"
    elif rise < by_chance / 2 and at.chosen**2 > 0.5:
        told = f"Most of what the chosen write lies in these few directions: rho goes {ends}, {climbs}"
    elif rise < by_chance / 2:
        told = f"Rho hardly grows beyond the `dim` that is used: {ends}, {climbs}"
    else:
        told = f"Rho still climbs beyond the `dim` that is used: {ends}, {climbs}"
    above = int((sweep.chosen > sweep.control_high).sum())
    return f"{told}. The chosen lie above the band of control sets at {above} of {len(sweep)} values of `dim`."


def kept(counts: Sequence[int], *, count: int) -> str:
    """How many of its `count` neurons `rho_top` still chooses at each `dim` of a sweep."""
    least = min(counts)
    if least == count:
        return f"At every `dim` `rho_top` chooses the same {counted(count, 'neuron')}."
    same = sum(found == count for found in counts)
    return (
        f"At {same} of {len(counts)} values of `dim`, the one used above among them, `rho_top` chooses the same "
        f"{counted(count, 'neuron')}; at the others it keeps as few as {least}."
    )


def stretch(tokens: Sequence[str], added: Sequence[float], *, neuron: str) -> str:
    """What one neuron adds to the entropy after each token of a stretch of text, in nats."""
    strongest = max(map(abs, added))
    if strongest == 0:
        return f"Neuron {neuron} does nothing in this stretch."
    up = sum(value >= strongest / 10 for value in added)
    down = sum(value <= -strongest / 10 for value in added)
    most = max(range(len(added)), key=lambda at: abs(added[at]))
    shown, sign = tokens[most].replace("`", "'"), "+" if added[most] > 0 else ""
    return (
        f"In this stretch neuron {neuron} raises the entropy after {counted(up, 'token')} and lowers it after "
        f"{down or 'none'}; after the other {len(added) - up - down} it does less than a tenth of its most, "
        f"{sign}{number(added[most])} nats after `{shown!r}`."
    )
