"""Decides whether a proposed alignment holds: sound laid upon sound.

The query's map is shifted and stretched as proposed and compared with the notes
that the index keeps, place by place. Where along the query the two agree tells
what part of it the recording is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from contrafact.matching.fingerprint._notes import (
    HIGHEST,
    N_KEPT_BINS,
    unpack_notes,
)
from contrafact.matching.fingerprint._segments import FRAMES_PER_ROW
from contrafact.matching.fingerprint._spectrum import PER_SEMITONE, Map
from contrafact.matching.fingerprint._voting import Proposal

__all__ = ["Alignment", "Approach", "Found", "Window", "approach", "compare"]

Floats = NDArray[np.float64]
_OFFSETS = (-2.0, -1.0, 1.0, 2.0)  # frames
_STRETCHES = (-0.012, -0.006, 0.006, 0.012)
_HOPELESS = 0.15  # likeness below which no better alignment is looked for
_LEAST_ROWS = 24
_LONG_ROWS = 240
_MARGIN = 32  # rows around what is proposed
_SMOOTH, _FINE = 17, 7  # rows: about a second, and half of it
_WORTH = 0.25  # likeness above which a second belongs to the match
_WORTH_OF_IT = 0.65  # of the likeness of the whole match, for its bounds
_LAG_ROWS = 16
_ENOUGH_ROWS = 60
_HIGH = 100  # bin above which noise is heard best
_STRONG = 3.5
_TOLD, _LEAST_BINS = 0.15, 6
_LAGS = np.arange(-4, 5)  # frames


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a comparison found.

    Attributes:
        first: First frame of the query that matches.
        last: The frame after the last.
        likeness: Correlation of the two maps there, -1 to 1.
        lowest: What the likeness of half a second falls below in a tenth of it.
        kept: How strong the query is where the recording is, from 0 to 1.
        wander: How far the timing strays from the line, in frames, at or above 0.
        covered: How strong the recording is where the query is, from 0 to 1.
        followed: What the correlation in time exceeds in a tenth of the bins.
        steady: How much rows of the query are like the next but one, up high.
        steadier: By how much more, over all bins, than those of the recording.
        denser: By how much more of the query stands out up high.
    """

    alignment: Alignment
    first: float
    last: float
    likeness: float
    lowest: float
    kept: float
    wander: float
    covered: float
    followed: float
    steady: float
    steadier: float
    denser: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Approach:
    """A proposal set right, and how it looks at first sight.

    Attributes:
        likeness: Correlation of some rows of the two maps.
    """

    pair: _Pair
    alignment: Alignment
    span: tuple[int, int]
    skipped: int
    likeness: float


def approach(
    query: Map, rows: NDArray[np.uint8], proposal: Proposal, window: Window
) -> Approach | None:
    """Return the best alignment near a proposal, None if there is hardly a likeness.

    Args:
        query: Map of the whole query, as `reduced` returns it.
        rows: Notes of the whole recording as packed; only what is needed is read.
        proposal: Counted from the begin of the recording.
        window: Where in the query it was proposed; it may hold for more.
    """
    begin = max(0, int(proposal.start / FRAMES_PER_ROW) - _MARGIN)
    end = begin + int(proposal.tempo * len(query) / FRAMES_PER_ROW) + 2 * _MARGIN
    shift = begin * FRAMES_PER_ROW
    at = Alignment(
        start=proposal.start - shift,
        tempo=proposal.tempo,
        bins=round(proposal.semitones * PER_SEMITONE),
    )
    pair = _Pair(query, unpack_notes(rows[begin:end]))
    if (span := pair.rows_of(at)) is None:
        return None
    here = pair.rows_of(at, window) or span
    at, likeness = pair.refined(at, here, _STRETCHES)
    if likeness < _HOPELESS:
        return None
    return Approach(
        pair=pair, alignment=at, span=span, skipped=shift, likeness=likeness
    )


