"""The files of the catalog, kept under the digest of their bytes.

A file is stored once however often it is put, and cannot change unnoticed.
What a file sounds like is the business of `audio.py`.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from contrafact.catalog.atomic import atomic_path, remove_leftovers
from contrafact.core.errors import CatalogError, UnknownEntityError
from contrafact.core.units import Digest

__all__ = ["FileStore", "digest_file"]

_BLOCK = 1 << 20


def _open_source(path: Path) -> BinaryIO:
    try:
        # Opening a named pipe would wait for someone to write to it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise CatalogError(f"{path} is not a regular file. Leave it out.")
        return path.open("rb")
    except OSError as error:
        raise CatalogError(f"Cannot read {path}: {error.strerror}.") from error


def _blocks(source: BinaryIO, path: Path) -> Iterator[bytes]:
    try:
        while block := source.read(_BLOCK):
            yield block
    except OSError as error:
        raise CatalogError(f"Cannot read {path}: {error.strerror}.") from error


def digest_file(path: str | Path) -> Digest:
    """Return the SHA-256 of a file's bytes, read in blocks.

    Raises:
        CatalogError: If the file cannot be read.
    """
    state = hashlib.sha256()
    with _open_source(Path(path)) as source:
        for block in _blocks(source, Path(path)):
            state.update(block)
    return Digest(state.hexdigest())


class FileStore:
    """Files by content: `ab/abcdef....wav` below one folder."""

    def __init__(self, root: str | Path) -> None:
        """Keep files below `root`, which is made with the first file."""
        self.root = Path(root)

    def put(self, path: str | Path, *, suffix: str | None = None) -> Digest:
        """Copy a file into the store and return its digest.

        A file already there is left as it is.

        Args:
            path: The file to copy.
            suffix: The stored file's suffix; that of `path` if None.

        Returns:
            SHA-256 of the file's bytes.

        Raises:
            CatalogError: If `path` cannot be read.
            StorageError: If the disk is full or the store is not writable.
        """
        path = Path(path)
        suffix = path.suffix.lower() if suffix is None else suffix
        digest = digest_file(path)
        if self._find(digest) is not None:
            return digest
        self._copy(path, self._place(digest, suffix), digest=digest)
        return digest

    def _copy(self, path: Path, place: Path, *, digest: Digest) -> None:
        state = hashlib.sha256()
        with _open_source(path) as source, atomic_path(place) as temporary:
            with temporary.open("xb") as target:
                for block in _blocks(source, path):
                    state.update(block)
                    target.write(block)
            if state.hexdigest() != digest:
                raise CatalogError(f"{path} changed while it was read. Run it again.")

    def path(self, digest: Digest) -> Path:
        """Return where the file of this digest lies.

        Raises:
            UnknownEntityError: If the store does not hold it.
        """
        found = self._find(digest)
        if found is None:
            raise UnknownEntityError(
                f"The file with digest {digest} is not in {self.root}. Ingest it again."
            )
        return found

    def verify(self, digest: Digest) -> bool:
        """Tell whether the store holds the file and its bytes are intact."""
        found = self._find(digest)
        return found is not None and digest_file(found) == digest

    def remove_leftovers(self) -> None:
        """Remove half-copied files that killed processes left.

        Call it only while no other process puts files.
        """
        remove_leftovers(self.root)

    def _place(self, digest: Digest, suffix: str) -> Path:
        return self.root / digest[:2] / f"{digest}{suffix}"

    def _find(self, digest: Digest) -> Path | None:
        return next((self.root / digest[:2]).glob(f"{digest}*"), None)
