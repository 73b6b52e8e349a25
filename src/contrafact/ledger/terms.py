"""What a contract adds to a policy: caps, floors, minimum, recoupment.

Caps and floors move exact parts of the pool before anything is rounded; what
they moved is a line of its own. Minimum and recoupment decide what of the
earned money is paid now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from contrafact.core.errors import AllocationError

if TYPE_CHECKING:
    from contrafact.ledger.allocation import Part

__all__ = ["Payment", "PaymentTerms", "Terms", "applied", "settle"]

OVER_CAP = "above the cap of a payee"
_FLOOR = "raised to the floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What no payee may exceed or fall below in one pool.

    Attributes:
        cap: Largest part of the pool for one payee, in (0, 1]; what is above
            is held.
        floor: Smallest amount of a payee who has any, in units. It is paid
            out of the background of those above it, and of nothing else.

    Raises:
        AllocationError: If either is out of range.
    """

    cap: Fraction | None = None
    floor: int = 0

    def __post_init__(self) -> None:
        """Check what cannot be."""
        if self.cap is not None and not 0 < self.cap <= 1:
            raise AllocationError(
                f"The cap is {self.cap}; it must be above 0 and at most 1."
            )
        if self.floor < 0:
            raise AllocationError(f"The floor is {self.floor}; it must be 0 or more.")


def applied(
    parts: Mapping[Part, Fraction], pool: int, terms: Terms
) -> tuple[dict[Part, Fraction], tuple[str, ...]]:
    """Apply cap and floor to the parts of a pool.

    Returns:
        The parts, with the same sum, and what a reader must know.
    """
    found = dict(parts)
    if terms.cap is not None:
        found = _capped(found, terms.cap)
    if terms.floor and pool:
        return _raised(found, Fraction(terms.floor, pool))
    return found, ()


def _totals(parts: Mapping[Part, Fraction]) -> dict[str, Fraction]:
    found: dict[str, Fraction] = defaultdict(Fraction)
    for key, part in parts.items():
        if key.payee is not None:
            found[key.payee] += part
    return found


def _capped(parts: dict[Part, Fraction], cap: Fraction) -> dict[Part, Fraction]:
    found: dict[Part, Fraction] = defaultdict(Fraction)
    totals = _totals(parts)
    for key, part in parts.items():
        total = totals[key.payee] if key.payee is not None else Fraction(0)
        kept = part * cap / total if total > cap else part
        found[key] += kept
        if kept != part:
            held = key._replace(payee=None, bucket="unmatched", reason=OVER_CAP)
            found[held] += part - kept
    return dict(found)


def _raised(
    parts: dict[Part, Fraction], floor: Fraction
) -> tuple[dict[Part, Fraction], tuple[str, ...]]:
    totals = _totals(parts)
    wanted = {p: floor - t for p, t in totals.items() if t < floor}
    background: dict[str, Fraction] = defaultdict(Fraction)
    for key, part in parts.items():
        if key.payee is not None and key.bucket == "background":
            background[key.payee] += part
    spare = {
        p: min(b, totals[p] - floor) for p, b in background.items() if totals[p] > floor
    }
    need = sum(wanted.values(), start=Fraction(0))
    there = sum(spare.values(), start=Fraction(0))
    moved = min(need, there)
    if not moved:
        return parts, (_short(need),) if need else ()
    found: dict[Part, Fraction] = defaultdict(Fraction)
    for key, part in parts.items():
        given = Fraction(0)
        if key.bucket == "background" and key.payee in spare:
            payee = key.payee
            given = part * spare[payee] / background[payee] * moved / there
        found[key] += part - given
    sample = next(iter(parts))
    for payee, short in wanted.items():
        key = sample._replace(
            payee=payee, bucket="background", source_id="", reason=_FLOOR
        )
        found[key] += short * moved / need
    return dict(found), (_short(need - moved),) if need > moved else ()


def _short(missing: Fraction) -> str:
    return (
        f"The background does not suffice for the floor: {float(missing):.4%} of the "
        "pool is missing."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTerms:
    """What is paid now of what was earned.

    Attributes:
        minimum: Smallest amount that is paid out; less is carried over.
        advances: What each payee was paid ahead and has not yet earned.
        brought: What was carried over from the period before.
    """

    minimum: int = 0
    advances: Mapping[str, int] = field(default_factory=dict)
    brought: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What becomes of a payee's money; `earned + brought` is the other three.

    Attributes:
        recouped: Kept against an advance.
        payable: Paid now.
        carried: Carried over to the next period; negative if owed back.
    """

    payee: str
    earned: int
    brought: int
    recouped: int
    payable: int
    carried: int


def settle(earned: Mapping[str, int], terms: PaymentTerms) -> tuple[Payment, ...]:
    """Return what is recouped, paid and carried over, by payee.

    An advance is recouped first. What is then left is paid if it reaches the
    minimum, and carried over otherwise; a debt is carried over too.

    Raises:
        AllocationError: If the minimum or an advance is negative.
    """
    if terms.minimum < 0 or any(a < 0 for a in terms.advances.values()):
        raise AllocationError("The minimum and advances must be 0 or more.")
    payments = []
    for payee in sorted({*earned, *terms.brought}):
        brought = terms.brought.get(payee, 0)
        due = earned.get(payee, 0) + brought
        recouped = min(max(due, 0), terms.advances.get(payee, 0))
        left = due - recouped
        payable = left if left > 0 and left >= terms.minimum else 0
        payments.append(
            Payment(
                payee=payee,
                earned=earned.get(payee, 0),
                brought=brought,
                recouped=recouped,
                payable=payable,
                carried=left - payable,
            )
        )
    return tuple(payments)
