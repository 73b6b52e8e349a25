"""What a policy divides: usage, attributions and facts, for one right.

A policy sees no rights holder. It says which part of the pool goes to which
source, where and when it was used; who holds the source is looked up
afterwards, in `allocation.py`. So a catalogue changes hands without a change
of policy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from contrafact.core.errors import AllocationError
from contrafact.ledger.records import Holding, OutputAttribution, PlayEvent

__all__ = [
    "SUBSCRIPTION",
    "Case",
    "Division",
    "Facts",
    "Place",
    "Places",
    "Size",
    "Usage",
    "make_usage",
]

SUBSCRIPTION = "subscription"
"""The kind of event that is money of a user without a play."""


class Place(NamedTuple):
    """Where and when something was used; shares of rights differ by both."""

    territory: str
    day: date


class Usage(NamedTuple):
    """Plays of one output by one user at one place, taken together.

    Attributes:
        amount: What they earned, in units of the currency; 0 or more.
        n_plays: How many; 0 for a subscription without an output.
    """

    output_id: str
    user: str
    place: Place
    amount: int
    n_plays: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a source is: what pro rata counts.

    Attributes:
        n_recordings: 1 for a recording; those of the corpus for a work.
        duration_ms: Of all of them.
    """

    n_recordings: Fraction | int = 1
    duration_ms: Fraction | int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the sources besides attributions.

    Attributes:
        sizes: Of every licensed source, by id. They are whom the pool and the
            background are for.
        works: The work of each recording, by id; one that is missing is a
            work of its own.
        catalogues: The catalogue of each source, by id; one that is missing is
            a catalogue of its own.
        reliability: By catalogue, how far attribution to it can be trusted,
            in [0, 1]; see `reliability_of`. Missing ones count as 0.
        utilities: By output and coalition of groups: how well a model that
            learned from these groups alone explains the output.
        groups: The sources of each group, by its id.
    """

    sizes: Mapping[str, Size] = field(default_factory=dict)
    works: Mapping[str, str] = field(default_factory=dict)
    catalogues: Mapping[str, str] = field(default_factory=dict)
    reliability: Mapping[str, Fraction] = field(default_factory=dict)
    utilities: Mapping[str, Mapping[frozenset[str], Fraction]] = field(
        default_factory=dict
    )
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def catalogue_of(self, source_id: str) -> str:
        """Return the catalogue of a source."""
        return self.catalogues.get(source_id, source_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pool's worth of usage, with all that a policy may look at.

    Attributes:
        right: `master` or `composition`; the sources are recordings or works.
        usage: What was played and paid; see `make_usage`.
        attributions: By output.
    """

    right: str
    usage: tuple[Usage, ...]
    attributions: Mapping[str, OutputAttribution]
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """What part of the pool goes where; all parts sum to exactly 1.

    Attributes:
        attributed: By source and place: what attribution found.
        background: By source and place: what the policy's rule gives to the
            licensed sources, attributed or not.
        held: By reason: what nobody can be paid yet.
    """

    attributed: Mapping[tuple[str, Place], Fraction]
    background: Mapping[tuple[str, Place], Fraction]
    held: Mapping[str, Fraction]

    def __post_init__(self) -> None:
        """Check the sum.

        Raises:
            AllocationError: If a policy lost or made money.
        """
        parts = (*self.attributed.values(), *self.background.values())
        total = sum((*parts, *self.held.values()), start=Fraction(0))
        if total != 1 or any(part < 0 for part in (*parts, *self.held.values())):
            raise AllocationError(
                f"A policy divided {total} of the pool, not 1. Report this as a bug."
            )


class Places:
    """What countries and days need not be told apart, given who holds what.

    Between two days on which any holding begins or ends nothing changes; nor
    does it between two countries that the same territories cover. So usage is
    kept by a few places, however many days and countries there are.
    """

    def __init__(self, holdings: Iterable[Holding] = ()) -> None:
        """Tell places apart as far as these holdings do."""
        starts: set[date] = set()
        territories: set[frozenset[str]] = set()
        for holding in holdings:
            starts.add(holding.valid_from or date.min)
            if holding.valid_until is not None and holding.valid_until < date.max:
                starts.add(holding.valid_until + timedelta(days=1))
            if holding.territory is not None:
                territories.add(holding.territory)
        self._starts = sorted({date.min, *starts})
        self._territories = territories
        self._known: dict[str, str] = {}

    def of(self, at: datetime, country: str) -> Place:
        """Return the place of a moment (with a zone; days are UTC) in a country."""
        day = at.astimezone(UTC).date()
        start = self._starts[bisect_right(self._starts, day) - 1]
        if country not in self._known:
            self._known[country] = self._like(country)
        return Place(self._known[country], start)

    def _like(self, country: str) -> str:
        """Return the first of the countries that are covered as this one is."""
        covering = [t for t in self._territories if country in t]
        if not covering:
            return ""
        others = [t for t in self._territories if country not in t]
        return min(frozenset.intersection(*covering).difference(*others))


def make_usage(
    events: Iterable[PlayEvent], *, places: Places | None = None
) -> tuple[Usage, ...]:
    """Take events together by output, user and place; their order is no matter.

    An event that comes twice, with the same id and content, counts once.

    Args:
        events: Of one currency.
        places: What to tell apart; nothing if None.

    Raises:
        AllocationError: If an amount is negative, currencies are mixed, a time
            has no zone, or one id names two different events.
    """
    where = places or Places()
    amounts: dict[tuple[str, str, Place], list[int]] = defaultdict(lambda: [0, 0])
    seen: dict[str, PlayEvent] = {}
    currencies: set[str] = set()
    for event in events:
        if event.event_id in seen:
            _require_equal(seen[event.event_id], event)
            continue
        seen[event.event_id] = event
        _require_usable(event)
        currencies.add(event.currency)
        place = where.of(event.at, event.territory)
        row = amounts[event.output_id, event.user, place]
        row[0] += event.amount_minor
        row[1] += 1 if event.kind != SUBSCRIPTION else 0
    if len(currencies) > 1:
        raise AllocationError(
            f"The events are in {', '.join(sorted(currencies))}. Allocate one "
            "currency at a time."
        )
    return tuple(Usage(*key, *row) for key, row in sorted(amounts.items()))


def _require_equal(first: PlayEvent, second: PlayEvent) -> None:
    if first != second:
        raise AllocationError(
            f"Event id {first.event_id} names two different events. Ask the "
            "platform for ids that are never used again."
        )


def _require_usable(event: PlayEvent) -> None:
    if event.amount_minor < 0:
        raise AllocationError(
            f"Event {event.event_id} has the amount {event.amount_minor}. Correct a "
            "wrong event by a reversal in the journal, not by a negative one."
        )
    if event.at.tzinfo is None:
        raise AllocationError(
            f"Event {event.event_id} has a time without a zone. Write it as in "
            "2026-01-31T12:00:00+00:00."
        )