def compare(one: Approach) -> Found | None:
    """Return how well a query lies upon a recording, None if hardly at all."""
    pair, at, span = one.pair, one.alignment, one.span
    first, last = _best_stretch(pair.likeness(at, *span, _SMOOTH) - _WORTH)
    if last - first < _LEAST_ROWS:
        return None
    if last - first > _LONG_ROWS:
        # Over a long match a small error of the tempo adds up.
        length = (last - first) * FRAMES_PER_ROW
        finer = tuple(n / length for n in _OFFSETS)
        at, _ = pair.refined(at, (span[0] + first, span[0] + last), finer)
    fine = pair.likeness(at, *span, _FINE)
    worth = max(_WORTH, _WORTH_OF_IT * float(np.median(fine[first:last])))
    first, last = _best_stretch(fine - worth)
    if last - first < _LEAST_ROWS:
        return None
    span = span[0] + first, span[0] + last
    here, there = pair.compared(at, *span)
    frames = (np.array(span) * FRAMES_PER_ROW - at.start) / at.tempo
    high = here[:, _HIGH:], there[:, _HIGH:]
    return Found(
        alignment=replace(at, start=at.start + one.skipped),
        first=max(0.0, float(frames[0])),
        last=min(float(pair.n_frames), float(frames[1])),
        likeness=_correlation(here, there),
        lowest=float(np.quantile(fine[first:last], 0.1)),
        kept=_kept(here, there),
        wander=pair.wander(at, *span),
        covered=_kept(there, here),
        followed=_followed(here, there),
        steady=_steadiness(high[0]),
        steadier=_steadiness(here) - _steadiness(there),
        denser=float((high[0] > 1).mean() - (high[1] > 1).mean()),
    )


