"""Onsets laid on onsets: how well one rhythm lies along another at one tempo ratio.

Onsets that were not heard, or are heard and were not played, break a sequence of
lengths; here they cost a little each, wherever they are. A correlation of smoothed
trains of onsets proposes tempo ratios and places. Along each of these lines, onsets
that meet count by how rare that is among so many, those left alone count against it,
and the best stretch in between is the score.

References:
    Eerola, Järvinen, Louhivuori and Toiviainen, "Statistical features and perceived
    similarity of folk melodies", Music Perception 18, 2001, and Toiviainen and Eerola,
    "Autocorrelation in meter induction", JASA 119, 2006, for onsets as smoothed trains.
    Kadane's maximal stretch: Bentley, "Programming pearls", CACM 27, 1984.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

__all__ = ["Line", "Meeting", "Trains", "drawn", "meeting"]

Floats = NDArray[np.float64]

_FRAME_S = 0.04
_BLUR, _AROUND = 1.0, 75  # frames: of an onset, and over which they are counted
_FEW = 0.01  # onsets a frame
_MEETS_S = 0.06  # how far apart onsets still meet
_ALONE, _PLAIN = 0.3, 0.35  # what an onset costs that meets none, and of what one
# counts that meets where lengths repeat, as they do in all music
_N_DRAWN, _LEAST_MET = 3, 6
_EQUAL = 0.2  # of the logarithm of two lengths' ratio


@dataclass(frozen=True, slots=True)
class Line:
    """Where onsets of a query lie in a reference: at `start_s` plus `ratio` times."""

    ratio: float
    start_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """What meets along a line, in its best stretch.

    Attributes:
        score: At least 0.
        pairs: Numbers of onsets in query and reference, `(n, 2)`, ascending.
    """

    score: float
    pairs: NDArray[np.intp]


class Trains:
    """The onsets of a query as trains, stretched as they are asked for.

    Args:
        onsets: In seconds from 0, ascending, at least one.
        longest_s: Of the references.
        most: The largest ratio that is asked for.
    """

    def __init__(self, onsets: Floats, longest_s: float, most: float) -> None:
        self._onsets = onsets
        length_s = float(onsets[-1]) * most + longest_s
        self._n: int = next_fast_len(int(length_s / _FRAME_S) + 2, real=True)
        self._known: dict[float, NDArray[np.complex64]] = {}

    def lines(self, reference: Floats, ratios: Floats) -> tuple[Floats, Floats]:
        """Return for each ratio how high its best line is, and where that begins."""
        there = rfft(_train(reference, self._n))
        here = np.stack([self._stretched(float(ratio)) for ratio in ratios])
        both = irfft(there * here, self._n, axis=1)
        place = both.argmax(axis=1)
        height = both[np.arange(len(ratios)), place].astype(np.float64)
        # What lies beyond half of it begins before the reference does.
        most = int(float(reference[-1]) / _FRAME_S) + 1
        start = np.where(place > most, place - self._n, place) * _FRAME_S
        return height, start

    def _stretched(self, ratio: float) -> NDArray[np.complex64]:
        if ratio not in self._known:
            found = np.conj(rfft(_train(self._onsets * ratio, self._n)))
            self._known[ratio] = found.astype(np.complex64)
        return self._known[ratio]


def _train(onsets: Floats, n: int) -> NDArray[np.float32]:
    """Return onsets blurred, less how many there are around, `(n,)`."""
    places = np.rint(onsets / _FRAME_S).astype(np.intp)
    length = int(places[-1]) + 1
    counts = np.bincount(places, minlength=length).astype(np.float32)
    around = uniform_filter1d(counts, _AROUND, mode="nearest")
    blurred = gaussian_filter1d(counts, _BLUR, mode="constant", truncate=3)
    train = np.zeros(n, np.float32)
    train[:length] = (blurred - around) / np.sqrt(np.maximum(around, 0) + _FEW)
    return train


def meeting(query: Floats, reference: Floats, line: Line) -> Meeting:
    """Return what meets along a line: pairs of which each is nearest to the other."""
    moved = line.start_s + line.ratio * query
    nearest = _nearest(reference, moved)
    off = np.abs(reference[nearest] - moved)
    is_met = _nearest(moved, reference)[nearest] == np.arange(len(query))
    is_met &= off < _MEETS_S
    first, last = max(moved[0], reference[0]), min(moved[-1], reference[-1])
    is_plain = _repeats(query) | _repeats(reference)[nearest]
    gain = _rarity(reference, moved) * (1 - (off / _MEETS_S) ** 2)
    gain = np.where(is_met, np.where(is_plain, _PLAIN, 1.0) * gain, -_ALONE)
    gain = np.where((moved < first) | (moved > last), 0.0, gain)
    alone = (reference >= first) & (reference <= last)
    alone[nearest[is_met]] = False
    cost = np.full(np.count_nonzero(alone), -_ALONE)
    score, start, end = _best_stretch(
        np.concatenate([moved, reference[alone]]), np.concatenate([gain, cost])
    )
    chosen = np.flatnonzero(is_met & (moved >= start) & (moved <= end))
    return Meeting(score, np.stack([chosen, nearest[chosen]], axis=1))


def drawn(query: Floats, reference: Floats, line: Line) -> Meeting:
    """Return what meets along a line, drawn anew through it while that gives more."""
    best = meeting(query, reference, line)
    for _ in range(_N_DRAWN):
        if len(best.pairs) < _LEAST_MET:
            break
        here, there = query[best.pairs[:, 0]], reference[best.pairs[:, 1]]
        ratio = float(np.cov(here, there)[0, 1] / here.var(ddof=1))
        line = Line(ratio, float(there.mean() - ratio * here.mean()))
        found = meeting(query, reference, line)
        if found.score <= best.score:
            break
        best = found
    return best


def _rarity(reference: Floats, moved: Floats) -> Floats:
    """Return the surprise that onsets meet some among so many around them."""
    last, first = (np.searchsorted(reference, moved + by) for by in (1, -1))
    by_chance = 1 - np.exp(-_MEETS_S * np.maximum(last - first, 1))
    return np.asarray(-np.log(by_chance))


def _repeats(onsets: Floats) -> NDArray[np.bool_]:
    """Tell which onsets come as long after the one before as that came."""
    length = np.log(np.maximum(np.diff(onsets), _FRAME_S))
    result = np.zeros(len(onsets), bool)
    result[2:] = np.abs(np.diff(length)) < _EQUAL
    return result


def _nearest(ordered: Floats, wanted: Floats) -> NDArray[np.intp]:
    """Return which of some ascending times is nearest to each of others."""
    after = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(ordered[before] - wanted) < np.abs(ordered[after] - wanted)
    return np.where(is_before, before, after)


def _best_stretch(times: Floats, gains: Floats) -> tuple[float, float, float]:
    """Return the largest sum of gains in any stretch of time, and its ends."""
    order = np.argsort(times, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(gains[order])])
    rise = total - np.minimum.accumulate(total)
    last = int(rise.argmax())
    if last == 0:
        return 0.0, 0.0, -1.0
    first = int(total[:last].argmin())
    ordered = times[order]
    return float(rise[last]), float(ordered[first]), float(ordered[last - 1])
