"""The coarse index: words of one layer, and votes for segments and shifts.

Each word of the query that a segment holds votes for the segment and for how far
the two are apart in key or tempo. Rare words count more.

References:
    Wang, "An industrial-strength audio search algorithm", ISMIR 2003, for votes
    of hashes on one offset; here the offset is in key or tempo.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.base import Words

__all__ = ["WordIndex"]

Block = tuple[NDArray[np.int32], ...]

_TAIL = 20_000  # words that wait before they are sorted in with all others
_LEAST_WORDS = 10  # so that a segment of two words is not found everywhere


class WordIndex:
    """Sorted words of numbered segments; grows by appending."""

    def __init__(self, n_shifts: int) -> None:
        self._n_shifts = n_shifts
        self._blocks: list[Block] = []
        self._n_words: list[int] = []

    def append(self, words: Words) -> None:
        """Add the words of the next segment."""
        segment = np.full(len(words.code), len(self._n_words), np.int32)
        self._n_words.append(len(words.code))
        new: Block = (words.code, segment, words.place)
        if len(self._blocks) == 2:
            new = _merged(self._blocks.pop(), new)
        self._blocks.append(_sorted(new))
        if len(self._blocks) == 2 and len(self._blocks[1][0]) > _TAIL:
            self._blocks = [_sorted(_merged(*self._blocks))]

    def votes(self, query: Words) -> NDArray[np.float32]:
        """Return the votes for each segment and shift, `(segment, n_shifts)`.

        Divided by the square root of the segment's number of words.
        """
        n_segments = len(self._n_words)
        total = np.zeros(n_segments * self._n_shifts)
        ranges = [_ranges(block[0], query.code) for block in self._blocks]
        n_found = np.sum([last - first for first, last in ranges], axis=0)
        weight = np.log1p(n_segments / np.maximum(n_found, 1))
        for (_, segment, place), (first, last) in zip(
            self._blocks, ranges, strict=True
        ):
            which, word = _flattened(first, last)
            shift = (query.place[word] - place[which]) % self._n_shifts
            cell = segment[which].astype(np.int64) * self._n_shifts + shift
            total += np.bincount(cell, weight[word], minlength=len(total))
        table = total.reshape(n_segments, self._n_shifts)
        enough = np.maximum(self._n_words, _LEAST_WORDS)
        return (table / np.sqrt(enough)[:, None]).astype(np.float32)


def _sorted(block: Block) -> Block:
    order = np.argsort(block[0], kind="stable")
    return tuple(column[order] for column in block)


def _merged(one: Block, other: Block) -> Block:
    return tuple(np.concatenate(pair) for pair in zip(one, other, strict=True))


def _ranges(
    codes: NDArray[np.int32], wanted: NDArray[np.int32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.searchsorted(codes, wanted), np.searchsorted(codes, wanted, "right")


def _flattened(
    first: NDArray[np.intp], last: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return all places in the ranges, and which range each is of."""
    counts = last - first
    word = np.repeat(np.arange(len(first)), counts)
    ends = np.cumsum(counts)
    within = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    return first[word] + within, word
