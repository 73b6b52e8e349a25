"""Plays as rows: checked one by one, compared with what is known, added up."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from contrafact.core.errors import MoneyError
from contrafact.ledger.case import SUBSCRIPTION
from contrafact.ledger.money import Currency
from contrafact.ledger.records import PlayEvent

__all__ = [
    "MAX_AMOUNT",
    "PotKey",
    "Row",
    "event_of",
    "next_period",
    "row_of",
    "rows_known",
]

MAX_AMOUNT = 10**12
"""Of one play, in minor units. More is a mistake in the unit, not a price."""

_MAX_TEXT = 200
# Control characters, halves of characters, line and paragraph separators.
_UNSAFE = {"Cc", "Cs", "Zl", "Zp"}


class PotKey(NamedTuple):
    """What plays are added up by."""

    output_id: str
    currency: str
    day: str
    territory: str
    play_kind: str
    period: str


class Row(NamedTuple):
    """A play as the journal keeps it; `at` is UTC to the microsecond."""

    event_id: str
    output_id: str
    at: str
    amount: int
    currency: str
    listener: str
    territory: str
    play_kind: str

    def pot(self, last_closed: str) -> PotKey:
        """Return the pot it belongs to: of its month, or the first open one."""
        month = self.at[:7]
        period = month if month > last_closed else next_period(last_closed)
        day = self.at[:10]
        return PotKey(
            self.output_id,
            self.currency,
            day,
            self.territory,
            self.play_kind,
            period,
        )


def next_period(period: str) -> str:
    """Return the month after a month.

    Example:
        >>> next_period("2026-12")
        '2027-01'
    """
    year, month = int(period[:4]), int(period[5:])
    return f"{year + month // 12:04}-{month % 12 + 1:02}"


@lru_cache(maxsize=65_536)
def _text_problem(name: str, value: object, is_needed: bool) -> str | None:
    if not isinstance(value, str):
        return f"{name} is {value!r}, not a text"
    if not value:
        return f"{name} is missing" if is_needed else None
    if len(value) > _MAX_TEXT:
        return f"{name} has {len(value)} characters; at most {_MAX_TEXT} are kept"
    if any(unicodedata.category(c) in _UNSAFE for c in value):
        return f"{name} holds a control character"
    return None


@lru_cache(maxsize=1024)
def _place_problem(currency: object, territory: object) -> str | None:
    try:
        Currency.of(str(currency))
    except MoneyError as error:
        return str(error)
    text = str(territory)
    if text and not (len(text) == 2 and text.isascii() and text.isupper()):
        return f"territory is {text!r}; write two capital letters, as in ISO 3166-1"
    return None


def row_of(event: PlayEvent) -> Row | str:
    """Return a play as a row, or what is wrong with it in one sentence."""
    problem = (
        _text_problem("event_id", event.event_id, True)
        or _text_problem("output_id", event.output_id, event.kind != SUBSCRIPTION)
        or _text_problem("user", event.user, False)
        or _text_problem("kind", event.kind, True)
        or _place_problem(event.currency, event.territory)
        or _number_problem(event)
    )
    if problem is not None:
        return problem
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
    return Row(
        event.event_id,
        event.output_id,
        at,
        event.amount_minor,
        event.currency,
        event.user,
        event.territory,
        event.kind,
    )


def _number_problem(event: PlayEvent) -> str | None:
    # Callers may hand over anything, whatever the types say.
    amount: object = event.amount_minor
    at: object = event.at
    if not isinstance(amount, int) or isinstance(amount, bool):
        return f"amount_minor is {amount!r}, not a whole number of minor units"
    if amount < 0:
        return (
            f"amount_minor is {amount}; a play is never worth less than nothing. "
            "Take a wrong play back with `contrafact ledger reverse`"
        )
    if amount > MAX_AMOUNT:
        return f"amount_minor is {amount}, above {MAX_AMOUNT}. Check the unit"
    if not isinstance(at, datetime) or at.tzinfo is None:
        return "at has no time zone; write it as in 2026-01-31T12:00:00Z"
    if not 1971 <= at.year <= 9998:
        return f"at is in the year {at.year}. Check the clock that wrote it"
    return None


def event_of(row: Row) -> PlayEvent:
    """Return the play that a row keeps."""
    return PlayEvent(
        event_id=row.event_id,
        output_id=row.output_id,
        at=datetime.fromisoformat(row.at),
        amount_minor=row.amount,
        currency=row.currency,
        user=row.listener,
        territory=row.territory,
        kind=row.play_kind,
    )


_KNOWN = """
SELECT e.id, p.output_id, e.at, e.amount, p.currency, e.listener, p.territory,
p.play_kind FROM entry e JOIN pot p ON p.id = e.credit
WHERE e.kind = 'play' AND e.id """


def rows_known(connection: Connection, ids: Sequence[str]) -> dict[str, Row]:
    """Return the plays that are in the journal already, by id."""
    value: Any
    if connection.dialect.name == "sqlite":
        query, value = _KNOWN + "IN (SELECT value FROM json_each(?))", json.dumps(ids)
    else:
        query, value = _KNOWN + "= ANY(%s)", list(ids)
    found = connection.exec_driver_sql(query, (value,))
    return {row[0]: Row(*row) for row in found}
