"""How alike two pieces are, window by window, and how seldom others are as alike.

Two pieces are as alike as their best pairs of windows, none used twice. What that says
is put on one scale for all recordings by what music of other works reaches with each:
on the logarithm of the distance, where a copy is as far from the rest as it should be.

References:
    Serrà et al., ICML 2025 (see `clews`), for best pairs without replacement.
    Matějka et al., "Analysis of score normalization in multilingual speaker
    recognition", Interspeech 2017, for scores over those of a cohort.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.encoders.base import Nearness

__all__ = [
    "FEWEST",
    "Cohort",
    "Pairs",
    "best_pairs",
    "cohort_of",
    "nearness_between",
    "unit",
]

Floats = NDArray[np.float32]

N_PAIRS = 10
FEWEST = 19
"""Pieces of other works a p-value needs; with fewer, nothing is certain."""
_BLOCK = 64  # recordings whose windows are paired at once
_LEAST_SPREAD = 1e-4
_LEAST = 1e-3  # of the typical distance: what is nearer is as near as can be


def nearness_between(queries: Floats, references: Floats, kind: Nearness) -> Floats:
    """Return how near vectors are, higher for nearer, `(query, reference)`.

    Vectors that are compared by cosine are of length 1; see `unit`.
    """
    if kind == "cosine":
        near = queries @ references.T
    else:
        squares = np.sum(queries**2, axis=1)[:, None] + np.sum(references**2, axis=1)
        near = -np.maximum(squares - 2 * queries @ references.T, 0) / queries.shape[1]
    return np.asarray(near, np.float32)


def unit(rows: Floats) -> Floats:
    """Return vectors of length 1 in the same directions; none of nothing."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The best pairs of windows of a query with each of some recordings.

    Attributes:
        score: Mean nearness of the pairs, `(recording,)`.
        query: The window of the query, `(recording, pair)`, best pair first; -1 where a
            recording has no pair left.
        reference: The window of the recording, likewise.
    """

    score: Floats
    query: NDArray[np.intp]
    reference: NDArray[np.intp]


def best_pairs(near: Sequence[Floats], *, n_pairs: int = N_PAIRS) -> Pairs:
    """Pair the windows of a query with those of recordings, nearest first.

    Args:
        near: For each recording how near its windows are to those of the query,
            `(query window, window)`; at least one of each.
        n_pairs: The most pairs of a recording.
    """
    n = min(n_pairs, max((min(one.shape) for one in near), default=0))
    score = np.zeros(len(near), np.float32)
    query, reference = (np.full((len(near), n), -1, np.intp) for _ in range(2))
    order = sorted(range(len(near)), key=lambda i: near[i].shape[1])
    for first in range(0, len(order), _BLOCK):
        block = order[first : first + _BLOCK]
        some = [near[i] for i in block]
        score[block], query[block], reference[block] = _paired(some, n)
    return Pairs(score=score, query=query, reference=reference)


def _paired(
    near: Sequence[Floats], n_pairs: int
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Pair some recordings' windows at once; see `best_pairs`."""
    n_windows = max(one.shape[1] for one in near)
    left = np.full((len(near), near[0].shape[0], n_windows), -np.inf, np.float32)
    for row, one in zip(left, near, strict=True):
        row[:, : one.shape[1]] = one
    rows = np.arange(len(near))
    found = np.full((3, len(near), n_pairs), np.nan)
    for pair in range(n_pairs):
        places = left.reshape(len(near), -1).argmax(axis=1)
        query, reference = np.divmod(places, n_windows)
        value = left[rows, query, reference]
        is_there = np.isfinite(value)
        found[:, is_there, pair] = np.stack([value, query, reference])[:, is_there]
        left[rows, query] = -np.inf
        left[rows, :, reference] = -np.inf
    places = np.nan_to_num(found[1:], nan=-1).astype(np.intp)
    return np.nanmean(found[0], axis=1), places[0], places[1]


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """What pieces that are of other works reach with the recordings of a catalog.

    Attributes:
        unit: The typical distance of unrelated pieces.
        mean: Of the levels of their distances from each recording, `(recording,)`.
        spread: Standard deviation of those.
        best: The highest of each piece, over the catalog, in such deviations from the
            mean, `(piece,)`, ascending.
    """

    unit: float
    mean: Floats
    spread: Floats
    best: Floats

    def heights(self, distance: Floats) -> Floats:
        """Return how near all recordings are, in deviations from the mean."""
        level = _level(distance, self.unit)
        return np.asarray((level - self.mean) / self.spread, np.float32)

    def p_values(self, heights: Floats) -> NDArray[np.float64]:
        """Return what part of pieces, like nothing in the catalog, reach as much.

        With any of its recordings, in (0, 1]; 1 where there are too few pieces to say.
        """
        if len(self.best) < FEWEST:
            return np.ones(len(heights))
        n_above = len(self.best) - np.searchsorted(self.best, heights, side="left")
        return (1 + n_above) / (1 + len(self.best))


def _level(distance: Floats, unit: float) -> NDArray[np.float64]:
    """Return minus the logarithm of distances, higher for nearer."""
    return np.asarray(-np.log(np.maximum(distance, 0) / unit + _LEAST), np.float64)


def cohort_of(distances: Floats, is_other: NDArray[np.bool_]) -> Cohort:
    """Return what a cohort reaches, each piece put on a scale made by the others.

    Args:
        distances: Of the pieces from the recordings, `(piece, recording)`, at least 0.
        is_other: Whether the recording is of another work than the piece.
    """
    unit = float(np.median(distances[is_other])) if is_other.any() else 1.0
    unit = max(unit, 1e-12)
    levels = _level(distances, unit)
    known = np.where(is_other, levels, 0)
    count, total = is_other.sum(axis=0), known.sum(axis=0)
    squares = (known**2).sum(axis=0)
    mean, spread = _moments(count, total, squares)
    without = _moments(count - is_other, total - known, squares - known**2)
    heights = np.where(is_other, (levels - without[0]) / without[1], -np.inf)
    best = heights.max(axis=1, initial=-np.inf)
    return Cohort(
        unit=unit,
        mean=mean.astype(np.float32),
        spread=spread.astype(np.float32),
        best=np.sort(best[np.isfinite(best)]).astype(np.float32),
    )


def _moments(
    count: NDArray[np.intp], total: NDArray[np.float64], squares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n = np.maximum(count, 1)
    mean = total / n
    variance = np.maximum(squares / n - mean**2, 0)
    return mean, np.maximum(np.sqrt(variance), _LEAST_SPREAD)
