"""How far a file of plays was read, and what of it was refused: rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from contrafact.ledger import _tables as tables

__all__ = ["IntakeMark", "IntakeState", "keep_mark", "rejects_of", "state_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeMark:
    """How far a file was read when a batch was made of it.

    Attributes:
        digest: SHA-256 of the file, or a name that is used once for a stream.
        name: Of the file, to be shown.
        n_read: Rows read up to the end of the batch.
        places: The row of each event of the batch, counted from 1.
        bad: Rows that are no events: place, reason and text.
        is_done: Whether this was the last of the file.
    """

    digest: str
    name: str
    n_read: int
    places: tuple[int, ...] = ()
    bad: tuple[tuple[int, str, str], ...] = ()
    texts: tuple[str, ...] = ()
    is_done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeState:
    """What is known of a file's intake; counts are of rows."""

    n_read: int = 0
    n_new: int = 0
    n_known: int = 0
    n_rejected: int = 0
    is_done: bool = False


def state_of(connection: Connection, digest: str) -> IntakeState:
    """Return how far a file was read; nothing if it never was."""
    columns = tables.intake.c
    names = ("n_read", "n_new", "n_known", "n_rejected", "is_done")
    query = sa.select(*(columns[n] for n in names)).where(columns.digest == digest)
    row = connection.execute(query).first()
    if row is None:
        return IntakeState()
    return IntakeState(
        n_read=row[0],
        n_new=row[1],
        n_known=row[2],
        n_rejected=row[3],
        is_done=bool(row[4]),
    )


def keep_mark(
    connection: Connection,
    mark: IntakeMark,
    n_new: int,
    n_known: int,
    problems: Sequence[tuple[int, str]],
) -> None:
    """Note how far a file was read, with what was refused of the batch."""
    before = state_of(connection, mark.digest)
    rejected = [
        *mark.bad,
        *((mark.places[i], reason, mark.texts[i]) for i, reason in problems),
    ]
    row = {
        "name": mark.name,
        "n_read": mark.n_read,
        "n_new": before.n_new + n_new,
        "n_known": before.n_known + n_known,
        "n_rejected": before.n_rejected + len(rejected),
        "is_done": int(mark.is_done),
    }
    table = tables.intake
    if before.n_read or before.is_done:
        named = table.c.digest == mark.digest
        connection.execute(table.update().where(named).values(**row))
    else:
        connection.execute(table.delete().where(table.c.digest == mark.digest))
        connection.execute(table.insert(), [{"digest": mark.digest, **row}])
    if rejected:
        rows = [
            {"digest": mark.digest, "place": place, "reason": reason, "text": text}
            for place, reason, text in rejected
        ]
        connection.execute(tables.reject.insert(), rows)


def rejects_of(connection: Connection, digest: str) -> list[tuple[int, str, str]]:
    """Return what was refused of a file: place, reason and text, in order."""
    columns = tables.reject.c
    query = (
        sa.select(columns.place, columns.reason, columns.text)
        .where(columns.digest == digest)
        .order_by(columns.place)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]
