"""Who holds which part of a right, in exact fractions.

A holding without a party is an unclaimed part: it is known that somebody holds
it, and not who. Money is no matter of this module.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction

from contrafact.core.entities import Problem
from contrafact.core.errors import ConsentError
from contrafact.core.units import PartyId, party_id
from contrafact.rights.consent import Right, SubjectKind
from contrafact.rights.territory import WORLDWIDE, Territory

__all__ = [
    "Holder",
    "HoldingRight",
    "RightsHolding",
    "parse_holding_right",
    "parse_share",
    "share_problems",
]

_DAY = timedelta(days=1)


class HoldingRight(StrEnum):
    """What a share is of: the master, or a right in the composition."""

    MASTER = "master"
    COMPOSITION = "composition"
    MECHANICAL = "mechanical"
    PERFORMANCE = "performance"
    SYNCHRONISATION = "synchronisation"
    PRINT = "print"

    @property
    def of(self) -> Right:
        """The right that consent is given for."""
        return Right.MASTER if self is HoldingRight.MASTER else Right.COMPOSITION


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A party with the identifiers that are known of it.

    Attributes:
        ipi_name: Eleven digits.
        isni: Sixteen characters.
    """

    name: str
    ipi_name: str | None = None
    ipi_base: str | None = None
    isni: str | None = None

    @property
    def id(self) -> PartyId:
        """The identifier of a party of this name, as in the catalog."""
        return party_id(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsHolding:
    """A part of one right in one work or recording.

    Attributes:
        holder: None for a part that nobody has claimed.
        share: Above 0 and at most 1.
        valid_until: The last day, or None.

    Raises:
        ConsentError: If the share is out of range or the days run backwards.
    """

    right: HoldingRight
    subject_kind: SubjectKind
    subject_id: str
    holder: Holder | None
    share: Fraction
    territory: Territory = WORLDWIDE
    valid_from: date | None = None
    valid_until: date | None = None
    source: str
    source_digest: str

    def __post_init__(self) -> None:
        """Check what cannot be."""
        if not 0 < self.share <= 1:
            raise ConsentError(
                f"A share is above 0 and at most 1, not {self.share}. Correct it."
            )
        first, last = self.valid_from, self.valid_until
        if first is not None and last is not None and last < first:
            raise ConsentError(
                f"It is held from {first} until {last}, which runs backwards. "
                "Correct one of the dates."
            )

    def is_held(self, on: date) -> bool:
        """Tell whether it is held on a day."""
        return (self.valid_from or date.min) <= on <= (self.valid_until or date.max)


def parse_holding_right(text: str) -> HoldingRight:
    """Return the right of this name.

    Raises:
        ConsentError: If there is none.
    """
    try:
        return HoldingRight(text.strip().casefold())
    except ValueError as error:
        raise ConsentError(
            f"'{text}' is no right. Known ones are {', '.join(HoldingRight)}."
        ) from error


def parse_share(text: str) -> Fraction:
    """Return an exact share.

    Args:
        text: As in `1/3`, `0.25` or `25 %`.

    Raises:
        ConsentError: If it is no number; its range is checked by the holding.

    Example:
        >>> parse_share("12.5 %"), parse_share("1/3")
        (Fraction(1, 8), Fraction(1, 3))
    """
    plain = text.replace(" ", "")
    try:
        if plain.endswith("%"):
            return Fraction(plain[:-1]) / 100
        return Fraction(plain)
    except (ValueError, ZeroDivisionError) as error:
        raise ConsentError(
            f"'{text}' is no share. Write a fraction such as 1/3, or 25 %."
        ) from error


def share_problems(holdings: Iterable[RightsHolding]) -> Iterator[Problem]:
    """Yield every right whose shares do not sum to one, somewhere, sometime.

    Days on which nobody holds anything are no problem: nothing was said about
    them. Holdings may come in any order.
    """
    groups: dict[tuple[str, str, str], list[RightsHolding]] = defaultdict(list)
    for holding in holdings:
        key = (holding.subject_kind, holding.subject_id, holding.right)
        groups[key].append(holding)
    for _, group in sorted(groups.items()):
        yield from _problems_of(group)


def _problems_of(group: Sequence[RightsHolding]) -> Iterator[Problem]:
    first = group[0]
    sources = ", ".join(sorted({holding.source for holding in group}))
    for start, end in _spans(group):
        held = [h for h in group if h.is_held(start)]
        for territory, total in _totals(held):
            if total != 1:
                where = f"{first.right}, {territory}{_when(start, end)}"
                what = f"{first.subject_kind} {first.subject_id} ({where})"
                yield Problem(source=sources, message=_message(what, total))


def _message(what: str, total: Fraction) -> str:
    text = f"Shares of {what} sum to {total}, not 1."
    if total < 1:
        return f"{text} Add the missing {1 - total} or mark it unclaimed."
    return f"{text} Take {total - 1} away from somebody."


def _spans(group: Sequence[RightsHolding]) -> Iterator[tuple[date, date]]:
    """Yield spans of days in which nothing changes, the last day included."""
    starts = {date.min}
    for holding in group:
        starts.add(holding.valid_from or date.min)
        if holding.valid_until is not None and holding.valid_until < date.max:
            starts.add(holding.valid_until + _DAY)
    ordered = sorted(starts)
    ends = [start - _DAY for start in ordered[1:]]
    yield from zip(ordered, [*ends, date.max], strict=True)


def _totals(held: Sequence[RightsHolding]) -> Iterator[tuple[Territory, Fraction]]:
    """Yield territories in which the same parties hold, with the sum of shares."""
    places: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for country in sorted(frozenset().union(*(h.territory.countries for h in held))):
        here = [i for i, h in enumerate(held) if country in h.territory.countries]
        places[tuple(here)].append(country)
    for here_, countries in places.items():
        total = sum((held[i].share for i in here_), start=Fraction(0))
        yield Territory(frozenset(countries)), total


def _when(start: date, end: date) -> str:
    since = "" if start == date.min else f" from {start}"
    until = "" if end == date.max else f" until {end}"
    return since + until
