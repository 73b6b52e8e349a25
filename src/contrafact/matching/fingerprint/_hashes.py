"""Peaks of the map of notes, and hashes of four of them that survive.

A hash holds the intervals of four peaks in semitones and the proportions of the
times between them: neither a shift of pitch nor a change of tempo alters it. The
index keeps few hashes, of the strongest peaks; a query tries many, so that it
need not find the same peaks strongest.

References:
    Wang, "An industrial-strength audio search algorithm", ISMIR 2003.
    Six and Leman, "Panako: a scalable acoustic fingerprinting system handling
    time-scale and pitch modification", ISMIR 2014.
    Sonnleitner and Widmer, "Robust quad-based audio fingerprinting", IEEE/ACM
    Transactions on Audio, Speech and Language Processing, 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint._ordering import in_order
from contrafact.matching.fingerprint._spectrum import (
    FRAMES_PER_S,
    PER_SEMITONE,
    Map,
)

__all__ = [
    "N_KEYS",
    "Hashes",
    "Peaks",
    "find_peaks",
    "joined_peaks",
    "kept_hashes",
    "query_hashes",
]

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

KEPT_PER_S, ASKED_PER_S = 12, 24
_NEAR_BINS, _NEAR_FRAMES = 6, 4
_LEAST = 0.5
_WINDOWS_S = ((0.15, 0.5), (0.5, 0.9), (0.9, 1.4))
_SLOWEST, _FASTEST = 0.74, 1.28
_WIDEST = 18  # semitones
_KEPT_COMBOS = ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))
_PER_WINDOW = 5
_RATIO_STEPS = 16
_N_INTERVALS = 2 * _WIDEST + 4
N_KEYS = _N_INTERVALS**3 * (_RATIO_STEPS + 1) ** 2
"""All keys are below this."""
_PLACES = [
    *(_N_INTERVALS**i * (_RATIO_STEPS + 1) ** 2 for i in (2, 1, 0)),
    _RATIO_STEPS + 1,
    1,
]  # what one more in each number of a key adds to it
_N_NUMBERS = len(_PLACES)
_PITCH_SLACK, _RATIO_SLACK = 0.2, 0.35  # of a step
_TIME_SLACK = 1.5  # frames
# By `bench/matching/fit_doubt.py`: of the square of the sum of how many peaks are
# stronger than each chosen, and of each number that was raised or lowered.
_DOUBT_OF_RANK, _DOUBT_OF_NUMBER = 0.06, 2.05


@dataclass(frozen=True, slots=True)
class Peaks:
    """Where the map is highest around, in order of time.

    Attributes:
        time: In frames, with fractions, `(n,)`.
        pitch: In bins, with fractions.
        height: Of the map.
    """

    time: Floats
    pitch: Floats
    height: Floats

    def between(self, first: float, last: float, *, shift: float = 0.0) -> Peaks:
        """Return those from a frame to before another, moved to later."""
        low, high = np.searchsorted(self.time, [first, last])
        part = slice(int(low), int(high))
        return Peaks(
            self.time[part] + np.float32(shift), self.pitch[part], self.height[part]
        )


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hashes with what is needed to align two of them.

    Attributes:
        key: `(n,)`, uint32.
        time: Of the first peak, in frames.
        pitch: Of the first peak, in bins.
        span: From the first peak to the last, in frames.
        doubt: Of a query: logarithm of how many times rarer it is that the recording
            has such a hash at its place than one of the strongest peaks and of no
            uncertain number.
    """

    key: NDArray[np.uint32]
    time: Floats
    pitch: Floats
    span: Floats
    doubt: Floats


def find_peaks(notes: Map, per_s: int) -> Peaks:
    """Return the highest peaks of a map, at most `per_s` in each second."""
    if len(notes) == 0:
        none = np.zeros(0, np.float32)
        return Peaks(none, none, none)
    wide = _highest_near(notes.T, _NEAR_BINS).T
    is_peak = (notes == _highest_near(wide, _NEAR_FRAMES)) & (notes > _LEAST)
    is_peak[:, [0, -1]] = False
    time, pitch = np.nonzero(is_peak)
    height = notes[time, pitch]
    second = (time / FRAMES_PER_S).astype(np.int64)
    order = np.lexsort((-height, second))
    rank = np.arange(len(order)) - np.searchsorted(second[order], second[order])
    kept = np.sort(order[rank < per_s])
    time, pitch, height = time[kept], pitch[kept], height[kept]
    padded = np.pad(notes, ((1, 1), (0, 0)), mode="edge")
    return Peaks(
        time + _offset(padded[time, pitch], height, padded[time + 2, pitch]),
        pitch + _offset(notes[time, pitch - 1], height, notes[time, pitch + 1]),
        height,
    )


