"""Decides whether a proposed alignment holds: sound laid upon sound.

The query's map is shifted and stretched as proposed and compared with the notes
that the index keeps, place by place. Where along the query the two agree tells
what part of it the recording is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from contrafact.matching.fingerprint._notes import (
    HIGHEST,
    N_KEPT_BINS,
    unpack_notes,
)
from contrafact.matching.fingerprint._overlay import (
    OFFSETS,
    Alignment,
    Asked,
    Overlay,
    Window,
    products,
)
from contrafact.matching.fingerprint._segments import FRAMES_PER_ROW
from contrafact.matching.fingerprint._spectrum import PER_SEMITONE, Map
from contrafact.matching.fingerprint._voting import Proposal

__all__ = ["Approach", "Found", "approach", "compare", "strong_places"]

Floats = NDArray[np.float64]
_STRETCHES = (-0.012, -0.006, 0.006, 0.012)
_HOPELESS = 0.15  # likeness below which a proposal is dropped
_LEAST_ROWS = 24
_LONG_ROWS = 240
_MARGIN = 32  # rows around what is proposed
_SMOOTH, _FINE = 17, 7  # rows: about a second, and half of it
_WORTH = 0.25  # likeness above which a second belongs to the match
_WORTH_OF_IT = 0.65  # of the likeness of the whole match, for its bounds
_HIGH = 100  # bin above which noise is heard best
_STRONG = 3.5
_HIDES = 2.0  # height of what no other recording is heard beside
_TOLD, _LEAST_BINS = 0.15, 6


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
        hidden: What share of the recording another one hides, which is not compared.
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
    hidden: float

    @property
    def strength(self) -> float:
        """One number that needs no calibration: how alike, for how long."""
        return self.likeness * float(np.log(self.last - self.first))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Approach:
    """A proposal set right, and how it looks at first sight.

    Attributes:
        likeness: Correlation of some rows of the two maps.
    """

    pair: Overlay
    alignment: Alignment
    span: tuple[int, int]
    skipped: int
    likeness: float


def approach(
    query: Asked, rows: NDArray[np.uint8], proposal: Proposal, window: Window
) -> Approach | None:
    """Return the best alignment near a proposal, None if there is hardly a likeness.

    Args:
        query: The whole query.
        rows: Notes of the whole recording as packed; only what is needed is read.
        proposal: Counted from the begin of the recording.
        window: Where in the query it was proposed; it may hold for more.
    """
    begin = max(0, int(proposal.start / FRAMES_PER_ROW) - _MARGIN)
    end = begin + int(proposal.tempo * query.n_frames / FRAMES_PER_ROW) + 2 * _MARGIN
    shift = begin * FRAMES_PER_ROW
    at = Alignment(
        start=proposal.start - shift,
        tempo=proposal.tempo,
        bins=round(proposal.semitones * PER_SEMITONE),
    )
    pair = Overlay(query, unpack_notes(rows[begin:end]))
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
    rows = products(*pair.compared(at, *span))
    first, last = _best_stretch(_likeness(rows, _SMOOTH) - _WORTH)
    if last - first < _LEAST_ROWS:
        return None
    if last - first > _LONG_ROWS:
        # Over a long match a small error of the tempo adds up.
        length = (last - first) * FRAMES_PER_ROW
        finer = tuple(n / length for n in OFFSETS)
        at, _ = pair.refined(at, (span[0] + first, span[0] + last), finer)
        rows = products(*pair.compared(at, *span))
    fine = _likeness(rows, _FINE)
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
        lowest=_quantile(fine[first:last], 0.1),
        kept=_kept(here, there),
        wander=pair.wander(at, *span),
        covered=_kept(there, here),
        followed=_followed(here, there),
        steady=_steadiness(high[0]),
        steadier=_steadiness(here) - _steadiness(there),
        denser=float((high[0] > 1).mean() - (high[1] > 1).mean()),
        hidden=pair.hidden(at, *span),
    )


def strong_places(
    rows: NDArray[np.uint8], found: Found, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return where in the map of a query the strong notes of a match lie.

    Args:
        rows: Notes of the whole recording as packed.
        found: How it lies on the query.
        shape: Of the query's map.
    """
    at, (n_frames, n_bins) = found.alignment, shape
    frames = np.arange(int(found.first), min(int(np.ceil(found.last)), n_frames))
    row = np.floor((at.start + at.tempo * frames) / FRAMES_PER_ROW).astype(np.int64)
    is_in = (row >= 0) & (row < len(rows))
    bins = np.rint(np.arange(n_bins) - at.bins).astype(np.int64)
    has_bin = (bins >= 0) & (bins < N_KEPT_BINS)
    notes = unpack_notes(rows[row[is_in]])
    places = np.zeros((n_frames, n_bins), bool)
    places[np.ix_(frames[is_in], has_bin)] = notes[:, bins[has_bin]] > _HIDES
    return places


def _likeness(rows: tuple[Floats, Floats, Floats], n_around: int) -> Floats:
    """Return the correlation of each row with the rows around, `(n_rows,)`."""
    means = [uniform_filter1d(part, n_around, mode="nearest") for part in rows]
    return np.asarray(means[0] / np.sqrt(means[1] * means[2] + 1e-3), np.float64)


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
    there = float(one.mean(where=is_strong))
    return (there - anywhere) / (HIGHEST - anywhere)


def _followed(one: Map, other: Map) -> float:
    """Return what the correlation in time exceeds in a tenth of the bins."""
    n = len(one)
    sum_one, sum_other = one.sum(0), other.sum(0)
    parts = (
        np.einsum("ij,ij->j", one, other) - sum_one * sum_other / n,
        np.einsum("ij,ij->j", one, one) - sum_one**2 / n,
        np.einsum("ij,ij->j", other, other) - sum_other**2 / n,
    )
    is_told = parts[2] > _TOLD * len(one)
    if is_told.sum() < _LEAST_BINS:
        is_told[:] = True
    both, first, second = (part[is_told] for part in parts)
    return _quantile(both / np.sqrt(first * second + 1e-3), 0.9)


def _quantile(values: Floats, share: float) -> float:
    """Return what a share of the values is below; in a fifth of numpy's time."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    parted = np.partition(values, (low, high))
    return float(parted[low] + (place - low) * (parted[high] - parted[low]))


def _steadiness(notes: Map) -> float:
    """Return how much rows are like the next but one."""
    notes = np.ascontiguousarray(notes)
    one, other = notes[2:], notes[:-2]
    sum_one, sum_other, n = float(one.sum()), float(other.sum()), one.size
    first = float(np.vdot(one, one)) - sum_one**2 / n
    second = float(np.vdot(other, other)) - sum_other**2 / n
    both = float(np.vdot(one, other)) - sum_one * sum_other / n
    return both / math.sqrt(max(first * second, 0.0) + 1e-6)


def _best_stretch(values: Floats) -> tuple[int, int]:
    """Return between which bounds the sum of the values is largest."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    lowest = np.minimum.accumulate(sums)
    last = int((sums - lowest).argmax())
    first = int(sums[: last + 1].argmin())
    return first, last
