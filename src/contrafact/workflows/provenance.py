"""What a training may read, and the log of what it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from contrafact.audit.readlog import ReadLog, check_read_log

if TYPE_CHECKING:
    from contrafact.workflows.admission import Admitted

__all__ = ["READ_LOG", "Provenance", "Reading"]

READ_LOG = "read-log.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the recordings of a training are listed.

    Attributes:
        manifest_root: Root of the manifest, hexadecimal.
        digests: SHA-256 of the file of each recording, by its id.
        stamp: What the model is marked with; "" if all of it is licensed.
        extra: More for the model's own manifest, such as what it replaces.
    """

    manifest_root: str
    digests: Mapping[str, str]
    stamp: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, admitted: Admitted, **extra: Any) -> Self:
        """Return the provenance of what the gate admitted."""
        return cls(
            manifest_root=admitted.manifest_root,
            digests=admitted.digests,
            stamp=admitted.stamp,
            extra=extra,
        )

    def facts(self) -> dict[str, Any]:
        """Return what the model's own manifest says of it."""
        stamp = {"stamp": self.stamp} if self.stamp else {}
        return {"manifest": self.manifest_root, **stamp, **self.extra}


class Reading:
    """Writes the log of what a training reads, if it has a manifest."""

    def __init__(self, folder: Path, provenance: Provenance | None) -> None:
        """Write into `folder` once the training starts."""
        self._path, self._provenance = folder / READ_LOG, provenance
        self._log: ReadLog | None = None

    def start(self, n_steps: int) -> None:
        """Begin, or go on after `n_steps` steps.

        Raises:
            LogDamagedError: If fewer steps were logged.
            StorageError: If the disk is full or not writable.
        """
        if self._provenance is not None:
            root = self._provenance.manifest_root
            self._log = ReadLog(self._path, root, n_steps=n_steps)

    def record(self, recordings: Sequence[str]) -> None:
        """Log what one step reads."""
        if self._log is not None and self._provenance is not None:
            digests = self._provenance.digests
            # A recording that is not listed is logged as itself, and found out.
            self._log.record([digests.get(r, r) for r in recordings])

    def flush(self) -> None:
        """Bring the log to the disk."""
        if self._log is not None:
            self._log.flush()

    def close(self) -> None:
        """Bring the log to the disk and close it."""
        if self._log is not None:
            self._log.close()

    def facts(self) -> dict[str, Any]:
        """Return what the log says, held to the manifest's files."""
        if self._provenance is None:
            return {}
        listed = self._provenance.digests.values()
        root = self._provenance.manifest_root
        check = check_read_log(self._path, root, listed=listed)
        return {"read_log": {**asdict(check), "unlisted": list(check.unlisted)}}
