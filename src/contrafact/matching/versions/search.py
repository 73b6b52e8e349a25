"""Looks up segments in the index and gathers what they are like, work by work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.versions.calibration import (
    JOINT,
    PRIOR_LEVELS,
    Floats,
    normalised,
)
from contrafact.matching.versions.layers import Strands
from contrafact.matching.versions.records import Record
from contrafact.matching.versions.scoring import Comparison, SegmentTable

__all__ = ["Compared", "Finding", "Library"]

# Notes, frames of half a second, lengths, frames.
_LEAST_ELEMENTS = (12, 12, 16, 12)
_N_OUTSTANDING = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """The best segment of a recording for one segment of the query.

    Attributes:
        recording: Number of the recording.
        segment: Number of its segment.
        values: Normalised, by layer and last all together, `(5,)`.
        scores: Of the alignments, `(4,)`.
        shifts: Of the alignments, `(4,)`.
    """

    recording: int
    segment: int
    values: NDArray[np.float32]
    scores: NDArray[np.float32]
    shifts: NDArray[np.intp]

    @property
    def joint(self) -> float:
        """What all layers say together."""
        return float(self.values[JOINT])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """A segment and what the index says of it, nothing normalised.

    Attributes:
        n_elements: Of the segment's strands, those too short left out, `(4,)`.
        owners: Numbers of the recordings that the candidates are of, `(candidate,)`.
        found: The candidates.
    """

    n_elements: NDArray[np.intp]
    owners: NDArray[np.intp]
    found: Comparison


class Library:
    """The recordings of an index, in memory.

    Attributes:
        levels: What each recording reaches with unrelated music, `(recording, 4, 2)`;
            recordings beyond its end have `PRIOR_LEVELS`.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_kept: list[bool] = []
        self.table = SegmentTable()
        self.owner: list[int] = []
        self.levels: Floats = np.zeros((0, *PRIOR_LEVELS.shape), np.float32)

    def append(self, record: Record) -> None:
        """Add a recording."""
        for segment in record.strands.segments():
            self.table.append(segment)
            self.owner.append(len(self.records))
        self.records.append(record)
        self.is_kept.append(True)

    @property
    def n_works(self) -> int:
        """How many works there are."""
        return len({r.work for r in self.kept()})

    def kept(self) -> list[Record]:
        """Return the recordings that were not deleted, in order of addition."""
        return [r for r, kept in zip(self.records, self.is_kept, strict=True) if kept]

    def compare(
        self, query: Strands, allow: Callable[[Record], bool] = lambda _: True
    ) -> Compared | None:
        """Return what a segment reaches with others; None if there is nothing to say.

        Args:
            query: The segment.
            allow: Which recordings to look at.
        """
        allowed = [
            kept and allow(record)
            for record, kept in zip(self.records, self.is_kept, strict=True)
        ]
        mask = np.array([allowed[i] for i in self.owner], bool)
        query = _told(query)
        if not mask.any() or not any(len(s) for s in query.strands):
            return None
        found = self.table.compare(query, mask)
        return Compared(
            n_elements=np.array([len(strand) for strand in query.strands]),
            owners=np.array([self.owner[i] for i in found.segments], np.intp),
            found=found,
        )

    def levels_at(self, owners: NDArray[np.intp]) -> Floats:
        """Return the levels of recordings, `(recording, 4, 2)`."""
        result = np.tile(PRIOR_LEVELS, (len(owners), 1, 1))
        is_known = owners < len(self.levels)
        result[is_known] = self.levels[owners[is_known]]
        return result

    def look_up(
        self, query: Strands, allow: Callable[[Record], bool] = lambda _: True
    ) -> list[Finding]:
        """Return what a segment is like, the best segment of each recording.

        Args:
            query: The segment.
            allow: Which recordings to look at.
        """
        compared = self.compare(query, allow)
        if compared is None:
            return []
        found, owners = compared.found, compared.owners
        levels = self.levels_at(owners)
        values = normalised(found.scores, compared.n_elements, levels)
        best: dict[int, int] = {}
        for row in _outstanding(values):
            owner = int(owners[row])
            if owner not in best or values[row, JOINT] > values[best[owner], JOINT]:
                best[owner] = row
        return [
            Finding(
                recording=owner,
                segment=int(found.segments[row]),
                values=values[row],
                scores=found.scores[row],
                shifts=found.shifts[row],
            )
            for owner, row in best.items()
        ]


def _outstanding(values: NDArray[np.float32]) -> list[int]:
    """Return the rows that are among the best of some column, in order."""
    ranked = np.argsort(-np.nan_to_num(values, nan=-1e9), axis=0, kind="stable")
    return sorted({int(row) for row in ranked[:_N_OUTSTANDING].ravel()})


def _told(query: Strands) -> Strands:
    """Leave out strands too short to tell one work from another."""
    strands = tuple(
        strand if np.count_nonzero(strand.values.any(axis=1)) >= least
        else strand.between(0, 0)
        for strand, least in zip(query.strands, _LEAST_ELEMENTS, strict=True)
    )  # fmt: skip
    return Strands(query.duration_s, strands)
