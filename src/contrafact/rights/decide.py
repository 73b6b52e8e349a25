"""The rule by which consents become a decision: one pure function.

1. The right in the recording (master) and the right in the work (composition)
   must both be allowed.
2. What is in force on the day counts: said, begun, not over, not revoked.
3. A reservation in force beats every permission, whoever gave it and whenever.
   It ends by its own date, or when it is revoked; never by a newer permission.
4. What nobody allowed is not allowed.
5. Permissions for parts of a territory add up; a reservation takes its part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from contrafact.rights.consent import Conflict, Consent, Decision, Right, Use
from contrafact.rights.territory import Territory

__all__ = ["decide"]

_MANY = 5
"""How many names a reason lists before it counts the rest."""


@dataclass(frozen=True, slots=True)
class _Side:
    """What is in force for one right, as far as it reaches into the territory."""

    right: Right
    allowing: Sequence[Consent]
    reserving: Sequence[Consent]
    missing: frozenset[str]

    @property
    def is_allowed(self) -> bool:
        return not self.reserving and not self.missing


def decide(
    consents: Iterable[Consent], *, use: Use, territory: Territory, on: date
) -> Decision:
    """Decide whether a recording may be used.

    Args:
        consents: All that is known about the recording, its work and the place
            it came from, in any order and about any use.
        use: What it shall be used for.
        territory: Where; the answer is yes only if it is for all of it.
        on: The day of the use.

    Returns:
        The decision; it does not depend on the order of the consents.
    """
    known = [
        c
        for c in consents
        if c.use is use and c.is_in_force(on) and c.territory.overlaps(territory)
    ]
    sides = [_side(right, known, territory) for right in Right]
    is_allowed = all(side.is_allowed for side in sides)
    basis = [c for s in sides for c in (s.allowing if is_allowed else s.reserving)]
    return Decision(
        is_allowed=is_allowed,
        reason="; ".join(
            _reason(side) for side in sides if is_allowed or not side.is_allowed
        ),
        consents=tuple(_sorted(basis)),
        conflicts=tuple(c for side in sides for c in _conflicts(side, territory)),
    )


def _side(right: Right, known: Sequence[Consent], territory: Territory) -> _Side:
    mine = _sorted(c for c in known if c.right is right)
    allowing = [c for c in mine if c.is_allowed]
    reserving = [c for c in mine if not c.is_allowed]
    # Most permissions cover all that is asked for, and spare the sum of sets.
    if any(c.territory.covers(territory) for c in allowing):
        return _Side(right, allowing, reserving, frozenset())
    missing = territory.countries.difference(*(c.territory.countries for c in allowing))
    return _Side(right, allowing, reserving, missing)


def _sorted(consents: Iterable[Consent]) -> list[Consent]:
    return sorted(consents, key=lambda c: c.id)


def _conflicts(side: _Side, territory: Territory) -> Iterable[Conflict]:
    for allowing in side.allowing:
        shared = allowing.territory.countries & territory.countries
        for reserving in side.reserving:
            if not shared.isdisjoint(reserving.territory.countries):
                yield Conflict(allowing=allowing, reserving=reserving)


def _reason(side: _Side) -> str:
    if side.reserving:
        return f"{side.right} reserved by {_names(side.reserving)}"
    if not side.allowing:
        return f"no consent for the {side.right}"
    if side.missing:
        where = Territory(side.missing)
        return f"no consent for the {side.right} in {where}"
    return f"{side.right} allowed by {_names(side.allowing)}"


def _names(consents: Sequence[Consent]) -> str:
    named = [f"{c.grantor or 'an unnamed party'} ({c.source})" for c in consents]
    unique = list(dict.fromkeys(named))
    more = f" and {len(unique) - _MANY} more" if len(unique) > _MANY else ""
    return ", ".join(unique[:_MANY]) + more