def _highest_near(values: Map, n: int) -> Map:
    """Return the highest of each row and up to `n` rows before and after it.

    Of twice as many rows each time, which takes a fifth of the time of a filter.
    """
    padded = np.pad(values, ((n, n), (0, 0)), constant_values=-np.inf)
    n_rows, width = 1, 2 * n + 1
    while 2 * n_rows <= width:
        padded = np.maximum(padded[:-n_rows], padded[n_rows:])
        n_rows *= 2
    rest = width - n_rows
    return np.maximum(padded[: len(values)], padded[rest : rest + len(values)])


def joined_peaks(parts: Sequence[Peaks]) -> Peaks:
    """Return the peaks of several parts as one."""
    none = np.zeros(0, np.float32)
    return Peaks(
        np.concatenate([none, *(p.time for p in parts)]),
        np.concatenate([none, *(p.pitch for p in parts)]),
        np.concatenate([none, *(p.height for p in parts)]),
    )


def _offset(before: Floats, at: Floats, after: Floats) -> Floats:
    """Return where the parabola through three heights is highest, -0.5 to 0.5."""
    bend = 2 * at - before - after
    shift = 0.5 * (after - before) / np.maximum(bend, 1e-6)
    return np.asarray(np.clip(shift, -0.5, 0.5), np.float32)


def kept_hashes(peaks: Peaks) -> Hashes:
    """Return the hashes that an index keeps, about 48 a second."""
    chosen = [_strongest(peaks, low, high, 2) for low, high in _WINDOWS_S]
    quads = _quads(chosen, _KEPT_COMBOS)
    parts = [
        _digit(value, i) * np.int32(place)
        for i, (value, place) in enumerate(
            zip(_values(peaks, quads), _PLACES, strict=True)
        )
    ]
    return _hashes(peaks, quads, np.sum(parts, axis=0, dtype=np.int32))


def query_hashes(
    peaks: Peaks, is_there: Callable[[NDArray[np.int32]], Bools] | None = None
) -> Hashes:
    """Return all hashes that a query tries, in order of their keys.

    Neighbours of uncertain ones too; none whose times no index can hold.

    Args:
        peaks: Of the query.
        is_there: Tells which keys an index has; others are left out, which spares
            most of the work. All are kept without it.
    """
    chosen = [
        _strongest(peaks, low / _FASTEST, high / _SLOWEST, _PER_WINDOW)
        for low, high in _WINDOWS_S
    ]
    quads, ranks = _possible_quads(peaks.time, chosen)
    keys, index, n_other = _with_neighbours(_values(peaks, quads))
    own = _hashes(peaks, quads, keys[: len(quads)])
    if is_there is not None:
        there = np.flatnonzero(is_there(keys))
        keys, index, n_other = keys[there], index[there], n_other[there]
    ordered, order = in_order(keys)  # to be looked up quickly
    whose = index[order]
    doubt = np.float32(_DOUBT_OF_RANK) * ranks.astype(np.float32) ** 2
    return Hashes(
        ordered.astype(np.uint32),
        own.time[whose],
        own.pitch[whose],
        own.span[whose],
        doubt[whose] + np.float32(_DOUBT_OF_NUMBER) * n_other[order],
    )


def _possible_quads(time: Floats, chosen: list[Ints]) -> tuple[Ints, Ints]:
    """Return all quads of the peaks chosen whose times an index may hold, `(n, 4)`.

    It holds those of which each lies within its window; a change of tempo moves
    all by one factor, which the three windows bound. With them the sums of the
    ranks by which they were chosen, the strongest being 0, `(n,)`.
    """
    n = len(time)
    least = np.full((n, 1, 1, 1), 0.0, np.float32)
    most = np.full((n, 1, 1, 1), np.inf, np.float32)
    for i, (own, (low_s, high_s)) in enumerate(zip(chosen, _WINDOWS_S, strict=True)):
        shape = (n, *(_PER_WINDOW if j == i else 1 for j in range(3)))
        after = np.where(own >= 0, time[own] - time[:, None], np.inf).reshape(shape)
        least = np.maximum(least, (after - _TIME_SLACK) / (high_s * FRAMES_PER_S))
        most = np.minimum(most, (after + _TIME_SLACK) / (low_s * FRAMES_PER_S))
    first, *ranks = np.nonzero((least <= most) & (least < np.inf))
    others = [own[first, rank] for own, rank in zip(chosen, ranks, strict=True)]
    return np.stack([first, *others], 1), ranks[0] + ranks[1] + ranks[2]


