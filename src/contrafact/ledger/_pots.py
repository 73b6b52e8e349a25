"""Accounts and pots: found or made, and moved with the entries they sum up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from contrafact.ledger import _tables as tables
from contrafact.ledger._plays import PotKey, Row

__all__ = ["Accounts", "Entry", "add_entries", "move_pots", "play_entries"]

Entry = tuple[str, str, int, int, int, str, str, str, str]
"""id, kind, debit, credit, amount, at, period, listener, note."""

_ENTRY = (
    "INSERT INTO entry (id, kind, debit, credit, amount, at, period, listener, note) "
    "VALUES ({0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0})"
)
_MOVE = (
    "UPDATE pot SET total = total + {0}, flagged = flagged + {0}, "
    "n_plays = n_plays + {0}, n_reversed = n_reversed + {0} WHERE id = {0}"
)


class Accounts:
    """Ids of accounts and pots by name; made where they are missing.

    Ids never change, so that what was found once may be remembered. What was
    made in a transaction that failed must be forgotten.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._ids: dict[str, int] = {}
        self._pots: dict[PotKey, int] = {}

    def forget(self) -> None:
        """Know nothing again."""
        self._ids.clear()
        self._pots.clear()

    def id_of(self, connection: Connection, name: str) -> int:
        """Return the id of an account."""
        if name not in self._ids:
            self._ids[name] = _account(connection, name)
        return self._ids[name]

    def pot(self, connection: Connection, key: PotKey) -> int:
        """Return the id of a pot."""
        if key not in self._pots:
            self._pots[key] = self._make_pot(connection, key)
        return self._pots[key]

    def _make_pot(self, connection: Connection, key: PotKey) -> int:
        columns = tables.pot.c
        named = [columns[name] == value for name, value in key._asdict().items()]
        query = sa.select(columns.id).where(*named)
        found = connection.execute(query).scalar()
        if found is not None:
            return int(found)
        words = (key.currency, key.period, key.day, key.territory, key.play_kind)
        id_ = _account(connection, f"pot:{':'.join(words)}:{key.output_id}")
        zero = dict.fromkeys(("total", "flagged", "n_plays", "n_reversed"), 0)
        row: dict[str, Any] = {"id": id_, **key._asdict(), **zero}
        connection.execute(tables.pot.insert(), [row])
        return id_


def _account(connection: Connection, name: str) -> int:
    query = sa.select(tables.account.c.id).where(tables.account.c.name == name)
    found = connection.execute(query).scalar()
    if found is None:
        statement = tables.account.insert().values(name=name)
        key = connection.execute(statement).inserted_primary_key
        found = None if key is None else key[0]
    return int(found or 0)


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"


def add_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    """Add entries to the journal."""
    if entries:
        statement = _ENTRY.format(_mark(connection))
        connection.exec_driver_sql(statement, list(entries))


def move_pots(
    connection: Connection, moves: Iterable[tuple[int, int, int, int, int]]
) -> None:
    """Change the totals of pots.

    Args:
        connection: In a transaction of a writer.
        moves: Pot and changes of its total, of what is flagged in it, of the
            number of plays and of reversed ones.
    """
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for pot, *changes in moves:
        row = sums[pot]
        for place, change in enumerate(changes):
            row[place] += change
    if sums:
        rows = [(*changes, pot) for pot, changes in sorted(sums.items())]
        connection.exec_driver_sql(_MOVE.format(_mark(connection)), rows)


def play_entries(
    connection: Connection,
    rows: Iterable[Row],
    *,
    accounts: Accounts,
    last_closed: str,
) -> None:
    """Add plays that are not in the journal yet: owed by the platform, in a pot."""
    entries: list[Entry] = []
    moves = []
    for row in rows:
        key = row.pot(last_closed)
        pot = accounts.pot(connection, key)
        debit = accounts.id_of(connection, f"receivable:{row.currency}")
        entries.append(
            (
                row.event_id,
                "play",
                debit,
                pot,
                row.amount,
                row.at,
                key.period,
                row.listener,
                "",
            )
        )
        moves.append((pot, row.amount, 0, 1, 0))
    add_entries(connection, entries)
    move_pots(connection, moves)
