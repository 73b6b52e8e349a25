"""Entities to rows and back: the SQL behind `store.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from contrafact.catalog import _schema as tables
from contrafact.core.entities import Party, Recording, Release, Segment, Work
from contrafact.core.units import PartyId

__all__ = ["Entry", "add_entries", "read_artists", "recording_of"]

_MANY = 500
"""How many values one query may name; SQLite has a limit."""

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A recording with everything it refers to.

    Attributes:
        parties: Its artists and labels, in any order.
    """

    recording: Recording
    parties: tuple[Party, ...] = ()
    work: Work | None = None
    release: Release | None = None
    segments: tuple[Segment, ...] = ()


def add_entries(connection: Connection, batch: Sequence[Entry]) -> None:
    """Add or replace the recordings of a batch."""
    works = [entry.work for entry in batch if entry.work]
    releases = [entry.release for entry in batch if entry.release]
    parties = [party for entry in batch for party in entry.parties]
    _merge(connection, tables.party, parties, name="name")
    _merge(connection, tables.work, works, name="title")
    _merge(connection, tables.release, releases, name="title")
    ids = [entry.recording.id for entry in batch]
    n_replaced = _delete_recordings(connection, ids)
    _insert_recordings(connection, batch)
    if n_replaced:
        _delete_unused(connection)


def _merge(
    connection: Connection,
    table: sa.Table,
    entities: Sequence[Party | Work | Release],
    *,
    name: str,
) -> None:
    """Insert what is new; of two spellings keep the preferred one."""
    chosen: dict[str, Plain] = {}
    stored = {
        row.id: dict(row._mapping)
        for row in _select(connection, table, [entity.id for entity in entities])
    }
    for plain in [*stored.values(), *map(asdict, entities)]:
        before = chosen.get(plain["id"], plain)
        chosen[plain["id"]] = min(before, plain, key=lambda p: _spelling(p[name]))
    new = [plain for id_, plain in chosen.items() if id_ not in stored]
    _insert(connection, table, new)
    for id_, plain in chosen.items():
        if plain != stored.get(id_, plain):
            connection.execute(table.update().where(table.c.id == id_).values(**plain))


def _spelling(name: str) -> tuple[bool, str]:
    """Order spellings: mixed case before all capitals or none, then by text."""
    return name.isupper() or name.islower(), name


def _select(
    connection: Connection, table: sa.Table, ids: Iterable[str]
) -> Iterator[Row[Any]]:
    for some in _parts(ids):
        yield from connection.execute(sa.select(table).where(table.c.id.in_(some)))


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    unique = sorted(set(ids))
    for start in range(0, len(unique), _MANY):
        yield unique[start : start + _MANY]


def _insert(connection: Connection, table: sa.Table, rows: list[Plain]) -> None:
    if rows:
        connection.execute(table.insert(), rows)


def _delete_recordings(connection: Connection, ids: Iterable[str]) -> int:
    n_deleted = 0
    for some in _parts(ids):
        for part in (tables.segment, tables.recording_artist):
            connection.execute(part.delete().where(part.c.recording_id.in_(some)))
        query = tables.recording.delete().where(tables.recording.c.id.in_(some))
        n_deleted += connection.execute(query).rowcount
    return n_deleted


def _insert_recordings(connection: Connection, batch: Sequence[Entry]) -> None:
    recordings: list[Plain] = []
    artists: list[Plain] = []
    segments: list[Plain] = []
    for entry in batch:
        plain = asdict(entry.recording)
        for position, party in enumerate(plain.pop("artists")):
            row = {"recording_id": plain["id"], "position": position, "party_id": party}
            artists.append(row)
        recordings.append(plain)
        segments.extend(map(asdict, entry.segments))
    _insert(connection, tables.recording, recordings)
    _insert(connection, tables.recording_artist, artists)
    _insert(connection, tables.segment, segments)


def _delete_unused(connection: Connection) -> None:
    """Delete what no recording refers to any more, referrers first."""
    r, a = tables.recording.c, tables.recording_artist.c
    used = {
        tables.work: [r.work_id],
        tables.release: [r.release_id],
        tables.party: [r.label, a.party_id, tables.release.c.label],
    }
    for table, columns in used.items():
        query = table.delete()
        for column in columns:
            named = sa.select(column).where(column.is_not(None))
            query = query.where(table.c.id.not_in(named))
        connection.execute(query)


def read_artists(
    connection: Connection, ids: Sequence[str] | None = None
) -> dict[str, tuple[PartyId, ...]]:
    """Return the artists of these recordings, or of all, in their order."""
    table = tables.recording_artist
    query = sa.select(table).order_by(table.c.recording_id, table.c.position)
    if ids is not None:
        query = query.where(table.c.recording_id.in_(ids))
    found: dict[str, tuple[PartyId, ...]] = {}
    for row in connection.execute(query):
        before = found.get(row.recording_id, ())
        found[row.recording_id] = (*before, PartyId(row.party_id))
    return found


def recording_of(row: Row[Any], artists: dict[str, tuple[PartyId, ...]]) -> Recording:
    """Return the recording of a row of its table."""
    return Recording(**row._mapping, artists=artists.get(row.id, ()))
