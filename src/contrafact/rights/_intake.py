"""Writing many records in one transaction, without holding them in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from contrafact.core.entities import Problem
from contrafact.core.units import normalise_name
from contrafact.rights import _schema as tables
from contrafact.rights._rows import consent_row, disclosure_row, holding_row
from contrafact.rights.consent import AiDisclosure, Consent, SubjectKind
from contrafact.rights.parties import RightsHolding

__all__ = ["Added", "Intake", "Record"]

_N_BUFFER = 2_000
_N_ISRC = 12

Record = Consent | RightsHolding | AiDisclosure


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What an addition did.

    Attributes:
        n_new: Records that were not there.
        n_known: Records that were there already, or came twice.
    """

    n_new: int
    n_known: int


class Intake:
    """Takes records one by one; they count once its transaction ends well."""

    def __init__(self, connection: Connection) -> None:
        """Begin a batch on a connection that is in a transaction."""
        self._connection = connection
        self._buffers: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._n_taken = self._n_removed = 0
        self._batch = 1 + max(map(self._newest, _TABLES))

    def take(self, record: Record) -> None:
        """Add a record, unless it is there."""
        if isinstance(record, Consent):
            table, row = tables.consent, consent_row(record)
        elif isinstance(record, RightsHolding):
            table, row = tables.holding, holding_row(record)
        else:
            table, row = tables.disclosure, disclosure_row(record)
        row["batch"] = self._batch
        self._n_taken += 1
        buffer = self._buffers[table.name]
        buffer.append(row)
        if len(buffer) >= _N_BUFFER:
            self._flush(table)

    def remove_ambiguous(self) -> Iterator[Problem]:
        """Leave out permissions whose ISRC names two recordings; yield each.

        Which of the recordings was meant cannot be known. A reservation stays:
        it is honoured for both.
        """
        self._flush_all()
        c = tables.consent.c
        suspects = (
            sa.select(c.subject_id)
            .where(
                c.subject_kind == SubjectKind.RECORDING.value,
                sa.func.length(c.subject_id) == _N_ISRC,
                c.title.is_not(None),
            )
            .group_by(c.subject_id)
            .having(sa.func.min(c.title) != sa.func.max(c.title))
        )
        query = sa.select(c.subject_id, c.title, c.source, c.id, c.batch, c.is_allowed)
        query = query.where(c.subject_id.in_(suspects), c.title.is_not(None))
        rows = self._connection.execute(query.order_by(c.subject_id, c.id)).all()
        groups: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            groups[row.subject_id].append(row)
        for isrc, group in groups.items():
            if len({normalise_name(row.title) for row in group}) > 1:
                yield from self._without(isrc, group)

    def _without(self, isrc: str, group: list[Any]) -> Iterator[Problem]:
        for row in group:
            if row.batch != self._batch or not row.is_allowed:
                continue
            name = normalise_name(row.title)
            other = next(r for r in group if normalise_name(r.title) != name)
            table = tables.consent
            self._connection.execute(table.delete().where(table.c.id == row.id))
            self._n_removed += 1
            message = (
                f"ISRC {isrc} names '{row.title}' here and '{other.title}' in "
                f"{other.source}. Correct the ISRC or the title of one."
            )
            yield Problem(source=row.source, message=message)

    def finish(self) -> Added:
        """Write what is left and count; call it before the transaction ends."""
        self._flush_all()
        n_new = 0
        for table in _TABLES:
            query = sa.select(sa.func.count()).where(table.c.batch == self._batch)
            n_new += self._connection.execute(query).scalar_one()
        return Added(n_new=n_new, n_known=self._n_taken - self._n_removed - n_new)

    def _newest(self, table: sa.Table) -> int:
        query = sa.select(sa.func.max(table.c.batch))
        return self._connection.execute(query).scalar() or 0

    def _flush_all(self) -> None:
        for table in _TABLES:
            self._flush(table)

    def _flush(self, table: sa.Table) -> None:
        rows = self._buffers.pop(table.name, [])
        if rows:
            dialect = self._connection.dialect.name
            insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
            self._connection.execute(insert(table).on_conflict_do_nothing(), rows)


_TABLES = (tables.consent, tables.holding, tables.disclosure)
