"""Accounts and pots: found or made, and moved with the entries they sum up."""

from __future__ import annotations

import json
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
_FIND = "SELECT name, id FROM account WHERE name"
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
            self._ids |= _accounts(connection, [name])[0]
        return self._ids[name]

    def pot(self, connection: Connection, key: PotKey) -> int:
        """Return the id of a pot."""
        if key not in self._pots:
            self.make_pots(connection, (key,))
        return self._pots[key]

    def make_pots(self, connection: Connection, keys: Iterable[PotKey]) -> None:
        """Find or make pots, all at once."""
        names = {_pot_name(key): key for key in keys if key not in self._pots}
        if not names:
            return
        ids, new = _accounts(connection, list(names))
        zero = dict.fromkeys(("total", "flagged", "n_plays", "n_reversed"), 0)
        rows: list[dict[str, Any]] = [
            {"id": ids[name], **names[name]._asdict(), **zero} for name in new
        ]
        if rows:
            connection.execute(tables.pot.insert(), rows)
        self._pots |= {key: ids[name] for name, key in names.items()}


def _pot_name(key: PotKey) -> str:
    # The output comes last, since it alone may hold a colon.
    words = (key.currency, key.period, key.day, key.territory, key.play_kind)
    return f"pot:{':'.join(words)}:{key.output_id}"


def _accounts(
    connection: Connection, names: list[str]
) -> tuple[dict[str, int], list[str]]:
    """Return the ids of accounts by name, and which of them were made now."""
    columns = tables.account.c
    value: Any
    if connection.dialect.name == "sqlite":
        query, value = f"{_FIND} IN (SELECT value FROM json_each(?))", json.dumps(names)
    else:
        query, value = f"{_FIND} = ANY(%s)", names
    rows = connection.exec_driver_sql(query, (value,))
    found: dict[str, int] = {row[0]: row[1] for row in rows}
    new = [name for name in names if name not in found]
    if new:
        last = connection.execute(sa.select(sa.func.max(columns.id))).scalar() or 0
        made = {name: last + n for n, name in enumerate(new, start=1)}
        rows_ = [{"id": id_, "name": name} for name, id_ in made.items()]
        connection.execute(tables.account.insert(), rows_)
        found |= made
    return found, new


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
    keys = [(row, row.pot(last_closed)) for row in rows]
    accounts.make_pots(connection, {key for _, key in keys})
    entries: list[Entry] = []
    moves = []
    for row, key in keys:
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