class _Pair:
    def __init__(self, query: Map, rows: Map) -> None:
        self._query, self._rows = query, rows
        self.n_frames = len(query)

    def rows_of(
        self, at: Alignment, window: Window | None = None
    ) -> tuple[int, int] | None:
        """Return the rows on which the query lies, None if they are too few."""
        window = window or Window(0, len(self._query))
        begin = at.start + at.tempo * window.first
        end = at.start + at.tempo * window.last
        first = max(0, int(np.ceil(begin / FRAMES_PER_ROW)))
        last = min(len(self._rows), int(end / FRAMES_PER_ROW))
        return (first, last) if last - first >= _LEAST_ROWS else None

    def compared(
        self,
        at: Alignment,
        first: int,
        last: int,
        *,
        shift: float = 0.0,
        step: int = 1,
    ) -> tuple[Map, Map]:
        """Return both maps over some rows, where both have bins."""
        middle = (np.arange(first, last, step) + 0.5) * FRAMES_PER_ROW - 0.5
        frames = (middle - at.start) / at.tempo + shift
        last_frame = len(self._query) - 1
        low = np.minimum(np.maximum(frames.astype(np.int64), 0), last_frame)
        high = np.minimum(low + 1, last_frame)
        whole = int(np.floor(at.bins))
        width = min(N_KEPT_BINS, self._query.shape[1] - 1 - whole)
        columns = slice(max(0, -whole), width)
        part = np.minimum(np.maximum(frames - low, 0), 1)[:, None].astype(np.float32)
        one = self._part(low, whole, columns) * (1 - part)
        one += self._part(high, whole, columns) * part
        if rest := np.float32(at.bins - whole):
            one *= 1 - rest
            one += self._part(low, whole + 1, columns) * (rest * (1 - part))
            one += self._part(high, whole + 1, columns) * (rest * part)
        return one, self._rows[first:last:step, columns]

    def _part(self, frames: NDArray[np.int64], bins: int, columns: slice) -> Map:
        return self._query[frames, columns.start + bins : columns.stop + bins]

    def refined(
        self, at: Alignment, span: tuple[int, int], stretches: Sequence[float]
    ) -> tuple[Alignment, float]:
        """Return the best of the alignments nearby, and its likeness."""
        middle = FRAMES_PER_ROW * (span[0] + span[1]) / 2
        # Not all rows: enough to tell which alignment is better.
        step = max(1, (span[1] - span[0]) // _ENOUGH_ROWS)

        def likeness(near: Alignment) -> float:
            return _correlation(*self.compared(near, *span, step=step))

        best, value = at, likeness(at)
        if value < _HOPELESS:
            return best, value
        steps: list[Callable[[Alignment], list[Alignment]]] = [
            lambda a: [replace(a, start=a.start + offset) for offset in _OFFSETS],
            lambda a: [replace(a, bins=a.bins + n) for n in (-1, -0.5, 0.5, 1)],
            lambda a: [_stretched(a, 1 + by, middle) for by in stretches],
            lambda a: [replace(a, start=a.start + offset) for offset in (-0.5, 0.5)],
        ]
        for nearby in steps:
            for near in nearby(best):
                if (found := likeness(near)) > value:
                    best, value = near, found
        return best, value

    def likeness(self, at: Alignment, first: int, last: int, n_around: int) -> Floats:
        """Return the correlation of each row with the rows around, `(n_rows,)`."""
        one, other = self.compared(at, first, last)
        means = [
            uniform_filter1d(p, n_around, mode="nearest") for p in _products(one, other)
        ]
        return np.asarray(means[0] / np.sqrt(means[1] * means[2] + 1e-3), np.float64)

    def wander(self, at: Alignment, first: int, last: int) -> float:
        """Return how far the lags of parts of the match are from one another."""
        lagged = [
            self.compared(at, first, last, shift=float(lag) / at.tempo) for lag in _LAGS
        ]
        other = lagged[0][1]
        n = max(1, len(other) // _LAG_ROWS)
        cut = np.linspace(0, len(other), n + 1).astype(np.int64)[:-1]
        away = other - other.mean(1, keepdims=True)
        spread = np.add.reduceat(np.einsum("ij,ij->i", away, away), cut)
        table = []
        for one, _ in lagged:
            both = np.einsum("ij,ij->i", one, away)
            own = np.einsum("ij,ij->i", one, one) - one.sum(1) ** 2 / one.shape[1]
            own, both = np.add.reduceat(own, cut), np.add.reduceat(both, cut)
            table.append(both / np.sqrt(own * spread + 1e-3))
        return _spread(np.array(table))


def _stretched(at: Alignment, by: float, middle: float) -> Alignment:
    """Return another tempo, the middle staying where it is."""
    start = middle - (middle - at.start) * by
    return replace(at, start=start, tempo=at.tempo * by)


def _spread(table: Floats) -> float:
    """Return the standard deviation of the lags at which columns are highest."""
    best = np.clip(table.argmax(0), 1, len(table) - 2)
    columns = np.arange(table.shape[1])
    before, at, after = (table[best + i, columns] for i in (-1, 0, 1))
    bend = np.maximum(2 * at - before - after, 1e-6)
    lags = _LAGS[best] + np.clip(0.5 * (after - before) / bend, -1, 1)
    return float(np.sqrt(np.mean((lags - np.median(lags)) ** 2)))


def _products(one: Map, other: Map) -> tuple[Floats, Floats, Floats]:
    """Return for each row covariance and both variances, times the bins."""
    n = one.shape[1]
    sum_one, sum_other = one.sum(1), other.sum(1)
    return (
        np.einsum("ij,ij->i", one, other) - sum_one * sum_other / n,
        np.einsum("ij,ij->i", one, one) - sum_one**2 / n,
        np.einsum("ij,ij->i", other, other) - sum_other**2 / n,
    )


def _correlation(one: Map, other: Map) -> float:
    """Return the correlation of all rows, the mean of each taken off."""
    n = one.shape[1]
    sum_one, sum_other = one.sum(1), other.sum(1)
    both = float(np.vdot(one, other) - np.vdot(sum_one, sum_other) / n)
    first = float(np.vdot(one, one) - np.vdot(sum_one, sum_one) / n)
    second = float(np.vdot(other, other) - np.vdot(sum_other, sum_other) / n)
    return both / float(np.sqrt(max(first * second, 0.0) + 1e-6))


def _kept(one: Map, other: Map) -> float:
    """Return how strong one is where the other is strongest, 0 as anywhere, to 1."""
    is_strong = other >= min(_STRONG, float(other.max(initial=0.0)))
    anywhere = float(one.mean())
    return (float(one[is_strong].mean()) - anywhere) / (HIGHEST - anywhere)


def _followed(one: Map, other: Map) -> float:
    """Return what the correlation in time exceeds in a tenth of the bins."""
    products = _products(one.T, other.T)
    is_told = products[2] > _TOLD * len(one)
    if is_told.sum() < _LEAST_BINS:
        is_told[:] = True
    both, first, second = (p[is_told] for p in products)
    return float(np.quantile(both / np.sqrt(first * second + 1e-3), 0.9))


def _steadiness(notes: Map) -> float:
    """Return how much rows are like the next but one."""
    one, other = notes[2:] - notes[2:].mean(), notes[:-2] - notes[:-2].mean()
    spread = float(np.sqrt(np.vdot(one, one) * np.vdot(other, other) + 1e-6))
    return float(np.vdot(one, other)) / spread


def _best_stretch(values: Floats) -> tuple[int, int]:
    """Return between which bounds the sum of the values is largest."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    lowest = np.minimum.accumulate(sums)
    last = int((sums - lowest).argmax())
    first = int(sums[: last + 1].argmin())
    return first, last
