"""Several segments made one, without what was deleted of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint._codes import FRAMES_PER_CODE
from contrafact.matching.fingerprint._hashes import N_KEYS
from contrafact.matching.fingerprint._segments import (
    CHECKED,
    FRAMES_PER_ROW,
    PLACES_PER_FRAME,
    Segment,
    checksums,
    table_of,
    write_arrays,
)

__all__ = ["merge_segments"]

_RANGE = 1 << 22  # postings merged at a time


def merge_segments(
    path: Path, segments: Sequence[Segment], deleted: Sequence[frozenset[str]]
) -> None:
    """Write one segment that holds several, without what was deleted of each.

    Memory stays bounded: postings are merged one range of hashes at a time.

    Raises:
        StorageError: If the disk is full or not writable.
    """
    merged = _Merged(segments, deleted)
    crc32 = checksums(starts=merged.starts, ends=merged.ends)
    parts: dict[str, Iterator[NDArray[Any]]] = {
        name: merged.postings(name) for name in ("key", "place", "pitch", "span")
    }
    parts |= {name: iter([getattr(merged, name)]) for name in (*CHECKED, "table")}
    parts["notes"] = merged.rows()
    parts |= {"code": merged.codes(), "code_order": merged.code_order()}
    write_arrays(
        path, merged.shapes, parts, crc32=crc32, recording_ids=merged.recording_ids
    )


class _Merged:
    """Several segments as if they were one."""

    def __init__(
        self, segments: Sequence[Segment], deleted: Sequence[frozenset[str]]
    ) -> None:
        self._segments = segments
        self._is_kept = [
            np.array([one not in gone for one in s.recording_ids], bool)
            for s, gone in zip(segments, deleted, strict=True)
        ]
        self._n_ranges = 1 + sum(len(s.key) for s in segments) // _RANGE
        self._shifts: list[NDArray[np.int64]] = []
        starts, ends, self.recording_ids = [], [], list[str]()
        begin = 0
        for segment, is_kept in zip(segments, self._is_kept, strict=True):
            old = segment.starts.astype(np.int64)
            lengths = np.where(is_kept, segment.ends - old, 0)
            new = begin + np.cumsum(lengths) - lengths
            begin += int(lengths.sum())
            self._shifts.append(new - old)
            starts.append(new[is_kept])
            ends.append((new + lengths)[is_kept])
            self.recording_ids += np.array(segment.recording_ids, object)[
                is_kept
            ].tolist()
        self.starts, self.ends = np.concatenate(starts), np.concatenate(ends)
        self.shapes: dict[str, tuple[int, ...]] = {
            "starts": self.starts.shape,
            "ends": self.ends.shape,
            "notes": (begin // FRAMES_PER_ROW, segments[0].notes.shape[1]),
        }
        n = sum(len(keys) for keys in self.postings("key"))
        self.table = table_of(n, self.postings("key"))
        self.shapes["table"] = self.table.shape
        for name in ("key", "place", "pitch", "span"):
            self.shapes[name] = (n,)
        n_codes = int(((self.ends - self.starts) // FRAMES_PER_CODE).sum())
        self.shapes |= {"code": (n_codes,), "code_order": (n_codes,)}

    def postings(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield one array of the postings, one range of hashes after the other."""
        edges = np.linspace(0, N_KEYS, self._n_ranges + 1).astype(np.uint32)
        for low, high in itertools.pairwise(edges):
            keys, values = [], []
            for i, segment in enumerate(self._segments):
                first, last = np.searchsorted(segment.key, [low, high])
                place = segment.place[first:last]
                frame = place // PLACES_PER_FRAME
                owner = np.searchsorted(segment.starts, frame, side="right") - 1
                is_live = self._is_kept[i][owner]
                keys.append(segment.key[first:last][is_live])
                if name == "place":
                    shift = self._shifts[i][owner] * PLACES_PER_FRAME
                    values.append((place + shift)[is_live])
                else:
                    values.append(getattr(segment, name)[first:last][is_live])
            order = np.argsort(np.concatenate(keys), kind="stable")
            yield np.concatenate(values)[order]

    def rows(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the rows of notes of what is kept."""
        for segment, is_kept in zip(self._segments, self._is_kept, strict=True):
            for i in np.flatnonzero(is_kept):
                first, last = segment.starts[i], segment.ends[i]
                yield segment.notes[first // FRAMES_PER_ROW : last // FRAMES_PER_ROW]

    def codes(self) -> Iterator[NDArray[np.uint32]]:
        """Yield the codes of what is kept."""
        for segment, is_kept in zip(self._segments, self._is_kept, strict=True):
            bounds = np.append(segment.code_begins, len(segment.code))
            for i in np.flatnonzero(is_kept):
                yield segment.code[bounds[i] : bounds[i + 1]]

    def code_order(self) -> Iterator[NDArray[np.int64]]:
        """Yield where the codes that are kept are, one range of codes at a time."""
        n_ranges = 1 + sum(len(s.code) for s in self._segments) // _RANGE
        edges = np.linspace(0, 1 << 32, n_ranges + 1)[1:-1].astype(np.uint32)
        bounds, shifts, begin = [], [], 0
        for segment, is_kept in zip(self._segments, self._is_kept, strict=True):
            at_edges = segment.codes_up_to(edges, including=False)
            bounds.append([0, *at_edges.tolist(), len(segment.code)])
            old = segment.code_begins
            lengths = np.where(is_kept, np.diff(old, append=len(segment.code)), 0)
            shifts.append(begin + np.cumsum(lengths) - lengths - old)
            begin += int(lengths.sum())
        for i in range(n_ranges):
            codes, places = [], []
            for number, segment in enumerate(self._segments):
                first, last = bounds[number][i : i + 2]
                place = segment.code_order[first:last].astype(np.int64)
                owner = np.searchsorted(segment.code_begins, place, side="right") - 1
                place_kept = self._is_kept[number][owner]
                codes.append(segment.code[place][place_kept])
                places.append((place + shifts[number][owner])[place_kept])
            yield np.concatenate(places)[
                np.argsort(np.concatenate(codes), kind="stable")
            ]
