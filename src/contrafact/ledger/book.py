"""What was decided about plays: rate cards, split plans, disputes, closings.

Everything that is decided while a period is the last one closed counts from
the next period on, also for older plays: what was settled once is never
settled otherwise, and the difference comes with the next settlement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

from contrafact.core.errors import JournalError
from contrafact.ledger.rates import PlanLine, RateCard, SplitPlan, effective

__all__ = [
    "Book",
    "Dispute",
    "Known",
    "Terms",
    "View",
    "parse_period",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A claim that freezes lines until it is released.

    Attributes:
        output_id: The output it is about; "" for every one. So for the others.
        after: The last period that was closed when it was opened; "" for none.
        released_after: The same for its release; None while it is open.
    """

    id: str
    output_id: str
    source_id: str
    payee: str
    reason: str
    after: str
    released_after: str | None = None

    def covers(self, output_id: str, line: PlanLine) -> bool:
        """Tell whether a line of an output is what it is about."""
        return (
            self.output_id in ("", output_id)
            and self.source_id in ("", line.source_id)
            and self.payee in ("", line.payee)
        )

    def is_frozen(self, period: str, *, as_of: str) -> bool:
        """Tell whether it holds money of a period, seen from a later one."""
        is_open = self.released_after is None or self.released_after >= as_of
        return self.after < period and is_open


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """A version, and the last period that was closed when it came.

    Attributes:
        id: Of the version, if it is known already; making it takes its time.
    """

    version: T
    after: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts for an output on a day.

    Attributes:
        card: None where no rate is known.
        plan: None where no split is known.
        hold_reason: Why nothing can be divided; "" if it can.
    """

    card: RateCard | None
    plan: SplitPlan | None
    hold_reason: str = ""
    card_id: str = ""
    plan_id: str = ""


class Book:
    """All versions and disputes of a journal, as seen from a period."""

    def __init__(
        self,
        *,
        plans: Iterable[Known[SplitPlan]] = (),
        cards: Iterable[Known[RateCard]] = (),
        disputes: Iterable[Dispute] = (),
        closings: Iterable[str] = (),
    ) -> None:
        """Keep them; `closings` are the periods that were closed, each by name."""
        self.plans = tuple(plans)
        self.cards = tuple(cards)
        self.disputes = tuple(disputes)
        self.closings = tuple(sorted(closings))

    @property
    def last_closed(self) -> str:
        """The last period that was closed; "" if none was."""
        return self.closings[-1] if self.closings else ""

    def closed_before(self, period: str) -> str:
        """Return the last period closed before this one; "" if none was."""
        return max((c for c in self.closings if c < period), default="")

    def closed_with(self, period: str) -> str:
        """Return the period that it was closed with; "" if it is open."""
        return min((c for c in self.closings if c >= period), default="")

    def as_of(self, period: str) -> View:
        """Return what counts when a period is settled."""
        plans: dict[str, list[SplitPlan]] = defaultdict(list)
        for known in self.plans:
            if known.after < period:
                plans[known.version.output_id].append(known.version)
        cards = [known.version for known in self.cards if known.after < period]
        every: tuple[Known[Any], ...] = (*self.plans, *self.cards)
        ids = {id(known.version): known.id for known in every if known.id}
        return View(period, plans, cards, self.disputes, ids=ids)


class View:
    """What counts when one period is settled."""

    def __init__(
        self,
        period: str,
        plans: dict[str, list[SplitPlan]],
        cards: list[RateCard],
        disputes: tuple[Dispute, ...],
        *,
        ids: Mapping[int, str],
    ) -> None:
        """Order the versions by what they are for."""
        self.period = period
        self._plans = {output: _spans(found) for output, found in plans.items()}
        self._cards: dict[str, list[tuple[RateCard, str, str]]] = defaultdict(list)
        for found in _spans(cards):
            self._cards[found[0].currency].append(found)
        self._disputes = disputes
        self._terms: dict[tuple[str, ...], Terms] = {}
        # Ids are made from content, which takes its time; once is enough.
        self._ids = dict(ids)

    def terms(
        self, output_id: str, *, day: str, territory: str, currency: str, kind: str
    ) -> Terms:
        """Return the rate and the split that count for plays of a day."""
        key = (output_id, day, territory, currency, kind)
        if key not in self._terms:
            card, is_gap = self._card(currency, kind, day)
            plan, reason = self._plan(output_id, territory, day)
            reason = "rate-gap" if is_gap else reason
            ids = (self._id(card), self._id(plan))
            self._terms[key] = Terms(card, plan, reason, *ids)
        return self._terms[key]

    def _id(self, version: RateCard | SplitPlan | None) -> str:
        if version is None:
            return ""
        if id(version) not in self._ids:
            self._ids[id(version)] = version.id
        return self._ids[id(version)]

    def _card(self, currency: str, kind: str, on: str) -> tuple[RateCard | None, bool]:
        """Return the card of a day, and whether there ought to be one."""
        cards = self._cards.get(currency, [])
        found = {c.play_kind: c for c, first, last in cards if first <= on <= last}
        card = found.get(kind) or found.get(None)
        return card, bool(cards) and card is None

    def _plan(
        self, output_id: str, territory: str, on: str
    ) -> tuple[SplitPlan | None, str]:
        plans = self._plans.get(output_id)
        if not plans:
            return None, "no-attribution" if output_id else "no-output"
        now = [p for p, first, last in plans if first <= on <= last]
        near = [p for p in now if p.territory and territory in p.territory]
        found = near or [p for p in now if p.territory is None]
        return (found[0], "") if found else (None, "plan-gap")

    def frozen(self, output_id: str, line: PlanLine, *, period: str) -> tuple[str, ...]:
        """Return the disputes that hold a line of an output's money of a period."""
        return tuple(
            d.id
            for d in self._disputes
            if d.is_frozen(period, as_of=self.period) and d.covers(output_id, line)
        )

    def frozen_in(self, output_id: str, *, period: str) -> tuple[str, ...]:
        """Return the disputes that could hold money of an output of a period."""
        if not self._disputes:
            return ()
        return tuple(
            d.id
            for d in self._disputes
            if d.is_frozen(period, as_of=self.period) and d.output_id in ("", output_id)
        )


V = TypeVar("V", RateCard, SplitPlan)


def _spans(versions: Iterable[V]) -> list[tuple[V, str, str]]:
    """Return versions with their days as text, which pots have them in."""
    return [(v, a.isoformat(), b.isoformat()) for v, a, b in effective(versions)]


def parse_period(text: str) -> str:
    """Return a month as in 2026-10.

    Raises:
        JournalError: If it is none.
    """
    try:
        date.fromisoformat(f"{text}-01")
    except ValueError:
        text = ""
    if len(text) != 7:
        raise JournalError("A period is a month. Write it as in 2026-10.")
    return text
