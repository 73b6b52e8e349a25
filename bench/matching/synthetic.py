"""A segment as large as a label's catalog, made up after the pattern of a real index.

How often a key occurs is a mixture: as often as in real recordings; the same
intervals with proportions of time drawn for themselves; intervals two by two, or one
by one. What each counts is fitted to recordings that the others were not counted on,
so that keys which no recording had yet get their share. The first peak's pitch and
the span come of real postings with the same intervals, codes in runs of two seconds
of real ones, a quarter of the bits the other way, and the notes to compare are those
of real recordings from anywhere. Nothing comes of recordings that are asked about.
What is not imitated: hashes of one place go together in real music, here each is
drawn for itself.

References:
    Jelinek and Mercer, "Interpolated estimation of Markov source parameters from
    sparse data", Pattern Recognition in Practice, 1980.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from contrafact.matching.fingerprint import FingerprintIndex
from contrafact.matching.fingerprint._codes import FRAMES_PER_CODE
from contrafact.matching.fingerprint._hashes import N_KEYS
from contrafact.matching.fingerprint._manifest import Part
from contrafact.matching.fingerprint._notes import BYTES_PER_ROW
from contrafact.matching.fingerprint._segments import (
    FRAMES_PER_ROW,
    PLACES_PER_FRAME,
    checksums,
    write_arrays,
)
from contrafact.matching.fingerprint._spectrum import FRAMES_PER_S

__all__ = ["Pattern", "key_shares", "pattern_of", "with_real_notes", "write_synthetic"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_RECORDING_FRAMES = 2 * round(100 * FRAMES_PER_S)  # 200 s
_N_STEPS = 17  # of a proportion
_N_INTERVALS = round((N_KEYS / _N_STEPS**2) ** (1 / 3))
_KEYS_AT_ONCE = 1 << 15
_JITTER = 6.0  # bins, of the pitch of a real posting
_CODES_IN_RUN = 16
_N_ROUNDS = 60  # of fitting


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Postings, codes and notes of real recordings.

    Attributes:
        key: In ascending order, with the columns beside it.
        recording: Number of the recording of each posting.
        code: Of all recordings, one after the other.
        rows: Of notes.
        n_frames: Of all of them.
    """

    key: Ints
    pitch: Ints
    span: Ints
    recording: Ints
    code: NDArray[np.uint32]
    rows: NDArray[np.uint8]
    n_frames: int


