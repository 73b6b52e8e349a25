"""The index of works: add recordings, then ask what a piece of audio is like."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog.atomic import remove_leftovers, storage_errors, write_json
from contrafact.core.errors import MatchIndexError, MatchingError
from contrafact.core.matches import WorkMatch
from contrafact.core.units import Seconds
from contrafact.matching.record_files import record_path
from contrafact.matching.versions.answers import describe_match, grouped, query_segments
from contrafact.matching.versions.layers import strands_of
from contrafact.matching.versions.notes import Notes
from contrafact.matching.versions.nulls import (
    Calibrated,
    calibrated,
    decoy_queries,
    linked,
    own_queries,
)
from contrafact.matching.versions.records import (
    FORMAT,
    Record,
    read_record,
    write_record,
)
from contrafact.matching.versions.search import Library
from contrafact.matching.versions.transcription import SAMPLE_RATE, transcribe

__all__ = ["VersionIndex"]

_KIND = {"kind": "contrafact index of works", "format": FORMAT}
_MANIFEST = "index.json"
_RECORDINGS = "recordings"


class VersionIndex:
    """Which works a piece of audio is like, by melody, harmony and rhythm.

    Open it with `create` or `open`. One process may write while many read what
    they found when they opened it.
    """

    def __init__(self, directory: Path, *, is_writable: bool) -> None:
        self._directory = directory
        self._is_writable = is_writable
        self._library = Library()
        self._calibration: Calibrated | None = None

    @classmethod
    def create(cls, directory: str | Path) -> Self:
        """Open an index to write to; make it if there is none.

        Raises:
            MatchIndexError: If something else is there, or it is damaged.
            StorageError: If the disk is full or not writable.
        """
        directory = Path(directory)
        if not (directory / _MANIFEST).exists():
            if directory.exists() and any(directory.iterdir()):
                raise MatchIndexError(
                    f"{directory} holds something that is no index of works. Choose "
                    "an empty folder."
                )
            write_json(directory / _MANIFEST, _KIND)
        with storage_errors(directory):
            (directory / _RECORDINGS).mkdir(exist_ok=True)
        remove_leftovers(directory / _RECORDINGS)
        return cls(directory, is_writable=True)._load()

    @classmethod
    def open(cls, directory: str | Path) -> Self:
        """Open an index to read from.

        Raises:
            MatchIndexError: If there is none, or it is damaged.
        """
        return cls(Path(directory), is_writable=False)._load()

    def _load(self) -> Self:
        path = self._directory / _MANIFEST
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise MatchIndexError(
                f"{self._directory} is no index of works: {path.name} cannot be read. "
                "Name the folder of an index, or build one."
            ) from error
        if found != _KIND:
            raise MatchIndexError(
                f"{path} says {found!r}; this version reads {_KIND!r}. Delete that "
                "folder and build the index anew; a workspace does so at its next use."
            )
        for file in sorted(
            (self._directory / _RECORDINGS).glob("[0-9a-f]*.safetensors")
        ):
            self._library.append(read_record(file))
        return self

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """The recordings in the index."""
        return tuple(record.recording_id for record in self._library.kept())

    @property
    def n_null_comparisons(self) -> int:
        """How many comparisons of unrelated music the p-values rest on.

        Those of the same two works count as one.
        """
        return round(self._calibrated().null.n_compared)

    def add(
        self, recording_id: str, work_id: str | None, samples: NDArray[np.float32]
    ) -> None:
        """Add a recording; one of this name is replaced.

        Args:
            recording_id: Any text.
            work_id: The work; None if it is not known, and then the recording
                stands for itself.
            samples: Mono, `(time,)`, at `SAMPLE_RATE`, finite.

        Raises:
            MatchingError: If the samples are of another shape or not finite, or
                the network that hears notes is missing.
            MatchIndexError: If the index was opened to read from.
            StorageError: If the disk is full or not writable.
        """
        notes, duration_s = _heard(samples)
        self.add_notes(recording_id, work_id, notes, duration_s=duration_s)

    def add_notes(
        self,
        recording_id: str,
        work_id: str | None,
        notes: Notes,
        *,
        duration_s: Seconds,
    ) -> None:
        """Add a recording whose notes are known; otherwise as `add`."""
        self._require_writable()
        if recording_id in self.recording_ids:
            self.delete(recording_id)
        strands = strands_of(notes, duration_s)
        record = Record(recording_id=recording_id, work_id=work_id, strands=strands)
        null = own_queries(self._library, record)
        self._library.append(record)
        null += decoy_queries(self._library, record, notes)
        record = replace(record, null=tuple(null))
        self._library.records[-1] = record
        write_record(self._directory / _RECORDINGS, record)
        self._calibration = None

    def delete(self, recording_id: str) -> None:
        """Delete a recording, with what it contributed to the null.

        Raises:
            MatchingError: If it is not in the index.
            MatchIndexError: If the index was opened to read from.
            StorageError: If the place is not writable.
        """
        self._require_writable()
        for i, record in enumerate(self._library.records):
            if self._library.is_kept[i] and record.recording_id == recording_id:
                path = record_path(self._directory / _RECORDINGS, recording_id)
                with storage_errors(path):
                    path.unlink(missing_ok=True)
                self._library.is_kept[i] = False
                self._calibration = None
                return
        raise MatchingError(
            f"There is no recording {recording_id!r} in {self._directory}. Name one of "
            "those that are."
        )

    def identify(
        self,
        samples: NDArray[np.float32],
        *,
        max_p: float = 0.01,
        n_best: int = 10,
    ) -> tuple[WorkMatch, ...]:
        """Return the works that audio is like, best first.

        Args:
            samples: Mono, `(time,)`, at `SAMPLE_RATE`, finite.
            max_p: The largest `joint` p-value that is answered. It counts the whole
                catalog: of queries that are like nothing in it, this share gets an
                answer. Those of the aspects are for one work.
            n_best: The most works to return.

        Returns:
            The works, none where nothing is certain.

        Raises:
            MatchingError: If the samples are of another shape or not finite, or
                the network that hears notes is missing.
        """
        notes, duration_s = _heard(samples)
        return self.identify_notes(
            notes, duration_s=duration_s, max_p=max_p, n_best=n_best
        )

    def identify_notes(
        self,
        notes: Notes,
        *,
        duration_s: Seconds,
        max_p: float = 0.01,
        n_best: int = 10,
        without: Collection[str] = (),
    ) -> tuple[WorkMatch, ...]:
        """Return the works that notes are like; otherwise as `identify`.

        Args:
            notes: In order of onset.
            duration_s: How long the audio is in which they were heard.
            max_p: As for `identify`.
            n_best: As for `identify`.
            without: Recordings that are not looked at.
        """
        null, n_works = self._calibrated().null, self._library.n_works
        segments = query_segments(strands_of(notes, duration_s))
        findings = [self._library.look_up(s, _others(without)) for s in segments]
        works = grouped(self._library, findings, null, n_works=n_works)
        certain = [work for work in works if work.joint <= max_p]
        return tuple(
            describe_match(self._library, work, segments, null)
            for work in certain[:n_best]
        )

    def rank(
        self, notes: Notes, *, duration_s: Seconds, without: Collection[str] = ()
    ) -> list[tuple[str, float]]:
        """Return recordings with what they reach, best first, certain or not.

        Only those that the coarse index puts forward. Values are comparable
        within one query.
        """
        self._calibrated()  # so that levels are known
        best: dict[str, float] = {}
        for segment in query_segments(strands_of(notes, duration_s)):
            for finding in self._library.look_up(segment, _others(without)):
                name = self._library.records[finding.recording].recording_id
                best[name] = max(finding.joint, best.get(name, -np.inf))
        return sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))

    def cliques(self, *, max_p: float = 0.01) -> list[tuple[str, ...]]:
        """Return groups of recordings that are versions of each other.

        Those that name one work, and those found to be alike when they were added.

        Args:
            max_p: The largest p-value, over the whole catalog, of a link.

        Returns:
            Groups of at least two, each in order, in order of their first.
        """
        group = {name: name for name in self.recording_ids}

        def root(name: str) -> str:
            while group[name] != name:
                name = group[name]
            return name

        for one, other in self._links(max_p):
            group[root(one)] = root(other)
        members: dict[str, list[str]] = {}
        for name in self.recording_ids:
            members.setdefault(root(name), []).append(name)
        return sorted(tuple(sorted(m)) for m in members.values() if len(m) > 1)

    def _links(self, max_p: float) -> Iterable[tuple[str, str]]:
        known, n_works = self._calibrated(), self._library.n_works
        first_of: dict[str, str] = {}
        for record in self._library.kept():
            name = record.recording_id
            yield name, first_of.setdefault(record.work, name)
        records = self._library.records
        for one, other in linked(self._library, known, max_p / max(n_works, 1)):
            yield records[one].recording_id, records[other].recording_id

    def _calibrated(self) -> Calibrated:
        if self._calibration is None:
            self._calibration = calibrated(self._library)
        return self._calibration

    def _require_writable(self) -> None:
        if not self._is_writable:
            raise MatchIndexError(
                f"{self._directory} was opened to read from. Open it with `create`."
            )


def _others(without: Collection[str]) -> Callable[[Record], bool]:
    left_out = frozenset(without)
    return lambda record: record.recording_id not in left_out


def _heard(samples: NDArray[np.float32]) -> tuple[Notes, Seconds]:
    """Return the notes of audio and how long it is."""
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise MatchingError(
            f"Audio to match is {samples.dtype} of shape {samples.shape}; it should be "
            "float32 of one dimension. Mix it to mono first."
        )
    if not np.isfinite(samples).all():
        raise MatchingError(
            "Audio to match holds values that are not numbers. Decode it again."
        )
    return transcribe(samples), len(samples) / SAMPLE_RATE
