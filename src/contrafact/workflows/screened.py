"""Records of what was screened, kept so that nothing is screened twice.

One SQLite file for each state of the indexes: a record says what was recognised
then. A killed process loses the record it was writing, no other.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from contrafact.core.errors import StorageError

__all__ = ["Screened", "Upload"]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS screened (file BLOB PRIMARY KEY, size INTEGER NOT "
    "NULL, changed INTEGER NOT NULL, settings TEXT NOT NULL, record TEXT NOT NULL)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file as it was found; another size or time is another upload.

    Attributes:
        size: In bytes; -1 if there is no such file.
        changed: Time of its last change, in nanoseconds.
    """

    path: Path
    size: int
    changed: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return what is at a path now."""
        try:
            found = path.stat()
        except (OSError, ValueError):
            return cls(path=path, size=-1, changed=0)
        return cls(path=path, size=found.st_size, changed=found.st_mtime_ns)

    @property
    def key(self) -> bytes:
        """Its absolute path as the system has it; names need not be text."""
        return os.fsencode(os.path.abspath(self.path))


class Screened:
    """The records of one state of the indexes and one way of listening."""

    def __init__(self, path: Path, settings: str) -> None:
        """Use the file at `path`, which is made if it is missing."""
        self._path, self._settings = path, settings

    @contextmanager
    def open(self) -> Iterator[Self]:
        """Hold the file open for the block.

        Raises:
            StorageError: If the disk is full, not writable, or fails.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=60)) as self._base:
                # A record lost to a power cut is made again.
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.execute("PRAGMA synchronous=NORMAL")
                self._base.execute(_TABLE)
                yield self
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"Cannot use {self._path}: {error}. Check the disk; if the file is "
                "damaged, delete it, and the files are screened again."
            ) from error

    def find(self, upload: Upload) -> str | None:
        """Return the record of this very file, or None."""
        row = self._base.execute(
            "SELECT record FROM screened WHERE file=? AND size=? AND changed=? "
            "AND settings=?",
            (upload.key, upload.size, upload.changed, self._settings),
        ).fetchone()
        return None if row is None else str(row[0])

    def add(self, upload: Upload, record: str) -> None:
        """Keep a record; an older one of the same path goes."""
        with self._base:
            self._base.execute(
                "INSERT OR REPLACE INTO screened VALUES (?, ?, ?, ?, ?)",
                (upload.key, upload.size, upload.changed, self._settings, record),
            )
