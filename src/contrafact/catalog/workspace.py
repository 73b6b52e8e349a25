"""The folder in which everything that contrafact keeps has its place.

A workspace holds the catalog, its files, the models, indexes and attributions.
Who writes holds its lock; who reads need not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from contrafact.catalog.atomic import storage_errors, write_bytes, write_json
from contrafact.catalog.files import FileStore
from contrafact.catalog.store import Catalog
from contrafact.core.entities import Recording
from contrafact.core.errors import (
    WorkspaceError,
    WorkspaceLockedError,
    WorkspaceMissingError,
)

__all__ = ["FORMAT_VERSION", "Workspace"]

FORMAT_VERSION = 1
_MARKER = "contrafact.json"


class Workspace:
    """One workspace, opened.

    Attributes:
        root: Its folder.
        files: The audio files of the catalog.
    """

    def __init__(self, root: Path, *, catalog_url: str | None = None) -> None:
        """Use an existing workspace; see `init` and `open`."""
        self.root = root
        self.files = FileStore(root / "files")
        self._catalog_url = catalog_url
        # One lock object, so that a workflow may call another that locks too.
        self._lock = FileLock(root / ".lock", timeout=0)

    @classmethod
    def init(cls, root: str | Path, *, catalog_url: str | None = None) -> Self:
        """Make a workspace, or open the one that is there.

        Args:
            root: The folder, made if it is missing.
            catalog_url: Database of the catalog; an SQLite file in the folder
                if None. It is kept in the workspace, so leave passwords to
                the database client's own configuration.

        Raises:
            StorageError: If the place is not writable.
            WorkspaceError: If a newer version made the workspace there.
        """
        root = Path(root)
        if not (root / _MARKER).is_file():
            marker = {"format": FORMAT_VERSION, "catalog_url": catalog_url}
            write_json(root / _MARKER, marker)
        return cls.open(root)

    @classmethod
    def open(cls, root: str | Path) -> Self:
        """Open the workspace in a folder.

        Raises:
            WorkspaceMissingError: If there is none.
            WorkspaceError: If it is damaged, or a newer version made it.
        """
        root = Path(root)
        try:
            text = (root / _MARKER).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise WorkspaceMissingError(
                f"No workspace in {root}. Run `contrafact init -w {root}`."
            ) from error
        except OSError as error:
            raise WorkspaceError(f"Cannot read {root}: {error.strerror}.") from error
        marker = _parsed(text, root)
        return cls(root, catalog_url=marker.get("catalog_url"))

    @property
    def models_dir(self) -> Path:
        """Where models are kept, one folder each."""
        return self.root / "models"

    @property
    def indexes_dir(self) -> Path:
        """Where attribution indexes are kept, one folder each."""
        return self.root / "indexes"

    @property
    def attributions_dir(self) -> Path:
        """Where attributions and verifications are kept."""
        return self.root / "attributions"

    @property
    def cache_dir(self) -> Path:
        """What can be made again and may be deleted at any time."""
        return self.root / "cache"

    def catalog(self) -> Catalog:
        """Open the catalog; use it as a context manager or close it.

        Raises:
            StorageError: If the database cannot be written.
            CatalogError: If it was made by a newer version.
        """
        path = (self.root / "catalog.sqlite").absolute()
        return Catalog.open(self._catalog_url or f"sqlite:///{path}")

    def audio_path(self, recording: Recording) -> Path:
        """Return the workspace's own copy of a recording's file.

        Raises:
            UnknownEntityError: If the copy is missing.
        """
        return self.files.path(recording.digest)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace for writing; may be nested.

        Raises:
            WorkspaceLockedError: If another process holds it.
            StorageError: If the workspace is not writable.
        """
        with storage_errors(self.root / ".lock"):
            self._acquire()
        try:
            write_bytes(self.root / ".lock.pid", str(os.getpid()).encode())
            yield
        finally:
            self._lock.release()

    def _acquire(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise WorkspaceLockedError(
                f"The workspace {self.root} is in use by process {self._holder()}. "
                "Wait until it is done, or stop it."
            ) from error

    def _holder(self) -> str:
        try:
            return (self.root / ".lock.pid").read_text(encoding="utf-8")
        except OSError:
            return "unknown"


def _parsed(text: str, root: Path) -> dict[str, Any]:
    try:
        marker = json.loads(text)
        version = int(marker["format"])
    except (ValueError, TypeError, KeyError) as error:
        raise WorkspaceError(
            f"{root / _MARKER} is damaged: it does not state a format. "
            "Restore it from a backup, or make a new workspace."
        ) from error
    if version > FORMAT_VERSION:
        raise WorkspaceError(
            f"The workspace {root} has format {version}; this version knows up to "
            f"{FORMAT_VERSION}. Upgrade contrafact."
        )
    found: dict[str, Any] = marker
    return found
