"""The indexes by which the recordings of a workspace are recognised.

They lie in its folder `matching` and follow the catalog: what was added is
indexed at the next use, what was removed or set apart leaves them. A workspace
and its unlicensed store have indexes of their own, of their own files alone;
`-w WORKSPACE/unlicensed` asks the latter.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr
from numpy.typing import NDArray

from contrafact.catalog import Workspace, read_audio
from contrafact.core.entities import Problem, Recording
from contrafact.core.errors import AudioError, MatchingError, UnknownEntityError
from contrafact.matching import fingerprint, style, versions
from contrafact.matching.fingerprint import FingerprintIndex
from contrafact.matching.style import StyleIndex
from contrafact.matching.versions import VersionIndex
from contrafact.matching.versions.records import FORMAT
from contrafact.matching.versions.transcription import find_network
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.stores import has_file

if TYPE_CHECKING:
    from contrafact.workflows.encoders import AskedEncoder

__all__ = [
    "MatchIndexes",
    "Samples",
    "catalog_recordings",
    "matching_dir",
    "open_indexes",
    "read_indexes",
    "resampled",
    "work_of",
]

_log = logging.getLogger(__name__)
_LONGEST_S = 3600.0
_BATCH_S = 300.0
Samples = NDArray[np.float32]

RATE = max(fingerprint.SAMPLE_RATE, style.SAMPLE_RATE, versions.SAMPLE_RATE)
"""Audio is decoded once, at the highest rate that a layer needs, in Hz."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchIndexes:
    """The indexes of one store, opened.

    Attributes:
        problems: Recordings of the catalog that could not be indexed.
        encoders: Learned encoders that are asked, too, by name.
    """

    fingerprints: FingerprintIndex
    versions: VersionIndex
    style: StyleIndex
    problems: list[Problem] = field(default_factory=list)
    encoders: Mapping[str, AskedEncoder] = field(default_factory=dict)

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """What can be recognised, in order of id."""
        return tuple(sorted(self.style.recording_ids))

    @property
    def digest(self) -> str:
        """SHA-256 of what is in them; equal for equal catalogs.

        Another one where works are compared in another way, so that no record that is
        kept says what would not be found now.
        """
        lines = (f"{name} {work}\n" for name, work in self.style.works.items())
        return hashlib.sha256("".join([FORMAT, "\n", *lines]).encode()).hexdigest()


def matching_dir(workspace: Workspace) -> Path:
    """Return where the indexes of a workspace are."""
    return workspace.root / "matching"


def read_indexes(folder: Path) -> MatchIndexes:
    """Open the indexes in a folder as they are, for reading.

    Raises:
        MatchIndexError: If there are none, or they are damaged.
    """
    return MatchIndexes(
        fingerprints=FingerprintIndex.open(folder / "fingerprint"),
        versions=VersionIndex.open(folder / "versions"),
        style=StyleIndex.open(folder / "style"),
    )


def open_indexes(workspace: Workspace, progress: Progress = silent) -> MatchIndexes:
    """Open the indexes of a workspace, brought up to date with its catalog.

    The first use takes some minutes of one core an hour of audio. It goes on
    where it was killed.

    Raises:
        MatchIndexError: If an index is damaged, or a newer version made it.
        StorageError: If the disk is full or not writable.
        WorkspaceLockedError: If another process is writing and they are not
            up to date.
    """
    folder = matching_dir(workspace)
    wanted = catalog_recordings(workspace)
    if not _is_made(folder):
        with workspace.lock():
            _made(folder)
    indexes = read_indexes(folder)
    if not _changes(indexes, wanted):
        return indexes
    with workspace.lock():
        indexes = _made(folder)
        problems = _update(workspace, indexes, wanted, progress)
    found = read_indexes(folder)
    found.problems.extend(problems)
    return found


def work_of(recording: Recording) -> str:
    """Return what stands for the work of a recording; itself if it names none."""
    return str(recording.work_id or recording.id)


def resampled(samples: Samples, rate: int, new_rate: int) -> Samples:
    """Return mono samples at another rate."""
    if rate == new_rate:
        return samples
    return np.asarray(soxr.resample(samples, rate, new_rate), np.float32)


def _is_made(folder: Path) -> bool:
    return all(
        (folder / name).is_dir() for name in ("fingerprint", "versions", "style")
    )


