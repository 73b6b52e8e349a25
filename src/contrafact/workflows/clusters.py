"""Which recordings of the catalog are copies of each other, found by sound.

A policy behind defences counts the copies of a recording once. Here they are
found by fingerprints, which know a recording again after other codecs, speed,
pitch and cuts; what was played anew is another recording, and no copy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog import Workspace
from contrafact.catalog.audio import read_audio
from contrafact.core.entities import Recording
from contrafact.core.errors import AudioError, UnknownEntityError
from contrafact.core.matches import RecordingMatch
from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex
from contrafact.workflows.progress import Progress, silent

__all__ = ["find_clusters"]

_AT_ONCE = 64
_COVERED = 0.5
"""Part of the shorter recording that must be the same."""
_FALSE = 1e-3


def find_clusters(
    workspace: Workspace,
    *,
    among: Collection[str] | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the cluster of every recording that has copies in the catalog.

    Two recordings are copies if at least half of the shorter one is found in
    the other; copies of copies are of one cluster, which has the smallest id of
    its members.

    Args:
        workspace: Its catalog is searched.
        among: Recordings that are compared, by id; None for all.
        progress: Told of recordings added and looked up.

    Returns:
        Clusters by recording, and what could not be read.

    Raises:
        StorageError: If there is no room for the fingerprints.
    """
    with workspace.catalog() as catalog:
        recordings = sorted(
            (r for r in catalog.recordings() if among is None or r.id in among),
            key=lambda r: r.id,
        )
    clusters, notices = _Clusters(), []
    with tempfile.TemporaryDirectory() as folder:
        index = FingerprintIndex.create(folder)
        known: dict[str, Recording] = {}
        for place in range(0, len(recordings), _AT_ONCE):
            batch, refused = _added(
                workspace, index, recordings[place : place + _AT_ONCE]
            )
            known |= {r.id: r for r in batch}
            notices += refused
            progress("fingerprints", place + len(batch), len(recordings))
        for number, recording in enumerate(known.values(), start=1):
            for match in index.identify(
                _sound(workspace, recording), max_false_match=_FALSE
            ):
                if _is_copy(match, recording, known[match.recording_id]):
                    clusters.join(recording.id, match.recording_id)
            progress("copies", number, len(known))
    return clusters.found(), tuple(notices)


def _added(
    workspace: Workspace, index: FingerprintIndex, recordings: Sequence[Recording]
) -> tuple[list[Recording], list[str]]:
    """Add recordings to the index; return those that could be, and why not others."""
    sounds, kept, notices = [], [], []
    for recording in recordings:
        try:
            sounds.append((str(recording.id), _sound(workspace, recording)))
            kept.append(recording)
        except (AudioError, UnknownEntityError) as error:
            notices.append(f"{recording.id} is left out: {error}")
    index.add_many(sounds)
    return kept, notices


def _sound(workspace: Workspace, recording: Recording) -> NDArray[np.float32]:
    path = workspace.audio_path(recording)
    samples: NDArray[np.float32] = read_audio(path, sample_rate=SAMPLE_RATE).samples[0]
    return samples


def _is_copy(match: RecordingMatch, one: Recording, other: Recording) -> bool:
    in_query = match.query_end_s - match.query_start_s
    in_other = match.reference_end_s - match.reference_start_s
    covered = max(in_query / one.duration_s, in_other / other.duration_s)
    return one.id != other.id and covered >= _COVERED


class _Clusters:
    """Recordings that belong together, joined two by two."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def _root(self, id_: str) -> str:
        while self._first.get(id_, id_) != id_:
            id_ = self._first[id_]
        return id_

    def join(self, one: str, other: str) -> None:
        """Note that two are of one cluster."""
        first, last = sorted((self._root(one), self._root(other)))
        self._first |= {first: first, last: first}

    def found(self) -> dict[str, str]:
        """Return the cluster of every recording that has one."""
        return {id_: self._root(id_) for id_ in sorted(self._first)}
