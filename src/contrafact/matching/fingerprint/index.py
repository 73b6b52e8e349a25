"""The index of recordings on disk, and what is asked of it.

A folder with segments that never change and one manifest that says which count.
Adding writes a segment and swaps the manifest; deleting only swaps the manifest;
segments of like size are merged now and then, so that there are always few.
Whoever has an index open keeps seeing it as it was when it was opened.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from contrafact.catalog.atomic import storage_errors
from contrafact.core.errors import MatchIndexError, MatchingError
from contrafact.core.matches import RecordingMatch
from contrafact.matching.fingerprint._codes import FRAMES_PER_CODE, codes_of
from contrafact.matching.fingerprint._hashes import (
    KEPT_PER_S,
    find_peaks,
    joined_peaks,
    kept_hashes,
)
from contrafact.matching.fingerprint._manifest import (
    Part,
    manifest_path,
    open_parts,
    remove_unlisted,
    write_manifest,
)
from contrafact.matching.fingerprint._merging import merge_segments
from contrafact.matching.fingerprint._notes import BYTES_PER_ROW, pack_notes
from contrafact.matching.fingerprint._search import find_matches
from contrafact.matching.fingerprint._segments import (
    FRAMES_PER_ROW,
    PLACES_PER_FRAME,
    write_segment,
)
from contrafact.matching.fingerprint._spectrum import note_blocks

__all__ = ["FingerprintIndex"]

Samples = NDArray[np.float32]
_FANOUT = 4
_LARGEST = 1 << 28  # postings; segments do not grow beyond this


class FingerprintIndex:
    """Recordings that can be found again in other audio.

    Example:
        >>> import tempfile
        >>> index = FingerprintIndex.create(tempfile.mkdtemp())
        >>> sound = np.random.default_rng(0).standard_normal(80_000)
        >>> index.add("R-1", sound.astype(np.float32))
        >>> index.recording_ids
        ('R-1',)
    """

    def __init__(self, directory: Path, *, is_writable: bool) -> None:
        self._directory, self._is_writable = directory, is_writable
        self._parts = open_parts(directory)

    @classmethod
    def create(cls, directory: str | Path) -> FingerprintIndex:
        """Return an index to be written to: a new one, or the one that is there.

        Raises:
            MatchIndexError: If what is there is damaged or of another version.
            StorageError: If the disk is full or not writable.
        """
        directory = Path(directory)
        with storage_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
        with _lock(directory):
            if not manifest_path(directory).exists():
                write_manifest(directory, [])
            index = cls(directory, is_writable=True)
            remove_unlisted(directory, index._parts)
        return index

    @classmethod
    def open(cls, directory: str | Path) -> FingerprintIndex:
        """Return an index to be read, as it is now; many processes may do so.

        Raises:
            MatchIndexError: If there is none, or it is damaged or of another
                version.
        """
        return cls(Path(directory), is_writable=False)

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Of all recordings that can be found, in the order of the segments."""
        return tuple(i for part in self._parts for i in part.recording_ids)

    def add(self, recording_id: str, samples: Samples) -> None:
        """Add one recording; when this returns, it is safely on disk.

        Silence is added like any other recording, and never found.

        Args:
            recording_id: Not in the index yet.
            samples: `(n,)`, mono at `SAMPLE_RATE`.

        Raises:
            MatchingError: If the identifier is in use or the samples are unfit.
            StorageError: If the disk is full or not writable.
        """
        self.add_many([(recording_id, samples)])

    def add_many(self, recordings: Iterable[tuple[str, Samples]]) -> None:
        """Add several recordings at once, all or none; much cheaper than singly.

        Raises:
            MatchingError: If an identifier is in use or samples are unfit.
            StorageError: If the disk is full or not writable.
        """
        self._require_writable()
        made = [(i, _content(i, samples)) for i, samples in recordings]
        if not made:
            return
        with _lock(self._directory):
            self._parts = open_parts(self._directory)
            known = set(self.recording_ids)
            for recording_id, _ in made:
                if recording_id in known:
                    raise MatchingError(
                        f"Recording '{recording_id}' is in the index already. "
                        "Delete it first, or choose another identifier."
                    )
                known.add(recording_id)
            self._write(made)
            self._merge()

    def delete(self, recording_id: str) -> None:
        """Take one recording out; it is not found from now on.

        Its data go from the disk when its segment is next merged.

        Raises:
            MatchingError: If it is not in the index.
            StorageError: If the disk is full or not writable.
        """
        self._require_writable()
        with _lock(self._directory):
            parts = open_parts(self._directory)
            holders = [p for p in parts if recording_id in p.recording_ids]
            if not holders:
                raise MatchingError(
                    f"Recording '{recording_id}' is not in the index. See "
                    "`recording_ids` for what is."
                )
            kept = [p.without(recording_id) if p in holders else p for p in parts]
            self._parts = [p for p in kept if p.recording_ids]
            write_manifest(self._directory, self._parts)
            remove_unlisted(self._directory, self._parts)

    def identify(
        self, samples: Samples, *, max_false_match: float = 0.01
    ) -> tuple[RecordingMatch, ...]:
        """Return the recordings that are in a piece of audio, best first.

        Args:
            samples: `(n,)`, mono at `SAMPLE_RATE`; silence, clicks and what is
                too short give no match.
            max_false_match: Nothing is returned whose `false_match_probability`
                is above this.

        Raises:
            MatchingError: If the samples are not finite or of another shape, or
                the probability is not above 0 and at most 1.
        """
        if not 0 < max_false_match <= 1:
            raise MatchingError(
                f"max_false_match must be above 0 and at most 1, not {max_false_match}."
            )
        _require_usable(samples, "The query")
        return find_matches(self._parts, samples, max_false_match)

    def _require_writable(self) -> None:
        if not self._is_writable:
            raise MatchIndexError(
                f"The index at {self._directory} was opened to be read. "
                "Use FingerprintIndex.create to write to it."
            )

    def _write(self, made: list[tuple[str, _Content]]) -> None:
        contents = [content for _, content in made]
        lengths = np.array([len(c.notes) for c in contents]) * FRAMES_PER_ROW
        ends = np.cumsum(lengths)
        starts = ends - lengths
        arrays = {"starts": starts, "ends": ends}
        arrays["notes"] = np.concatenate([c.notes for c in contents])
        arrays["code"] = np.concatenate([c.codes for c in contents])
        for name in ("key", "place", "pitch", "span"):
            arrays[name] = np.concatenate([c.postings[name] for c in contents])
        first = np.repeat(starts, [len(c.postings["key"]) for c in contents])
        arrays["place"] = arrays["place"] + first * PLACES_PER_FRAME
        order = np.argsort(arrays["key"], kind="stable")
        for name in ("key", "place", "pitch", "span"):
            arrays[name] = arrays[name][order]
        path = self._directory / _new_name()
        write_segment(path, arrays, [i for i, *_ in made])
        self._parts = [*self._parts, Part.open(path, frozenset())]
        write_manifest(self._directory, self._parts)

    def _merge(self) -> None:
        """Merge segments until fewer than `_FANOUT` are of like size."""
        while merged := _of_like_size(self._parts):
            path = self._directory / _new_name()
            merge_segments(
                path, [p.segment for p in merged], [p.deleted for p in merged]
            )
            others = [p for p in self._parts if p not in merged]
            self._parts = [*others, Part.open(path, frozenset())]
            write_manifest(self._directory, self._parts)
            remove_unlisted(self._directory, self._parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Content:
    """What is kept of a recording."""

    postings: dict[str, NDArray[np.int64]]
    notes: NDArray[np.uint8]
    codes: NDArray[np.uint32]


def _content(recording_id: str, samples: Samples) -> _Content:
    _require_usable(samples, f"Recording '{recording_id}'")
    rows, peaks = [np.zeros((0, BYTES_PER_ROW), np.uint8)], []
    codes = [np.zeros(0, np.uint32)]
    for block in note_blocks(samples):
        own = find_peaks(block.notes, KEPT_PER_S)
        peaks.append(own.between(block.low, block.high, shift=float(block.first)))
        rows.append(pack_notes(block.notes[block.low : block.high]))
        part = slice(block.low // FRAMES_PER_CODE, block.high // FRAMES_PER_CODE)
        codes.append(codes_of(block.power).value[part])
    hashes = kept_hashes(joined_peaks(peaks))
    packed = np.concatenate(rows)
    place = np.rint(hashes.time * PLACES_PER_FRAME).astype(np.int64)
    is_in = place < len(packed) * FRAMES_PER_ROW * PLACES_PER_FRAME
    postings = {
        "key": hashes.key[is_in].astype(np.int64),
        "place": np.maximum(place[is_in], 0),
        "pitch": np.rint(hashes.pitch[is_in]).astype(np.int64),
        "span": np.rint(hashes.span[is_in] * PLACES_PER_FRAME).astype(np.int64),
    }
    return _Content(postings=postings, notes=packed, codes=np.concatenate(codes))


def _of_like_size(parts: list[Part]) -> list[Part]:
    sizes = [int(np.log(max(len(p.segment.key), 1)) / np.log(_FANOUT)) for p in parts]
    for size in sorted(set(sizes)):
        alike = [p for p, s in zip(parts, sizes, strict=True) if s == size]
        if len(alike) >= _FANOUT and _FANOUT ** (size + 2) <= _LARGEST:
            return alike
    return []


def _new_name() -> str:
    return f"{secrets.token_hex(8)}.segment"


def _lock(directory: Path) -> FileLock:
    return FileLock(directory / ".lock")


def _require_usable(samples: Samples, what: str) -> None:
    if samples.ndim != 1:
        raise MatchingError(
            f"{what} has the shape {samples.shape}, not (n,). Mix it down to mono."
        )
    if not np.isfinite(samples).all():
        raise MatchingError(f"{what} holds NaN or infinite values. Export it again.")