def _made(folder: Path) -> MatchIndexes:
    """Return the indexes to be written to, made if they are missing."""
    return MatchIndexes(
        fingerprints=FingerprintIndex.create(folder / "fingerprint"),
        versions=VersionIndex.create(folder / "versions"),
        style=StyleIndex.create(folder / "style"),
    )


def catalog_recordings(workspace: Workspace) -> dict[str, Recording]:
    """Return the recordings of a workspace's catalog whose files it has, by id."""
    with workspace.catalog() as catalog:
        recordings = catalog.recordings()
    return {str(r.id): r for r in recordings if has_file(workspace, r)}


@cache
def _hears_notes() -> bool:
    """Tell whether the network that hears notes is installed; works need it."""
    try:
        find_network()
    except MatchingError as error:
        _log.warning("works are not indexed: %s", error)
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Changes:
    gone: tuple[str, ...]
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.gone or self.missing)


def _changes(indexes: MatchIndexes, wanted: dict[str, Recording]) -> _Changes:
    """Return what must leave the indexes, and what must come.

    A recording of which the catalog names another work than the index does is
    both. The style index is written last: what it lacks is not done.
    """
    known = indexes.style.works
    everywhere = {
        *indexes.fingerprints.recording_ids,
        *indexes.versions.recording_ids,
        *known,
    }
    moved = {n for n, r in wanted.items() if n in known and known[n] != work_of(r)}
    whole = set(indexes.fingerprints.recording_ids) & known.keys()
    if _hears_notes():
        whole &= set(indexes.versions.recording_ids)
    return _Changes(
        gone=tuple(sorted((everywhere - wanted.keys()) | moved)),
        missing=tuple(sorted((wanted.keys() - whole) | moved)),
    )


def _update(
    workspace: Workspace,
    indexes: MatchIndexes,
    wanted: dict[str, Recording],
    progress: Progress,
) -> list[Problem]:
    changes = _changes(indexes, wanted)
    for name in changes.gone:
        for index in (indexes.fingerprints, indexes.versions, indexes.style):
            if name in index.recording_ids:
                index.delete(name)
    update = _Update(workspace, indexes)
    for number, name in enumerate(changes.missing):
        progress("indexing", number, len(changes.missing))
        update.add(wanted[name])
    update.write()
    progress("indexing", len(changes.missing), len(changes.missing))
    return update.problems


class _Update:
    """Recordings on their way into the indexes.

    Works are written at once, since hearing notes takes longest; fingerprints
    some minutes of audio at a time, since that is much cheaper. A recording
    enters the index of style last: one that is there is in all.
    """

    def __init__(self, workspace: Workspace, indexes: MatchIndexes) -> None:
        self.problems: list[Problem] = []
        self._workspace, self._indexes = workspace, indexes
        self._in_fingerprints = frozenset(indexes.fingerprints.recording_ids)
        self._in_versions = frozenset(indexes.versions.recording_ids)
        self._held: list[tuple[Recording, Samples]] = []
        self._held_s = 0.0
        self._hears_notes = _hears_notes()

    def add(self, recording: Recording) -> None:
        """Index a recording; fingerprints are held, and written when they are many."""
        try:
            audio = read_audio(
                self._workspace.audio_path(recording),
                sample_rate=RATE,
                duration_s=_LONGEST_S,
            )
        except (AudioError, UnknownEntityError) as error:
            _log.warning("%s cannot be recognised: %s", recording.id, error)
            self.problems.append(Problem(source=recording.file, message=str(error)))
            return
        if self._hears_notes and recording.id not in self._in_versions:
            part = resampled(audio.samples[0], RATE, versions.SAMPLE_RATE)
            self._indexes.versions.add(str(recording.id), work_of(recording), part)
        self._held.append((recording, audio.samples[0]))
        self._held_s += audio.duration_s
        if self._held_s >= _BATCH_S:
            self.write()

    def write(self) -> None:
        """Write all that is held."""
        held, self._held, self._held_s = self._held, [], 0.0
        self._indexes.fingerprints.add_many(
            (str(r.id), resampled(samples, RATE, fingerprint.SAMPLE_RATE))
            for r, samples in held
            if r.id not in self._in_fingerprints
        )
        for r, samples in held:
            part = resampled(samples, RATE, style.SAMPLE_RATE)
            self._indexes.style.add(str(r.id), work_of(r), part)
