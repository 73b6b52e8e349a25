"""Proposes alignments: which shift, tempo and place many matching hashes agree on.

Every pair of equal hashes names a place in the index, a shift of pitch and a
ratio of tempos. What is common to many pairs is worth a closer look; whether it
is a match is decided elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.fingerprint._ordering import in_order

__all__ = [
    "LEAST_PAIRS",
    "MAX_SEMITONES",
    "MAX_STRETCH",
    "PLACE",
    "Pairs",
    "Proposal",
    "propose",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_SEMITONES = 7.5
MAX_STRETCH = 0.33  # of the logarithm of the ratio of tempos
PLACE = 16.0  # frames in a bin
_PITCH, _TEMPO = 0.5, 0.025
# Of the table of both, with an edge around it.
_HEIGHT = int(2 * MAX_SEMITONES / _PITCH) + 3
_WIDTH = int(2 * MAX_STRETCH / _TEMPO) + 3
LEAST_PAIRS = 3


@dataclass(frozen=True, slots=True)
class Pairs:
    """Equal hashes of a query and an index, those of absurd changes left out.

    Attributes:
        query: Time in the query, in frames, `(n,)`.
        place: Time in the index, in frames from its beginning.
        semitones: By how much the query is higher.
        stretch: Logarithm of the ratio of tempos, query over reference.
        span: Of the query's hash, in frames.
        share: Of all such pairs; one number, below 1 where the index has too many.
    """

    query: Floats
    place: Floats
    semitones: Floats
    stretch: Floats
    span: Floats
    share: float = 1.0

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.query)

    def at(self, index: Ints | NDArray[np.bool_]) -> Pairs:
        """Return some of them."""
        return Pairs(
            self.query[index],
            self.place[index],
            self.semitones[index],
            self.stretch[index],
            self.span[index],
            self.share,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A line through the index on which a part of the query may lie.

    Attributes:
        start: Where in the index frame 0 of the query would lie, in frames.
        tempo: Frames of the index for one of the query.
        semitones: By how much the query is higher.
        n_pairs: How many pairs agree, or would if all had been read.
        agreement: Of codes, from 0 to 1; 0 too where codes did not propose it.
    """

    start: float
    tempo: float
    semitones: float
    n_pairs: float
    agreement: float = 0.0

    def place(self, query: float) -> float:
        """Return where a frame of the query lies in the index."""
        return self.start + self.tempo * query


def propose(pairs: Pairs, middle: float, *, n_most: int) -> list[Proposal]:
    """Return the alignments that most pairs agree on, best first.

    Args:
        pairs: Of one part of the query, at most some ten seconds long.
        middle: Of that part, in frames of the query.
        n_most: How many to return at most.
    """
    if len(pairs) < LEAST_PAIRS:
        return []
    where = pairs.place + np.exp(pairs.stretch) * (middle - pairs.query)
    bins, order = in_order(np.floor(where / PLACE).astype(np.int64))
    cells = _cells(pairs)[order]
    found = []
    for first in _fullest(bins, 2 * n_most):
        low, high = np.searchsorted(bins, [first, first + 2])
        found.append(pairs.at(order[low:high][_agreed(cells[low:high])]))
    found.sort(key=lambda some: -len(some))
    kept: list[tuple[float, Proposal]] = []
    for some in found:
        if len(some) < LEAST_PAIRS or len(kept) == n_most:
            break
        proposal = _proposal(some)
        place = proposal.place(middle)
        if not any(_is_same(place, proposal, *other) for other in kept):
            kept.append((place, proposal))
    return [proposal for _, proposal in kept]


def _is_same(place: float, one: Proposal, other_place: float, other: Proposal) -> bool:
    return (
        abs(place - other_place) < PLACE
        and abs(one.semitones - other.semitones) < 1
        and abs(np.log(one.tempo / other.tempo)) < 2 * _TEMPO
    )


def _fullest(bins: Ints, n_most: int) -> Ints:
    """Return the bins that, with the next one, hold most pairs."""
    begins = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    value, count = bins[begins], np.diff(begins, append=len(bins))
    is_next = np.append(value[1:] == value[:-1] + 1, False)
    both = count + np.where(is_next, np.append(count[1:], 0), 0)
    starts = np.concatenate([value, value - 1])
    # The bin before the first of two neighbours would only hold the first.
    totals = np.concatenate([both, count])
    order = np.argsort(-totals, kind="stable")[:n_most]
    return starts[order[totals[order] >= LEAST_PAIRS]]


def _cells(pairs: Pairs) -> Ints:
    """Return the cell of a table of shifts and tempos that each pair is in."""
    pitch = np.rint((pairs.semitones + MAX_SEMITONES) / _PITCH) + 1
    tempo = np.rint((pairs.stretch + MAX_STRETCH) / _TEMPO) + 1
    return np.asarray(pitch * _WIDTH + tempo, np.int64)


def _agreed(cells: Ints) -> NDArray[np.bool_]:
    """Return which pairs of one place agree on the commonest shift and tempo."""
    table = np.bincount(cells, minlength=_HEIGHT * _WIDTH).reshape(_HEIGHT, _WIDTH)
    rows = table[:-2] + table[1:-1] + table[2:]
    near = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    best, other = divmod(int(near.argmax()), near.shape[1])
    off = cells - best * _WIDTH - other  # 0 to 2 in each direction
    return np.asarray((off >= 0) & (off < 3 * _WIDTH) & (off % _WIDTH < 3))


def _proposal(pairs: Pairs) -> Proposal:
    """Return the line that pairs which agree lie on."""
    start, slope = _line(pairs, float(np.exp(_median(pairs.stretch))))
    return Proposal(
        start=start,
        tempo=slope,
        semitones=_median(pairs.semitones),
        n_pairs=len(pairs) / pairs.share,
    )


def _line(pairs: Pairs, slope: float) -> tuple[float, float]:
    """Fit start and slope to the ends of all hashes, outliers left out."""
    x = np.concatenate([pairs.query, pairs.query + pairs.span])
    ends = pairs.place + pairs.span * np.exp(pairs.stretch)
    y = np.concatenate([pairs.place, ends])
    for _ in range(3):
        rest = y - slope * x
        middle = _median(rest)
        near = np.flatnonzero(np.abs(rest - middle) <= 4)
        if len(near) < 4:
            return middle, slope
        some_x, some_y = x[near], y[near]
        if some_x.max() - some_x.min() < 30:
            return middle, slope
        # Sums, as `mean` takes several times as long for so few.
        mean_x, mean_y = some_x.sum() / len(near), some_y.sum() / len(near)
        away = some_x - mean_x
        fitted = float(np.vdot(away, some_y) / np.vdot(away, away))
        if abs(math.log(max(fitted, 1e-3) / slope)) > _TEMPO:
            return middle, slope
        start, slope = float(mean_y - fitted * mean_x), fitted
    return start, slope


def _median(values: Floats) -> float:
    """Return the median; `np.median` takes ten times as long for so few."""
    n = len(values)
    parted = np.partition(values, (n // 2 - 1, n // 2)) if n > 1 else values
    return float(parted[n // 2] if n % 2 else (parted[n // 2 - 1] + parted[n // 2]) / 2)
