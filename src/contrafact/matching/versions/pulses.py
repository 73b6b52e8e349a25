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

__all__ = ["Lines", "Meeting", "Trains", "drawn", "meetings"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

_FRAME_S = 0.04
_BLUR, _AROUND = 1.0, 75  # frames: of an onset, and over which they are counted
_FEW = 0.01  # onsets a frame
_MEETS_S = 0.06  # how far apart onsets still meet
_ALONE, _PLAIN = 0.3, 0.35  # what an onset costs that meets none, and of what one
# counts that meets where lengths repeat, as they do in all music
_EQUAL = 0.2  # of the logarithm of two lengths' ratio
_N_DRAWN, _LEAST_MET = 3, 6


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Where onsets of a query lie in a reference: at `start_s` plus `ratio` times.

    Attributes:
        ratio: Seconds of the reference for one of the query, `(line,)`.
        start_s: Where the query begins, which may be before the reference does.
    """

    ratio: Floats
    start_s: Floats

    def __len__(self) -> int:
        """Return how many lines there are."""
        return len(self.ratio)

    def at(self, which: Ints) -> Lines:
        """Return some of them."""
        return Lines(self.ratio[which], self.start_s[which])


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """What meets along a line, in its best stretch.

    Attributes:
        score: At least 0.
        pairs: Numbers of onsets in query and reference, `(n, 2)`, ascending.
    """

    score: float
    pairs: Ints


class Trains:
    """The onsets of a query as trains, each stretched by one of some ratios.

    Args:
        onsets: In seconds from 0, ascending, at least one.
        ratios: By which the query is stretched, `(n,)`.
        longest_s: Of the references.
    """

    def __init__(self, onsets: Floats, ratios: Floats, longest_s: float) -> None:
        self._ratios = ratios
        length_s = float(onsets[-1] * ratios.max()) + longest_s
        self._n: int = next_fast_len(int(length_s / _FRAME_S) + 2, real=True)
        self._spectra = np.conj(rfft(_trains(onsets * ratios[:, None], self._n)))

    def lines(self, reference: Floats, which: Ints) -> tuple[Lines, Floats]:
        """Return the best line at each of some ratios, and how high it is."""
        there = rfft(_trains(reference[None], self._n)[0])
        both = irfft(there * self._spectra[which], self._n, axis=1)
        place = both.argmax(axis=1)
        height = both[np.arange(len(which)), place].astype(np.float64)
        # What would begin beyond its end begins before the reference does.
        most = int(float(reference[-1]) / _FRAME_S) + 1
        start = np.where(place > most, place - self._n, place) * _FRAME_S
        return Lines(self._ratios[which], start), height


def _trains(onsets: Floats, n: int) -> NDArray[np.float32]:
    """Return rows of onsets blurred, less how many there are around, `(row, n)`."""
    places = np.rint(onsets / _FRAME_S).astype(np.intp)
    rows = np.arange(len(places))[:, None]
    counts = np.zeros((len(places), n), np.float32)
    np.add.at(counts, (np.broadcast_to(rows, places.shape), places), 1)
    around = uniform_filter1d(counts, _AROUND, axis=1, mode="constant")
    train = gaussian_filter1d(counts, _BLUR, axis=1, mode="constant", truncate=3)
    train -= around
    train /= np.sqrt(np.maximum(around, 0) + np.float32(_FEW))
    train[np.arange(n) > places[:, -1:]] = 0
    return np.asarray(train, np.float32)


def meetings(query: Floats, reference: Floats, lines: Lines) -> list[Meeting]:
    """Return what meets along each line: pairs of which each is nearest the other."""
    moved = lines.start_s[:, None] + lines.ratio[:, None] * query
    back = (reference - lines.start_s[:, None]) / lines.ratio[:, None]
    nearest = _nearest(reference, moved)
    is_met = np.take_along_axis(_nearest(query, back), nearest, 1) == np.arange(
        len(query)
    )
    off = np.abs(reference[nearest] - moved)
    is_met &= off < _MEETS_S
    first = np.maximum(moved[:, :1], reference[0])
    last = np.minimum(moved[:, -1:], reference[-1])
    is_plain = _repeats(query) | _repeats(reference)[nearest]
    gain = _rarity(reference, moved) * (1 - (off / _MEETS_S) ** 2)
    gain = np.where(is_met, np.where(is_plain, _PLAIN, 1.0) * gain, -_ALONE)
    gain[(moved < first) | (moved > last)] = 0
    alone = (reference >= first) & (reference <= last)
    line, met = np.nonzero(is_met)
    alone[line, nearest[line, met]] = False
    times = np.concatenate([moved, np.broadcast_to(reference, alone.shape)], axis=1)
    gains = np.concatenate([gain, np.where(alone, -_ALONE, 0.0)], axis=1)
    score, start, end = _best_stretch(times, gains)
    is_met &= (moved >= start[:, None]) & (moved <= end[:, None])
    return [
        Meeting(float(value), np.stack([met := np.flatnonzero(m), to[met]], axis=1))
        for value, m, to in zip(score, is_met, nearest, strict=True)
    ]


def drawn(query: Floats, reference: Floats, line: Lines) -> Meeting:
    """Return what meets along a line, drawn anew through it while that gives more."""
    (best,) = meetings(query, reference, line)
    for _ in range(_N_DRAWN):
        if len(best.pairs) < _LEAST_MET:
            break
        here, there = query[best.pairs[:, 0]], reference[best.pairs[:, 1]]
        ratio = np.cov(here, there)[0, 1] / here.var(ddof=1)
        start_s = there.mean() - ratio * here.mean()
        anew = Lines(np.array([ratio]), np.array([start_s]))
        (found,) = meetings(query, reference, anew)
        if found.score <= best.score:
            break
        best = found
    return best


def _rarity(reference: Floats, moved: Floats) -> Floats:
    """Return the surprise that onsets meet some among so many around them."""
    last, first = (np.searchsorted(reference, moved + by) for by in (1, -1))
    by_chance = 1 - np.exp(-_MEETS_S * np.maximum(last - first, 1))
    return np.asarray(-np.log(by_chance))


def _repeats(onsets: Floats) -> Bools:
    """Tell which onsets come as long after the one before as that came."""
    length = np.log(np.maximum(np.diff(onsets), _FRAME_S))
    result = np.zeros(len(onsets), bool)
    result[2:] = np.abs(np.diff(length)) < _EQUAL
    return result


def _nearest(ordered: Floats, wanted: Floats) -> Ints:
    """Return which of some ascending times is nearest to each of others."""
    after = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(ordered[before] - wanted) < np.abs(ordered[after] - wanted)
    return np.where(is_before, before, after)


def _best_stretch(times: Floats, gains: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the largest sum of gains in any stretch of each row, and its ends."""
    order = np.argsort(times, axis=1, kind="stable")
    total = np.cumsum(np.take_along_axis(gains, order, 1), axis=1)
    total = np.pad(total, ((0, 0), (1, 0)))
    lowest = np.minimum.accumulate(total, axis=1)
    last = (total - lowest).argmax(axis=1)
    rows = np.arange(len(times))
    # The first place from which the sum rises to its highest.
    first = (total == lowest[rows, last][:, None]).argmax(axis=1)
    ordered = np.take_along_axis(times, order, 1)
    start = ordered[rows, np.minimum(first, times.shape[1] - 1)]
    end = np.where(last > 0, ordered[rows, last - 1], -np.inf)
    return total[rows, last] - lowest[rows, last], start, end
