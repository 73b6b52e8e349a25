"""The catalog: which parties, works, releases, recordings and segments we know.

It holds facts about recordings; the bytes are in `files.py`. Batches are added
whole or not at all, and what is in the catalog does not depend on the order in
which it came.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Row

from contrafact.catalog import _schema as tables
from contrafact.catalog._database import connect, reading, writing
from contrafact.catalog._rows import Entry, add_entries, read_artists, recording_of
from contrafact.core.entities import Party, Recording, Release, Segment, Work
from contrafact.core.errors import UnknownEntityError
from contrafact.core.units import Digest, PartyId, RecordingId, WorkId, digest_of

__all__ = ["Catalog", "Entry"]

_NOT_CONTENT = ("file", "duration_s", "sample_rate", "n_channels")
"""Fields that depend on the place and the decoder, not on what is recorded."""


class Catalog:
    """The database behind the catalog.

    Example:
        >>> with Catalog.open("sqlite://") as catalog:
        ...     catalog.recordings()
        []
    """

    def __init__(self, engine: sa.Engine) -> None:
        """Use an engine whose tables are up to date; see `open`."""
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a database and bring its tables up to date.

        Args:
            url: `sqlite:///PATH`, or `postgresql://USER@HOST/NAME`.

        Raises:
            ConfigError: If the URL is neither.
            StorageError: If the database cannot be written.
            CatalogError: If it was made by a newer version.
        """
        return cls(connect(url))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Return the catalog itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self.close()

    def add(self, batch: Sequence[Entry]) -> None:
        """Add or replace recordings, all of them or none.

        Of two spellings of one party, work or release the same one is kept,
        whichever came first.

        Raises:
            StorageError: If the disk is full or not writable.
        """
        with writing(self._engine) as connection:
            add_entries(connection, batch)

    def recordings(self, *, group: str | None = None) -> list[Recording]:
        """Return the recordings, all or those of one group, in order of id."""
        query = sa.select(tables.recording)
        if group is not None:
            query = query.where(tables.recording.c.group == group)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
            artists = read_artists(connection)
        recordings = [recording_of(row, artists) for row in rows]
        return sorted(recordings, key=lambda recording: recording.id)

    def recording(self, id_: str) -> Recording:
        """Return the recording of this id, or of the only id that begins so.

        Raises:
            UnknownEntityError: If there is none, or more than one.
        """
        column = tables.recording.c.id
        query = sa.select(tables.recording).where(
            column.startswith(id_, autoescape=True)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(column).limit(10)).all()
            exact = [row for row in rows if row.id == id_] or rows
            if not exact or not id_:
                raise UnknownEntityError(
                    f"There is no recording {id_!r} in the catalog. "
                    "List them with `contrafact catalog list`."
                )
            if len(exact) > 1:
                raise UnknownEntityError(
                    f"{id_!r} begins the ids of {len(exact)} or more recordings, "
                    f"{exact[0].id} and {exact[1].id} among them. Give more of the id."
                )
            artists = read_artists(connection, [exact[0].id])
        return recording_of(exact[0], artists)

    def works(self) -> list[Work]:
        """Return all works in order of id."""
        return [Work(**plain) for plain in self._sorted(tables.work)]

    def parties(self) -> list[Party]:
        """Return all parties in order of id."""
        return [Party(**plain) for plain in self._sorted(tables.party)]

    def releases(self) -> list[Release]:
        """Return all releases in order of id."""
        return [Release(**plain) for plain in self._sorted(tables.release)]

    def party(self, id_: PartyId) -> Party:
        """Return the party of this id.

        Raises:
            UnknownEntityError: If there is none.
        """
        return Party(**self._row(tables.party, id_)._mapping)

    def work(self, id_: WorkId) -> Work:
        """Return the work of this id.

        Raises:
            UnknownEntityError: If there is none.
        """
        return Work(**self._row(tables.work, id_)._mapping)

    def segments_of(self, id_: RecordingId) -> list[Segment]:
        """Return the segments of a recording in order of time."""
        query = sa.select(tables.segment).where(tables.segment.c.recording_id == id_)
        with reading(self._engine) as connection:
            segments = [Segment(**r._mapping) for r in connection.execute(query)]
        return sorted(segments, key=lambda s: (s.start_s, s.end_s, s.id))

    def digest(self) -> Digest:
        """Return the digest of what the catalog holds.

        The same recordings with the same metadata give the same digest on
        every machine, in whatever order and from whatever folder they came.
        """
        state = hashlib.sha256()
        for recording in self.recordings():
            plain = asdict(recording)
            content = {k: v for k, v in plain.items() if k not in _NOT_CONTENT}
            line = json.dumps(content, sort_keys=True, ensure_ascii=False)
            state.update(digest_of(line.encode()).encode())
        return Digest(state.hexdigest())

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of every table, in order of the keys."""
        return {t.name: self._sorted(t) for t in tables.METADATA.sorted_tables}

    def _sorted(self, table: sa.Table) -> list[dict[str, Any]]:
        key = [column.name for column in table.primary_key]
        rows = [dict(row._mapping) for row in self._rows(table)]
        return sorted(rows, key=lambda row: [row[name] for name in key])

    def _rows(self, table: sa.Table) -> Sequence[Row[Any]]:
        with reading(self._engine) as connection:
            return connection.execute(sa.select(table)).all()

    def _row(self, table: sa.Table, id_: str) -> Row[Any]:
        with reading(self._engine) as connection:
            query = sa.select(table).where(table.c.id == id_)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise UnknownEntityError(
                f"There is no {table.name} {id_!r} in the catalog."
            )
        return row
