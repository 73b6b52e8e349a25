"""Compares a segment with all segments of an index, by every layer.

The word index of each layer proposes, and what any of them puts forward is
aligned, so that a segment that is alike in one aspect alone is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.base import Layer, Strand
from contrafact.matching.versions.layers import LAYERS, Strands
from contrafact.matching.versions.voting import WordIndex

__all__ = ["Comparison", "SegmentTable"]

# The words of each layer put segments forward; melody, harmony and texture are
# aligned with all of them, rhythm, which costs most, with the best of each.
_POOL = 48
_RHYTHM, _CHEAP = 2, (0, 1, 3)
_N_CLOSELY = 16
_VOTES_COUNT = 0.02  # beside the likeness of profiles, when a key is guessed


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What a segment is like.

    Attributes:
        segments: Numbers of the segments looked at, `(candidate,)`.
        scores: Of the alignment by each layer, `(candidate, layer)`; NaN where
            one of the two has no such strand, or it was not aligned.
        shifts: The shift of each alignment.
    """

    segments: NDArray[np.intp]
    scores: NDArray[np.float32]
    shifts: NDArray[np.intp]


class SegmentTable:
    """Numbered segments with their words."""

    def __init__(self) -> None:
        self.segments: list[Strands] = []
        self._words = [WordIndex(layer.n_shifts) for layer in LAYERS]
        self._profiles: list[NDArray[np.float32]] = []

    def append(self, segment: Strands) -> int:
        """Add a segment; return its number."""
        for layer, words, strand in zip(
            LAYERS, self._words, segment.strands, strict=True
        ):
            words.append(layer.words(strand))
        self._profiles.append(np.stack([_profile(s) for s in segment.strands]))
        self.segments.append(segment)
        return len(self.segments) - 1

    def compare(self, query: Strands, allowed: NDArray[np.bool_]) -> Comparison:
        """Return how alike a segment is to those it may be alike to.

        Args:
            query: The segment.
            allowed: Which segments to look at, `(segment,)`.
        """
        votes = [
            words.votes(layer.words(strand))
            for layer, words, strand in zip(
                LAYERS, self._words, query.strands, strict=True
            )
        ]
        coarse = [v.max(axis=1) for v in votes]
        pool = _shortlist(coarse, allowed, n_by_layer=_POOL, n_by_all=2 * _POOL)
        scores = np.full((len(pool), len(LAYERS)), np.nan, np.float32)
        shifts = np.zeros((len(pool), len(LAYERS)), np.intp)
        for k in _CHEAP:
            scores[:, k], shifts[:, k] = self._align(k, query, votes, pool)
        promising = [np.nan_to_num(scores[:, k], nan=-1.0) for k in _CHEAP]
        promising.append(coarse[_RHYTHM][pool])
        everyone = np.ones(len(pool), bool)
        rows = _shortlist(promising, everyone, n_by_layer=_N_CLOSELY, n_by_all=0)
        closely = self._align(_RHYTHM, query, votes, pool[rows])
        scores[rows, _RHYTHM], shifts[rows, _RHYTHM] = closely
        return Comparison(pool, scores, shifts)

    def _align(
        self,
        index: int,
        query: Strands,
        votes: Sequence[NDArray[np.float32]],
        chosen: NDArray[np.intp],
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return scores and shifts of the alignments by one layer, `(candidate,)`."""
        strand = query.strands[index]
        shifts = self._ranked_shifts(index, strand, votes[index][chosen], chosen)
        references = [self.segments[i].strands[index] for i in chosen]
        return _aligned(LAYERS[index], strand, references, shifts)

    def _ranked_shifts(
        self,
        index: int,
        query: Strand,
        votes: NDArray[np.float32],
        chosen: NDArray[np.intp],
    ) -> NDArray[np.intp]:
        """Return the shifts to try for each candidate, `(candidate, n_tried)`."""
        layer = LAYERS[index]
        if layer.n_shifts == 12:
            mine = _profile(query)
            turned = np.stack([np.roll(mine, -shift) for shift in range(12)])
            theirs = np.array([self._profiles[i][index] for i in chosen])
            votes = theirs.reshape(-1, 12) @ turned.T + _VOTES_COUNT * votes
        elif layer.name == "rhythm":  # a tempo may lie between two steps
            votes = votes + 0.5 * (np.roll(votes, 1, 1) + np.roll(votes, -1, 1))
        return np.argsort(-votes, axis=1, kind="stable")[:, : layer.n_tried]


def _profile(strand: Strand) -> NDArray[np.float32]:
    """Return which pitch classes a strand of frames holds, of unit length."""
    if strand.values.shape[1] != 12 or not len(strand):
        return np.zeros(12, np.float32)
    mean = strand.values.mean(axis=0)
    mean = mean - mean.mean()
    result: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-6)
    return result


def _shortlist(
    coarse: Sequence[NDArray[np.float32]],
    allowed: NDArray[np.bool_],
    *,
    n_by_layer: int,
    n_by_all: int,
) -> NDArray[np.intp]:
    """Return the best by each layer and by all together, in ascending order."""
    total = np.sum([c / (c.std() + 1e-6) for c in coarse], axis=0)
    chosen: set[int] = set()
    wanted = [*((c, n_by_layer) for c in coarse), (total, n_by_all)]
    for scores, n_best in wanted:
        ranked = np.where(allowed, scores, -np.inf)
        best = np.argsort(-ranked, kind="stable")[:n_best]
        chosen.update(int(i) for i in best if allowed[i])
    return np.array(sorted(chosen), np.intp)


def _aligned(
    layer: Layer,
    query: Strand,
    references: Sequence[Strand],
    shifts: NDArray[np.intp],
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the best score over the shifts, and that shift, of each reference."""
    known = np.array([i for i, r in enumerate(references) if len(r)], np.intp)
    scores = np.full(len(references), np.nan, np.float32)
    best = np.zeros(len(references), np.intp)
    if len(query) and len(known):
        some = [references[i] for i in known]
        scores[known], best[known] = layer.compare(query, some, shifts[known])
    return scores, best