def pattern_of(parts: Sequence[Part], without: Collection[str]) -> Pattern:
    """Return what an index holds but for some recordings."""
    columns: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("key", "pitch", "span", "recording", "code", "rows")
    }
    base = n_frames = 0
    for segment in (part.segment for part in parts):
        is_in = np.array([i not in without for i in segment.recording_ids], bool)
        frame = segment.place // PLACES_PER_FRAME
        owner = np.searchsorted(segment.starts, frame, side="right") - 1
        some = is_in[owner]
        for name in ("key", "pitch", "span"):
            columns[name].append(getattr(segment, name)[some].astype(np.int64))
        columns["recording"].append(owner[some] + base)
        lengths = segment.ends.astype(np.int64) - segment.starts
        n_frames += int(lengths[is_in].sum())
        of_code = np.repeat(is_in, lengths // FRAMES_PER_CODE)
        columns["code"].append(segment.code[of_code])
        columns["rows"].append(
            segment.notes[np.repeat(is_in, lengths // FRAMES_PER_ROW)]
        )
        base += len(segment.starts)
    whole = {name: np.concatenate(some) for name, some in columns.items()}
    order = np.argsort(whole["key"], kind="stable")
    for name in ("key", "pitch", "span", "recording"):
        whole[name] = whole[name][order]
    return Pattern(**whole, n_frames=n_frames)


def key_shares(key: Ints, recording: Ints) -> Floats:
    """Return what share of postings has each key, `(N_KEYS,)`.

    The mixture is fitted on one half of the recordings, its parts counted on the
    other; then the parts are counted on all.
    """
    is_held = np.random.default_rng(0).random(int(recording.max()) + 1) < 0.5
    held = is_held[recording]
    seen = np.stack([part[key[held]] for part in _parts(key[~held])])
    weights = np.full(len(seen), 1 / len(seen))
    for _ in range(_N_ROUNDS):  # expectation and maximisation
        each = weights[:, None] * seen
        weights = (each / each.sum(0)).mean(1)
    shares = np.zeros(N_KEYS, np.float32)
    for weight, part in zip(weights, _parts(key), strict=True):
        shares += np.float32(weight) * part
    return shares


def _parts(key: Ints) -> Iterator[Floats]:
    """Yield shares of keys as each part of the mixture has them."""
    exact = np.bincount(key, minlength=N_KEYS).astype(np.float32) / np.float32(len(key))
    yield exact
    table = exact.reshape(_N_INTERVALS**3, _N_STEPS, _N_STEPS)
    yield gaussian_filter(table, (0, 1, 1), mode="nearest", truncate=3).ravel()
    times = table.sum(0).ravel()
    threes = table.sum((1, 2)).reshape((_N_INTERVALS,) * 3)
    yield np.outer(threes, times).ravel()
    last = threes.sum(0)
    after = last / np.maximum(last.sum(1, keepdims=True), 1e-12)
    yield np.outer(threes.sum(2)[:, :, None] * after, times).ravel()
    one, two, three = (threes.sum(axes) for axes in ((1, 2), (0, 2), (0, 1)))
    yield np.outer(one[:, None, None] * two[:, None] * three, times).ravel()
    yield np.full(N_KEYS, 1 / N_KEYS, np.float32)


def write_synthetic(path: Path, real: Pattern, hours: float) -> int:
    """Write a segment of random postings; return how many."""
    n_recordings = round(hours * 3600 * FRAMES_PER_S / _RECORDING_FRAMES)
    n_frames = n_recordings * _RECORDING_FRAMES
    rate = len(real.key) / real.n_frames
    shares = key_shares(real.key, real.recording).astype(np.float64)
    wanted = np.random.default_rng(0).poisson(shares * rate * n_frames)
    n = int(wanted.sum())
    table = np.concatenate([[0], np.cumsum(wanted)])
    starts = np.arange(n_recordings) * _RECORDING_FRAMES
    code = _codes(real.code, n_recordings * (_RECORDING_FRAMES // FRAMES_PER_CODE))
    order = np.argsort(code, kind="stable").astype(np.uint32)
    columns = ("key", "place", "pitch", "span")
    parts: dict[str, Iterator[NDArray[Any]]] = {
        name: _blocks(name, wanted, real, n_frames) for name in columns
    }
    parts |= {"table": iter([table]), "starts": iter([starts])}
    parts |= {"ends": iter([starts + _RECORDING_FRAMES]), "notes": iter([])}
    parts |= {"code": iter([code]), "code_order": iter([order])}
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(columns, (n,))
    shapes |= {"table": table.shape, "starts": starts.shape, "ends": starts.shape}
    shapes |= {"code": code.shape, "code_order": code.shape}
    shapes["notes"] = (n_frames // FRAMES_PER_ROW, BYTES_PER_ROW)  # a hole
    write_arrays(
        path,
        shapes,
        parts,
        crc32=checksums(starts=starts, ends=starts + _RECORDING_FRAMES),
        recording_ids=[f"synthetic-{i}" for i in range(n_recordings)],
    )
    return n


def _blocks(
    kind: str, wanted: Ints, real: Pattern, n_frames: int
) -> Iterator[NDArray[Any]]:
    """Yield a column of the postings, some keys at a time."""
    rng = np.random.default_rng(len(kind))
    for first in range(0, N_KEYS, _KEYS_AT_ONCE):
        some = wanted[first : first + _KEYS_AT_ONCE]
        n = int(some.sum())
        if kind == "key":
            yield np.repeat(np.arange(first, first + len(some)), some)
        elif kind == "place":
            yield rng.integers(0, n_frames * PLACES_PER_FRAME, n, dtype=np.uint32)
        else:
            of = _alike(real.key, np.arange(first, first + len(some)), some, rng)
            if kind == "span":
                yield real.span[of]
                continue
            moved = real.pitch[of] + np.rint(_JITTER * rng.standard_normal(n))
            yield np.clip(moved, 0, 255).astype(np.uint8)


def _alike(key: Ints, keys: Ints, n_each: Ints, rng: np.random.Generator) -> Ints:
    """Return real postings with the intervals of keys, any where there are none."""
    intervals = keys // _N_STEPS**2
    low = np.searchsorted(key, intervals * _N_STEPS**2)
    n = np.searchsorted(key, (intervals + 1) * _N_STEPS**2) - low
    low, n = np.where(n > 0, low, 0), np.where(n > 0, n, len(key))
    drawn = rng.random(int(n_each.sum()))
    return np.asarray(
        np.repeat(low, n_each) + (drawn * np.repeat(n, n_each)).astype(np.int64)
    )


def _codes(real: NDArray[np.uint32], n: int) -> NDArray[np.uint32]:
    """Return runs of real codes, some bits of each run the other way."""
    rng = np.random.default_rng(1)
    made = np.empty(-(-n // _CODES_IN_RUN) * _CODES_IN_RUN, np.uint32)
    within = np.arange(_CODES_IN_RUN)
    runs = made.reshape(-1, _CODES_IN_RUN)
    for first in range(0, len(runs), 1 << 20):
        some = runs[first : first + (1 << 20)]
        begin = rng.integers(0, len(real) - _CODES_IN_RUN, len(some))
        one, other = rng.integers(0, 1 << 32, (2, len(some), 1), dtype=np.uint32)
        some[:] = real[begin[:, None] + within] ^ (one & other)  # a quarter of the bits
    return made[:n]


class _Borrowed:
    """Notes of recordings that are made up: those of real ones from anywhere."""

    def __init__(self, rows: NDArray[np.uint8], n_rows: int) -> None:
        self._rows, self._n_rows = rows, n_rows

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        n_each = _RECORDING_FRAMES // FRAMES_PER_ROW
        begin = np.random.default_rng(rows.start // n_each).integers(len(self._rows))
        at = begin + np.arange(rows.start % n_each, rows.start % n_each + n_each)
        return self._rows[at[: rows.stop - rows.start] % len(self._rows)]


def with_real_notes(index: FingerprintIndex, name: str, real: Pattern) -> None:
    """Put real notes into the hole of a segment of an open index."""
    for i, part in enumerate(index._parts):
        if part.segment.name == name:
            notes: Any = _Borrowed(real.rows, len(part.segment.notes))
            index._parts[i] = Part(replace(part.segment, notes=notes), part.deleted)
