"""What every aspect offers: strands of a recording, words of them, likeness.

A strand is what an aspect makes of a recording: elements in order of time, such
as the notes of the melody. A word is a short run of elements, written so that it
is the same in every key and tempo; words propose which recordings to look at,
and how far apart the two are in key or tempo: the shift.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.alignment import Likeness, best_scores, trace
from contrafact.matching.versions.voices import Voices

__all__ = ["AlignedLayer", "Layer", "Strand", "Words", "stacked"]

_BLOCK = 8  # references aligned at once, which keeps them in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Strand:
    """Elements in order of time.

    Attributes:
        start_s: When each begins, `(element,)`, ascending.
        end_s: When each ends.
        values: What each is, `(element, dimension)`.
    """

    start_s: NDArray[np.float32]
    end_s: NDArray[np.float32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        """Return how many elements there are."""
        return len(self.start_s)

    def between(self, start_s: float, end_s: float) -> Strand:
        """Return the elements that begin in [start_s, end_s), times as they are."""
        first, last = np.searchsorted(self.start_s, (start_s, end_s))
        which = slice(first, last)
        return Strand(self.start_s[which], self.end_s[which], self.values[which])


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Words of a strand: `code`, and the `place` on the scale of shifts, `(word,)`."""

    code: NDArray[np.int32]
    place: NDArray[np.int32]


class Layer(Protocol):
    """One way of looking at a recording.

    Attributes:
        name: Under which its results are kept.
        dimension: Of a strand's values.
        n_shifts: Shifts are taken modulo this number.
        n_tried: How many of the shifts with most votes are aligned.
    """

    name: str
    dimension: int
    n_shifts: int
    n_tried: int

    def strand(self, voices: Voices, duration_s: float) -> Strand:
        """Return what the layer makes of a recording, which may be empty."""
        ...

    def words(self, strand: Strand) -> Words:
        """Return the words of a strand."""
        ...

    def compare(
        self, query: Strand, references: Sequence[Strand], shifts: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return how alike a query is to references, and the shift of each at which.

        Args:
            query: A strand that is not empty.
            references: At least one, none of them empty.
            shifts: Those to try for each, in [0, n_shifts), `(reference, n_tried)`.

        Returns:
            Scores of at least 0, `(reference,)`, and shifts for `path`.
        """
        ...

    def path(self, query: Strand, reference: Strand, shift: int) -> NDArray[np.intp]:
        """Return which elements of the two belong together, `(step, 2)`, ascending.

        At a shift that `compare` returned; none where nothing is alike.
        """
        ...


class AlignedLayer(ABC):
    """A layer whose strands are compared by local alignment of their elements."""

    dimension: int

    @abstractmethod
    def likeness(
        self, query: Strand, references: NDArray[np.float32], shift: NDArray[np.intp]
    ) -> Likeness:
        """Return how alike the elements are if the query is shifted so.

        Args:
            query: A strand that is not empty.
            references: Values, `(pair, element, dimension)`, padded with NaN.
            shift: Of the query against each reference, `(pair,)`, in
                [0, n_shifts).
        """

    def compare(
        self, query: Strand, references: Sequence[Strand], shifts: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return the best score over the shifts, and that shift; see `Layer`."""
        found = np.zeros(shifts.shape, np.float32)
        # Those of like length together, so that little is padding.
        order = sorted(range(len(references)), key=lambda i: len(references[i]))
        for first in range(0, len(order), _BLOCK):
            block = order[first : first + _BLOCK]
            values = stacked([references[i] for i in block], self.dimension)
            # All shifts at once: filling a row costs about the same for few pairs.
            values = np.repeat(values, shifts.shape[1], axis=0)
            likeness = self.likeness(query, values, shifts[block].ravel())
            found[block] = best_scores(likeness).reshape(len(block), -1)
        winner = found.argmax(axis=1)[:, None]
        return (
            np.take_along_axis(found, winner, axis=1)[:, 0],
            np.take_along_axis(shifts, winner, axis=1)[:, 0],
        )

    def path(self, query: Strand, reference: Strand, shift: int) -> NDArray[np.intp]:
        """Return the best alignment at a shift; see `Layer`."""
        values = stacked([reference], self.dimension)
        return trace(self.likeness(query, values, np.array([shift])))


def stacked(strands: Sequence[Strand], dimension: int) -> NDArray[np.float32]:
    """Return the values of strands, `(strand, element, dimension)`, padded with NaN."""
    n_elements = max((len(strand) for strand in strands), default=0)
    result = np.full((len(strands), n_elements, dimension), np.nan, np.float32)
    for row, strand in zip(result, strands, strict=True):
        row[: len(strand)] = strand.values
    return result
