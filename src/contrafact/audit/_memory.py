"""How far each log had come, kept where the log is not.

Whoever can write the log's folder could put an older state of it back, with
its good old signature. The signer remembers what it signed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from contrafact.audit.entries import canonical
from contrafact.audit.merkle import HashReader, root_at
from contrafact.audit.notes import Checkpoint
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import LogDamagedError

__all__ = ["Memory"]


class Memory:
    """The newest checkpoint signed for each log; forgets all if without a folder."""

    def __init__(self, folder: Path | None) -> None:
        """Keep checkpoints in a folder, made when first needed."""
        self._folder = folder

    def keep(self, checkpoint: Checkpoint) -> None:
        """Remember a checkpoint that was signed.

        Raises:
            StorageError: If the folder is not writable.
        """
        if self._folder is not None:
            head = {"size": checkpoint.size, "root": checkpoint.root.hex()}
            named = head | {"origin": checkpoint.origin}
            write_bytes(self._path(self._folder, checkpoint.origin), canonical(named))

    def compare(self, checkpoint: Checkpoint, read: HashReader) -> None:
        """Refuse a log that does not continue what was signed before.

        Args:
            checkpoint: How far the log has come now.
            read: Its tree.

        Raises:
            LogDamagedError: If it is shorter than it was, or says otherwise.
        """
        if self._folder is None:
            return
        path = self._path(self._folder, checkpoint.origin)
        if not path.is_file():
            return
        head = json.loads(path.read_text(encoding="utf-8"))
        size, root = int(head["size"]), str(head["root"])
        if checkpoint.size < size or root_at(read, size).hex() != root:
            raise LogDamagedError(
                f"The log {checkpoint.origin} was rolled back or rewritten: this key "
                f"signed {size} entries of it, and they are not the first of the "
                f"{checkpoint.size} that are there. Restore the newer log."
            )

    @staticmethod
    def _path(folder: Path, origin: str) -> Path:
        name = hashlib.sha256(origin.encode()).hexdigest()[:16]
        return folder / f"{name}.head"
