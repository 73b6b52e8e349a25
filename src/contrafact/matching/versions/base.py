"""What every aspect offers: strands of a recording, words of them, likeness.

A strand is what an aspect makes of a recording: elements in order of time, such
as the notes of the melody. A word is a short run of elements, written so that it
is the same in every key and tempo; words propose which recordings to look at,
and how far apart the two are in key or tempo: the shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.alignment import Likeness
from contrafact.matching.versions.voices import Voices

__all__ = ["Layer", "Strand", "Words", "stacked"]


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
        ...


def stacked(strands: Sequence[Strand], dimension: int) -> NDArray[np.float32]:
    """Return the values of strands, `(strand, element, dimension)`, padded with NaN."""
    n_elements = max((len(strand) for strand in strands), default=0)
    result = np.full((len(strands), n_elements, dimension), np.nan, np.float32)
    for row, strand in zip(result, strands, strict=True):
        row[: len(strand)] = strand.values
    return result
