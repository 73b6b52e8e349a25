"""From a division of the pool to whole units for each payee.

Here parts meet rights holders, and here is the one rounding: first over
payees, so that each is less than one unit from their exact part, then within
each payee over their lines. What nobody can be paid is held, with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from contrafact.core.errors import AllocationError
from contrafact.ledger.case import Case, Division, Place
from contrafact.ledger.money import Money, split
from contrafact.ledger.policies.base import Policy
from contrafact.ledger.records import Holding, is_in_force
from contrafact.ledger.terms import Terms, applied

__all__ = ["BUCKETS", "Allocation", "Bucket", "Line", "Part", "allocate", "divide_pool"]

Bucket = Literal["attributed", "background", "unmatched"]
BUCKETS: tuple[Bucket, ...] = ("attributed", "background", "unmatched")

_NO_HOLDER = "no holder on record"
_UNCLAIMED = "holder not known"
_INCOMPLETE = "part of the right with no holder on record"
_TOO_MUCH = "shares on record sum to more than 1"


class Part(NamedTuple):
    """What a part of the pool is for; `payee` is None for what is held."""

    payee: str | None
    bucket: Bucket
    source_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an allocation.

    Attributes:
        bucket: `attributed`, `background` or `unmatched`.
        payee: None for what is held.
        source_id: What it is for; "" where it is for no source.
        amount: Units of the pool's currency.
        part: The exact part of the pool before rounding.
        reason: Why it is held, or what changed it; "" if nothing.
    """

    bucket: Bucket
    payee: str | None
    source_id: str
    amount: int
    part: Fraction
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """A pool, allocated: lines that sum to it exactly.

    Attributes:
        policy: Name and version.
        background: The policy's rule for what is not attributed, in words.
        notices: What a reader must know, such as a floor that was not met.
    """

    pool: Money
    right: str
    policy: str
    background: str
    lines: tuple[Line, ...]
    notices: tuple[str, ...] = ()

    @property
    def buckets(self) -> dict[Bucket, int]:
        """Units in each of the three buckets; they sum to the pool."""
        found: dict[Bucket, int] = dict.fromkeys(BUCKETS, 0)
        for line in self.lines:
            found[line.bucket] += line.amount
        return found

    @property
    def by_payee(self) -> dict[str, int]:
        """Units of each payee, in order of id."""
        found: dict[str, int] = defaultdict(int)
        for line in self.lines:
            if line.payee is not None:
                found[line.payee] += line.amount
        return dict(sorted(found.items()))

    @property
    def held(self) -> dict[str, int]:
        """Units that are held, by reason."""
        found: dict[str, int] = defaultdict(int)
        for line in self.lines:
            if line.payee is None:
                found[line.reason] += line.amount
        return dict(sorted(found.items()))


def divide_pool(pool: Money, rates: Mapping[str, Fraction]) -> dict[str, Money]:
    """Divide a pool into separate ones for each right.

    Args:
        pool: What there is.
        rates: The part of each right; they must sum to 1.

    Raises:
        AllocationError: If they do not.
    """
    if sum(rates.values()) != 1 or min(rates.values()) < 0:
        found = ", ".join(f"{right} {rate}" for right, rate in sorted(rates.items()))
        raise AllocationError(
            f"The parts of the rights are {found}; they must sum to 1. Correct them."
        )
    names = sorted(rates)
    amounts = split(pool.amount, [rates[name] for name in names], ids=names)
    both = zip(names, amounts, strict=True)
    return {name: Money(amount, pool.currency) for name, amount in both}


def allocate(
    pool: Money,
    case: Case,
    *,
    policy: Policy,
    holdings: Iterable[Holding],
    terms: Terms | None = None,
) -> Allocation:
    """Allocate the pool of one right.

    Args:
        pool: Of this right alone; see `divide_pool`. May be 0.
        case: What was used and what is known of it.
        policy: How to divide.
        holdings: Of all rights; those of other rights are no matter.
        terms: Caps and floors.

    Returns:
        Lines in order of payee, bucket and source; they sum to the pool.

    Raises:
        AllocationError: If the pool is negative, or the input contradicts
            itself.
    """
    if pool.amount < 0:
        raise AllocationError(
            f"The pool is {pool}. Take money back by a reversal in the journal."
        )
    held = [h for h in holdings if h.right == case.right]
    parts = _held_by(policy.divide(case), held)
    parts, notices = applied(parts, pool.amount, terms or Terms())
    return Allocation(
        pool=pool,
        right=case.right,
        policy=policy.id,
        background=policy.background,
        lines=_rounded(pool.amount, parts),
        notices=notices,
    )


def _held_by(division: Division, holdings: Sequence[Holding]) -> dict[Part, Fraction]:
    by_source: dict[str, list[Holding]] = defaultdict(list)
    for holding in holdings:
        by_source[holding.source_id].append(holding)
    found: dict[Part, Fraction] = defaultdict(Fraction)
    sides: tuple[tuple[Bucket, Mapping[tuple[str, Place], Fraction]], ...] = (
        ("attributed", division.attributed),
        ("background", division.background),
    )
    for bucket, parts in sides:
        for (source, place), part in parts.items():
            holders = _holders(by_source.get(source, ()), place)
            for (payee, reason), fraction in holders.items():
                to: Bucket = bucket if payee is not None else "unmatched"
                found[Part(payee, to, source, reason)] += part * fraction
    for reason, part in division.held.items():
        found[Part(None, "unmatched", "", reason)] += part
    return {key: part for key, part in found.items() if part}


def _holders(
    holdings: Sequence[Holding], place: Place
) -> dict[tuple[str | None, str], Fraction]:
    """Return who holds a source at a place; the fractions sum to 1."""
    here = [
        h for h in holdings if is_in_force(h, on=place.day, territory=place.territory)
    ]
    total = sum((h.fraction for h in here), start=Fraction(0))
    if total > 1:
        return {(None, _TOO_MUCH): Fraction(1)}
    found: dict[tuple[str | None, str], Fraction] = defaultdict(Fraction)
    for holding in here:
        reason = "" if holding.payee is not None else _UNCLAIMED
        found[holding.payee, reason] += holding.fraction
    if total < 1:
        found[None, _INCOMPLETE if here else _NO_HOLDER] += 1 - total
    return found


def _rounded(pool: int, parts: Mapping[Part, Fraction]) -> tuple[Line, ...]:
    accounts: dict[tuple[str | None, str], dict[Part, Fraction]] = defaultdict(dict)
    for key in sorted(parts, key=_order):
        account = (key.payee, "") if key.payee is not None else (None, key.reason)
        accounts[account][key] = parts[key]
    ids = [payee if payee is not None else reason for payee, reason in accounts]
    wholes = [sum(own.values(), start=Fraction(0)) for own in accounts.values()]
    lines = []
    amounts = split(pool, wholes, ids=ids)
    for own, amount in zip(accounts.values(), amounts, strict=True):
        names = ["\x1f".join((k.bucket, k.source_id, k.reason)) for k in own]
        for key, units in zip(
            own, split(amount, list(own.values()), ids=names), strict=True
        ):
            lines.append(
                Line(
                    bucket=key.bucket,
                    payee=key.payee,
                    source_id=key.source_id,
                    amount=units,
                    part=own[key],
                    reason=key.reason,
                )
            )
    return tuple(lines)


def _order(key: Part) -> tuple[bool, str, str, str, str]:
    return key.payee is None, key.payee or "", key.bucket, key.source_id, key.reason
