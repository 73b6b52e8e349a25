"""Groups paid by what models without them lose: the Shapley value.

Needs, for each output, how well models that learned from some of the groups
explain it. Up to 12 groups the value is exact; beyond, it is estimated from
orders of the groups that are fixed by a seed, with an interval.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from contrafact.core.errors import AllocationError
from contrafact.ledger.case import Case, Division
from contrafact.ledger.policies.base import (
    Policy,
    add_background,
    corpus_parts,
    divide_by_shares,
    usage_weights,
)

__all__ = ["MAX_EXACT", "SHAPLEY", "GroupValue", "shapley_shares", "shapley_values"]

MAX_EXACT = 12
_N_ORDERS = 256
_Z_90 = Fraction(16449, 10000)

Utility = Mapping[frozenset[str], Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupValue:
    """The Shapley value of a group, with its 90 % interval over orders.

    `low` and `high` are the value itself where it is exact.
    """

    value: Fraction
    low: Fraction
    high: Fraction


def shapley_values(
    utility: Utility, groups: Sequence[str], *, n_orders: int = _N_ORDERS, seed: int = 0
) -> dict[str, GroupValue]:
    """Return the Shapley value of each group.

    Args:
        utility: Of coalitions. Exact values need every coalition; sampled ones
            only those that the orders pass through.
        groups: Who shares.
        n_orders: Orders to sample beyond 12 groups; each is used with its
            reverse, which lowers the variance.
        seed: Of the orders.

    Returns:
        Values that sum to the utility of all groups less that of none.

    Raises:
        AllocationError: If the utility of a coalition is missing.

    References:
        Shapley, "A value for n-person games", 1953; Wang et al., "An Economic
        Solution to Copyright Challenges of Generative AI", arXiv 2404.13964,
        for groups of owners as players; Mitchell et al., "Sampling
        Permutations for Shapley Value Estimation", JMLR 2022, for reverses.

    Example:
        >>> v = {frozenset(): 0, frozenset("a"): 1, frozenset("b"): 0}
        >>> v = {k: Fraction(u) for k, u in {**v, frozenset("ab"): 3}.items()}
        >>> [str(g.value) for g in shapley_values(v, ["a", "b"]).values()]
        ['2', '1']
    """
    players = sorted(set(groups))
    if len(players) <= MAX_EXACT:
        exact = _exact(utility, players)
        return {g: GroupValue(value=x, low=x, high=x) for g, x in exact.items()}
    return _sampled(utility, players, n_orders=n_orders, seed=seed)


def _of(utility: Utility, members: frozenset[str]) -> Fraction:
    try:
        return utility[members]
    except KeyError:
        named = ", ".join(sorted(members)) or "no group"
        raise AllocationError(
            f"There is no utility of the coalition of {named}. Train and measure "
            "that model, or choose another policy."
        ) from None


def _exact(utility: Utility, players: Sequence[str]) -> dict[str, Fraction]:
    n = len(players)
    values = dict.fromkeys(players, Fraction(0))
    for size in range(n):
        weight = Fraction(
            math.factorial(size) * math.factorial(n - size - 1), math.factorial(n)
        )
        for members in map(frozenset, combinations(players, size)):
            before = _of(utility, members)
            for player in players:
                if player not in members:
                    gain = _of(utility, members | {player}) - before
                    values[player] += weight * gain
    return values


def _sampled(
    utility: Utility, players: Sequence[str], *, n_orders: int, seed: int
) -> dict[str, GroupValue]:
    rng = random.Random(seed)
    gains: dict[str, list[Fraction]] = defaultdict(list)
    for _ in range(n_orders):
        order = rng.sample(players, len(players))
        there, back = _gains(utility, order), _gains(utility, order[::-1])
        for player in players:
            gains[player].append((there[player] + back[player]) / 2)
    return {player: _estimated(gains[player]) for player in players}


def _gains(utility: Utility, order: Sequence[str]) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    members: frozenset[str] = frozenset()
    before = _of(utility, members)
    for player in order:
        members |= {player}
        after = _of(utility, members)
        found[player], before = after - before, after
    return found


def _estimated(gains: Sequence[Fraction]) -> GroupValue:
    n = len(gains)
    mean = sum(gains, start=Fraction(0)) / n
    square = sum(((g - mean) ** 2 for g in gains), start=Fraction(0))
    error = Fraction(math.sqrt(square / max(1, n - 1) / n)) * _Z_90
    return GroupValue(value=mean, low=mean - error, high=mean + error)


def shapley_shares(values: Mapping[str, GroupValue]) -> dict[str, Fraction]:
    """Return each group's part of the positive values of all groups.

    A group whose interval reaches 0 is not told apart: its part stays
    unattributed, as does everything where no value is positive.
    """
    total = sum((max(g.value, Fraction(0)) for g in values.values()), Fraction(0))
    return {
        name: g.value / total for name, g in values.items() if g.low > 0 and g.value > 0
    }


def _shapley(case: Case) -> Division:
    shares: dict[str, dict[str, Fraction]] = {}
    sizes = corpus_parts(case, by="minutes")
    for output in {row.output_id for row in case.usage} & case.facts.utilities.keys():
        utility = case.facts.utilities[output]
        groups = sorted(frozenset().union(*utility))
        shares[output] = _of_sources(
            case, shapley_shares(shapley_values(utility, groups)), sizes
        )
    attributed, rest, missing = divide_by_shares(
        case, usage_weights(case.usage), shares=shares.get
    )
    return add_background(attributed, rest, parts=sizes, missing=missing)


def _of_sources(
    case: Case, shares: Mapping[str, Fraction], sizes: Mapping[str, Fraction]
) -> dict[str, Fraction]:
    """Divide the share of each group over its sources, pro rata to their length."""
    found: dict[str, Fraction] = defaultdict(Fraction)
    for group, share in shares.items():
        members = [s for s in case.facts.groups.get(group, ()) if s in sizes]
        if not members:
            raise AllocationError(
                f"Group {group} has no licensed source. Say which sources it has."
            )
        whole = sum((sizes[s] for s in members), start=Fraction(0))
        for source in members:
            found[source] += share * sizes[source] / whole
    return dict(found)


SHAPLEY = Policy(
    name="shapley",
    version=1,
    background="pro rata to the length of the licensed recordings; within a group "
    "too. Outputs without sub-models: held",
    reference="Wang et al., 'An Economic Solution to Copyright Challenges of "
    "Generative AI', arXiv 2404.13964",
    divide=_shapley,
    uses_shares=False,
    fits_plans=False,
)
