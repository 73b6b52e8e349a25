"""Reversals and fraud flags: entries the other way, also before their play."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from contrafact.core.errors import JournalError
from contrafact.ledger import _tables as tables
from contrafact.ledger._plays import PotKey, Row, next_period
from contrafact.ledger._pots import Accounts, add_entries, move_pots

__all__ = ["correct", "correct_waiting"]

_ORDER = ("flag", "clear", "reverse")


class _Play(NamedTuple):
    """A play with what was done to it before."""

    amount: int
    at: str
    key: PotKey
    kinds: frozenset[str]

    @property
    def is_flagged(self) -> bool:
        return "flag" in self.kinds and "clear" not in self.kinds


def correct(
    connection: Connection,
    asked: tuple[str, str, str],
    *,
    accounts: Accounts,
    last_closed: str,
) -> bool:
    """Reverse, flag or clear a play, or note it for when the play comes.

    Args:
        connection: In a transaction of the writer.
        asked: Event id, `reverse`, `flag` or `clear`, and the reason.
        accounts: Of the journal.
        last_closed: What happens now counts in a later period.

    Returns:
        Whether the play is in the journal.

    Raises:
        JournalError: If a play that is not flagged is to be cleared.
    """
    event_id, kind, reason = asked
    play = _find(connection, event_id)
    if play is None:
        _wait(connection, event_id, kind, reason)
        return False
    if kind in play.kinds or "reverse" in play.kinds:
        return True
    if kind == "clear" and not play.is_flagged:
        raise JournalError(
            f"Event {event_id!r} is not flagged; there is no flag to clear."
        )
    open_ = max(play.key.period, next_period(last_closed) if last_closed else "")
    key = play.key._replace(period=open_)
    pot = accounts.pot(connection, key)
    flagged = accounts.id_of(connection, f"flagged:{key.currency}")
    owed = accounts.id_of(connection, f"receivable:{key.currency}")
    debit, credit = {
        "flag": (pot, flagged),
        "clear": (flagged, pot),
        "reverse": (flagged if play.is_flagged else pot, owed),
    }[kind]
    entry = (event_id, kind, debit, credit, play.amount, play.at, open_, "", reason)
    add_entries(connection, [entry])
    move_pots(connection, [(pot, *_changes(kind, play))])
    return True


def _changes(kind: str, play: _Play) -> tuple[int, int, int, int]:
    """Return changes of total, flagged, plays and reversed plays."""
    amount = play.amount
    if kind == "flag":
        return (-amount, amount, 0, 0)
    if kind == "clear":
        return (amount, -amount, 0, 0)
    return (0, -amount, 0, 1) if play.is_flagged else (-amount, 0, 0, 1)


def _find(connection: Connection, event_id: str) -> _Play | None:
    entry, pot = tables.entry.c, tables.pot.c
    query = (
        sa.select(entry.amount, entry.at, *(pot[n] for n in PotKey._fields))
        .join_from(tables.entry, tables.pot, pot.id == entry.credit)
        .where(entry.id == event_id, entry.kind == "play")
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    kinds = connection.execute(
        sa.select(entry.kind).where(entry.id == event_id, entry.kind.in_(_ORDER))
    )
    return _Play(row[0], row[1], PotKey(*row[2:]), frozenset(kinds.scalars()))


def _wait(connection: Connection, event_id: str, kind: str, reason: str) -> None:
    waiting = tables.waiting
    query = sa.select(waiting.c.id).where(
        waiting.c.id == event_id, waiting.c.kind == kind
    )
    if connection.execute(query).first() is None:
        row = {"id": event_id, "kind": kind, "reason": reason}
        connection.execute(waiting.insert(), [row])


def correct_waiting(
    connection: Connection,
    rows: Sequence[Row],
    accounts: Accounts,
    *,
    last_closed: str,
) -> None:
    """Do to new plays what was asked for before they came."""
    if connection.execute(sa.select(tables.waiting.c.id).limit(1)).first() is None:
        return
    asked = _waiting_for(connection, [row.event_id for row in rows])
    for id_, kind, reason in sorted(asked, key=lambda a: (a[0], _ORDER.index(a[1]))):
        correct(
            connection, (id_, kind, reason), accounts=accounts, last_closed=last_closed
        )


_WAITING = "SELECT id, kind, reason FROM waiting WHERE id "


def _waiting_for(
    connection: Connection, ids: Sequence[str]
) -> list[tuple[str, str, str]]:
    value: Any
    if connection.dialect.name == "sqlite":
        query, value = _WAITING + "IN (SELECT value FROM json_each(?))", json.dumps(ids)
    else:
        query, value = _WAITING + "= ANY(%s)", list(ids)
    rows = connection.exec_driver_sql(query, (value,))
    return [(row[0], row[1], row[2]) for row in rows]
