"""Which segments of a folder make up the index, and what in them is deleted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.atomic import remove_leftovers, write_json
from contrafact.core.errors import MatchIndexError
from contrafact.matching.fingerprint._segments import VERSION, Segment

__all__ = ["Part", "manifest_path", "open_parts", "remove_unlisted", "write_manifest"]

_KIND = "contrafact fingerprint index"
_TRIES = 5


@dataclass(frozen=True, eq=False)
class Part:
    """A segment and what in it counts no more.

    Attributes:
        is_live: For each recording of the segment.
        n_frames: Of what is live.
    """

    segment: Segment
    deleted: frozenset[str]
    is_live: NDArray[np.bool_] = field(init=False)
    n_frames: int = field(init=False)

    def __post_init__(self) -> None:
        """Work out what is live."""
        live = [i not in self.deleted for i in self.segment.recording_ids]
        object.__setattr__(self, "is_live", np.array(live, bool))
        lengths = self.segment.ends.astype(np.int64) - self.segment.starts
        object.__setattr__(self, "n_frames", int(lengths[self.is_live].sum()))

    @classmethod
    def open(cls, path: Path, deleted: frozenset[str]) -> Part:
        """Open a segment.

        Raises:
            MatchIndexError: If it is missing or damaged.
        """
        return cls(Segment.open(path), deleted)

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Of what is live."""
        ids = self.segment.recording_ids
        return tuple(i for i in ids if i not in self.deleted)

    def without(self, recording_id: str) -> Part:
        """Return it with one more recording deleted."""
        return Part(self.segment, self.deleted | {recording_id})


def manifest_path(directory: Path) -> Path:
    """Return where the manifest of an index is."""
    return directory / "manifest.json"


def open_parts(directory: Path) -> list[Part]:
    """Return the segments that make up an index.

    A writer may merge segments between the reading of the manifest and that of
    a segment, so a missing one is looked up again.

    Raises:
        MatchIndexError: If there is no index, or it is damaged.
    """
    for attempt in range(_TRIES):
        listed = _read_manifest(directory)
        is_there = all((directory / name).is_file() for name, _ in listed)
        if is_there or attempt == _TRIES - 1:
            with suppress(FileNotFoundError):
                return [Part.open(directory / name, gone) for name, gone in listed]
    raise MatchIndexError(
        f"Segments of the index at {directory} are missing. Build it again."
    )


def _read_manifest(directory: Path) -> list[tuple[str, frozenset[str]]]:
    path = manifest_path(directory)
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] != _KIND:
            raise ValueError("it is of another kind")
        if document["version"] != VERSION:
            raise ValueError(f"it is of version {document['version']}, not {VERSION}")
        return [
            (_safe(one["name"]), frozenset(map(str, one["deleted"])))
            for one in document["segments"]
        ]
    except FileNotFoundError as error:
        raise MatchIndexError(
            f"There is no fingerprint index at {directory}. Build one first."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MatchIndexError(
            f"{path} is not the manifest of a fingerprint index: {error}. "
            "Remove its folder. Build the index again."
        ) from error


def _safe(name: object) -> str:
    text = str(name)
    if Path(text).name != text:
        raise ValueError("it names a file elsewhere")
    return text


def write_manifest(directory: Path, parts: Sequence[Part]) -> None:
    """Make some segments the index, in one step.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    segments = [
        {"name": part.segment.name, "deleted": sorted(part.deleted)} for part in parts
    ]
    write_json(
        manifest_path(directory),
        {"kind": _KIND, "version": VERSION, "segments": segments},
    )


def remove_unlisted(directory: Path, parts: Sequence[Part]) -> None:
    """Remove segments that count no more; call it with the lock held only."""
    remove_leftovers(directory)
    listed = {part.segment.name for part in parts}
    for path in directory.glob("*.segment"):
        if path.name not in listed:
            path.unlink(missing_ok=True)
