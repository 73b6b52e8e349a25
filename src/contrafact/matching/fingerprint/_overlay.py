"""Lays the map of a query upon the notes of a recording, place by place.

What a query is compared with a dozen times for each proposal is made once: its map
at half frames and half bins, and what the rows of the recording stray from their mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint._notes import N_KEPT_BINS, reduced
from contrafact.matching.fingerprint._segments import FRAMES_PER_ROW
from contrafact.matching.fingerprint._spectrum import Map

__all__ = ["OFFSETS", "Alignment", "Asked", "Overlay", "Window", "products"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OFFSETS = (-2.0, -1.0, 1.0, 2.0)  # frames
_HOPELESS = 0.15  # likeness below which no better alignment is looked for
_LEAST_ROWS = 24
_ENOUGH_ROWS = 60
_LAG_ROWS = 16
_MOST_LAG = 4  # frames
_LAGS = np.arange(-_MOST_LAG, _MOST_LAG + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How frames of a query lie on rows of a recording.

    Attributes:
        start: Frame of the recording on which the query's frame 0 lies.
        tempo: Frames of the recording for one of the query.
        bins: By how many bins the query is higher; a multiple of one half.
    """

    start: float
    tempo: float
    bins: float


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a query that an alignment was proposed for, in frames."""

    first: float
    last: float

    @property
    def middle(self) -> float:
        """The frame in its middle."""
        return (self.first + self.last) / 2


class Asked:
    """The map of a query as it is compared, at every half frame and half bin.

    Args:
        notes: Map of the whole query.
        hidden: Places that are not compared, of the same shape.
    """

    def __init__(self, notes: Map, hidden: Bools | None = None) -> None:
        self.n_frames, self._n_bins = notes.shape
        self._maps = {False: _doubled(reduced(notes))}
        self._hidden = {} if hidden is None else {False: _doubled_places(hidden)}
        self._spread: dict[float, Floats] = {}

    def columns(self, bins: float) -> slice:
        """Return which bins of a recording a query has that is higher by `bins`."""
        whole = int(np.floor(bins))
        return slice(max(0, -whole), min(N_KEPT_BINS, self._n_bins - 1 - whole))

    def rows(self, frames: Floats, bins: float) -> tuple[Map, Bools | None]:
        """Return the map in those columns, and which places of it are hidden.

        Args:
            frames: Taken to the nearest half; those beyond an end are of that end.
            bins: By how many the query is higher than the recording.
        """
        at, own = self.places(frames), self._own_columns(bins)
        found = self.whole_map(bins)[at, own]
        hidden = self._hidden[bins % 1 > 0] if self._hidden else None
        return found, None if hidden is None else hidden[at, own]

    @property
    def is_hidden(self) -> bool:
        """Whether there are places that are not compared."""
        return bool(self._hidden)

    def places(self, frames: Floats) -> Ints:
        """Return which rows of a whole map are nearest to frames."""
        at = np.rint(2 * frames).astype(np.int64)
        return np.asarray(np.minimum(np.maximum(at, 0), 2 * self.n_frames - 2))

    def whole_map(self, bins: float) -> Map:
        """Return the map at every half frame, with all of its bins or between them."""
        if (is_between := bins % 1 > 0) and is_between not in self._maps:
            self._make_between()
        return self._maps[is_between]

    def spread(self, bins: float) -> Floats:
        """Return how far each row of the map strays in those columns, squared."""
        if bins not in self._spread:
            part = self.whole_map(bins)[:, self._own_columns(bins)]
            squares, sums = np.einsum("ij,ij->i", part, part), part.sum(1)
            self._spread[bins] = squares - sums.astype(np.float64) ** 2 / part.shape[1]
        return self._spread[bins]

    def widened(self, notes: Map, bins: float) -> Map:
        """Return rows of a recording, in those columns, as wide as the whole map."""
        found = np.zeros((len(notes), self.whole_map(bins).shape[1]), np.float32)
        found[:, self._own_columns(bins)] = notes
        return found

    def _own_columns(self, bins: float) -> slice:
        whole, columns = int(np.floor(bins)), self.columns(bins)
        return slice(columns.start + whole, columns.stop + whole)

    def _make_between(self) -> None:
        """Make what is half way between two bins."""
        whole = self._maps[False]
        self._maps[True] = (whole[:, :-1] + whole[:, 1:]) * np.float32(0.5)
        if self._hidden:
            places = self._hidden[False]
            self._hidden[True] = places[:, :-1] | places[:, 1:]


class Overlay:
    """A query beside a recording that it may lie upon.

    Args:
        asked: The query.
        notes: Rows of the recording, `(n_rows, N_KEPT_BINS)`.
    """

    def __init__(self, asked: Asked, notes: Map) -> None:
        self._asked, self._notes = asked, notes
        self.n_frames = asked.n_frames

    def rows_of(
        self, at: Alignment, window: Window | None = None
    ) -> tuple[int, int] | None:
        """Return the rows on which the query lies, None if they are too few."""
        window = window or Window(0, self.n_frames)
        begin = at.start + at.tempo * window.first
        end = at.start + at.tempo * window.last
        first = max(0, int(np.ceil(begin / FRAMES_PER_ROW)))
        last = min(len(self._notes), int(end / FRAMES_PER_ROW))
        return (first, last) if last - first >= _LEAST_ROWS else None

    def compared(self, at: Alignment, first: int, last: int) -> tuple[Map, Map]:
        """Return both maps over some rows, where both have bins.

        What is hidden is as high as the mean of the rest of its row, in both.
        """
        frames = (_middle(np.arange(first, last)) - at.start) / at.tempo
        one, hidden = self._asked.rows(frames, at.bins)
        other = self._notes[first:last, self._asked.columns(at.bins)]
        if hidden is None:
            return one, other
        return _levelled(one, hidden), _levelled(other, hidden)

    def hidden(self, at: Alignment, first: int, last: int) -> float:
        """Return what share of what stands out in the recording is hidden."""
        frames = (_middle(np.arange(first, last)) - at.start) / at.tempo
        _, hidden = self._asked.rows(frames, at.bins)
        if hidden is None:
            return 0.0
        notes = self._notes[first:last, self._asked.columns(at.bins)]
        return float(notes[hidden].sum() / max(float(notes.sum()), 1e-6))

    def refined(
        self, at: Alignment, span: tuple[int, int], stretches: Sequence[float]
    ) -> tuple[Alignment, float]:
        """Return the best of the alignments nearby, and its likeness."""
        middle = FRAMES_PER_ROW * (span[0] + span[1]) / 2
        # Not all rows: enough to tell which alignment is better.
        step = max(1, (span[1] - span[0]) // _ENOUGH_ROWS)
        likeness = self._likeness(np.arange(*span, step))
        best, value = at, likeness(at)
        if value < _HOPELESS:
            return best, value
        steps: list[Callable[[Alignment], list[Alignment]]] = [
            lambda a: [_moved(a, offset) for offset in OFFSETS],
            lambda a: [_moved(a, 0, bins=n) for n in (-1, -0.5, 0.5, 1)],
            lambda a: [_stretched(a, 1 + by, middle) for by in stretches],
            lambda a: [_moved(a, offset) for offset in (-0.5, 0.5)],
        ]
        for nearby in steps:
            for near in nearby(best):
                if (found := likeness(near)) > value:
                    best, value = near, found
        return best, value

    def _likeness(self, rows: Ints) -> Callable[[Alignment], float]:
        """Return what tells the correlation of some rows under an alignment."""
        notes, middle, asked = self._notes[rows], _middle(rows), self._asked
        known: dict[float, tuple[Map, float]] = {}

        def likeness(at: Alignment) -> float:
            frames = (middle - at.start) / at.tempo
            if at.bins not in known:
                away = _away(notes[:, asked.columns(at.bins)])
                spread = float(np.vdot(away, away))
                wide = away if asked.is_hidden else asked.widened(away, at.bins)
                known[at.bins] = wide, spread
            away, spread = known[at.bins]
            if asked.is_hidden:
                return _seen_correlation(*asked.rows(frames, at.bins), away)
            places = asked.places(frames)
            # Whole rows, as taking parts of them would take longer.
            both = float(np.vdot(asked.whole_map(at.bins).take(places, axis=0), away))
            own = float(asked.spread(at.bins).take(places).sum())
            return both / math.sqrt(max(own * spread, 0.0) + 1e-6)

        return likeness

    def wander(self, at: Alignment, first: int, last: int) -> float:
        """Return how far the lags of parts of the match are from one another."""
        n, columns = last - first, self._asked.columns(at.bins)
        begin = FRAMES_PER_ROW * first + (FRAMES_PER_ROW - 1) / 2 - _MOST_LAG
        n_places = FRAMES_PER_ROW * (n - 1) + 2 * _MOST_LAG + 1
        places = begin + np.arange(n_places, dtype=np.float64)
        lagged, hidden = self._asked.rows((places - at.start) / at.tempo, at.bins)
        other = self._notes[first:last, columns]
        if hidden is not None:
            lagged = _levelled(lagged, hidden)
            unlagged = hidden[_MOST_LAG::FRAMES_PER_ROW][:n]
            other = _levelled(other, unlagged)
        away = _away(other)
        cut = np.linspace(0, n, max(1, n // _LAG_ROWS) + 1).astype(np.int64)[:-1]
        spread = np.add.reduceat(np.einsum("ij,ij->i", away, away), cut)
        # Places a frame apart, rows two: those of a lag are every other one.
        halves = [np.ascontiguousarray(lagged[i::FRAMES_PER_ROW]) for i in (0, 1)]
        squares = [
            np.einsum("ij,ij->i", one, one) - one.sum(1) ** 2 / one.shape[1]
            for one in halves
        ]
        table = []
        for i in range(len(_LAGS)):
            half, some = i % FRAMES_PER_ROW, i // FRAMES_PER_ROW
            one, own = (part[half][some : some + n] for part in (halves, squares))
            both = np.add.reduceat(np.einsum("ij,ij->i", one, away), cut)
            own = np.add.reduceat(own, cut)
            table.append(both / np.sqrt(own * spread + 1e-3))
        return _spread(np.array(table))


def products(one: Map, other: Map) -> tuple[Floats, Floats, Floats]:
    """Return for each row covariance and both variances, times the bins."""
    n = one.shape[1]
    sum_one, sum_other = one.sum(1), other.sum(1)
    return (
        np.einsum("ij,ij->i", one, other) - sum_one * sum_other / n,
        np.einsum("ij,ij->i", one, one) - sum_one**2 / n,
        np.einsum("ij,ij->i", other, other) - sum_other**2 / n,
    )


def _doubled(notes: Map) -> Map:
    """Return frames with what lies half way between them, `(2n - 1, n_bins)`."""
    found = np.empty((2 * len(notes) - 1, notes.shape[1]), np.float32)
    found[::2] = notes
    np.add(notes[1:], notes[:-1], out=found[1::2])
    found[1::2] *= np.float32(0.5)
    return found


def _doubled_places(places: Bools) -> Bools:
    """Return them at half frames too, hidden where either frame is."""
    found = np.repeat(places, 2, axis=0)[:-1]
    found[1::2] |= places[1:]
    return found


def _middle(rows: Ints) -> Floats:
    """Return the frames in the middle of rows."""
    return np.asarray((rows + 0.5) * FRAMES_PER_ROW - 0.5, np.float64)


def _levelled(notes: Map, hidden: Bools) -> Map:
    """Return rows whose hidden places are as high as the mean of the others."""
    n_seen = np.maximum((~hidden).sum(1), 1)
    mean = np.where(hidden, np.float32(0), notes).sum(1) / n_seen
    return np.where(hidden, mean[:, None].astype(np.float32), notes)


def _seen_correlation(one: Map, hidden: Bools | None, other: Map) -> float:
    """Return the correlation of all rows over what is not hidden."""
    hidden = np.zeros(one.shape, bool) if hidden is None else hidden
    seen = (~hidden).astype(np.float32)
    n = np.maximum(seen.sum(1), 1)
    one, other = one * seen, other * seen
    sum_one, sum_other = one.sum(1), other.sum(1)
    both = float(np.vdot(one, other) - np.vdot(sum_one / n, sum_other))
    first = float(np.vdot(one, one) - np.vdot(sum_one / n, sum_one))
    second = float(np.vdot(other, other) - np.vdot(sum_other / n, sum_other))
    return both / math.sqrt(max(first * second, 0.0) + 1e-6)


def _away(notes: Map) -> Map:
    mean = notes.sum(1, keepdims=True) * np.float32(1 / notes.shape[1])
    return np.asarray(notes - mean, np.float32)


def _moved(at: Alignment, frames: float, *, bins: float = 0.0) -> Alignment:
    """Return another start and shift; `replace` takes several times as long."""
    return Alignment(start=at.start + frames, tempo=at.tempo, bins=at.bins + bins)


def _stretched(at: Alignment, by: float, middle: float) -> Alignment:
    """Return another tempo, the middle staying where it is."""
    start = middle - (middle - at.start) * by
    return Alignment(start=start, tempo=at.tempo * by, bins=at.bins)


def _spread(table: Floats) -> float:
    """Return the standard deviation of the lags at which columns are highest."""
    best = np.clip(table.argmax(0), 1, len(table) - 2)
    columns = np.arange(table.shape[1])
    before, at, after = (table[best + i, columns] for i in (-1, 0, 1))
    bend = np.maximum(2 * at - before - after, 1e-6)
    lags = _LAGS[best] + np.clip(0.5 * (after - before) / bend, -1, 1)
    return float(np.sqrt(np.mean((lags - np.median(lags)) ** 2)))
