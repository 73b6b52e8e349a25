"""Money intervals from share intervals, by resampling.

In each draw every source takes one level, and its share in every output lies
at that level of its interval: 5 % is the low end, 50 % the share itself, 95 %
the high end, straight lines between, nothing beyond. So a source that is
overrated in one output is taken to be overrated in all of them: errors do not
cancel over plays, which is the widest case. Different sources err
independently. Shares that would sum to more than 1 are brought down together.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from contrafact.ledger.allocation import Allocation, Bucket, allocate
from contrafact.ledger.case import Case
from contrafact.ledger.money import Money
from contrafact.ledger.policies.base import Policy
from contrafact.ledger.records import Holding, OutputAttribution, ShareRecord
from contrafact.ledger.terms import Terms

__all__ = [
    "Intervals",
    "MoneyInterval",
    "drawn",
    "money_intervals",
    "sum_intervals",
    "told_apart",
]

_LEVELS = 1000
_TAIL = 50  # of the levels: the intervals are of 90 %
_QUANTUM = 10**12

K = TypeVar("K", bound=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyInterval:
    """What a payee gets, with its 90 % interval, in units; `low <= amount <= high`."""

    amount: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """What payees and buckets get, each with its interval."""

    payees: dict[str, MoneyInterval]
    buckets: dict[Bucket, MoneyInterval]


def money_intervals(
    pool: Money,
    case: Case,
    *,
    policy: Policy,
    holdings: Iterable[Holding],
    terms: Terms | None = None,
    draws: int = 100,
) -> Intervals:
    """Return all money with the interval that the shares leave open.

    The whole policy is run on every draw, so that caps, floors, background
    and rounding are in the intervals. Intervals cover what attribution knows
    of its own error: noise draws, and not a wrong method.

    Args:
        pool: As for `allocate`.
        case: As there.
        policy: As there.
        holdings: As there.
        terms: As there.
        draws: How many; with none, intervals are the amounts.

    Returns:
        The 5 % and 95 % order statistics of the draws, and the amount itself
        where it lies outside.
    """
    held = [h for h in holdings if h.right == case.right]

    def allocated(one: Case) -> Allocation:
        return allocate(pool, one, policy=policy, holdings=held, terms=terms)

    found, case = allocated(case), told_apart(case)
    others = [
        allocated(drawn(case, seed=0, number=number))
        for number in range(draws if policy.uses_shares else 0)
    ]
    return Intervals(
        payees=sum_intervals(found.by_payee, [one.by_payee for one in others]),
        buckets=sum_intervals(found.buckets, [one.buckets for one in others]),
    )


def sum_intervals(
    found: Mapping[K, int], drawn_sums: Sequence[Mapping[K, int]]
) -> dict[K, MoneyInterval]:
    """Return sums with their intervals over draws; what is in none of them is 0."""
    return {
        key: _interval(found.get(key, 0), sorted(one.get(key, 0) for one in drawn_sums))
        for key in sorted({*found, *(key for one in drawn_sums for key in one)})
    }


def _interval(amount: int, ordered: Sequence[int]) -> MoneyInterval:
    if not ordered:
        return MoneyInterval(amount=amount, low=amount, high=amount)
    tail = len(ordered) * _TAIL // _LEVELS
    low, high = ordered[tail], ordered[-1 - tail]
    return MoneyInterval(amount=amount, low=min(low, amount), high=max(high, amount))


def told_apart(case: Case) -> Case:
    """Return the case without the shares of sources that are not told apart.

    Nobody is paid by them, so that no amount changes, and most sources of most
    songs are such.
    """
    attributions = {}
    for output, found in case.attributions.items():
        kept = tuple(s for s in found.shares if s.is_significant)
        rest = 1 - sum((s.share for s in kept), start=Fraction(0))
        attributions[output] = replace(found, shares=kept, unattributed=rest)
    return replace(case, attributions=attributions)


def drawn(case: Case, *, seed: int, number: int) -> Case:
    """Return the case with shares drawn from their intervals.

    Args:
        case: What to draw for; sources that are not told apart keep no share.
        seed: Of all draws.
        number: Of this draw.
    """
    sources = {s.source_id for a in case.attributions.values() for s in a.shares}
    rng = random.Random(f"{seed} {number}")
    levels = {source: rng.randrange(_LEVELS + 1) for source in sorted(sources)}
    attributions = {o: _drawn(a, levels) for o, a in case.attributions.items()}
    return replace(case, attributions=attributions)


def _drawn(found: OutputAttribution, levels: dict[str, int]) -> OutputAttribution:
    shares = [_at(s, levels[s.source_id]) for s in found.shares]
    total = sum(shares)
    if total > _QUANTUM:
        shares = [share * _QUANTUM // total for share in shares]
    kept = tuple(
        replace(s, share=part, low=min(s.low, part), high=max(s.high, part))
        for s, units in zip(found.shares, shares, strict=True)
        for part in (Fraction(units, _QUANTUM),)
    )
    rest = 1 - Fraction(sum(shares), _QUANTUM)
    return replace(found, shares=kept, unattributed=rest)


def _at(share: ShareRecord, level: int) -> int:
    """Return the share at a level of its interval, in units of 10**-12."""
    if not share.is_significant:
        return 0
    half = _LEVELS // 2
    within = min(max(level, _TAIL), _LEVELS - _TAIL) - half
    end = share.high if within > 0 else share.low
    part = share.share + (end - share.share) * abs(within) / (half - _TAIL)
    return int(part * _QUANTUM)