def _with_neighbours(
    values: list[Floats],
) -> tuple[NDArray[np.int32], Ints, NDArray[np.uint8]]:
    """Return the keys of some hashes and of their neighbours, and whose each is.

    And in how many numbers each differs from what it would be without slack.
    """
    slacks = [_PITCH_SLACK] * 3 + [_RATIO_SLACK] * 2
    key, bits = np.zeros((2, len(values[0])), np.int32)
    for i, (value, slack) in enumerate(zip(values, slacks, strict=True)):
        low, high = _digit(value - slack, i), _digit(value + slack, i)
        key += low * np.int32(_PLACES[i])
        bits |= (high > low) * np.int32(1 << i)  # which may be raised
        bits |= (_digit(value, i) > low) * np.int32(1 << _N_NUMBERS + i)  # are other
    index = np.arange(len(key))
    # With one number more that may be raised, what was made so far is doubled.
    for i, place in enumerate(_PLACES):
        some = np.flatnonzero(bits >> i & 1)
        key = np.concatenate([key, key[some] + np.int32(place)])
        bits = np.concatenate([bits, bits[some] ^ np.int32(1 << _N_NUMBERS + i)])
        index = np.concatenate([index, index[some]])
    return key, index, np.bitwise_count(bits >> _N_NUMBERS)


def _strongest(peaks: Peaks, low_s: float, high_s: float, n: int) -> Ints:
    """Return the `n` strongest peaks some time after each, -1 where fewer are."""
    first = np.searchsorted(peaks.time, peaks.time + low_s * FRAMES_PER_S)
    last = np.searchsorted(peaks.time, peaks.time + high_s * FRAMES_PER_S)
    width = max(n, int((last - first).max(initial=0)))
    index = first[:, None] + np.arange(width)
    is_in = index < last[:, None]
    index = np.minimum(index, max(len(peaks.time) - 1, 0))
    interval = np.abs(peaks.pitch[index] - peaks.pitch[:, None])
    is_in &= interval < (_WIDEST + 0.4) * PER_SEMITONE
    height = np.where(is_in, peaks.height[index], -np.inf)
    best = np.argsort(-height, axis=1, kind="stable")[:, :n]
    rows = np.arange(len(index))[:, None]
    return np.where(height[rows, best] > -np.inf, index[rows, best], -1)


def _quads(chosen: list[Ints], combos: object) -> Ints:
    table = np.array(list(combos), np.int64)  # type: ignore[call-overload]
    n = len(chosen[0])
    quads = np.empty((n, len(table), 4), np.int64)
    quads[..., 0] = np.arange(n)[:, None]
    for i in range(3):
        quads[..., i + 1] = chosen[i][:, table[:, i]]
    flat = quads.reshape(-1, 4)
    return flat[(flat >= 0).all(1)]


def _values(peaks: Peaks, quads: Ints) -> list[Floats]:
    """Return three intervals in semitones and two proportions, in steps."""
    pitch, time = peaks.pitch[quads], peaks.time[quads]
    span = time[:, 3] - time[:, 0]
    intervals = [(pitch[:, i] - pitch[:, 0]) / PER_SEMITONE for i in (1, 2, 3)]
    parts = [_RATIO_STEPS * (time[:, i] - time[:, 0]) / span for i in (1, 2)]
    return [*intervals, *parts]


def _digit(value: Floats, i: int) -> NDArray[np.int32]:
    """Return an interval or a proportion as a number of the key."""
    digit = np.rint(value).astype(np.int32)
    if i < 3:
        return np.clip(digit + _N_INTERVALS // 2, 0, _N_INTERVALS - 1)
    return np.clip(digit, 0, _RATIO_STEPS)


def _hashes(peaks: Peaks, quads: Ints, keys: NDArray[np.int32]) -> Hashes:
    first, last = peaks.time[quads[:, 0]], peaks.time[quads[:, 3]]
    pitch = peaks.pitch[quads[:, 0]]
    doubt = np.zeros(len(first), np.float32)
    return Hashes(keys.astype(np.uint32), first, pitch, last - first, doubt)
